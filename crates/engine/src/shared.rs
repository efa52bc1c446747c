//! What all threads of one server share.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::access_log::AccessLog;
use crate::advice::{Advice, Kind, Window, advise};
use crate::budget::Budget;
use crate::census::Ballot;
use crate::clock::{CpuMeter, ThreadClock};
use crate::exchange::Exchange;
use crate::listen::Listening;
use crate::listen::Peer;
use crate::mailbox::Mailbox;
use crate::overseer::Overseer;
use crate::queue::Queue;
use crate::record::Record;
use crate::recorder::{Shard, Shards};
use crate::seat::Seat;
use crate::settings::Settings;
use crate::stats::{Counters, Seldom};
use crate::sync;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use crate::watch::{Sample, Watch};

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
    pub(crate) shards: Shards,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) watch: Watch,
    pub(crate) overseer: Overseer,
    /// One per I/O thread.
    pub(crate) ballots: Vec<Ballot>,
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
    /// The first I/O thread will accept no more.
    listening_over: AtomicBool,
    /// Nanoseconds that tests have moved the clock ahead.
    ahead: AtomicU64,
    storage_log: Seldom,
    pub(crate) queue_log: Seldom,
    pub(crate) accept_log: Seldom,
    advice_log: Seldom,
    /// The kind of the advice in force, by its number.
    advised: AtomicU8,
}

/// What a worker runs now; the buffers are reused.
#[derive(Debug, Default)]
pub(crate) struct Running {
    /// Of the request it runs; `None` while the worker is free.
    pub(crate) record: Option<Record>,
    pub(crate) method: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) peer: Option<Peer>,
    /// It waits for its client to take bytes.
    pub(crate) sending: bool,
    /// The server has ended without it, and recorded it as cut.
    cut: bool,
    /// At this age it is written down as slow, from the start on and then at each doubling.
    slow_at: Option<Duration>,
    /// It was written down.
    slow: bool,
    /// It counts as stuck: another worker has taken its worker's place.
    stuck: bool,
    /// The worker's thread, as the binding names it.
    thread: u64,
    shard: Option<Arc<Shard>>,
    clock: Option<ThreadClock>,
    /// What the worker's CPU clock said when it was last read before the request was taken.
    cpu: Option<Duration>,
}

/// A request that runs, as logs and the admin endpoint show it.
#[derive(Clone, Debug)]
pub(crate) struct RunningRequest {
    pub(crate) worker: usize,
    pub(crate) record: Record,
    pub(crate) method: Vec<u8>,
    pub(crate) path: Vec<u8>,
    pub(crate) peer: Option<Peer>,
    pub(crate) sending: bool,
    pub(crate) age: Duration,
    pub(crate) cpu: Option<Duration>,
    /// The worker's thread, as the binding names it.
    pub(crate) thread: u64,
}

impl RunningRequest {
    /// What it is and who asked for it.
    pub(crate) fn whose(&self) -> String {
        match self.peer {
            Some(peer) => format!("{} of {peer}", self.what()),
            None => self.what(),
        }
    }

    /// What came before, in words.
    pub(crate) fn phases_so_far(&self) -> String {
        let phases = self.record.phases();
        let millis = |span: Option<Duration>| 1000.0 * span.unwrap_or_default().as_secs_f64();
        let cpu = self.cpu.map_or(String::new(), |cpu| {
            format!(", used {:.1} s of CPU", cpu.as_secs_f64())
        });
        let sending = if self.sending {
            ", waits for its client"
        } else {
            ""
        };
        format!(
            "received in {:.0} ms, waited {:.0} ms for a worker and {:.0} ms for the GIL{cpu}{sending}",
            millis(phases.head) + millis(phases.body),
            millis(phases.queue),
            millis(phases.gil),
        )
    }

    /// Method and path for a log record.
    pub(crate) fn what(&self) -> String {
        format!(
            "{} {}",
            self.method.escape_ascii(),
            self.path.escape_ascii()
        )
    }
}

