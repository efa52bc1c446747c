//! What all threads of one server share.

use crate::sys::instant::Instant;
use std::any::Any;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::exchange::Exchange;
use crate::exchange::message::Mailbox;
use crate::net::address::Listening;
use crate::queue::Queue;
use crate::queue::running::{Freed, RunningTable};
use crate::record::access_log::AccessLog;
use crate::record::census::CensusTable;
use crate::record::counters::Counters;
use crate::record::recorder::Shards;
use crate::settings::Settings;
#[cfg(unix)]
use crate::siblings::{Figures, Siblings};
use crate::store::budget::{Budget, Limits};
use crate::store::shelf::Shelf;
use crate::sys::sync;
use crate::sys::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use crate::sys::throttle::Seldom;

/// The common part of a server.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) listening: Vec<Listening>,
    /// The lines that the server adds to each reply.
    pub(crate) own_lines: Vec<u8>,
    pub(crate) queue: Queue,
    pub(crate) budget: Arc<Budget>,
    pub(crate) shelf: Arc<Shelf>,
    /// Unsent reply bytes in memory, of all channels.
    pub(crate) unsent: Arc<AtomicU64>,
    pub(crate) counters: Counters,
    pub(crate) shards: Shards,
    pub(crate) access_log: Option<Arc<AccessLog>>,
    pub(crate) census: CensusTable,
    /// That of the I/O thread, from `start` on.
    pub(crate) mailbox: OnceLock<Arc<Mailbox>>,
    /// Channels open now.
    pub(crate) channels: AtomicUsize,
    /// The health answer is 503, although the server serves.
    pub(crate) unready: AtomicBool,
    /// The I/O thread has started and not ended.
    pub(crate) io_runs: AtomicBool,
    /// Requests cut at the end.
    pub(crate) unfinished: AtomicUsize,
    /// What each worker runs.
    pub(crate) running: RunningTable,
    stage: AtomicU8,
    /// Nanoseconds that tests have moved the clock ahead.
    ahead: AtomicU64,
    storage_log: Seldom,
    pub(crate) queue_log: Seldom,
    pub(crate) accept_log: Seldom,
    panic_log: Seldom,
    /// The processes that serve the same listeners.
    #[cfg(unix)]
    pub(crate) siblings: Option<Arc<Siblings>>,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Stage {
    Serving,
    /// Finish what was received, accept no more.
    Draining,
    /// Cut what is left.
    Cutting,
}

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        listening: Vec<Listening>,
        access_log: Option<Arc<AccessLog>>,
    ) -> Self {
        let budget = Arc::new(Budget::new(
            settings.spool_dir.clone(),
            Limits {
                disk: settings.spool_limit,
                files: settings.spool_files,
                within: settings.inbuf_total,
                beyond: settings.spool_memory,
            },
        ));
        Self {
            own_lines: headwaiter_http::own_lines(settings.ident.as_bytes()),
            queue: Queue::new(settings.threads, settings.gil),
            shelf: Arc::new(Shelf::new(&budget)),
            unsent: Arc::default(),
            budget,
            counters: Counters::default(),
            shards: Shards::new(settings.max_requests),
            census: CensusTable::default(),
            access_log,
            mailbox: OnceLock::new(),
            channels: AtomicUsize::new(0),
            unready: AtomicBool::new(false),
            io_runs: AtomicBool::new(false),
            unfinished: AtomicUsize::new(0),
            running: RunningTable::new(&settings),
            stage: AtomicU8::new(Stage::Serving as u8),
            ahead: AtomicU64::new(0),
            storage_log: Seldom::new(MINUTE),
            queue_log: Seldom::new(Duration::from_secs(1)),
            accept_log: Seldom::new(MINUTE),
            panic_log: Seldom::new(Duration::from_secs(1)),
            #[cfg(unix)]
            siblings: None,
            settings,
            listening,
        }
    }

    /// The time; deadlines count from it.
    pub(crate) fn now(&self) -> Instant {
        sync::now().plus(self.ahead.load(Ordering::Relaxed))
    }

    /// Moves the clock ahead and lets the I/O thread look at it.
    pub(crate) fn move_clock(&self, by: Duration) {
        self.ahead.fetch_add(by.as_nanos() as u64, Ordering::SeqCst);
        self.wake_io_thread();
        self.running.bell().ring();
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::SeqCst) {
            0 => Stage::Serving,
            1 => Stage::Draining,
            _ => Stage::Cutting,
        }
    }

    pub(crate) fn draining(&self) -> bool {
        self.stage() > Stage::Serving
    }

    /// Moves on to `stage`, never back, and tells the I/O thread.
    pub(crate) fn advance(&self, stage: Stage) {
        #[cfg(unix)]
        if let Some(siblings) = &self.siblings {
            siblings.leave();
        }
        self.stage.fetch_max(stage as u8, Ordering::SeqCst);
        self.wake_io_thread();
    }

    /// Whether this process is one of several that serve the same listeners.
    pub(crate) fn has_siblings(&self) -> bool {
        #[cfg(unix)]
        let has_siblings = self.siblings.is_some();
        #[cfg(not(unix))]
        let has_siblings = false;
        has_siblings
    }

    /// Whether the server drains and hands its connections over to sibling processes.
    pub(crate) fn hands_over(&self) -> bool {
        #[cfg(unix)]
        let hands_over = self.siblings.as_ref().is_some_and(|all| all.hands_over());
        #[cfg(not(unix))]
        let hands_over = false;
        hands_over
    }

    /// Whether replies end their connections, since the server drains.
    pub(crate) fn ends_connections(&self) -> bool {
        self.draining() && !self.hands_over()
    }

    pub(crate) fn wake_io_thread(&self) {
        if let Some(mailbox) = self.mailbox.get() {
            mailbox.wake();
        }
    }

    /// The tasks that were left to the workers are running out.
    pub(crate) fn end_naps(&self) {
        if let Some(mailbox) = self.mailbox.get() {
            mailbox.end_nap();
        }
    }

    /// Tells sibling processes how this one is doing. `more`: tasks that are about to be queued; `turn`: the I/O
    /// thread has made a turn.
    #[cfg(unix)]
    pub(crate) fn publish(&self, more: usize, turn: bool) {
        let Some(siblings) = &self.siblings else {
            return;
        };
        let connections = self.channels.load(Ordering::Relaxed);
        self.queue.show_free(|free, waiting| {
            let waiting = waiting + more;
            siblings.publish(Figures {
                idle: if waiting > 0 { 0 } else { free as u32 },
                waiting: waiting as u32,
                connections: connections as u32,
                turn,
            });
        });
    }

    /// The worker `worker` has taken `exchange`; `None`: it found no task.
    pub(crate) fn publish_worker(&self, worker: usize, exchange: Option<&Exchange>) {
        #[cfg(unix)]
        if let Some(siblings) = &self.siblings {
            if let Some(exchange) = exchange {
                siblings.note_running(worker, exchange.head.method(), exchange.head.path());
            }
            self.publish(0, false);
        }
        #[cfg(not(unix))]
        let _ = (worker, exchange);
    }

    /// The worker of `exchange` is free.
    pub(crate) fn note_free(&self, exchange: &mut Exchange) {
        #[cfg(unix)]
        if let (Some(siblings), Some(worker)) = (&self.siblings, exchange.record.worker) {
            siblings.note_free(worker as usize);
        }
        if let Some(freed) = self.running.note_free(exchange, || self.now()) {
            self.after_freed(&freed);
        }
    }

    /// `worker` is free after a reply that was noted as complete; and the time since then.
    pub(crate) fn note_through(&self, worker: usize) -> Option<Duration> {
        let (freed, span) = self.running.note_through(worker, self.now())?;
        #[cfg(unix)]
        if let Some(siblings) = &self.siblings {
            siblings.note_free(worker);
        }
        self.after_freed(&freed);
        Some(span)
    }

    fn after_freed(&self, freed: &Freed) {
        if freed.was_closing && self.draining() {
            // They may wait for just this worker.
            self.wake_io_thread();
        }
        if freed.was_replaced {
            self.queue.retire(1);
        }
    }

    /// Requests a count of the channels from the I/O thread; returns its number.
    pub(crate) fn request_census(&self) -> u64 {
        let number = self.census.request();
        self.wake_io_thread();
        number
    }

    /// Has the I/O thread count its channels, and waits for it, at most for `most`. The I/O thread
    /// must not call it: it would wait for itself.
    pub(crate) fn new_census(&self, most: Duration) {
        self.census.wait(self.request_census(), most);
    }

    /// Counts a panic that was caught, and logs it. What it has cost is seen from its place.
    pub(crate) fn note_panic(&self, panic: &(dyn Any + Send)) {
        self.counters.panics.add(1);
        if self.panic_log.pass(self.now()) {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            log::error!(
                target: crate::LOG,
                "a bug in headwaiter, which cost one reply at most; please report it: {}",
                text.unwrap_or("a panic without a message"),
            );
        }
    }

    /// Opens the access log anew, if there is one.
    pub(crate) fn reopen_logs(&self) {
        if let Some(log) = &self.access_log {
            log.reopen();
        }
    }

    /// Logs that a temporary file could not be written, at most once a minute.
    pub(crate) fn storage_trouble(&self, error: &io::Error) {
        if self.storage_log.pass(self.now()) {
            log::warn!(
                target: crate::LOG,
                "no room for temporary files in {} (spool_dir; spool_limit={}, spool_files={}): {error}",
                self.settings.spool_dir.display(),
                self.settings.spool_limit,
                self.settings.spool_files,
            );
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
