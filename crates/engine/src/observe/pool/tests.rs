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
    let mut crowded = 0;
    // Six visitors of a page of 50 ms, and each second one more request that does not end.
    for period in 0..48 {
        let (long, live) = ((1 + period / 4).min(8), sim.sample.live);
        let pages = 6.min(live.saturating_sub(long));
        let busy = live.min(long + 6);
        sim.period(busy, long + 6 - busy, 5 * pages as u64, 50 * MS);
        // Pages wait for more than a round of them only while fewer than two run.
        crowded = if pages < 2 { crowded + 1 } else { 0 };
        assert!(crowded < 4, "{period}: {:?}", sim.changes);
    }
    assert_eq!(sim.sample.live, 14, "{:?}", sim.changes);
}

#[test]
fn workers_that_all_have_a_long_request_do_not_keep_the_pool_from_growing() {
    let mut sim = Simulation::new(4, 64);
    for _ in 0..12 {
        let live = sim.sample.live;
        sim.period(live, 60 - live.min(60), 0, MS);
    }
    assert_eq!(sim.sample.live, 60, "{:?}", sim.changes);
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
