//! Decides how many workers may be active while they share one interpreter lock.
//!
//! Workers that compute compete for the lock; workers that block leave it free. Their CPU clocks show which
//! of the two happens. The I/O thread calls [`Governor::observe`] about once a millisecond, while tasks wait
//! or a worker took a task while others waited. Rules, first match wins:
//!
//! 1. no task was taken for [`STALL`]: one more, so that one long computation never holds up the rest;
//! 2. the workers together use less than 70 % of a core: they block, so one more;
//! 3. they use clearly more than one core: they work without the lock, so one more;
//! 4. they use about one core, and take tasks, for [`STEADY`] observations: one fewer. If removing a worker
//!    turns out wrong within [`TRIAL`] observations (beside a worker that blocks for long, say), double the
//!    patience: next time twice as many observations are needed.
//!
//! While tasks wait and none is taken the target grows, up to all workers: nothing starves.

use std::time::Duration;

/// What happened since the last observation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GovernorSample {
    /// Wall time in which at least one worker ran a task, less the time the I/O thread used their core.
    pub(crate) busy: Duration,
    /// CPU time of all workers in that time; `None` where it cannot be measured.
    pub(crate) cpu: Option<Duration>,
    /// Tasks taken in that time.
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
    /// How many steady observations remove a worker.
    patience: u32,
    /// Observations since a worker was removed, until that proves right or wrong.
    on_trial: Option<u32>,
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
            patience: STEADY,
            on_trial: None,
        }
    }

    /// There are `workers` now; returns the new target. Workers that are still to start at the beginning
    /// count.
    pub(crate) fn resize(&mut self, workers: usize) -> usize {
        let added = workers.saturating_sub(self.most);
        self.most = workers.max(self.least);
        self.target = (self.target + added).min(self.most);
        self.target
    }

    /// Takes a sample into account and returns the new target.
    pub(crate) fn observe(&mut self, sample: GovernorSample) -> usize {
        self.stalled = if sample.taken > 0 {
            Duration::ZERO
        } else {
            self.stalled + sample.busy
        };
        let Some(cpu) = sample.cpu else {
            self.target = self.most;
            return self.target;
        };
        self.on_trial = self.on_trial.map(|since| since + 1);
        if self.on_trial.is_some_and(|since| since > TRIAL) {
            self.on_trial = None;
            self.patience = STEADY;
        }
        let cores = cpu.as_secs_f64() / sample.busy.as_secs_f64().max(1e-6);
        if self.stalled >= STALL {
            self.stalled = Duration::ZERO;
            self.grow();
        } else if !(BLOCKING..=PARALLEL).contains(&cores) {
            if cores < BLOCKING && sample.busy >= LULL && self.on_trial.take().is_some() {
                self.patience = (self.patience * 2).min(MOST_PATIENCE);
            }
            self.grow();
        } else if cores >= SERIAL && sample.taken > 0 && self.target > 1 {
            self.steady += 1;
            if self.steady >= self.patience {
                self.steady = 0;
                self.target -= 1;
                self.on_trial = Some(0);
            }
        }
        self.target
    }

    fn grow(&mut self) {
        self.steady = 0;
        self.target = (self.target + 1).min(self.most);
    }
}

