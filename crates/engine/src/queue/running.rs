//! What each worker runs now, for those who ask meanwhile: logs, the admin endpoint, the overseer, and
//! the end of the server, which cuts the requests that still run.
//!
//! Rules: a worker writes its own slot only, and holds no other lock meanwhile. The table knows nobody
//! who reads it; a [`Bell`] each tells the threads that look after long requests and at where they are.

use crate::sys::instant::Instant;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::exchange::Exchange;
use crate::net::address::Peer;
use crate::queue::bell::Bell;
use crate::queue::replacements::Replacements;
use crate::record::Record;
use crate::settings::Settings;
use crate::sys::clock::{CpuMeter, ThreadClock};

/// One slot per worker.
#[derive(Debug)]
pub(crate) struct RunningTable {
    slots: Vec<Mutex<Slot>>,
    /// At this age a request is logged as slow, and again at each doubling.
    slow_after: Option<Duration>,
    /// At this age a request counts as stuck.
    stuck_after: Option<Duration>,
    /// Workers whose reply is complete and that are not free yet.
    closing: AtomicUsize,
    replacements: Replacements,
    /// Wakes who looks after long requests.
    bell: Bell,
    /// Wakes who looks where the requests are.
    watch_bell: Bell,
}

/// What a worker runs now; the buffers are reused.
#[derive(Debug, Default)]
struct Slot {
    /// The record of its request; `None` while the worker is free.
    record: Option<Record>,
    method: Vec<u8>,
    path: Vec<u8>,
    peer: Option<Peer>,
    /// The worker waits for its client to take bytes.
    sending: bool,
    /// The end of the server has recorded the request as cut, so its worker must not record it.
    cut: bool,
    /// When the reply was complete; the worker is busy with what comes after it.
    answered: Option<Instant>,
    /// The age at which the request is next logged as slow.
    slow_at: Option<Duration>,
    /// The request was logged as slow.
    slow: bool,
    /// The request counts as stuck: another worker has taken its worker's place.
    stuck: bool,
    /// The worker's thread, as the binding names it.
    thread: u64,
    clock: Option<ThreadClock>,
    /// What the worker's CPU clock showed when it was last read before the request was taken.
    cpu: Option<Duration>,
}

/// What follows from a worker's getting free.
#[derive(Debug)]
pub(crate) struct Freed {
    /// The worker was counted as closing: a drain may wait for its end.
    pub(crate) was_closing: bool,
    /// A replacement stood in for the worker: one worker is to retire.
    pub(crate) was_replaced: bool,
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
    /// How long the worker has been busy since its reply was complete.
    pub(crate) closing: Option<Duration>,
    pub(crate) age: Duration,
    pub(crate) cpu: Option<Duration>,
    /// The worker's thread, as the binding names it.
    pub(crate) thread: u64,
    clock: Option<ThreadClock>,
}

impl RunningRequest {
    /// What the worker's CPU clock shows now; `None` where other threads' clocks cannot be read.
    pub(crate) fn cpu_clock(&self) -> Option<Duration> {
        self.clock.and_then(ThreadClock::read)
    }

    /// How long the worker was ready to run so far and had no core; `None` where the kernel does not tell.
    pub(crate) fn delayed(&self) -> Option<Duration> {
        self.clock.and_then(ThreadClock::delayed)
    }

    /// Method, path and client for a log record.
    pub(crate) fn whose(&self) -> String {
        match self.peer {
            Some(peer) => format!("{} of {peer}", self.what()),
            None => self.what(),
        }
    }

    /// How long its phases took so far, for a log record.
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

impl Slot {
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
            closing: self
                .answered
                .map(|since| now.saturating_duration_since(since)),
            age: now.saturating_duration_since(record.taken.unwrap_or(now)),
            cpu: cpu.map(|(now, then)| now.saturating_sub(then)),
            thread: self.thread,
            clock: self.clock,
        })
    }
}

