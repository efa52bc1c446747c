//! The averages that a verdict is made from.

use std::ops::AddAssign;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SHUT;
use crate::observe::watch::Sample;
use crate::record::Phase;

/// Averages over some time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Window {
    /// Requests that ended.
    pub(crate) requests: u64,
    /// Those that ended with a status of 5xx, and not because of what the client had sent.
    pub(crate) errors: u64,
    /// Requests that a worker took or that wait for one.
    pub(crate) asked: u64,
    /// Requests in the application, on average.
    pub(crate) busy: f64,
    /// Requests waiting for a worker, on average.
    pub(crate) waiting: f64,
    /// Seconds that a request took a worker, on average; and half of the requests did not take longer.
    pub(crate) mean: f64,
    pub(crate) median: f64,
    /// Replies on their way to their clients, on average.
    pub(crate) flushing: f64,
    /// Seconds a request waited for a worker, on average; those that still wait count with their wait so far.
    pub(crate) wait: f64,
    /// Requests that wait now.
    pub(crate) still_waiting: usize,
    /// The part of `wait` for which a worker was there and waited for the interpreter.
    pub(crate) gil_wait: f64,
    /// Seconds the probe waited for the interpreter, on average.
    pub(crate) probe: f64,
    /// The share of the time that the probe waited.
    pub(crate) held: f64,
    /// Cores that the workers used; `None` where it cannot be measured.
    pub(crate) worker_cores: Option<f64>,
    /// Cores that the workers would have used beyond that, if others had left them.
    pub(crate) delayed: f64,
    /// Cores that the process used.
    pub(crate) process_cores: f64,
    /// Cores there are.
    pub(crate) cores: usize,
    pub(crate) threads: usize,
    /// The most threads that there may be, if the server chooses their number.
    pub(crate) most_threads: usize,
    /// Workers whose request has run for too long.
    pub(crate) stuck: usize,
    /// The seconds that the oldest of them has run for.
    pub(crate) oldest: f64,
    /// The part of `busy` that is theirs.
    pub(crate) stuck_busy: f64,
    /// The share of the time that garbage collections took, and the longest one, in seconds.
    pub(crate) collecting: f64,
    pub(crate) longest_collection: f64,
    /// The server leaves: it accepts nothing new.
    pub(crate) draining: bool,
    pub(crate) gil: bool,
    /// Processes that these figures are of.
    pub(crate) processes: usize,
}

impl Default for Window {
    /// Nothing has happened in one process.
    fn default() -> Self {
        Self {
            requests: 0,
            errors: 0,
            asked: 0,
            busy: 0.0,
            waiting: 0.0,
            mean: 0.0,
            median: 0.0,
            flushing: 0.0,
            wait: 0.0,
            still_waiting: 0,
            gil_wait: 0.0,
            probe: 0.0,
            held: 0.0,
            worker_cores: None,
            delayed: 0.0,
            process_cores: 0.0,
            cores: 1,
            threads: 1,
            most_threads: 1,
            stuck: 0,
            oldest: 0.0,
            stuck_busy: 0.0,
            collecting: 0.0,
            longest_collection: 0.0,
            draining: false,
            gil: true,
            processes: 1,
        }
    }
}

