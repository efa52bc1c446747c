//! What another number of threads would give: a model of the application, which whoever follows it can check.
//!
//! The clients are taken to go on as now: each asks again when it has its reply, so that as many requests are
//! under way as before. Of them `n` run at most. They end as fast as one alone would, times their number,
//! until something has no more to give: the interpreter, the CPU, or a place that lets only a few pass.

use serde_json::{Value, json};

use super::crowded::{FULL, PARALLEL};
use super::limited::place_in_line;
use super::scaling::Shape;
use super::troubled::computing_beside;
use super::words::{number, time};
use super::{Case, QUIET, Window, is_held};
use crate::observe::profile::State;

/// What is to be expected.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    /// Threads of each process.
    pub(crate) threads: usize,
    /// Requests that end in a second.
    pub(crate) rate: f64,
    /// Seconds that a request waits for a worker.
    pub(crate) wait: f64,
    pub(crate) limit: Limit,
}

/// What keeps more requests from ending.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Limit {
    /// There are no more requests.
    Load,
    Threads,
    Gil,
    Cpu,
    /// A line of the application.
    Place(String),
}

/// What `threads` threads in each process would give; `None` if no request ran.
pub(crate) fn expect(case: &Case<'_>, threads: usize) -> Option<Expected> {
    let w = case.window;
    if w.busy < QUIET || w.mean <= 0.0 {
        return None;
    }
    let now = w.busy / w.mean;
    let under_way = w.busy + w.waiting;
    let most = (threads * w.processes) as f64;
    let by_number = match most < under_way {
        true => (most, Limit::Threads),
        false => (under_way, Limit::Load),
    };
    let alone = w.mean * (1.0 - in_each_others_way(case));
    let mut least = (by_number.0 / alone, by_number.1);
    for ceiling in ceilings(case, now, by_number.0).into_iter().flatten() {
        if ceiling.0 < least.0 {
            least = ceiling;
        }
    }
    let (rate, limit) = least;
    Some(Expected {
        threads,
        rate,
        wait: (under_way - most).max(0.0) / rate,
        limit,
    })
}

/// The share of a worker's time that it would not take if it ran alone.
fn in_each_others_way(case: &Case<'_>) -> f64 {
    let all = case.places.seconds().max(f64::MIN_POSITIVE);
    let others = case.places.seconds_in(State::Gil) + case.places.seconds_in(State::Core);
    let in_line = place_in_line(case).map_or(0.0, |(_, share)| share);
    (others / all + in_line).min(MOST)
}

/// What else there is to give, if it is all used while `running` requests run: requests a second, and of what.
fn ceilings(case: &Case<'_>, now: f64, running: f64) -> [Option<(f64, Limit)>; 3] {
    let w = case.window;
    let used = w.worker_cores.unwrap_or(w.process_cores);
    let gils = w.processes as f64;
    let serial = w.gil && used <= PARALLEL * gils;
    // Code that sleeps and keeps the GIL uses no CPU, and the probe gets its turn as any worker does.
    let taken = match is_held(w) {
        true => gils,
        false => used.max(LEAST),
    };
    let share = match computing_beside(case) {
        Some(_) => in_turns(used / gils, w.busy, running),
        None => 1.0,
    };
    let gil = serial.then(|| (now * share * gils / taken, Limit::Gil));
    let cpu = now * w.cores as f64 / w.process_cores.max(LEAST);
    let place = match (place_in_line(case), case.curve.shape()) {
        (Some((at, _)), _) => Some((now, Limit::Place(at))),
        (None, Some(Shape::Flat { rate, .. })) if !(serial && used >= FULL * gils) => {
            // The curve is that of one process.
            Some((rate * gils, Limit::Place("what they wait for".into())))
        }
        _ => None,
    };
    [gil, Some((cpu, Limit::Cpu)), place]
}

/// The share of the GIL that `running` workers get beside others that want it all the time, if `busy` workers get
/// the share `used`: whoever wants it gets a turn.
fn in_turns(used: f64, busy: f64, running: f64) -> f64 {
    let each = used / (1.0 - used).max(LEAST) / busy;
    let all = each * running;
    all / (1.0 + all)
}

impl Expected {
    /// As a sentence, compared with the figures of now.
    pub(crate) fn said(&self, w: &Window) -> String {
        let now = w.busy / w.mean.max(f64::MIN_POSITIVE);
        let limit = match &self.limit {
            Limit::Load => "then every request has a thread".into(),
            Limit::Threads => "the threads are the limit".into(),
            Limit::Gil => "the GIL is the limit".into(),
            Limit::Cpu => "the CPU is the limit".into(),
            Limit::Place(at) => format!("{at} is the limit"),
        };
        format!(
            "With threads={} about {} requests a second would end ({} now), and a request would wait {} for a \
             thread ({} now): {limit}. This holds if the clients go on as now.",
            self.threads,
            number(self.rate),
            number(now),
            time(self.wait),
            time(w.wait),
        )
    }

    pub(crate) fn json(&self) -> Value {
        let (limit, place) = match &self.limit {
            Limit::Load => ("load", None),
            Limit::Threads => ("threads", None),
            Limit::Gil => ("gil", None),
            Limit::Cpu => ("cpu", None),
            Limit::Place(at) => ("place", Some(at)),
        };
        json!({
            "threads": self.threads,
            "rate": self.rate,
            "wait": self.wait,
            "limit": limit,
            "place": place,
        })
    }
}

/// Nobody wants to know of more threads.
pub(crate) const MOST_THREADS: usize = 1024;
/// Workers are in each other's way for at most this share of their time: one of them always goes on.
const MOST: f64 = 0.95;
/// Cores: less is not measured.
const LEAST: f64 = 1e-6;