/// The worker's side.
impl RunningTable {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            slots: (0..settings.most_workers())
                .map(|_| Mutex::default())
                .collect(),
            slow_after: settings.slow_request_log,
            stuck_after: settings.stuck_after,
            closing: AtomicUsize::new(0),
            replacements: Replacements::default(),
            bell: Bell::default(),
            watch_bell: Bell::default(),
        }
    }

    fn slot(&self, worker: usize) -> Option<MutexGuard<'_, Slot>> {
        let slot = self.slots.get(worker)?;
        Some(slot.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `worker` has started; `cpu` reads its CPU clock.
    pub(crate) fn note_worker(&self, worker: usize, cpu: &CpuMeter) {
        if let Some(mut slot) = self.slot(worker) {
            slot.clock = cpu.clock();
        }
    }

    /// Names the thread of `worker`.
    pub(crate) fn name_thread(&self, worker: usize, thread: u64) {
        if let Some(mut slot) = self.slot(worker) {
            slot.thread = thread;
        }
    }

    /// `worker` runs `exchange`; `cpu` is what its CPU clock last showed.
    pub(crate) fn note_running(&self, worker: usize, exchange: &Exchange, cpu: Option<Duration>) {
        let Some(mut slot) = self.slot(worker) else {
            return;
        };
        slot.record = Some(exchange.record);
        slot.peer = exchange.peer();
        slot.cpu = cpu;
        slot.method.clear();
        slot.method.extend_from_slice(exchange.head.method());
        slot.path.clear();
        let path = exchange.head.path();
        slot.path
            .extend_from_slice(&path[..path.len().min(PATH_SHOWN)]);
        slot.slow_at = self.slow_after;
        drop(slot);
        self.bell.task_taken();
        self.watch_bell.task_taken();
    }

    /// The worker waits for its client to take bytes, or does so no more.
    pub(crate) fn note_sending(&self, worker: Option<u32>, sending: bool) {
        if let Some(mut slot) = worker.and_then(|worker| self.slot(worker as usize)) {
            slot.sending = sending;
        }
    }

    /// The reply of `exchange` is complete, and its worker goes on with what comes after it.
    pub(crate) fn note_answered(&self, exchange: &mut Exchange) {
        let worker = exchange.record.worker.map(|worker| worker as usize);
        let Some(worker) = worker.filter(|worker| *worker < self.slots.len()) else {
            return;
        };
        // Before its I/O thread learns of the reply: it would take the drain for complete.
        self.closing.fetch_add(1, Ordering::SeqCst);
        if let Some(mut slot) = self.slot(worker) {
            if slot.cut {
                exchange.set_recorded();
            }
            slot.answered = exchange.record.answered;
            slot.sending = false;
        }
    }

    /// The worker of `exchange` is free.
    pub(crate) fn note_free(
        &self,
        exchange: &mut Exchange,
        now: impl FnOnce() -> Instant,
    ) -> Option<Freed> {
        let worker = exchange.record.worker.map(|worker| worker as usize)?;
        let mut slot = self.slot(worker)?;
        if std::mem::take(&mut slot.cut) {
            exchange.set_recorded();
        }
        Some(self.free(worker, slot, now))
    }

    /// `worker` is free after a reply that [`RunningTable::note_answered`] noted; and the time since then.
    pub(crate) fn note_through(&self, worker: usize, now: Instant) -> Option<(Freed, Duration)> {
        let slot = self.slot(worker)?;
        let since = slot.answered?;
        let freed = self.free(worker, slot, || now);
        Some((freed, now.saturating_duration_since(since)))
    }

    fn free(
        &self,
        worker: usize,
        mut slot: MutexGuard<'_, Slot>,
        now: impl FnOnce() -> Instant,
    ) -> Freed {
        let was_closing = slot.answered.take().is_some();
        let stuck = std::mem::take(&mut slot.stuck);
        let slow = std::mem::take(&mut slot.slow)
            .then(|| slot.show(worker, now()))
            .flatten();
        slot.record = None;
        slot.sending = false;
        slot.cut = false;
        drop(slot);
        if was_closing {
            self.closing.fetch_sub(1, Ordering::SeqCst);
        }
        if let Some(request) = slow {
            let age = request.age.as_secs_f64();
            log::warn!(target: crate::SLOW_LOG, "{} has ended after {age:.1} s", request.whose());
        }
        let was_replaced = stuck && self.replacements.end();
        if was_replaced {
            // Another stuck worker may wait for a replacement.
            self.bell.ring();
        }
        Freed {
            was_closing,
            was_replaced,
        }
    }
}

/// The side of those who look at it.
impl RunningTable {
    pub(crate) fn bell(&self) -> &Bell {
        &self.bell
    }

    pub(crate) fn watch_bell(&self) -> &Bell {
        &self.watch_bell
    }

    pub(crate) fn replacements(&self) -> &Replacements {
        &self.replacements
    }

    /// Workers whose reply is complete and that are not free yet.
    pub(crate) fn closing(&self) -> usize {
        self.closing.load(Ordering::SeqCst)
    }

    /// Whether a worker runs a request.
    pub(crate) fn is_busy(&self) -> bool {
        let busy = |worker| self.slot(worker).is_some_and(|slot| slot.record.is_some());
        (0..self.slots.len()).any(busy)
    }

    /// The requests that run, longest first.
    pub(crate) fn requests(&self, now: Instant) -> Vec<RunningRequest> {
        let show = |worker| self.slot(worker)?.show(worker, now);
        longest_first((0..self.slots.len()).filter_map(show))
    }

