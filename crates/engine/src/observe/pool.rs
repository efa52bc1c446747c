//! Decides how many workers there are, if the number is not fixed (`threads=4-64`).
//!
//! Pure: the overseer passes a [`PoolSample`] four times a second while requests run, and carries out the
//! [`Change`]. Rules, first match wins:
//!
//! 1. after a growth: if tasks still wait, throughput has not risen and most tasks take longer instead, the new
//!    workers only wait in the application, too: the pool does not grow for [`HOLD`], and longer each time. If
//!    the workers also use the CPU up, the growth is undone. While the CPU is idle it is not: requests that run
//!    for long may be the reason, and those that wait need every worker;
//! 2. tasks wait, every worker is busy and together they leave CPU unused: twice as many, but not more
//!    than there are tasks. Workers that share one interpreter lock (GIL) can use one core together, so an
//!    application that computes gets no more workers. Nor does one whose workers are known to wait in line for
//!    a lock or a pool;
//! 3. workers unused for [`IDLE`] are stopped.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::record::histogram::Distribution;

/// The workers and the queue at one moment.
#[derive(Clone, Debug)]
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
    /// The time that tasks took since the server began.
    pub(crate) apps: Distribution,
}

impl PoolSample {
    /// What happened since `earlier`.
    fn since(&self, earlier: &Self) -> Progress {
        let span = self.at.saturating_duration_since(earlier.at);
        let apps = self.apps.since(&earlier.apps);
        let cpu = self.cpu.zip(earlier.cpu);
        let cpu = cpu.map(|(new, old)| new.saturating_sub(old));
        let seconds = span.as_secs_f64().max(1e-6);
        let tasks = self.taken - earlier.taken;
        Progress {
            span,
            tasks,
            rate: tasks as f64 / seconds,
            median: (apps.count() > 0).then(|| apps.quantile(0.5)),
            cores: cpu.map(|cpu| cpu.as_secs_f64() / seconds),
        }
    }
}

/// What lies between two samples.
#[derive(Clone, Copy, Debug)]
struct Progress {
    span: Duration,
    tasks: u64,
    /// Tasks a second.
    rate: f64,
    /// Half of the tasks took no longer, in seconds; `None` if none ended.
    median: Option<f64>,
    cores: Option<f64>,
}

/// What to do, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Grow {
        to: usize,
        why: String,
    },
    Shrink {
        to: usize,
        why: String,
    },
    /// More workers would not help.
    Stay {
        why: String,
    },
}

/// The policy and what it remembers.
#[derive(Debug)]
pub(crate) struct Pool {
    least: usize,
    most: usize,
    /// How many cores the workers can use.
    cores: f64,
    last: Option<PoolSample>,
    /// The last samples, while every worker was busy and tasks waited.
    full: VecDeque<PoolSample>,
    trial: Option<Trial>,
    /// No growth before this instant.
    hold: Option<Instant>,
    /// Growths in a row that gave nothing.
    failures: u32,
    /// When it was last said why the pool does not grow.
    said: Option<Instant>,
    /// The most workers that were busy at once since `since`.
    needed: usize,
    since: Option<Instant>,
}

