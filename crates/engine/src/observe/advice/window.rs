//! The averages that a verdict is made from.

use std::ops::AddAssign;

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
    /// Requests in the application, on average.
    pub(crate) busy: f64,
    /// Requests waiting for a worker, on average.
    pub(crate) waiting: f64,
    /// Replies on their way to their clients, on average.
    pub(crate) flushing: f64,
    /// Seconds a request waited for a worker, on average.
    pub(crate) wait: f64,
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
    pub(crate) gil: bool,
    /// Processes that these figures are of.
    pub(crate) processes: usize,
}

impl Default for Window {
    /// Nothing has happened in one process.
    fn default() -> Self {
        Self {
            requests: 0,
            busy: 0.0,
            waiting: 0.0,
            flushing: 0.0,
            wait: 0.0,
            gil_wait: 0.0,
            probe: 0.0,
            held: 0.0,
            worker_cores: None,
            delayed: 0.0,
            process_cores: 0.0,
            cores: 1,
            threads: 1,
            gil: true,
            processes: 1,
        }
    }
}

impl Window {
    /// What lies between two samples.
    pub(crate) fn between(first: &Sample, last: &Sample, threads: usize, gil: bool) -> Self {
        let elapsed = last.at.saturating_duration_since(first.at).as_secs_f64();
        let per_second = |n: f64| n.max(0.0) / elapsed.max(1e-6);
        let phase = |phase| last.figures.phase(phase).since(first.figures.phase(phase));
        let taken = phase(Phase::Queue).count();
        let waited = (last.waited - first.waited).max(0.0);
        let finished = last.probe.since(&first.probe);
        // A probe that still waits counts with its wait so far, less what it had waited before this window.
        let probes = finished.count() + u64::from(last.probing > 0.0);
        let probed = (finished.sum() + last.probing - first.probing).max(0.0);
        let grown = |last: Option<f64>, first: Option<f64>| Some(per_second(last? - first?));
        Self {
            requests: last.figures.requests() - first.figures.requests(),
            busy: per_second(last.busy - first.busy),
            waiting: per_second(waited),
            flushing: per_second(phase(Phase::Flush).sum()),
            wait: waited / taken.max(1) as f64,
            gil_wait: phase(Phase::Gil).mean(),
            probe: probed / (probes.max(1) as f64),
            held: per_second(probed).min(1.0),
            worker_cores: grown(last.worker_cpu, first.worker_cpu),
            delayed: per_second(last.delayed - first.delayed),
            process_cores: grown(last.process_cpu, first.process_cpu).unwrap_or_default(),
            cores: crate::sys::process::cores(),
            threads,
            gil,
            processes: 1,
        }
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
        let (mine, others) = (self.requests as f64, other.requests as f64);
        let mean = |a: f64, b: f64| (a * mine + b * others) / (mine + others).max(1.0);
        self.wait = mean(self.wait, other.wait);
        self.gil_wait = mean(self.gil_wait, other.gil_wait);
        self.requests += other.requests;
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
        self.gil |= other.gil;
        self.processes += other.processes;
    }
}

/// A load has changed by this many requests in flight.
const CHANGED: f64 = 0.5;
