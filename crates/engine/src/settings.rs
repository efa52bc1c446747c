//! The engine's settings: the adjustments, parsed once by the binding into sizes and durations.
//!
//! Names, units and defaults are in one table, `python/headwaiter/adjustments.py`. The binding fills this
//! struct from it. `None` stands for "off" throughout.

use std::path::PathBuf;
use std::time::Duration;

use headwaiter_http::HeadLimits;

use crate::net::address::ListenSpec;
use crate::net::listener::BindOptions;
use crate::record::access_log::{AccessLogFormat, AccessLogTarget};

/// What happens to a waiting task whose client has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abandoned {
    /// Drop the safe methods (RFC 9110 §9.2.1), run the others.
    DropSafe,
    /// Drop every one.
    Drop,
    /// Run every one.
    Run,
}

/// Everything that steers the engine. Names are those of the adjustments table.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Workers at the start, each of which calls [`crate::Server::tasks`]; later never fewer.
    pub threads: usize,
    /// Most workers, those that replace stuck ones not counted. If it is not larger than `threads`, the
    /// number of workers is fixed.
    pub threads_max: usize,
    /// A request that runs for this long is logged with its stack.
    pub slow_request_log: Option<Duration>,
    /// A worker whose request runs for this long counts as stuck, and is replaced.
    pub stuck_after: Option<Duration>,
    /// Most workers that replace stuck ones at once.
    pub stuck_replacements: usize,
    /// Processes that serve the same clients with the same settings; this is one of them.
    pub processes: usize,
    /// `listen(2)` backlog.
    pub backlog: i32,
    /// This process has listeners of its own, at addresses that its siblings share.
    pub reuse_port: bool,
    /// Value of the `Server` field of refusals; empty for no field.
    pub ident: String,
    /// Most channels open at once.
    pub connection_limit: usize,
    /// An idle keep-alive channel is closed after this.
    pub channel_timeout: Option<Duration>,
    /// A head must be complete this long after its first byte.
    pub header_timeout: Option<Duration>,
    /// Longest time without a byte of a request body.
    pub body_timeout: Option<Duration>,
    /// Longest time in which the client takes no byte of a reply.
    pub send_timeout: Option<Duration>,
    /// Most tasks that wait; further requests are refused with 503.
    pub queue_limit: Option<usize>,
    /// Longest wait of a task for a worker; then it is refused with 503.
    pub queue_timeout: Option<Duration>,
    /// A child asks to be replaced after this many requests.
    pub max_requests: Option<u64>,
    /// A child asks to be replaced once it uses more bytes of memory than this.
    pub max_rss: Option<u64>,
    /// How long requests may run after `stop`; the rest is cut.
    pub shutdown_timeout: Duration,
    /// Largest request head in bytes.
    pub max_request_header_size: usize,
    /// Most fields of a request head.
    pub max_request_header_fields: usize,
    /// Largest request body in bytes.
    pub max_request_body_size: u64,
    /// Bytes of a request body that stay in memory; the rest goes to a temporary file, unless
    /// `spool_memory` has room for it.
    pub inbuf_overflow: u64,
    /// Bytes of memory for all request bodies together, up to `inbuf_overflow` each.
    pub inbuf_total: u64,
    /// Unsent bytes of a streamed reply that stay in memory; the rest goes to a temporary file.
    pub outbuf_overflow: u64,
    /// Unsent reply bytes in memory, those of all channels together.
    pub outbuf_total: u64,
    /// Unsent bytes of one reply above which its worker waits for the client.
    pub outbuf_high_watermark: u64,
    /// Where temporary files are made.
    pub spool_dir: PathBuf,
    /// Most bytes in all temporary files together.
    pub spool_limit: u64,
    /// Most temporary files of request bodies.
    pub spool_files: u64,
    /// Bytes of memory for all request bodies together, beyond `inbuf_overflow` each.
    pub spool_memory: u64,
    /// What happens to a waiting task whose client has left.
    pub abandoned_requests: Abandoned,
    /// Path that the I/O thread answers itself.
    pub health_path: Option<Vec<u8>>,
    /// The health answer is 503 once a task has waited longer than this.
    pub health_max_wait: Option<Duration>,
    /// Log errors of client sockets.
    pub log_socket_errors: bool,
    /// Permission bits of Unix sockets.
    pub unix_socket_perms: u32,
    /// Where the access log goes.
    pub access_log: Option<AccessLogTarget>,
    /// The format of its lines.
    pub access_log_format: AccessLogFormat,
    /// Where the admin endpoint listens.
    pub admin: Vec<ListenSpec>,
    /// Whether the admin endpoint answers requests for any `Host`.
    pub admin_public: bool,
    /// Name and version of the interpreter, for the admin endpoint.
    pub runtime: String,
    /// What the application is called, for the admin endpoint; may be empty.
    pub application: String,
    /// Whether workers share a GIL. With a GIL one stand-by worker is enough, and the governor decides how
    /// many may be active. Without a GIL one worker is woken per waiting task.
    pub gil: bool,
    /// Whether an idle worker may run the I/O loop. It needs a single I/O thread.
    pub lend_loop: bool,
}

impl Settings {
    pub(crate) fn head_limits(&self) -> HeadLimits {
        HeadLimits {
            size: self.max_request_header_size,
            fields: self.max_request_header_fields,
        }
    }
}

impl Settings {
    /// What tests start from. These are no defaults: the adjustments table alone has those, and the binding
    /// sets every field from it.
    #[doc(hidden)]
    pub fn for_tests() -> Self {
        Self {
            threads: 4,
            threads_max: 0,
            slow_request_log: None,
            stuck_after: None,
            stuck_replacements: 4,
            processes: 1,
            backlog: 1024,
            reuse_port: false,
            ident: "headwaiter".into(),
            connection_limit: 65_536,
            channel_timeout: Some(Duration::from_secs(120)),
            header_timeout: Some(Duration::from_secs(30)),
            body_timeout: Some(Duration::from_secs(60)),
            send_timeout: Some(Duration::from_secs(60)),
            queue_limit: None,
            queue_timeout: None,
            max_requests: None,
            max_rss: None,
            shutdown_timeout: Duration::from_secs(30),
            max_request_header_size: 262_144,
            max_request_header_fields: 512,
            max_request_body_size: 1 << 30,
            inbuf_overflow: 524_288,
            inbuf_total: u64::MAX,
            outbuf_overflow: 1_048_576,
            outbuf_total: 256 << 20,
            outbuf_high_watermark: 1 << 30,
            spool_dir: std::env::temp_dir(),
            spool_limit: u64::MAX,
            spool_files: u64::MAX,
            spool_memory: 16 << 20,
            abandoned_requests: Abandoned::DropSafe,
            health_path: None,
            health_max_wait: None,
            log_socket_errors: true,
            unix_socket_perms: 0o600,
            access_log: None,
            access_log_format: AccessLogFormat::Json,
            admin: Vec::new(),
            admin_public: false,
            runtime: String::new(),
            application: String::new(),
            gil: true,
            lend_loop: true,
        }
    }
}

impl Settings {
    /// What listeners are bound with.
    pub fn bind_options(&self) -> BindOptions {
        BindOptions {
            backlog: self.backlog,
            unix_socket_perms: self.unix_socket_perms,
            reuse_port: self.reuse_port,
            listens: true,
        }
    }

    /// Most workers at once, those that replace stuck ones included.
    pub fn most_workers(&self) -> usize {
        let replacements = self.stuck_after.map_or(0, |_| self.stuck_replacements);
        self.threads.max(self.threads_max) + replacements
    }
}
