//! Trouble that no number of threads cures: workers that are stuck, errors, a CPU that others use.

use super::words::{number, plural, requests_have, threads, time};
use super::{Advice, Case, Kind, NOTICEABLE, Window, advice};

/// Workers run requests for much longer than any that ended, and they are most of what is busy.
pub(super) fn stuck(case: &Case<'_>) -> Option<Advice> {
    let w = case.window;
    if w.stuck == 0 || w.stuck_busy < MOSTLY * w.busy {
        return None;
    }
    let at = case.places.longest_wait().map(|place| place.shown());
    let where_to = at.as_ref().map_or(String::new(), |at| format!(", at {at}"));
    let waiting = match w.still_waiting {
        0 => String::new(),
        n => format!("; {} waiting", requests_have(n)),
    };
    let text = format!(
        "{} of {} seem stuck: the oldest request has run for {}{where_to}{waiting}. A timeout in the application \
         would free them, and stuck_after replaces them; more threads would get stuck, too.",
        w.stuck,
        threads(w.threads),
        time(w.oldest),
    );
    Some(Advice {
        place: at,
        evidence: vec![format!(
            "{} busy on average, {} of them in requests that run for much longer than those that ended",
            number(w.busy),
            number(w.stuck_busy)
        )],
        sure: w.requests == 0 || w.stuck == w.threads,
        ..advice(Kind::Stuck, text)
    })
}

/// A good part of the replies are errors of the application or of the server.
pub(super) fn errors(w: &Window) -> Option<Advice> {
    let share = w.errors as f64 / w.requests.max(1) as f64;
    if w.errors < FEW_ERRORS || share < MANY_ERRORS {
        return None;
    }
    let text = format!(
        "{:.0} % of the replies are errors (5xx): the log of the application says why. Times and waits of \
         requests that fail say little.",
        100.0 * share
    );
    Some(Advice {
        evidence: vec![format!(
            "{} of {} have failed",
            w.errors,
            plural(w.requests as usize, "request")
        )],
        sure: true,
        ..advice(Kind::Errors, text)
    })
}

/// The workers are ready to run, and the machine has no core for them, because others use it.
pub(super) fn starved(w: &Window) -> Option<Advice> {
    let used = w.worker_cores.unwrap_or(w.process_cores);
    let own = w.process_cores.max(used);
    // What they miss must be what holds them up: the CPU they ask for fills the GIL, or it is a good part of
    // the time that they are busy.
    let room = w.processes.min(w.cores) as f64;
    let felt = used + w.delayed >= ASKED * room || w.delayed >= PART * w.busy;
    if w.delayed < used.max(NOTICED) || !felt || own >= OTHERS * w.cores as f64 {
        return None;
    }
    let wait = match w.wait {
        wait if wait < NOTICEABLE => String::new(),
        wait => format!(", and requests wait {}", time(wait)),
    };
    let text = format!(
        "Other processes use the CPU, or a limit withholds it{wait}: the workers are ready to run and get {used:.1} \
         cores where they could use {:.1} of {}. Neither threads nor processes will help; less beside them would.",
        used + w.delayed,
        plural(w.cores, "core"),
    );
    Some(Advice {
        evidence: vec![format!(
            "workers were ready and had no core for {:.1} s in each second, and computed for {used:.1} s",
            w.delayed
        )],
        sure: true,
        ..advice(Kind::Starved, text)
    })
}

/// Stuck requests make up at least this part of what is busy.
const MOSTLY: f64 = 0.5;
/// Fewer errors say nothing.
const FEW_ERRORS: u64 = 5;
/// From this share on errors are trouble.
const MANY_ERRORS: f64 = 0.1;
/// Cores that workers must miss before it counts.
const NOTICED: f64 = 0.3;
/// From this share of a core for each GIL on the workers ask for as much as they can use; and waits for a core
/// count from this part of their time on.
const ASKED: f64 = 0.85;
const PART: f64 = 0.4;
/// A process that uses this share of the machine takes the CPU from itself.
const OTHERS: f64 = 0.7;
