//! What all threads of one server share.

use std::io;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::exchange::Exchange;
use crate::listen::Listening;
use crate::mailbox::Mailbox;
use crate::queue::Queue;
use crate::record::{End, Record};
use crate::seat::Seat;
use crate::settings::Settings;
use crate::spool::Budget;
use crate::stats::{Counters, Seldom};

/// The common part of a server.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) listening: Vec<Listening>,
    pub(crate) queue: Queue,
    /// Where the first I/O thread's loop is while a worker leads.
    pub(crate) seat: Seat,
    pub(crate) budget: Arc<Budget>,
    pub(crate) counters: Counters,
    /// One per I/O thread, from `start` on.
    pub(crate) mailboxes: OnceLock<Vec<Arc<Mailbox>>>,
    /// Channels open now.
    pub(crate) channels: AtomicUsize,
    /// I/O threads that have not ended.
    pub(crate) io_threads_alive: AtomicUsize,
    /// Requests cut at the end.
    pub(crate) unfinished: AtomicUsize,
    /// What each worker runs.
    pub(crate) running: Vec<Mutex<Running>>,
    stage: AtomicU8,
    /// Nanoseconds that tests have moved the clock ahead.
    ahead: AtomicU64,
    storage_log: Seldom,
    pub(crate) queue_log: Seldom,
    pub(crate) accept_log: Seldom,
}

/// What a worker runs now; the buffers are reused.
#[derive(Debug, Default)]
pub(crate) struct Running {
    /// When it was taken; `None` while the worker is free.
    pub(crate) since: Option<Instant>,
    pub(crate) method: Vec<u8>,
    pub(crate) path: Vec<u8>,
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
    pub(crate) fn new(settings: Settings, listening: Vec<Listening>) -> Self {
        Self {
            queue: Queue::new(settings.threads, settings.gil),
            seat: Seat::default(),
            budget: Arc::new(Budget::new(
                settings.spool_dir.clone(),
                settings.spool_limit,
            )),
            counters: Counters::default(),
            mailboxes: OnceLock::new(),
            channels: AtomicUsize::new(0),
            io_threads_alive: AtomicUsize::new(0),
            unfinished: AtomicUsize::new(0),
            running: (0..settings.threads).map(|_| Mutex::default()).collect(),
            stage: AtomicU8::new(Stage::Serving as u8),
            ahead: AtomicU64::new(0),
            storage_log: Seldom::new(MINUTE),
            queue_log: Seldom::new(Duration::from_secs(1)),
            accept_log: Seldom::new(MINUTE),
            settings,
            listening,
        }
    }

    /// The time; deadlines count from it.
    pub(crate) fn now(&self) -> Instant {
        Instant::now() + Duration::from_nanos(self.ahead.load(Ordering::Relaxed))
    }

    /// Moves the clock ahead and lets every I/O thread look at it.
    pub(crate) fn move_clock(&self, by: Duration) {
        self.ahead.fetch_add(by.as_nanos() as u64, Ordering::SeqCst);
        self.wake_io_threads();
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

    /// Moves on to `stage`, never back, and tells every I/O thread.
    pub(crate) fn advance(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::SeqCst);
        self.wake_io_threads();
    }

    pub(crate) fn wake_io_threads(&self) {
        for mailbox in self.mailboxes.get().into_iter().flatten() {
            mailbox.wake();
        }
    }

    /// Counts a request that is over.
    pub(crate) fn count(&self, record: &Record) {
        let counters = &self.counters;
        counters.requests.add(1);
        counters.bytes_out.add(record.sent_bytes);
        counters.queue_wait_nanos.add_time(record.queue_wait());
        counters.busy_nanos.add_time(record.run_time());
        match record.end {
            End::Complete => {}
            End::AppError => counters.app_errors.add(1),
            End::Disconnected => counters.disconnected.add(1),
        }
    }

    /// Notes that `worker` runs `exchange`.
    pub(crate) fn note_running(&self, worker: usize, exchange: &Exchange) {
        let Some(slot) = self.running.get(worker) else {
            return;
        };
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        slot.since = Some(exchange.record.taken);
        slot.method.clear();
        slot.method.extend_from_slice(exchange.head.method());
        slot.path.clear();
        let path = exchange.head.path();
        slot.path
            .extend_from_slice(&path[..path.len().min(PATH_SHOWN)]);
    }

    /// Notes that `worker` is free.
    pub(crate) fn note_free(&self, worker: usize) {
        if let Some(slot) = self.running.get(worker) {
            slot.lock().unwrap_or_else(PoisonError::into_inner).since = None;
        }
    }

    /// Method, path and age of the requests that run, longest first.
    pub(crate) fn running_now(&self, now: Instant) -> Vec<(String, Duration)> {
        let mut all: Vec<_> = self
            .running
            .iter()
            .filter_map(|slot| {
                let slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
                let since = slot.since?;
                let what = format!(
                    "{} {}",
                    slot.method.escape_ascii(),
                    slot.path.escape_ascii()
                );
                Some((what, now.saturating_duration_since(since)))
            })
            .collect();
        all.sort_by_key(|(_, age)| std::cmp::Reverse(*age));
        all
    }

    /// Logs that a temporary file could not be written, at most once a minute.
    pub(crate) fn storage_trouble(&self, error: &io::Error) {
        if self.storage_log.pass(self.now()) {
            log::warn!(
                target: crate::LOG,
                "no room for temporary files in {} (spool_dir; spool_limit={}): {error}",
                self.settings.spool_dir.display(),
                self.settings.spool_limit,
            );
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
/// Of longer paths the beginning is kept for logs.
const PATH_SHOWN: usize = 256;