/// A growth whose gain is not known yet.
#[derive(Clone, Debug)]
struct Trial {
    from: usize,
    before: Progress,
    /// When all new workers had started.
    begun: Option<PoolSample>,
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
            full: VecDeque::new(),
            trial: None,
            hold: None,
            failures: 0,
            said: None,
            needed: 0,
            since: None,
        }
    }

    /// Takes a sample into account. `futile` says why more workers would only wait, if that is known.
    pub(crate) fn observe(
        &mut self,
        now: PoolSample,
        futile: impl FnOnce() -> Option<String>,
    ) -> Option<Change> {
        self.since.get_or_insert(now.at);
        self.needed = self.needed.max(now.busy);
        let last = self.last.replace(now.clone())?;
        if now.at <= last.at {
            return None;
        }
        if let Some(trial) = self.trial.take() {
            self.full.clear();
            return self.judge(trial, now);
        }
        if now.busy < now.live || now.waiting == 0 {
            self.full.clear();
        } else {
            self.full.truncate(FULL - 1);
            self.full.push_front(now.clone());
        }
        if let Some(change) = self.grow(&last, &now, futile) {
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
            self.trial = Some(trial);
            return None; // the new workers have not all started
        }
        let begun = trial.begun.get_or_insert_with(|| now.clone());
        let after = now.since(begun);
        // A rate needs some time and some tasks. If none ends, workers are needed all the more.
        let few = after.tasks < 2 * trial.to as u64 && after.tasks > 0;
        if after.span < TRIAL || few && after.span < LONG_TRIAL {
            self.trial = Some(trial);
            return None;
        }
        let before = trial.before;
        let rose = after.rate >= before.rate * GAIN;
        let times = trial.to as f64 / trial.from as f64;
        let longer = |(after, before): (f64, f64)| after >= before * (1.0 + times) / 2.0;
        let waits = after.median.zip(before.median).is_some_and(longer);
        let room = after.cores.map(|used| used < self.cores * FREE);
        if now.waiting == 0 || rose || room == Some(true) && !waits {
            self.failures = 0;
            return None;
        }
        let hold = HOLD * 2_u32.pow(self.failures.min(MOST_DOUBLINGS));
        self.failures += 1;
        self.hold = Some(now.at + hold);
        let why = format!(
            "{} threads served {:.0} requests a second, {} served {:.0}",
            trial.to, after.rate, trial.from, before.rate,
        );
        if room == Some(true) {
            let took = after.median.zip(before.median);
            let took = took.map_or(String::new(), |(after, before)| {
                format!(
                    ", and each takes {:.0} ms instead of {:.0}: they wait in the application",
                    1e3 * after,
                    1e3 * before
                )
            });
            return Some(Change::Stay {
                why: format!("{why}{took}"),
            });
        }
        Some(Change::Shrink {
            to: trial.from,
            why,
        })
    }

    fn grow(
        &mut self,
        last: &PoolSample,
        now: &PoolSample,
        futile: impl FnOnce() -> Option<String>,
    ) -> Option<Change> {
        let waited = last.waiting.min(now.waiting);
        let used = now.since(last).cores;
        let room = used.is_none_or(|used| used < self.cores * FREE);
        let held = self.hold.is_some_and(|until| now.at < until);
        if waited == 0 || now.busy < now.live || !room || held || now.live >= self.most {
            return None;
        }
        if let Some(why) = futile() {
            self.hold = Some(now.at + SHORT_HOLD);
            let said = |at: Instant| now.at.saturating_duration_since(at) < HOLD;
            if self.said.is_some_and(said) {
                return None;
            }
            self.said = Some(now.at);
            return Some(Change::Stay { why });
        }
        let to = (now.live + waited.min(now.live)).min(self.most);
        let first = self.full.back().filter(|first| first.at < now.at);
        self.trial = Some(Trial {
            from: now.live,
            before: now.since(first.unwrap_or(last)),
            begun: None,
            to,
        });
        self.restart(now.at);
        let used = used.map_or(String::new(), |used| {
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
const LONG_TRIAL: Duration = Duration::from_secs(1);
/// Samples that the figures before a growth are made from.
const FULL: usize = 8;
/// Throughput must have risen by this factor.
const GAIN: f64 = 1.1;
/// After a growth without gain the pool does not grow for this long, and twice as long after each further one.
const HOLD: Duration = Duration::from_secs(60);
const MOST_DOUBLINGS: u32 = 4;
/// While more workers would only wait in line, that is checked again after this long.
const SHORT_HOLD: Duration = Duration::from_secs(5);
/// Workers unused for this long are stopped.
const IDLE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::histogram::Histogram;

    /// An application served by a pool, in steps of one period.
    struct Simulation {
        pool: Pool,
        sample: PoolSample,
        apps: Histogram,
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
                apps: Distribution::default(),
            };
            Self {
                pool: Pool::new(least, most, 1.0),
                sample,
                apps: Histogram::default(),
                changes: Vec::new(),
            }
        }

        /// A period in which `tasks` were taken and ended, each after `time`.
        fn period(&mut self, busy: usize, waiting: usize, tasks: u64, time: Duration) {
            for _ in 0..tasks {
                self.apps.record(time);
            }
            let mut apps = Distribution::default();
            self.apps.add_to(&mut apps);
            self.sample = PoolSample {
                at: self.sample.at + PERIOD,
                busy,
                waiting,
                taken: self.sample.taken + tasks,
                apps,
                ..self.sample.clone()
            };
            self.observe(None);
        }

        fn observe(&mut self, futile: Option<&str>) {
            let futile = || futile.map(str::to_owned);
            let change = self.pool.observe(self.sample.clone(), futile);
            if let Some(Change::Grow { to, .. } | Change::Shrink { to, .. }) = change {
                self.sample.live = to;
            }
            self.changes.extend(change);
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
                self.sample.cpu = self.sample.cpu.map(|cpu| cpu + compute.mul_f64(tasks));
                let each = Duration::from_secs_f64(busy as f64 / rate.max(1e-9));
                self.period(busy, clients - busy, tasks as u64, each);
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
    fn behind_a_lock_the_pool_grows_once_and_says_why_not_again() {
        let mut sim = Simulation::new(4, 64);
        // 40 requests a second, however many workers there are.
        let lock = |sim: &mut Simulation, periods| {
            for _ in 0..periods {
                let live = sim.sample.live;
                sim.period(live, 30, 10, 25 * MS * live as u32);
            }
        };
        lock(&mut sim, 100);
        assert_eq!(
            (sim.sample.live, sim.changes.len()),
            (8, 2),
            "{:?}",
            sim.changes
        );
        let Change::Stay { why } = &sim.changes[1] else {
            panic!("{:?}", sim.changes);
        };
        assert!(why.contains("they wait in the application"), "{why}");
        // It tries again after a minute, two minutes, four minutes: requests wait, and the CPU is idle.
        lock(&mut sim, 240 * 7);
        assert_eq!(
            (sim.sample.live, sim.changes.len()),
            (62, 8),
            "{:?}",
            sim.changes
        );
        assert!(
            !sim.changes
                .iter()
                .any(|change| matches!(change, Change::Shrink { .. }))
        );
    }

    #[test]
    fn a_pool_whose_workers_are_known_to_wait_in_line_stays() {
        let mut sim = Simulation::new(4, 64);
        for _ in 0..100 {
            sim.sample.at += PERIOD;
            (sim.sample.busy, sim.sample.waiting) = (4, 30);
            sim.sample.taken += 10;
            sim.observe(Some("they wait at views.py:12 view"));
        }
        let why = "they wait at views.py:12 view".to_owned();
        assert_eq!(sim.changes, [Change::Stay { why }], "said once");
        assert_eq!(sim.sample.live, 4);
    }

    #[test]
    fn requests_that_run_for_long_beside_short_ones_get_workers() {
        let mut sim = Simulation::new(4, 64);
        // Six visitors of a page of 50 ms, and each second one more request that does not end.
        for period in 0..40 {
            let (long, live) = ((1 + period / 4).min(8), sim.sample.live);
            let pages = 6.min(live.saturating_sub(long));
            let busy = live.min(long + 6);
            sim.period(busy, long + 6 - busy, 5 * pages as u64, 50 * MS);
        }
        assert_eq!(sim.sample.live, 14, "{:?}", sim.changes);
    }

    #[test]
    fn a_backend_that_gets_slow_costs_no_worker() {
        let mut sim = Simulation::new(4, 64);
        sim.run(20, 8, MS * 50, Duration::ZERO);
        assert_eq!(sim.sample.live, 8);
        sim.run(1, 9, MS * 50, Duration::ZERO);
        sim.run(20, 12, MS * 5000, Duration::ZERO);
        assert!(sim.sample.live >= 9, "{:?}", sim.changes);
        assert!(
            !sim.changes
                .iter()
                .any(|change| matches!(change, Change::Shrink { .. }))
        );
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
