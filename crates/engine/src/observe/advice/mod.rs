//! What would help, in one sentence, and on what evidence.
//!
//! Three pieces of evidence make a verdict:
//!
//! 1. Little's law (L = λW): the average number of requests in a place is their rate times their time
//!    there, so the time that workers were busy and that requests waited, divided by the time that passed,
//!    is how many were in the application and in the queue on average. Their sum is how many threads would
//!    leave nobody waiting, as long as there is CPU for them: the workers' CPU time says how much of a core
//!    each busy thread takes, and with a GIL all of them together cannot take more than one.
//! 2. The wait profile: where the workers wait, and what for (`place.rs`). If workers wait in line for a
//!    lock or a pool, it is in use all the time, and whoever comes next waits there, too.
//! 3. Scaling seen: how many requests ended while how many workers were busy (`scaling.rs`).
//!
//! Windows of several processes add up. Each process has a GIL of its own, and all share the machine.
//!
//! A pure function of a [`Case`]: no clock, no server.

mod crowded;
pub(crate) mod expect;
mod limited;
mod place;
mod scaling;
#[cfg(all(test, not(shuttle)))]
mod tests;
mod troubled;
mod window;
mod words;

use self::crowded::crowded;
pub(crate) use self::limited::limit;
pub(crate) use self::scaling::Curve;
use self::troubled::{background, collections, errors, starved, stuck};
pub(crate) use self::window::Window;
use self::words::{number, plural, the_gil, threads, time};
use crate::observe::profile::Places;

/// What the verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Nothing to do.
    Idle,
    /// Requests come and hardly wait.
    Ok,
    /// Requests come several at a time and wait then.
    Burst,
    /// Requests wait, and the number of threads grows by itself.
    Growing,
    /// Replies wait for slow clients, and requests do not wait.
    SlowClients,
    /// The server leaves.
    Draining,
    /// Every thread is busy and hardly computes.
    Threads,
    /// Fewer busy threads did more.
    TooManyThreads,
    /// The interpreter lock is the bottleneck.
    Gil,
    /// Threads beside the workers hold the interpreter lock.
    Background,
    /// The processors are the bottleneck.
    Cpu,
    /// Other processes use the processors.
    Starved,
    /// The workers wait in line for a lock of the application.
    Lock,
    /// The workers wait in line for one of a few: connections, slots of a semaphore.
    Pool,
    /// The workers wait for SQLite, which lets one connection write.
    Sqlite,
    /// A database or another service is slow, and gets no faster with more threads.
    Service,
    /// One route takes the workers from the others.
    Route,
    /// Garbage collections stop the workers.
    Collections,
    /// Workers run requests that do not end.
    Stuck,
    /// Many replies are errors.
    Errors,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ok => "ok",
            Self::Burst => "burst",
            Self::Growing => "growing",
            Self::SlowClients => "slow-clients",
            Self::Draining => "draining",
            Self::Threads => "threads",
            Self::TooManyThreads => "too-many-threads",
            Self::Gil => "gil",
            Self::Background => "background",
            Self::Cpu => "cpu",
            Self::Starved => "starved",
            Self::Lock => "lock",
            Self::Pool => "pool",
            Self::Sqlite => "sqlite",
            Self::Service => "service",
            Self::Route => "route",
            Self::Collections => "gc",
            Self::Stuck => "stuck",
            Self::Errors => "errors",
        }
    }

    /// Whether something could be done.
    pub(crate) fn is_trouble(self) -> bool {
        self >= Self::Threads
    }
}

/// What a verdict is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) window: &'a Window,
    pub(crate) places: &'a Places,
    /// Threads that compute beside the workers, and how many cores each uses, most first.
    pub(crate) beside: &'a [(String, f64)],
    /// Requests that failed, by route, most first.
    pub(crate) failed: &'a [(String, u64)],
    pub(crate) curve: &'a Curve,
}

/// A verdict.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Advice {
    pub(crate) kind: Kind,
    /// One or two sentences.
    pub(crate) text: String,
    /// How many threads would do, where that is the remedy.
    pub(crate) threads: Option<usize>,
    /// How many processes would do, where that is the remedy.
    pub(crate) processes: Option<usize>,
    /// The application's line that is the bottleneck, with file, line and function.
    pub(crate) place: Option<String>,
    /// How many at a time that place lets pass.
    pub(crate) width: Option<usize>,
    /// What the verdict rests on, one sentence each.
    pub(crate) evidence: Vec<String>,
    /// No evidence is missing or contradicts.
    pub(crate) sure: bool,
}

/// The verdict on `case`.
pub(crate) fn advise(case: &Case<'_>) -> Advice {
    let mut advice = judge(case);
    let w = case.window;
    if advice.kind != Kind::Errors && w.errors > 0 {
        let of = plural(w.requests as usize, "request");
        let failed = format!("{} of {of} have failed (5xx)", w.errors);
        advice.evidence.push(failed);
    }
    advice
}