impl Running {
    fn show(&self, worker: usize, now: Instant) -> Option<RunningRequest> {
        let record = self.record?;
        let cpu = self.clock.and_then(ThreadClock::read).zip(self.cpu);
        Some(RunningRequest {
            worker,
            record,
            method: self.method.clone(),
            path: self.path.clone(),
            peer: self.peer,
            sending: self.sending,
            age: now.saturating_duration_since(record.taken.unwrap_or(now)),
            cpu: cpu.map(|(now, then)| now.saturating_sub(then)),
            thread: self.thread,
        })
    }
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
        access_log: Option<AccessLog>,
    ) -> Self {
        Self {
            queue: Queue::new(settings.threads, settings.gil),
            seat: Seat::default(),
            budget: Arc::new(Budget::new(
                settings.spool_dir.clone(),
                settings.spool_limit,
                settings.spool_memory,
            )),
            counters: Counters::default(),
            shards: Shards::default(),
            watch: Watch::new(),
            overseer: Overseer::new(&settings),
            ballots: (0..settings.io_threads.max(1))
                .map(|_| Ballot::default())
                .collect(),
            access_log,
            mailboxes: OnceLock::new(),
            channels: AtomicUsize::new(0),
            io_threads_alive: AtomicUsize::new(0),
            unfinished: AtomicUsize::new(0),
            running: (0..settings.most_workers())
                .map(|_| Mutex::default())
                .collect(),
            stage: AtomicU8::new(Stage::Serving as u8),
            listening_over: AtomicBool::new(false),
            ahead: AtomicU64::new(0),
            storage_log: Seldom::new(MINUTE),
            queue_log: Seldom::new(Duration::from_secs(1)),
            accept_log: Seldom::new(MINUTE),
            advice_log: Seldom::new(MINUTE),
            advised: AtomicU8::new(0),
            settings,
            listening,
        }
    }

    /// The time; deadlines count from it.
    pub(crate) fn now(&self) -> Instant {
        sync::now() + Duration::from_nanos(self.ahead.load(Ordering::Relaxed))
    }

    /// Moves the clock ahead and lets every I/O thread look at it.
    pub(crate) fn move_clock(&self, by: Duration) {
        self.ahead.fetch_add(by.as_nanos() as u64, Ordering::SeqCst);
        self.wake_io_threads();
        self.overseer.wake();
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

    /// No connection will be accepted any more; the other I/O threads may end from here on.
    pub(crate) fn end_listening(&self) {
        self.listening_over.store(true, Ordering::SeqCst);
        self.wake_io_threads();
    }

    pub(crate) fn is_listening_over(&self) -> bool {
        self.listening_over.load(Ordering::SeqCst)
    }

    pub(crate) fn wake_io_threads(&self) {
        for mailbox in self.mailboxes.get().into_iter().flatten() {
            mailbox.wake();
        }
    }

    /// The tasks that were left to the workers are running out.
    pub(crate) fn end_naps(&self) {
        for mailbox in self.mailboxes.get().into_iter().flatten() {
            mailbox.end_nap();
        }
    }

    /// What would help, by the figures of about the last minute, or less if the load has changed.
    pub(crate) fn advice(&self) -> Advice {
        match self.watch.window() {
            Some((first, last)) => self.advise_on_present(&first, &last),
            None => self.advise(self.watch.first(), &Sample::take(self)),
        }
    }

    fn advise(&self, first: &Sample, last: &Sample) -> Advice {
        let gil = self.settings.gil;
        let threads = self.queue.workers().max(1);
        advise(&Window::between(first, last, threads, gil))
    }

    /// The same, by the last seconds alone if they are clearly another time than those before.
    fn advise_on_present(&self, first: &Sample, last: &Sample) -> Advice {
        let gil = self.settings.gil;
        let threads = self.queue.workers().max(1);
        let minute = Window::between(first, last, threads, gil);
        let recent = self.watch.recent();
        let recent = recent.map(|(first, last)| Window::between(&first, &last, threads, gil));
        advise(
            recent
                .as_ref()
                .filter(|now| now.differs_from(&minute))
                .unwrap_or(&minute),
        )
    }

    /// Looks at the figures, at most once a second, and says so in the log when they have become
    /// worse.
    pub(crate) fn observe(&self, now: Instant) {
        if !self.watch.sample(self, now) {
            return;
        }
        let Some((first, last)) = self.watch.window() else {
            return;
        };
        if last.at < first.at + LEAST_OBSERVED {
            return;
        }
        let advice = self.advise_on_present(&first, &last);
        let kind = advice.kind as u8;
        let worse = advice.kind.is_trouble() && kind != self.advised.load(Ordering::Relaxed);
        if worse && !self.advice_log.pass(last.at) {
            return; // another time, if it stays so
        }
        self.advised.store(kind, Ordering::Relaxed);
        if worse {
            log::warn!(target: crate::LOG, "{}", advice.text);
        }
    }

    /// Says at the end what would have helped.
    pub(crate) fn say_advice(&self) {
        let advice = self.advise(self.watch.first(), &Sample::take(self));
        if advice.kind != Kind::Idle {
            log::info!(target: crate::LOG, "advice for the whole run: {}", advice.text);
        }
    }

    fn slot(&self, worker: usize) -> Option<MutexGuard<'_, Running>> {
        let slot = self.running.get(worker)?;
        Some(slot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A worker has started.
    pub(crate) fn note_worker(&self, worker: usize, cpu: &CpuMeter) {
        if let Some(mut slot) = self.slot(worker) {
            slot.clock = cpu.clock();
        }
    }

    /// Notes that `worker` runs `exchange`; `cpu` is what its CPU clock last said.
    pub(crate) fn note_running(&self, worker: usize, exchange: &Exchange, cpu: Option<Duration>) {
        let Some(mut slot) = self.slot(worker) else {
            return;
        };
        slot.record = Some(exchange.record);
        slot.peer = exchange.link.as_ref().map(|link| link.peer);
        slot.cpu = cpu;
        slot.method.clear();
        slot.method.extend_from_slice(exchange.head.method());
        slot.path.clear();
        let path = exchange.head.path();
        slot.path
            .extend_from_slice(&path[..path.len().min(PATH_SHOWN)]);
        slot.slow_at = self.settings.slow_request_log;
        drop(slot);
        self.overseer.task_taken();
    }

    /// Where `worker` counts: one place for all that have had its number, as workers come and go.
    pub(crate) fn shard_of(&self, worker: usize) -> Arc<Shard> {
        match self.slot(worker) {
            Some(mut slot) => Arc::clone(slot.shard.get_or_insert_with(|| self.shards.add())),
            None => self.shards.add(),
        }
    }

    /// Names the thread of `worker`.
    pub(crate) fn name_thread(&self, worker: usize, thread: u64) {
        if let Some(mut slot) = self.slot(worker) {
            slot.thread = thread;
        }
    }

    /// Notes that the worker of `exchange` is free.
    pub(crate) fn note_free(&self, exchange: &mut Exchange) {
        let worker = exchange.record.worker.map(|worker| worker as usize);
        let Some((worker, mut slot)) = worker.and_then(|n| Some((n, self.slot(n)?))) else {
            return;
        };
        let (slow, stuck) = (
            std::mem::take(&mut slot.slow),
            std::mem::take(&mut slot.stuck),
        );
        let over = if slow {
            slot.show(worker, self.now())
        } else {
            None
        };
        slot.record = None;
        slot.sending = false;
        exchange.recorded |= std::mem::take(&mut slot.cut);
        drop(slot);
        if let Some(request) = over {
            let age = request.age.as_secs_f64();
            log::warn!(target: crate::SLOW_LOG, "{} has ended after {age:.1} s", request.whose());
        }
        if stuck && self.overseer.unstuck() {
            self.queue.retire(1);
        }
    }

    /// The requests that are to be written down as slow now, and those that have become stuck.
    pub(crate) fn look_at_running(
        &self,
        now: Instant,
    ) -> (Vec<RunningRequest>, Vec<RunningRequest>) {
        let (mut slow, mut stuck) = (Vec::new(), Vec::new());
        if self.settings.slow_request_log.is_none() && self.settings.stuck_after.is_none() {
            return (slow, stuck);
        }
        for worker in 0..self.running.len() {
            let Some(mut slot) = self.slot(worker) else {
                continue;
            };
            let Some(request) = slot.show(worker, now) else {
                continue;
            };
            if !slot.stuck
                && self
                    .settings
                    .stuck_after
                    .is_some_and(|at| request.age >= at)
            {
                stuck.push(request.clone());
            }
            if let Some(at) = slot.slow_at.filter(|at| request.age >= *at) {
                // Looks may come late: one record for all the doublings that have passed.
                let mut next = at * 2;
                while next <= request.age {
                    next *= 2;
                }
                slot.slow_at = Some(next);
                slot.slow = true;
                slow.push(request);
            }
        }
        (slow, stuck)
    }

    /// `request` counts as stuck from now on. `false`: it has ended.
    pub(crate) fn mark_stuck(&self, request: &RunningRequest) -> bool {
        let Some(mut slot) = self.slot(request.worker) else {
            return false;
        };
        let same = slot.record.and_then(|record| record.taken) == request.record.taken;
        slot.stuck |= same;
        same
    }

    /// When the first of the running requests becomes slow, or stuck where that is of interest.
    pub(crate) fn next_long_request(&self, stuck: bool) -> Option<Instant> {
        let stuck_after = self.settings.stuck_after.filter(|_| stuck);
        let watched = self.settings.slow_request_log.is_some() || stuck_after.is_some();
        let next = |worker| {
            let slot = self.slot(worker)?;
            let taken = slot.record?.taken?;
            let ages = [slot.slow_at, stuck_after.filter(|_| !slot.stuck)];
            ages.into_iter().flatten().min().map(|age| taken + age)
        };
        let workers = if watched { 0..self.running.len() } else { 0..0 };
        workers.filter_map(next).min()
    }

    /// Notes whether the worker waits for its client to take bytes.
    pub(crate) fn note_sending(&self, worker: Option<u32>, sending: bool) {
        if let Some(mut slot) = worker.and_then(|worker| self.slot(worker as usize)) {
            slot.sending = sending;
        }
    }

    /// The requests that run, longest first.
    pub(crate) fn running_now(&self, now: Instant) -> Vec<RunningRequest> {
        let mut all: Vec<_> = (0..self.running.len())
            .filter_map(|worker| self.slot(worker)?.show(worker, now))
            .collect();
        all.sort_by_key(|request| std::cmp::Reverse(request.age));
        all
    }

    /// The requests that run, which from here on count as recorded: their workers will not.
    pub(crate) fn cut_running(&self, now: Instant) -> Vec<RunningRequest> {
        let cut = |worker| {
            let mut slot = self.slot(worker)?;
            let request = slot.show(worker, now)?;
            (!std::mem::replace(&mut slot.cut, true)).then_some(request)
        };
        let mut all: Vec<_> = (0..self.running.len()).filter_map(cut).collect();
        all.sort_by_key(|request| std::cmp::Reverse(request.age));
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

/// Less than this says nothing about how a server is used.
const LEAST_OBSERVED: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
/// Of longer paths the beginning is kept for logs.
const PATH_SHOWN: usize = 256;
