//! A queue seen from outside: by the governor, logs, health checks and figures.

use crate::sys::instant::Instant;
use std::ops::AddAssign;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Queue, QueueState};
use crate::exchange::Exchange;
use crate::queue::governor::GovernorSample;
use crate::sys::sync;
use crate::sys::sync::atomic::Ordering;

/// The figures at the governor's last observation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observed {
    pub(super) at: Instant,
    /// CPU time of the workers, and of the I/O thread.
    pub(super) cpu: Option<Duration>,
    pub(super) io: Duration,
    pub(super) busy: Duration,
    pub(super) taken: u64,
}

impl Queue {
    /// Whether the governor should look: a worker took a task while others waited.
    pub(crate) fn contended(&self) -> bool {
        self.contended.load(Ordering::Relaxed) && self.gil
    }

    /// Lets the governor look at the workers. Call it about once a millisecond while [`Queue::contended`]
    /// or while tasks wait. `io` is the CPU time of the calling I/O thread if it shares one core with the
    /// workers, else zero.
    pub(crate) fn govern(&self, now: Instant, io: Duration) {
        self.contended.store(false, Ordering::Relaxed);
        let cpu = self.clocks().read();
        let mut inner = self.lock();
        let busy = inner.busy
            + inner.busy_since.map_or(Duration::ZERO, |since| {
                sync::now().saturating_duration_since(since)
            });
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
            // The queue was empty in between: that time says nothing about contention.
            return;
        }
        let cpu = seen
            .cpu
            .zip(last.cpu)
            .map(|(new, old)| new.saturating_sub(old));
        let mut busy = busy - last.busy;
        let io = seen.io.saturating_sub(last.io);
        if !io.is_zero() {
            // The I/O thread used the core for part of that time. Workers were busy at least as long as they
            // used CPU.
            busy = busy.saturating_sub(io).max(cpu.unwrap_or_default());
        }
        let sample = GovernorSample {
            busy,
            cpu,
            taken: seen.taken - last.taken,
        };
        inner.target = inner.governor.observe(sample);
        self.wake_wanted(inner);
    }

    /// Sets the target in place of the governor.
    #[cfg(all(test, shuttle))]
    pub(crate) fn set_target(&self, target: usize) {
        let mut inner = self.lock();
        inner.target = target;
        self.wake_wanted(inner);
    }

    /// The state of the queue, for logs, health checks and figures.
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

    /// Shows how many more tasks could run now, and how many wait. The last call of `show` shows the last state.
    #[cfg(any(unix, test))]
    pub(crate) fn show_free(&self, show: impl FnOnce(usize, usize)) {
        let inner = self.lock();
        let most = inner.target.min(inner.live);
        show(most.saturating_sub(inner.running), inner.line.len());
    }

    /// What `show` makes of the `most` oldest waiting tasks. `Copy` values own no memory, so nothing is
    /// allocated while the lock is held.
    pub(crate) fn oldest<T: Copy>(&self, most: usize, show: impl Fn(&Exchange) -> T) -> Vec<T> {
        let mut shown = Vec::with_capacity(most);
        let inner = self.lock();
        shown.extend(inner.line.iter().take(most).map(show));
        shown
    }

    /// The sum of the waits of all waiting tasks.
    pub(crate) fn waited(&self, now: Instant) -> Duration {
        self.lock().line.waited(now)
    }

    /// CPU time of all workers; and how long they were ready to run and had no processor.
    pub(crate) fn worker_cpu(&self) -> (Option<Duration>, Duration) {
        let clocks = self.clocks().clone();
        (clocks.read(), clocks.delayed())
    }
}

impl QueueState {
    /// Notes since when a worker runs, or that none does. Reads the clock only when that changes.
    pub(super) fn note_busy(&mut self) {
        match (self.running > 0, self.busy_since) {
            (true, None) => self.busy_since = Some(sync::now()),
            (false, Some(since)) => {
                self.busy += sync::now().saturating_duration_since(since);
                self.busy_since = None;
            }
            _ => {}
        }
    }
}

/// The queue at one moment.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
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

/// Observations further apart than this are not compared.
const STALE: Duration = Duration::from_millis(20);
