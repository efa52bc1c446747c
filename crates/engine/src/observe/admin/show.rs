//! Requests that run or wait, as JSON and as text.

use crate::sys::instant::Instant;

use serde_json::{Value, json};

use crate::net::address::Peer;
use crate::queue::running::RunningRequest;
use crate::shared::Shared;

/// `/requests`.
pub(super) fn requests(shared: &Shared, now: Instant) -> Value {
    let running = shared.running.requests(now);
    let running: Vec<_> = running.iter().map(self::running).collect();
    json!({"running": running, "waiting": waiting(shared, now)})
}

/// A worker that runs a request.
pub(crate) fn running(request: &RunningRequest) -> Value {
    json!({
        "worker": request.worker,
        "state": "running",
        "method": text(&request.method),
        "path": text(&request.path),
        "client": request.peer.map(client),
        "age": request.age.as_secs_f64(),
        "cpu": request.cpu.map(|cpu| cpu.as_secs_f64()),
        "phase": phase(request),
    })
}

fn phase(request: &RunningRequest) -> &'static str {
    match request {
        _ if request.closing.is_some() => "closing",
        _ if request.sending => "sending",
        _ => "app",
    }
}

/// The oldest requests that wait for a worker.
pub(crate) fn waiting(shared: &Shared, now: Instant) -> Vec<Value> {
    let oldest = shared.queue.oldest(MOST, |exchange| Glimpse {
        method: Start::of(exchange.head.method()),
        path: Start::of(exchange.head.path()),
        peer: exchange.peer(),
        since: exchange.record.waiting_since(),
    });
    let show = |glimpse: Glimpse| {
        json!({
            "method": text(glimpse.method.bytes()),
            "path": text(glimpse.path.bytes()),
            "client": glimpse.peer.map(client),
            "age": now.saturating_duration_since(glimpse.since).as_secs_f64(),
        })
    };
    oldest.into_iter().map(show).collect()
}

/// The part of a waiting request that is copied while the queue is locked.
#[derive(Clone, Copy)]
struct Glimpse {
    method: Start<METHOD_SHOWN>,
    path: Start<PATH_SHOWN>,
    peer: Option<Peer>,
    since: Instant,
}

/// The first `N` bytes of something.
#[derive(Clone, Copy)]
struct Start<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Start<N> {
    fn of(whole: &[u8]) -> Self {
        let (mut bytes, len) = ([0; N], whole.len().min(N));
        bytes[..len].copy_from_slice(&whole[..len]);
        Self { bytes, len }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// The answer of `/stacks` when the stacks did not come: the requests that may hold the interpreter.
pub(crate) fn instead_of_stacks(shared: &Shared, now: Instant) -> String {
    let mut text = String::from(
        "The interpreter could not be had: some thread holds the GIL and does not let go of it, \
         or the server is stopping.\n",
    );
    let running = shared.running.requests(now);
    if !running.is_empty() {
        text.push_str("\nRequests that run, longest first:\n");
    }
    for request in running {
        let cpu = match request.cpu {
            Some(cpu) => format!(", {:.3} s of CPU", cpu.as_secs_f64()),
            None => String::new(),
        };
        text.push_str(&format!(
            "  headwaiter-{}: {} for {:.3} s{cpu}\n",
            request.worker,
            request.what(),
            request.age.as_secs_f64(),
        ));
    }
    text
}

/// Bytes of a client as text; bytes that are not printable ASCII are escaped.
fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

fn client(peer: Peer) -> String {
    match peer {
        Peer::Tcp(address) => address.to_string(),
        Peer::Unix => "unix".into(),
    }
}

/// How many waiting requests are shown.
pub(crate) const MOST: usize = 50;
/// How many bytes of a path and of a method are shown.
const PATH_SHOWN: usize = 256;
const METHOD_SHOWN: usize = 32;
