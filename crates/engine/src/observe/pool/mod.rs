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

#[cfg(test)]
mod tests;

use crate::sys::instant::Instant;
use std::collections::VecDeque;
use std::time::Duration;

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
            let change = self.judge(trial, &now);
            if change.is_some() || self.trial.is_some() {
                return change;
            }
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

    fn judge(&mut self, mut trial: Trial, now: &PoolSample) -> Option<Change> {
        if now.live < trial.to {
            self.trial = Some(trial);
            return None; // the new workers have not all started
        }
        let begun = trial.begun.get_or_insert_with(|| now.clone());
        let after = now.since(begun);
        // A rate needs some time and some tasks. Where no task ends, every worker has a long one.
        let none = after.tasks == 0 && now.busy >= now.live && !after.span.is_zero();
        let few = after.tasks < 2 * trial.to as u64;
        if !none && (after.span < TRIAL || few && after.span < LONG_TRIAL) {
            self.trial = Some(trial);
            return None;
        }
        let before = trial.before;
        let rose = after.rate >= before.rate * GAIN;
        let times = trial.to as f64 / trial.from as f64;
        // In a line, each waits as many times longer as there are more; the median is that of a histogram.
        let longer =
            |(after, before): (f64, f64)| after >= before * (0.3 + 0.7 * times).max(CLEARLY);
        let waits = after.median.zip(before.median).is_some_and(longer);
        let room = after.cores.map(|used| used < self.cores * FREE);
        if none || now.waiting == 0 || rose || room == Some(true) && !waits {
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
        let wait = if waited == 1 {
            "request waits"
        } else {
            "requests wait"
        };
        let why = format!("{waited} {wait} for a thread{used}");
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
/// Tasks take clearly longer if half of them take this many times as long.
const CLEARLY: f64 = 1.6;
/// After a growth without gain the pool does not grow for this long, and twice as long after each further one.
const HOLD: Duration = Duration::from_secs(60);
const MOST_DOUBLINGS: u32 = 4;
/// While more workers would only wait in line, that is checked again after this long.
const SHORT_HOLD: Duration = Duration::from_secs(5);
/// Workers unused for this long are stopped.
const IDLE: Duration = Duration::from_secs(30);
