//! Decides how many workers may be active while they share one interpreter lock.
//!
//! Workers that compute only fight over the lock; workers that block leave it free. Which of the
//! two happens shows in their CPU clocks. An I/O thread calls [`Governor::observe`] about once a
//! millisecond, and only while tasks wait or workers have had a choice of tasks. Rules, first match wins:
//!
//! 1. no task taken for [`STALL`]: one more, so one long computation never holds up the rest;
//! 2. together less than 70 % of a core: they block, one more;
//! 3. together clearly more than one core: work without the lock, one more;
//! 4. about one core, with progress, for [`STEADY`] observations: one fewer.
//!
//! With work waiting and no progress the target always grows, up to all workers: nothing starves.

use std::time::Duration;

/// What happened since the last observation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Wall time in which at least one worker ran a task, as far as a core was there for it.
    pub(crate) busy: Duration,
    /// CPU time of all workers in it; `None` where it cannot be measured.
    pub(crate) cpu: Option<Duration>,
    /// Tasks taken in it.
    pub(crate) taken: u64,
}

/// The number of workers that may be active, 1 to all.
#[derive(Debug)]
pub(crate) struct Governor {
    /// Workers at the start.
    least: usize,
    most: usize,
    target: usize,
    stalled: Duration,
    steady: u32,
}

impl Governor {
    /// Starts with all `most` workers allowed.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            least: most,
            most,
            target: most,
            stalled: Duration::ZERO,
            steady: 0,
        }
    }

    /// There are `workers` now; returns the new target. Before the first ones have come, all that are
    /// expected count.
    pub(crate) fn resize(&mut self, workers: usize) -> usize {
        let added = workers.saturating_sub(self.most);
        self.most = workers.max(self.least);
        self.target = (self.target + added).min(self.most);
        self.target
    }

    /// Takes a sample into account and returns the new target.
    pub(crate) fn observe(&mut self, sample: Sample) -> usize {
        self.stalled = if sample.taken > 0 {
            Duration::ZERO
        } else {
            self.stalled + sample.busy
        };
        let Some(cpu) = sample.cpu else {
            self.target = self.most;
            return self.target;
        };
        let cores = cpu.as_secs_f64() / sample.busy.as_secs_f64().max(1e-6);
        if self.stalled >= STALL {
            self.stalled = Duration::ZERO;
            self.grow();
        } else if !(BLOCKING..=PARALLEL).contains(&cores) {
            self.grow();
        } else if cores >= SERIAL && sample.taken > 0 {
            self.steady += 1;
            if self.steady >= STEADY {
                self.steady = 0;
                self.target = self.target.saturating_sub(1).max(1);
            }
        }
        self.target
    }

    fn grow(&mut self) {
        self.steady = 0;
        self.target = (self.target + 1).min(self.most);
    }
}

/// Without a task taken for this long, another worker is let in.
const STALL: Duration = Duration::from_millis(3);
/// Fewer cores than this: the active workers block.
const BLOCKING: f64 = 0.7;
/// From here the workers share one core.
const SERIAL: f64 = 0.85;
/// More cores than this: some of the work runs without the lock.
const PARALLEL: f64 = 1.3;
/// Observations in a row before a worker is taken out.
const STEADY: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(1);

    fn run(governor: &mut Governor, ticks: u32, cores: f64, taken: u64) -> usize {
        for _ in 0..ticks {
            governor.observe(Sample {
                busy: TICK,
                cpu: Some(TICK.mul_f64(cores)),
                taken,
            });
        }
        governor.target
    }

    #[test]
    fn lock_bound_work_ends_with_one_worker() {
        let mut governor = Governor::new(4);
        assert_eq!(run(&mut governor, 3 * STEADY, 1.0, 5), 1);
        assert_eq!(run(&mut governor, 100, 1.0, 5), 1);
    }

    #[test]
    fn blocking_work_gets_every_worker_within_as_many_ticks() {
        let mut governor = Governor::new(4);
        run(&mut governor, 100, 1.0, 5);
        assert_eq!(run(&mut governor, 3, 0.05, 1), 4);
    }

    #[test]
    fn work_without_the_lock_gets_every_worker() {
        let mut governor = Governor::new(8);
        run(&mut governor, 60, 1.0, 5);
        assert_eq!(run(&mut governor, 8, 1.9, 2), 8);
    }

    #[test]
    fn one_long_computation_lets_others_in() {
        let mut governor = Governor::new(4);
        run(&mut governor, 100, 1.0, 5);
        assert_eq!(run(&mut governor, 3, 1.0, 0), 2);
        assert_eq!(run(&mut governor, 6, 1.0, 0), 4);
    }

    #[test]
    fn without_clocks_all_workers_are_active() {
        let mut governor = Governor::new(4);
        run(&mut governor, 100, 1.0, 5);
        assert_eq!(
            governor.observe(Sample {
                busy: TICK,
                cpu: None,
                taken: 0
            }),
            4
        );
    }
}