    /// The requests that are to be logged as slow now, and those that have become stuck.
    pub(crate) fn long_requests(&self, now: Instant) -> (Vec<RunningRequest>, Vec<RunningRequest>) {
        let (mut slow, mut stuck) = (Vec::new(), Vec::new());
        if self.slow_after.is_none() && self.stuck_after.is_none() {
            return (slow, stuck);
        }
        for worker in 0..self.slots.len() {
            let Some(mut slot) = self.slot(worker) else {
                continue;
            };
            let Some(request) = slot.show(worker, now) else {
                continue;
            };
            if !slot.stuck && self.stuck_after.is_some_and(|at| request.age >= at) {
                stuck.push(request.clone());
            }
            if let Some(at) = slot.slow_at.filter(|at| request.age >= *at) {
                // A look may come late: one log record stands for all doublings that have passed.
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

    /// From now on `request` counts as stuck. `false`: it has ended.
    pub(crate) fn mark_stuck(&self, request: &RunningRequest) -> bool {
        let Some(mut slot) = self.slot(request.worker) else {
            return false;
        };
        let same = slot.record.and_then(|record| record.taken) == request.record.taken;
        slot.stuck |= same;
        same
    }

    /// When a running request next becomes slow or, if `stuck`, stuck. A request that is taken from `now`
    /// on counts too. `None` while nothing runs.
    pub(crate) fn next_long_request(&self, now: Instant, stuck: bool) -> Option<Instant> {
        let stuck_after = self.stuck_after.filter(|_| stuck);
        let ages = [self.slow_after, stuck_after];
        let youngest = now + ages.into_iter().flatten().min()?;
        let next = |worker| {
            let slot = self.slot(worker)?;
            let taken = slot.record?.taken?;
            let ages = [slot.slow_at, stuck_after.filter(|_| !slot.stuck)];
            ages.into_iter().flatten().min().map(|age| taken + age)
        };
        let first = (0..self.slots.len()).filter_map(next).min()?;
        Some(first.min(youngest))
    }

    /// The reply of `record` is cut while it is sent. `false`: its worker was cut, too, and is counted.
    pub(crate) fn cut_reply(&self, record: &Record) -> bool {
        let worker = record.worker.map(|worker| worker as usize);
        let Some(mut slot) = worker.and_then(|worker| self.slot(worker)) else {
            return true;
        };
        let same = slot.record.and_then(|own| own.taken) == record.taken;
        !(same && std::mem::replace(&mut slot.cut, true))
    }

    /// The requests that run, longest first. From now on they count as recorded: their workers will not
    /// record them.
    pub(crate) fn cut_all(&self, now: Instant) -> Vec<RunningRequest> {
        let cut = |worker| {
            let mut slot = self.slot(worker)?;
            let request = slot.show(worker, now)?;
            (!std::mem::replace(&mut slot.cut, true)).then_some(request)
        };
        longest_first((0..self.slots.len()).filter_map(cut))
    }

    /// Locks the slot of `worker`, so that nobody can read the table.
    #[cfg(all(test, not(shuttle)))]
    pub(crate) fn hold(&self, worker: usize) -> impl Sized + '_ {
        self.slot(worker)
    }
}

fn longest_first(requests: impl Iterator<Item = RunningRequest>) -> Vec<RunningRequest> {
    let mut all: Vec<_> = requests.collect();
    all.sort_by_key(|request| std::cmp::Reverse(request.age));
    all
}

/// Bytes of a path that are kept.
const PATH_SHOWN: usize = 256;

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::sys::sync::now;

    const SECOND: Duration = Duration::from_secs(1);

    /// Worker 1 has taken a request at this moment.
    fn table(taken: Instant) -> (RunningTable, Record) {
        let settings = Settings {
            slow_request_log: Some(SECOND),
            stuck_after: Some(3 * SECOND),
            ..Settings::for_tests()
        };
        let table = RunningTable::new(&settings);
        let mut exchange = Exchange::new(taken);
        exchange.record.taken = Some(taken);
        exchange.record.worker = Some(1);
        table.note_running(1, &exchange, None);
        (table, exchange.record)
    }

    #[test]
    fn a_request_is_slow_at_each_doubling_and_stuck_once() {
        let taken = now();
        let (table, _) = table(taken);
        let at = |seconds| taken + seconds * SECOND;
        let found = |seconds| {
            let (slow, stuck) = table.long_requests(at(seconds));
            stuck
                .iter()
                .for_each(|request| assert!(table.mark_stuck(request)));
            (slow.len(), stuck.len())
        };
        let due = |seconds| table.next_long_request(at(seconds), true).unwrap();
        assert_eq!((due(0), found(0)), (at(1), (0, 0)));
        assert_eq!((found(1), due(1)), ((1, 0), at(2)));
        // A look that comes late stands for those that were missed. A request that is taken from then on may be next.
        assert_eq!((found(5), due(5)), ((1, 1), at(6)));
        assert_eq!((found(8), found(9)), ((1, 0), (0, 0)));
    }

    #[test]
    fn a_reply_and_its_worker_are_cut_once() {
        let taken = now();
        let (table, record) = table(taken);
        let another = Record {
            taken: Some(taken + SECOND),
            ..record
        };
        let without_worker = Record {
            worker: None,
            ..record
        };
        assert!(table.cut_reply(&another) && table.cut_reply(&without_worker));
        assert!(table.cut_reply(&record));
        assert!(!table.cut_reply(&record));
        assert!(table.cut_all(taken).is_empty());
    }
}
