//! Decides how many workers there are, if the number is not fixed (`threads=4-64`).
//!
//! Pure: the overseer passes a [`PoolSample`] four times a second while requests run, and carries out the
//! [`Change`]. Rules, first match wins:
//!
//! 1. after a growth: if tasks still wait and throughput has not risen, the growth is undone, and the pool
//!    does not grow again for [`HOLD`];
//! 2. tasks wait, every worker is busy and together they leave CPU unused: twice as many, but not more
//!    than there are tasks. Workers that share one interpreter lock (GIL) can use one core together, so an
//!    application that computes gets no more workers;
//! 3. workers unused for [`IDLE`] are stopped.

use std::time::{Duration, Instant};

/// The workers and the queue at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolSample {
    pub(crate) at: Instant,
    /// Workers, without replacements for stuck ones.
    pub(crate) live: usize,
    /// The most workers that were busy at once since the last sample.
    pub(crate) busy: usize,
    /// Tasks that wait.
    pub(crate) waiting: usize,
    /// Tasks taken since the server began.
    pub(crate) taken: u64,
    /// CPU time of all workers since the server began, and the time they were ready and had no core; `None`
    /// where it cannot be measured.
    pub(crate) cpu: Option<Duration>,
}

/// What to do, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Grow { to: usize, why: String },
    Shrink { to: usize, why: String },
}

/// The policy and what it remembers.
#[derive(Debug)]
pub(crate) struct Pool {
    least: usize,
    most: usize,
    /// How many cores the workers can use.
    cores: f64,
    last: Option<PoolSample>,
    trial: Option<Trial>,
    /// No growth before this instant.
    hold: Option<Instant>,
    /// The most workers that were busy at once since `since`.
    needed: usize,
    since: Option<Instant>,
}

/// A growth whose gain is not known yet.
#[derive(Clone, Copy, Debug)]
struct Trial {
    from: usize,
    /// Tasks a second before it.
    rate: f64,
    /// When all new workers had started, and the tasks taken until then.
    begun: Option<(Instant, u64)>,
    to: usize,
}

impl Pool {
    /// `cores`: how many the workers can use; 1 if they share a GIL.
    pub(crate) fn new(least: usize, most: usize, cores: f64) -> Self {
        Self {
            least,
            most,
            cores,
            last: None,
            trial: None,
            hold: None,
            needed: 0,
            since: None,
        }
    }

    /// Takes a sample into account.
    pub(crate) fn observe(&mut self, now: PoolSample) -> Option<Change> {
        self.since.get_or_insert(now.at);
        self.needed = self.needed.max(now.busy);
        let last = self.last.replace(now)?;
        let span = now.at.saturating_duration_since(last.at).as_secs_f64();
        if span <= 0.0 {
            return None;
        }
        let rate = (now.taken - last.taken) as f64 / span;
        let cores = now
            .cpu
            .zip(last.cpu)
            .map(|(new, old)| new.saturating_sub(old).as_secs_f64() / span);
        if let Some(trial) = self.trial {
            return self.judge(trial, now);
        }
        if let Some(change) = self.grow(&last, &now, rate, cores) {
            return Some(change);
        }
        self.shrink(&now)
    }

    /// When to look again though nothing happens: unused workers may be stopped then.
    pub(crate) fn due(&self, live: usize) -> Option<Instant> {
        let since = self.since.filter(|_| live > self.least);
        since.map(|since| since + IDLE)
    }

    /// The system has refused a worker: the growth under way ends, and none begins for [`HOLD`].
    pub(crate) fn refused(&mut self, at: Instant) {
        self.trial = None;
        self.hold = Some(at + HOLD);
    }

    fn judge(&mut self, mut trial: Trial, now: PoolSample) -> Option<Change> {
        if now.live < trial.to {
            return None; // the new workers have not all started
        }
        let (begun, taken) = *trial.begun.get_or_insert((now.at, now.taken));
        self.trial = Some(trial);
        let span = now.at.saturating_duration_since(begun);
        let tasks = now.taken - taken;
        // A rate needs some time and two tasks per worker, or a long time.
        if span < TRIAL || tasks < 2 * trial.to as u64 && span < LONG_TRIAL {
            return None;
        }
        self.trial = None;
        let rate = tasks as f64 / span.as_secs_f64();
        if now.waiting == 0 || rate >= trial.rate * GAIN {
            return None;
        }
        self.hold = Some(now.at + HOLD);
        let why = format!(
            "{} threads served {rate:.0} requests a second, {} served {:.0}",
            trial.to, trial.from, trial.rate,
        );
        Some(Change::Shrink {
            to: trial.from,
            why,
        })
    }

    fn grow(
        &mut self,
        last: &PoolSample,
        now: &PoolSample,
        rate: f64,
        cores: Option<f64>,
    ) -> Option<Change> {
        let waited = last.waiting.min(now.waiting);
        let room = cores.is_none_or(|used| used < self.cores * FREE);
        let held = self.hold.is_some_and(|until| now.at < until);
        if waited == 0 || now.busy < now.live || !room || held || now.live >= self.most {
            return None;
        }
        let to = (now.live + waited.min(now.live)).min(self.most);
        self.trial = Some(Trial {
            from: now.live,
            rate,
            begun: None,
            to,
        });
        self.restart(now.at);
        let used = cores.map_or(String::new(), |used| {
            format!(", and the busy ones use {used:.1} cores")
        });
        let why = format!("{waited} requests wait for a thread{used}");
        Some(Change::Grow { to, why })
    }