fn judge(case: &Case<'_>) -> Advice {
    let w = case.window;
    let waits = w.waiting >= CROWD && w.wait >= NOTICEABLE;
    if w.draining {
        return draining(w);
    }
    let held = is_held(w);
    // While somebody holds the GIL, everybody seems stuck.
    if let Some(stuck) = stuck(case).filter(|_| !held) {
        return stuck;
    }
    if held && !waits {
        // Not only a worker may hold the GIL, and the next request will wait for it.
        return gil(
            w,
            w.processes + 1,
            &format!(
                "{} cannot be had for {:.0} % of the time, because of code that does not let go of it",
                the_gil(w),
                100.0 * w.held
            ),
        );
    }
    if w.requests == 0 && w.busy < QUIET && w.waiting < QUIET {
        return sure(advice(Kind::Idle, "No requests come in.".into()));
    }
    // Before others are blamed: threads of the process take from its workers, too.
    if let Some(background) = background(case).filter(|_| waits) {
        return background;
    }
    if let Some(errors) = errors(case).filter(|_| !waits) {
        return errors;
    }
    if let Some(collections) = collections(w, waits) {
        return collections;
    }
    if let Some(starved) = starved(case) {
        return starved;
    }
    if waits {
        return crowded(case);
    }
    quiet(w)
}

/// Code that does not let go of the GIL has it for a good part of the time.
fn is_held(w: &Window) -> bool {
    w.gil && w.held >= SHUT && w.probe >= HELD
}

/// No request waits, or few do.
fn quiet(w: &Window) -> Advice {
    let busy = format!(
        "{} of {} busy on average",
        number(w.busy),
        threads(w.threads)
    );
    let wait = time(w.wait);
    if w.wait >= LONG {
        let text = format!(
            "Few requests come in, but several at a time: {busy}, and they wait {wait} for one."
        );
        return advice(Kind::Burst, text);
    }
    if w.flushing >= 1.0 && w.flushing >= 4.0 * w.busy {
        let text = format!(
            "All well: {:.0} replies at a time wait for slow clients, but no worker does.",
            w.flushing
        );
        return sure(advice(Kind::SlowClients, text));
    }
    let text = match w.wait < MOMENT {
        true => format!("All well: {busy}, and requests do not wait."),
        false => format!("All well: {busy}, and requests wait {wait} for one."),
    };
    sure(advice(Kind::Ok, text))
}

fn draining(w: &Window) -> Advice {
    let text = match w.still_waiting {
        0 => "The server is draining: it accepts nothing new and ends what it has.".into(),
        n => format!(
            "The server is draining: it accepts nothing new, and {} for a worker.",
            if n == 1 {
                "1 request waits".into()
            } else {
                format!("{n} requests wait")
            }
        ),
    };
    sure(advice(Kind::Draining, text))
}

/// `processes` is how many would help.
fn gil(w: &Window, processes: usize, what: &str) -> Advice {
    let remedy = match cfg!(unix) {
        true => format!("processes={processes} or free-threaded Python"),
        false => "free-threaded Python".into(),
    };
    let more = if w.processes == 1 {
        "more threads"
    } else {
        "more threads per process"
    };
    let text = format!("{what}: {more} will not help; {remedy} would.");
    Advice {
        processes: cfg!(unix).then_some(processes),
        evidence: vec![match w.worker_cores {
            Some(cores) => format!(
                "the workers use {cores:.2} cores, the process {:.2}",
                w.process_cores
            ),
            None => format!("the process uses {:.2} cores", w.process_cores),
        }],
        // What others take of the CPU would fall to more processes only if they left it.
        sure: w.delayed <= w.process_cores / 2.0,
        ..advice(Kind::Gil, text)
    }
}

fn advice(kind: Kind, text: String) -> Advice {
    Advice {
        kind,
        text,
        threads: None,
        processes: None,
        place: None,
        width: None,
        evidence: Vec::new(),
        sure: false,
    }
}

fn sure(advice: Advice) -> Advice {
    Advice {
        sure: true,
        ..advice
    }
}

/// Fewer requests in flight than this, on average, count as none.
const QUIET: f64 = 0.01;
/// From this many waiting requests on, on average, the queue is worth advice.
const CROWD: f64 = 0.2;
/// Shorter waits, in seconds, trouble nobody.
const NOTICEABLE: f64 = 0.005;
/// Longer waits, in seconds, are bad however few requests wait.
const LONG: f64 = 0.05;
/// Shorter waits, in seconds, are not worth a word.
const MOMENT: f64 = 0.001;
/// Waits for the GIL from this many seconds on are longer than a switch interval explains.
const HELD: f64 = 0.05;
/// A GIL that is held without a break for this share of the time is trouble, whoever waits for it.
const SHUT: f64 = 0.25;
