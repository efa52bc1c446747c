//! What each worker runs, kept for those who ask meanwhile: logs, the admin endpoint, the overseer, and
//! the end, which cuts it.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::exchange::Exchange;
use crate::net::listen::Peer;
use crate::record::Record;
use crate::record::recorder::Shard;
use crate::shared::Shared;
use crate::sys::clock::{CpuMeter, ThreadClock};
use crate::sys::sync::atomic::Ordering;

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
    /// Its reply is whole; the worker is busy with what comes after.
    answered: Option<Instant>,
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
    /// For how long the worker has been busy with what comes after the reply.
    pub(crate) closing: Option<Duration>,
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
            closing: self
                .answered
                .map(|since| now.saturating_duration_since(since)),
            age: now.saturating_duration_since(record.taken.unwrap_or(now)),
            cpu: cpu.map(|(now, then)| now.saturating_sub(then)),
            thread: self.thread,
        })
    }
}

impl Shared {
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
        slot.peer = exchange.peer();
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
        if let Some((worker, mut slot)) = worker.and_then(|n| Some((n, self.slot(n)?))) {
            exchange.recorded |= std::mem::take(&mut slot.cut);
            self.free(worker, slot);
        }
    }

    /// Notes that the reply of `exchange` is whole, and that its worker goes on.
    pub(crate) fn note_answered(&self, exchange: &mut Exchange) {
        let worker = exchange.record.worker.map(|worker| worker as usize);
        let Some(worker) = worker.filter(|worker| *worker < self.running.len()) else {
            return;
        };
        // Before its I/O thread hears of the reply, and might think that nothing is left to do.
        self.closing.fetch_add(1, Ordering::SeqCst);
        if let Some(mut slot) = self.slot(worker) {
            exchange.recorded |= slot.cut;
            slot.answered = exchange.record.answered;
            slot.sending = false;
        }
    }

    /// Notes that `worker` is free after a reply that was noted before; how long it took.
    pub(crate) fn note_through(&self, worker: usize) -> Option<Duration> {
        let slot = self.slot(worker)?;
        let since = slot.answered?;
        self.free(worker, slot);
        Some(self.now().saturating_duration_since(since))
    }

    fn free(&self, worker: usize, mut slot: MutexGuard<'_, Running>) {
        let answered = slot.answered.take().is_some();
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
        slot.cut = false;
        drop(slot);
        if answered {
            self.closing.fetch_sub(1, Ordering::SeqCst);
            if self.draining() {
                // They may wait for just this.
                self.wake_io_threads();
            }
        }
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

    /// When the first of the running requests becomes slow, or stuck where that is of interest; or one
    /// that is taken from `now` on.
    pub(crate) fn next_long_request(&self, now: Instant, stuck: bool) -> Option<Instant> {
        let stuck_after = self.settings.stuck_after.filter(|_| stuck);
        let ages = [self.settings.slow_request_log, stuck_after];
        let youngest = now + ages.into_iter().flatten().min()?;
        let next = |worker| {
            let slot = self.slot(worker)?;
            let taken = slot.record?.taken?;
            let ages = [slot.slow_at, stuck_after.filter(|_| !slot.stuck)];
            ages.into_iter().flatten().min().map(|age| taken + age)
        };
        let first = (0..self.running.len()).filter_map(next).min()?;
        Some(first.min(youngest))
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

    /// Notes that the reply of `record` is cut while it is sent. `false`: its worker was, and it counts.
    pub(crate) fn cut_reply(&self, record: &Record) -> bool {
        let worker = record.worker.map(|worker| worker as usize);
        let Some(mut slot) = worker.and_then(|worker| self.slot(worker)) else {
            return true;
        };
        let same = slot.record.and_then(|own| own.taken) == record.taken;
        !(same && std::mem::replace(&mut slot.cut, true))
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
}

/// Of longer paths the beginning is kept for logs.
const PATH_SHOWN: usize = 256;