impl Window {
    /// What lies between two samples, of one process with one thread. A request that has run for `stuck_after`
    /// may be stuck.
    pub(crate) fn between(first: &Sample, last: &Sample, stuck_after: Option<Duration>) -> Self {
        let elapsed = last.at.saturating_duration_since(first.at).as_secs_f64();
        let per_second = |n: f64| n.max(0.0) / elapsed.max(1e-6);
        let phase = |phase| last.figures.phase(phase).since(first.figures.phase(phase));
        // Of a request that runs the wait is not recorded yet.
        let taken = phase(Phase::Queue).count() + last.running as u64;
        let asked = taken.saturating_sub(first.running as u64) + last.waiting as u64;
        let apps = phase(Phase::App);
        let waited = (last.waited - first.waited).max(0.0);
        let finished = last.probe.since(&first.probe);
        // A probe that still waits counts with its wait so far, less what it had waited before this window.
        let probes = finished.count() + u64::from(last.probing > 0.0);
        let probed = (finished.sum() + last.probing - first.probing).max(0.0);
        let collections = last.collections.since(&first.collections);
        let grown = |last: Option<f64>, first: Option<f64>| Some(per_second(last? - first?));
        Self {
            requests: last.figures.requests() - first.figures.requests(),
            errors: last.figures.failed - first.figures.failed,
            asked,
            busy: per_second(last.busy - first.busy),
            waiting: per_second(waited),
            mean: (last.busy - first.busy).max(0.0) / apps.count().max(1) as f64,
            median: apps.quantile(0.5),
            flushing: per_second(phase(Phase::Flush).sum()),
            wait: waited / asked.max(1) as f64,
            still_waiting: last.waiting,
            gil_wait: phase(Phase::Gil).mean(),
            probe: probed / (probes.max(1) as f64),
            held: per_second(probed).min(1.0),
            worker_cores: grown(last.worker_cpu, first.worker_cpu),
            delayed: per_second(last.delayed - first.delayed),
            process_cores: grown(last.process_cpu, first.process_cpu).unwrap_or_default(),
            cores: crate::sys::process::cores(),
            collecting: per_second(collections.sum()),
            longest_collection: collections.quantile(1.0),
            ..Self::default()
        }
        .with_stuck(
            first,
            last,
            apps.quantile(1.0),
            stuck_after.unwrap_or(STUCK).as_secs_f64(),
        )
    }

    /// Counts the requests that have run for `least` and much longer than all that ended, which took `usual`
    /// at most.
    fn with_stuck(mut self, first: &Sample, last: &Sample, usual: f64, least: f64) -> Self {
        let elapsed = last.at.saturating_duration_since(first.at).as_secs_f64();
        let long = |age: &&f64| **age >= least.max(2.0 * usual);
        let ages = || last.ages.iter().filter(long);
        self.stuck = ages().count();
        self.oldest = ages().copied().fold(0.0, f64::max);
        self.stuck_busy = ages().map(|age| age.min(elapsed)).sum::<f64>() / elapsed.max(1e-6);
        self
    }

    /// Whether the load in this window, the end of `whole`, clearly differs from the load in all of `whole`.
    pub(crate) fn differs_from(&self, whole: &Self) -> bool {
        let apart = |a: f64, b: f64, least| (a - b).abs() >= least && a.max(b) >= 2.0 * a.min(b);
        apart(self.busy, whole.busy, CHANGED)
            || apart(self.waiting, whole.waiting, CHANGED)
            || apart(self.held, whole.held, SHUT)
    }
}

impl AddAssign for Window {
    fn add_assign(&mut self, other: Self) {
        let (mine, others) = (self.asked as f64, other.asked as f64);
        let mean = |a: f64, b: f64| (a * mine + b * others) / (mine + others).max(1.0);
        self.wait = mean(self.wait, other.wait);
        self.gil_wait = mean(self.gil_wait, other.gil_wait);
        self.mean = mean(self.mean, other.mean);
        self.median = mean(self.median, other.median);
        self.requests += other.requests;
        self.errors += other.errors;
        self.asked += other.asked;
        self.still_waiting += other.still_waiting;
        self.busy += other.busy;
        self.waiting += other.waiting;
        self.flushing += other.flushing;
        // A request that meets the one GIL that is held waits for it.
        self.probe = self.probe.max(other.probe);
        self.held = self.held.max(other.held);
        self.worker_cores = match (self.worker_cores, other.worker_cores) {
            (Some(a), Some(b)) => Some(a + b),
            _ => None,
        };
        self.delayed += other.delayed;
        self.process_cores += other.process_cores;
        self.cores = self.cores.max(other.cores);
        self.threads += other.threads;
        self.most_threads += other.most_threads;
        self.stuck += other.stuck;
        self.oldest = self.oldest.max(other.oldest);
        self.stuck_busy += other.stuck_busy;
        self.collecting = self.collecting.max(other.collecting);
        self.longest_collection = self.longest_collection.max(other.longest_collection);
        // A process that is replaced drains; the server serves as long as another one does.
        self.draining &= other.draining;
        self.gil |= other.gil;
        self.processes += other.processes;
    }
}

/// A request that has run for this long may be stuck, unless the settings say more.
const STUCK: Duration = Duration::from_secs(10);
/// A load has changed by this many requests in flight.
const CHANGED: f64 = 0.5;