/// If no task is taken for this long, one more worker may be active.
const STALL: Duration = Duration::from_millis(3);
/// Fewer cores than this: the active workers block.
const BLOCKING: f64 = 0.7;
/// From here the workers share one core.
const SERIAL: f64 = 0.85;
/// More cores than this: some of the work runs without the lock.
const PARALLEL: f64 = 1.3;
/// Observations in a row before a worker is removed.
const STEADY: u32 = 8;
/// The longest patience, in observations.
const MOST_PATIENCE: u32 = 512;
/// Removing a worker proves right or wrong within this many observations.
const TRIAL: u32 = 8;
/// If workers ran for less than this between two observations, the queue was empty: that proves nothing.
const LULL: Duration = Duration::from_micros(500);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TICK: Duration = Duration::from_millis(1);

    fn run(governor: &mut Governor, ticks: u32, cores: f64, taken: u64) -> usize {
        for _ in 0..ticks {
            governor.observe(GovernorSample {
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

    /// What a machine with four cores makes of `active` workers in a tick: cores used, tasks taken.
    type Work = fn(active: usize) -> (f64, u64);
    /// So many ticks of it.
    type Stretch = (u32, Work);

    const LOCK_BOUND: Work = |_| (0.98, 20);
    const BLOCKING_WORK: Work = |active| (0.04 * active as f64, 1);
    const LOCK_FREE: Work = |active| (0.95 * active.min(4) as f64, 2);
    const LONG_BURN: Work = |_| (1.0, 0);
    /// As much computing as waiting: more workers use the lock better, and then share it.
    const MIXED: Work = |active| ((0.5 * active as f64).min(1.0), 5);
    /// Nobody computes: the queue was empty for a moment.
    const PAUSE: Work = |_| (0.0, 0);
    /// One worker blocks for long, the others compute under the lock.
    const BESIDE_A_BLOCKED_ONE: Work = |active| if active > 1 { (1.0, 5) } else { (0.05, 0) };

    /// Plays each stretch of work in turn; the targets as they were at the end of each.
    fn play(workers: usize, stretches: &[Stretch]) -> Vec<usize> {
        let mut governor = Governor::new(workers);
        let play = |&(ticks, work): &Stretch| {
            for _ in 0..ticks {
                let (cores, taken) = work(governor.target);
                run(&mut governor, 1, cores, taken);
            }
            governor.target
        };
        stretches.iter().map(play).collect()
    }

    #[test]
    fn the_target_follows_the_kind_of_work() {
        let settle = 3 * STEADY;
        let scripts: [(&[Stretch], &[usize]); 5] = [
            (&[(settle, LOCK_BOUND), (200, LOCK_BOUND)], &[1, 1]),
            (
                &[(settle, LOCK_BOUND), (1, BLOCKING_WORK), (2, BLOCKING_WORK)],
                &[1, 2, 4],
            ),
            // With one worker, work without the lock looks like work with it. It is found out by the
            // next lull or stall, not by itself.
            (
                &[(settle, LOCK_FREE), (settle, LOCK_BOUND), (50, LOCK_FREE)],
                &[4, 1, 1],
            ),
            (
                &[(settle, LOCK_BOUND), (1, PAUSE), (2, LOCK_FREE)],
                &[1, 2, 4],
            ),
            (
                &[
                    (settle, LOCK_BOUND),
                    (3, LONG_BURN),
                    (6, LONG_BURN),
                    (settle, LOCK_BOUND),
                ],
                &[1, 2, 4, 1],
            ),
        ];
        for (nth, (script, want)) in scripts.into_iter().enumerate() {
            assert_eq!(play(4, script), want, "script {nth}");
        }
    }

    #[test]
    fn work_that_waits_half_the_time_has_two_workers_nearly_always() {
        let ticks = [(1, MIXED); 1000];
        let targets = play(4, &ticks);
        let settled = &targets[100..];
        assert!(settled.iter().all(|target| (1..=2).contains(target)));
        let two = settled.iter().filter(|target| **target == 2).count();
        assert!(two >= 790, "{two} of 900");
    }

    #[test]
    fn beside_a_blocked_worker_another_one_computes_nearly_always() {
        let targets = play(4, &[(1, BESIDE_A_BLOCKED_ONE); 2000]);
        let two = targets[500..].iter().filter(|target| **target == 2).count();
        assert!(two >= 1490, "{two} of 1500");
        // Once it is back, the rest is not kept for long.
        let then = [(700, BESIDE_A_BLOCKED_ONE), (600, LOCK_BOUND)];
        assert_eq!(play(4, &then), [2, 1]);
    }

    #[test]
    fn bursts_do_not_wind_it_up() {
        // Each lull lets one more in; each burst of lock-bound work takes it out again.
        let mut governor = Governor::new(4);
        run(&mut governor, 3 * STEADY, 1.0, 5);
        let lull = GovernorSample {
            busy: LULL / 2,
            cpu: Some(Duration::ZERO),
            taken: 0,
        };
        for _ in 0..50 {
            assert_eq!(governor.observe(lull), 2);
            assert_eq!(run(&mut governor, STEADY, 1.0, 5), 1);
        }
    }

    #[test]
    fn between_blocking_and_sharing_it_stays() {
        let mut governor = Governor::new(4);
        run(&mut governor, STEADY, 1.0, 5);
        assert_eq!(run(&mut governor, 500, 0.78, 5), 3);
    }

    #[test]
    fn one_task_now_and_then_is_progress() {
        // Less than a stall between two tasks: that is what lock-bound work of 2 ms looks like.
        let mut governor = Governor::new(4);
        for _ in 0..100 {
            run(&mut governor, 1, 1.0, 1);
            run(&mut governor, 1, 1.0, 0);
        }
        assert_eq!(governor.target, 1);
    }

    fn sample() -> impl Strategy<Value = GovernorSample> {
        let micros = |most| (0..most).prop_map(Duration::from_micros);
        let cpu = proptest::option::of(micros(8_000_u64));
        (micros(2_000), cpu, 0..30_u64).prop_map(|(busy, cpu, taken)| GovernorSample {
            busy,
            cpu,
            taken,
        })
    }

    proptest! {
        #[test]
        fn without_progress_it_grows_whatever_was_before(
            workers in 1..20_usize,
            before in proptest::collection::vec(sample(), 0..100),
            // Tasks wait, none is taken, and the workers use as much of their time as they like.
            stuck in proptest::collection::vec((500..2_000_u64, 0.0..8.0_f64), 200..201),
        ) {
            let mut governor = Governor::new(workers);
            for sample in before {
                let target = governor.observe(sample);
                prop_assert!((1..=workers).contains(&target), "{sample:?}: {target}");
            }
            let mut stalled = Duration::ZERO;
            let mut last = governor.target;
            for (busy, cores) in stuck {
                let busy = Duration::from_micros(busy);
                let target = governor.observe(GovernorSample { busy, cpu: Some(busy.mul_f64(cores)), taken: 0 });
                prop_assert!(target >= last, "{last} -> {target}");
                stalled = if target > last { Duration::ZERO } else { stalled + busy };
                // A growth for another reason leaves the time of the stall running.
                prop_assert!(stalled < STALL || target == workers, "{stalled:?} at {target}");
                last = target;
            }
            prop_assert_eq!(last, workers);
        }
    }

    #[test]
    fn without_clocks_all_workers_are_active() {
        let mut governor = Governor::new(4);
        run(&mut governor, 100, 1.0, 5);
        assert_eq!(
            governor.observe(GovernorSample {
                busy: TICK,
                cpu: None,
                taken: 0
            }),
            4
        );
    }
}
