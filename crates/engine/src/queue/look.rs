//! A queue seen from outside: by the governor, logs, health checks and figures.

use std::ops::AddAssign;
use std::time::{Duration, Instant};

use super::{Inner, Queue};
use crate::exchange::Exchange;
use crate::queue::governor::Sample;
use crate::sys::sync::atomic::Ordering;

/// Where the last observation of the governor stood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed {
    at: Instant,
    /// CPU time of the workers, and of the I/O thread.
    cpu: Option<Duration>,
    io: Duration,
    busy: Duration,
    taken: u64,
}

impl Queue {
    /// Whether the governor should look: some worker had the choice of more than one task.
    pub(crate) fn contended(&self) -> bool {
        self.contended.load(Ordering::Relaxed) && self.gil
    }

    /// Lets the governor look at the workers; call about once a millisecond while
    /// [`Queue::contended`] or tasks wait. `io` is the caller's own CPU time where it competes with the
    /// workers for one core, else zero.
    pub(crate) fn govern(&self, now: Instant, io: Duration) {
        self.contended.store(false, Ordering::Relaxed);
        let cpu = self.clocks().read();
        let mut inner = self.lock();
        let busy = inner.busy
            + inner
                .busy_since
                .map_or(Duration::ZERO, |since| since.elapsed());
        let seen = Observed {
            at: now,
            cpu,
            io,
            busy,
            taken: inner.taken,
        };
        let Some(last) = inner.observed.replace(seen) else {
            return;
        };
        if now.saturating_duration_since(last.at) > STALE {
            // The queue was empty meanwhile; what happened then says nothing about contention.
            return;
        }
        let cpu = seen
            .cpu
            .zip(last.cpu)
            .map(|(new, old)| new.saturating_sub(old));
        let mut busy = busy - last.busy;
        let io = seen.io.saturating_sub(last.io);
        if !io.is_zero() {
            // Part of it fell between two tasks; one core cannot do more than one core's work.
            busy = busy.saturating_sub(io).max(cpu.unwrap_or_default());
        }
        let sample = Sample {
            busy,
            cpu,
            taken: seen.taken - last.taken,
        };
        inner.target = inner.governor.observe(sample);
        self.wake_wanted(inner);
    }

    /// What the governor would decide.
    #[cfg(all(test, shuttle))]
    pub(crate) fn set_target(&self, target: usize) {
        let mut inner = self.lock();
        inner.target = target;
        self.wake_wanted(inner);
    }

    /// How the queue stands, for logs, health and figures.
    pub(crate) fn look(&self, now: Instant) -> Look {
        let inner = self.lock();
        let oldest_wait = inner.line.oldest_wait(now);
        Look {
            waiting: inner.line.len(),
            running: inner.running,
            parked: inner.parked.len(),
            workers: inner.live,
            target: inner.target,
            oldest_wait: oldest_wait.unwrap_or_default(),
        }
    }

    /// The oldest `most` waiting tasks, shown by `show`. Nothing is allocated while a worker may want the
    /// lock: what is `Copy` owns no memory.
    pub(crate) fn oldest<T: Copy>(&self, most: usize, show: impl Fn(&Exchange) -> T) -> Vec<T> {
        let mut shown = Vec::with_capacity(most);
        let inner = self.lock();
        shown.extend(inner.line.iter().take(most).map(show));
        shown
    }

    /// How long all waiting tasks have waited, together.
    pub(crate) fn waited(&self, now: Instant) -> Duration {
        self.lock().line.waited(now)
    }

    /// CPU time of all workers, and how long they were ready to run and had no processor.
    pub(crate) fn worker_cpu(&self) -> (Option<Duration>, Duration) {
        let clocks = self.clocks().clone();
        (clocks.read(), clocks.delayed())
    }
}

impl Inner {
    /// Follows whether any worker runs; asks the clock only when that changes.
    pub(super) fn note_busy(&mut self) {
        match (self.running > 0, self.busy_since) {
            (true, None) => self.busy_since = Some(Instant::now()),
            (false, Some(since)) => {
                self.busy += since.elapsed();
                self.busy_since = None;
            }
            _ => {}
        }
    }
}

/// A glance at the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) waiting: usize,
    pub(crate) running: usize,
    pub(crate) parked: usize,
    pub(crate) workers: usize,
    pub(crate) target: usize,
    pub(crate) oldest_wait: Duration,
}

impl AddAssign for Look {
    /// The queues of two processes, seen as one.
    fn add_assign(&mut self, other: Self) {
        self.waiting += other.waiting;
        self.running += other.running;
        self.parked += other.parked;
        self.workers += other.workers;
        self.target += other.target;
        self.oldest_wait = self.oldest_wait.max(other.oldest_wait);
    }
}

/// Observations further apart than this do not belong together.
const STALE: Duration = Duration::from_millis(20);
