//! What would help, in one sentence, from the figures of a window.
//!
//! Little's law (L = λW): the average number of requests in a place is their rate times their time
//! there, so the time that workers were busy and that requests waited, divided by the time that passed,
//! is how many were in the application and in the queue on average. Their sum is how many threads would
//! leave nobody waiting, as long as there is CPU for them: the workers' CPU time says how much of a core
//! each busy thread takes, and with a GIL all of them together cannot take more than one.
//!
//! Windows of several processes add up. Each process has a GIL of its own, and all share the machine.
//!
//! A pure function of a [`Window`]: no clock, no server.

mod crowded;
#[cfg(test)]
mod tests;
mod window;
mod words;

use self::crowded::crowded;
pub(crate) use self::window::Window;
use self::words::{number, the_gil, threads, time};

/// What the verdict is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Nothing to do.
    Idle,
    /// Requests come and hardly wait.
    Ok,
    /// Replies wait for slow clients, and requests do not wait.
    SlowClients,
    /// Every thread is busy and hardly computes.
    Threads,
    /// The interpreter lock is the bottleneck.
    Gil,
    /// The processors are.
    Cpu,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ok => "ok",
            Self::SlowClients => "slow-clients",
            Self::Threads => "threads",
            Self::Gil => "gil",
            Self::Cpu => "cpu",
        }
    }

    /// Whether requests wait and something could be done.
    pub(crate) fn is_trouble(self) -> bool {
        self >= Self::Threads
    }
}

/// A verdict.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Advice {
    pub(crate) kind: Kind,
    /// One sentence.
    pub(crate) text: String,
    /// How many threads would do, where that is the remedy.
    pub(crate) threads: Option<usize>,
    /// How many processes would do, where that is the remedy.
    pub(crate) processes: Option<usize>,
}

/// The verdict on `window`.
pub(crate) fn advise(window: &Window) -> Advice {
    let w = window;
    if w.gil && w.held >= SHUT && w.probe >= HELD && !(w.waiting >= CROWD && w.wait >= NOTICEABLE) {
        // Not only a worker may hold the GIL, and the next request will wait for it.
        return gil(
            w,
            w.processes + 1,
            &format!(
                "{} is not to be had for {:.0} % of the time, by code that does not let go of it",
                the_gil(w),
                100.0 * w.held
            ),
        );
    }
    if w.requests == 0 && w.busy < QUIET && w.waiting < QUIET {
        return advice(Kind::Idle, "No requests come in.".into(), None);
    }
    if w.waiting >= CROWD && w.wait >= NOTICEABLE {
        return crowded(w);
    }
    if w.flushing >= 1.0 && w.flushing >= 4.0 * w.busy {
        let text = format!(
            "All well: {:.0} replies at a time wait for slow clients, but no worker does.",
            w.flushing
        );
        return advice(Kind::SlowClients, text, None);
    }
    let busy = format!(
        "{} of {} busy on average",
        number(w.busy),
        threads(w.threads)
    );
    let wait = time(w.wait);
    let text = if w.wait < LONG {
        format!("All well: {busy}, and requests wait {wait} for one.")
    } else {
        format!(
            "Few requests come in, but several at a time: {busy}, and they wait {wait} for one."
        )
    };
    advice(Kind::Ok, text, None)
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
    Advice {
        processes: cfg!(unix).then_some(processes),
        ..advice(
            Kind::Gil,
            format!("{what}: {more} will not help; {remedy} would."),
            None,
        )
    }
}

fn advice(kind: Kind, text: String, threads: Option<usize>) -> Advice {
    Advice {
        kind,
        text,
        threads,
        processes: None,
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
/// Waits for the GIL from this many seconds on are longer than a switch interval explains.
const HELD: f64 = 0.05;
/// A GIL that is held without a break for this share of the time is trouble, whoever waits for it.
const SHUT: f64 = 0.25;