    fn shrink(&mut self, now: &PoolSample) -> Option<Change> {
        let since = self.since?;
        if now.at.saturating_duration_since(since) < IDLE {
            return None;
        }
        // One more than was needed, so that the next request finds a free worker.
        let to = (self.needed + 1).max(self.least);
        let needed = self.needed;
        self.restart(now.at);
        (to < now.live).then(|| Change::Shrink {
            to,
            why: format!(
                "no more than {needed} were busy at once for {} s",
                IDLE.as_secs()
            ),
        })
    }

    fn restart(&mut self, at: Instant) {
        self.since = Some(at);
        self.needed = 0;
    }
}

/// How often samples are taken while requests run.
pub(crate) const PERIOD: Duration = Duration::from_millis(250);
/// The share of their cores from which on the workers leave no CPU for more workers.
const FREE: f64 = 0.7;
/// Shortest trial of a growth.
const TRIAL: Duration = Duration::from_millis(500);
/// Longest trial, when requests are slow.
const LONG_TRIAL: Duration = Duration::from_secs(5);
/// Throughput must have risen by this factor.
const GAIN: f64 = 1.1;
/// After a growth without gain the pool does not grow for this long.
const HOLD: Duration = Duration::from_secs(60);
/// Workers unused for this long are stopped.
const IDLE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    /// An application served by a pool, in steps of one period.
    struct Simulation {
        pool: Pool,
        sample: PoolSample,
        changes: Vec<Change>,
    }

    impl Simulation {
        fn new(least: usize, most: usize) -> Self {
            let sample = PoolSample {
                at: Instant::now(),
                live: least,
                busy: 0,
                waiting: 0,
                taken: 0,
                cpu: Some(Duration::ZERO),
            };
            Self {
                pool: Pool::new(least, most, 1.0),
                sample,
                changes: Vec::new(),
            }
        }

        /// `clients` that ask again at once, of an application that waits for `wait` and computes for
        /// `compute` on one core.
        fn run(&mut self, periods: u32, clients: usize, wait: Duration, compute: Duration) {
            for _ in 0..periods {
                let busy = clients.min(self.sample.live);
                let each = (wait + compute).as_secs_f64();
                let by_workers = busy as f64 / each;
                let rate = by_workers.min(1.0 / compute.as_secs_f64().max(1e-9));
                let tasks = rate * PERIOD.as_secs_f64();
                self.sample.at += PERIOD;
                self.sample.busy = busy;
                self.sample.waiting = clients - busy;
                self.sample.taken += tasks as u64;
                self.sample.cpu = self.sample.cpu.map(|cpu| cpu + compute.mul_f64(tasks));
                if let Some(change) = self.pool.observe(self.sample) {
                    let (Change::Grow { to, .. } | Change::Shrink { to, .. }) = change;
                    self.sample.live = to;
                    self.changes.push(change);
                }
            }
        }
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn an_application_that_waits_gets_a_worker_for_every_client() {
        let mut sim = Simulation::new(4, 64);
        sim.run(40, 50, MS * 50, Duration::ZERO);
        assert_eq!(sim.sample.live, 50, "{:?}", sim.changes);
        let mut bounded = Simulation::new(4, 16);
        bounded.run(40, 50, MS * 50, Duration::ZERO);
        assert_eq!(bounded.sample.live, 16);
    }

    #[test]
    fn an_application_that_computes_gets_none() {
        let mut sim = Simulation::new(4, 64);
        sim.run(400, 50, Duration::ZERO, MS * 5);
        assert_eq!((sim.sample.live, sim.changes.len()), (4, 0));
    }

    #[test]
    fn growth_without_gain_is_taken_back_and_not_tried_again_soon() {
        let mut sim = Simulation::new(4, 64);
        // Something else is the bottleneck: no rate above 40 a second, no CPU either.
        for _ in 0..100 {
            sim.sample.at += PERIOD;
            sim.sample.busy = sim.sample.live;
            sim.sample.waiting = 30;
            sim.sample.taken += 10;
            if let Some(change) = sim.pool.observe(sim.sample) {
                let (Change::Grow { to, .. } | Change::Shrink { to, .. }) = change;
                sim.sample.live = to;
                sim.changes.push(change);
            }
        }
        assert_eq!(sim.sample.live, 4);
        assert_eq!(sim.changes.len(), 2, "{:?}", sim.changes);
    }

    #[test]
    fn what_is_not_needed_goes_after_a_while_and_comes_back() {
        let mut sim = Simulation::new(2, 64);
        sim.run(40, 20, MS * 50, Duration::ZERO);
        assert_eq!(sim.sample.live, 20);
        let before = sim.changes.len();
        sim.run(119, 5, MS * 50, Duration::ZERO);
        assert_eq!(sim.changes.len(), before, "it was needed within IDLE");
        sim.run(130, 5, MS * 50, Duration::ZERO);
        assert_eq!(sim.sample.live, 6);
        sim.run(250, 0, MS * 50, Duration::ZERO);
        assert_eq!(sim.sample.live, 2);
        sim.run(40, 20, MS * 50, Duration::ZERO);
        assert_eq!(sim.sample.live, 20);
    }

    #[test]
    fn a_burst_shorter_than_two_samples_changes_nothing() {
        let mut sim = Simulation::new(4, 64);
        for _ in 0..20 {
            sim.run(1, 40, MS * 50, Duration::ZERO);
            sim.run(1, 0, MS * 50, Duration::ZERO);
        }
        assert_eq!(sim.changes, []);
    }

    #[test]
    fn where_cpu_cannot_be_measured_throughput_alone_decides() {
        let mut sim = Simulation::new(4, 64);
        sim.sample.cpu = None;
        sim.run(100, 50, Duration::ZERO, MS * 5);
        assert_eq!(sim.sample.live, 4);
        assert_eq!(sim.changes.len(), 2, "tried once: {:?}", sim.changes);
    }
}
