//! Trouble that no number of threads cures: workers that are stuck, errors, a CPU or a GIL that others use.

use super::limited::place_in_line;
use super::words::{number, plural, requests_have, threads, time};
use super::{Advice, Case, Kind, NOTICEABLE, Window, advice};
use crate::observe::profile::State;
use crate::record::failed::OTHER;

/// Workers run requests for much longer than any that ended, and they are most of what is busy.
pub(super) fn stuck(case: &Case<'_>) -> Option<Advice> {
    let w = case.window;
    if w.stuck == 0 || w.stuck_busy < MOSTLY * w.busy {
        return None;
    }
    // While others end, those may wait in line for what the others have, and nobody serves them in turn.
    if w.requests > 0 && place_in_line(case).is_some() {
        return None;
    }
    let at = case.places.longest_wait();
    let where_to = at.map_or(String::new(), |at| format!(", at {}", at.shown()));
    let waiting = match w.still_waiting {
        0 => String::new(),
        n => format!("; {} waiting", requests_have(n)),
    };
    let text = format!(
        "{} of {} {}: the oldest request has run for {}{where_to}{waiting}. A timeout in the application \
         would free them, and stuck_after replaces them; more threads would get stuck, too.",
        w.stuck,
        threads(w.threads),
        if w.stuck == 1 {
            "seems stuck"
        } else {
            "seem stuck"
        },
        time(w.oldest),
    );
    Some(Advice {
        place: at.map(|at| at.own_frame().to_owned()),
        evidence: vec![format!(
            "{} busy on average, {} of them in requests that run for much longer than those that ended",
            number(w.busy),
            number(w.stuck_busy)
        )],
        // Requests that are meant to be long, such as long polls, look the same.
        sure: w.stuck >= w.threads && w.still_waiting > 0,
        ..advice(Kind::Stuck, text)
    })
}

/// A good part of the replies are errors of the application or of the server.
pub(super) fn errors(case: &Case<'_>) -> Option<Advice> {
    let w = case.window;
    let share = w.errors as f64 / w.requests.max(1) as f64;
    if w.errors < FEW_ERRORS || share < MANY_ERRORS {
        return None;
    }
    let all: u64 = case.failed.iter().map(|(_, n)| n).sum();
    let most = case.failed.first().filter(|(_, n)| 2 * n > all);
    let most = most.filter(|(route, _)| route != OTHER);
    let most = most.map_or(String::new(), |(route, _)| {
        format!(", most of them of {route}")
    });
    let text = format!(
        "{:.0} % of the replies are errors (5xx){most}: the log of the application says why. Times and waits of \
         requests that fail say little.",
        100.0 * share
    );
    let in_all = format!(
        "{} of {} have failed",
        w.errors,
        plural(w.requests as usize, "request")
    );
    let routes = case.failed.iter().take(ROUTES);
    let routes = routes.map(|(route, n)| format!("{n} of {route}"));
    Some(Advice {
        evidence: [in_all].into_iter().chain(routes).collect(),
        sure: true,
        ..advice(Kind::Errors, text)
    })
}

/// Python's garbage collector stops the workers for a good part of the time, or for long while requests wait.
pub(super) fn collections(w: &Window, waits: bool) -> Option<Advice> {
    let often = w.collecting >= OFTEN;
    let long =
        waits && w.longest_collection >= LONG_COLLECTION && w.longest_collection >= w.wait / 4.0;
    if !often && !long {
        return None;
    }
    let longest = time(w.longest_collection);
    let wait = match waits {
        true => format!(", and requests wait {}", time(w.wait)),
        false => String::new(),
    };
    let text = format!(
        "Garbage collections stop the threads for {:.0} % of the time, {longest} at the longest{wait}: gc.freeze() \
         when the application has been loaded and a larger gc.set_threshold() would make them rarer and shorter.",
        100.0 * w.collecting
    );
    Some(Advice {
        evidence: vec![format!(
            "collections took {:.0} ms of each second",
            1000.0 * w.collecting
        )],
        sure: often,
        ..advice(Kind::Collections, text)
    })
}

/// The workers are ready to run, and the machine has no core for them, because others use it.
pub(super) fn starved(case: &Case<'_>) -> Option<Advice> {
    let w = case.window;
    let used = w.worker_cores.unwrap_or(w.process_cores);
    let own = w.process_cores.max(used);
    // What they miss must be what holds them up: a good part of the time that they are busy or, as only one can
    // have the GIL, of what they ask for. Workers that sleep wait for a core at the end of each sleep, too.
    let fills = used + w.delayed >= ASKED * w.processes.min(w.cores) as f64;
    let felt = w.delayed >= PART * w.busy || w.gil && compute(case, used) && fills;
    if w.delayed < used.max(NOTICED) || !felt || own >= OTHERS * w.cores as f64 {
        return None;
    }
    let wait = match w.wait {
        wait if wait < NOTICEABLE => String::new(),
        wait => format!(", and requests wait {}", time(wait)),
    };
    let text = format!(
        "Other processes use the CPU, or a limit withholds it{wait}: the workers are ready to run and get {used:.1} \
         cores where they could use {:.1} of {}. Less beside them would help; more threads or processes would only \
         take CPU from the others.",
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

/// Whether the workers, which use `used` cores, do more than sleep.
pub(super) fn compute(case: &Case<'_>, used: f64) -> bool {
    let all = case.places.seconds();
    match all > 0.0 {
        true => case.places.seconds_in(State::Waiting) < SLEEPS * all,
        false => used >= COMPUTES * case.window.processes as f64,
    }
}

/// The cores that threads of the application's own use beside the workers, if those want the GIL.
pub(super) fn computing_beside(case: &Case<'_>) -> Option<f64> {
    let w = case.window;
    let used = w.worker_cores?;
    // The I/O thread computes, too, and without the GIL.
    let requests = w.busy / w.mean.max(1e-6);
    let beside = w.process_cores - used - requests * IO;
    let gils = w.processes as f64;
    let full = w.process_cores + w.delayed >= ASKED * gils;
    let take = w.gil && wanted(case) >= WANTED && full;
    (take && beside >= (BESIDE * gils).max(used / 2.0)).then_some(beside)
}

/// The share of their time for which busy workers want the GIL.
fn wanted(case: &Case<'_>) -> f64 {
    case.places.seconds_in(State::Gil) / case.places.seconds().max(f64::MIN_POSITIVE)
}

/// The workers want the GIL, and others have it: threads that the application has started.
pub(super) fn background(case: &Case<'_>) -> Option<Advice> {
    let w = case.window;
    let beside = computing_beside(case)?;
    let processes = (cfg!(unix) && w.cores > w.processes).then_some(w.processes + 1);
    // How many turns more threads would get is the interpreter's affair; a GIL more is certain.
    let meanwhile = match processes {
        Some(n) => format!("processes={n} would give the requests another GIL"),
        None => "more threads may get a larger share of the GIL".to_owned(),
    };
    let most = case.beside.first();
    let most = most.map_or(String::new(), |(name, _)| format!(", most of all {name}"));
    let text = format!(
        "Threads beside the workers compute and take the GIL ({beside:.1} cores{most}), and requests wait {} for a \
         worker: the same work in a process of its own would help. Until then {meanwhile}.",
        time(w.wait)
    );
    let named = case.beside.iter();
    let named = named.map(|(name, cores)| format!("the thread {name} uses {cores:.2} cores"));
    Some(Advice {
        processes,
        evidence: [
            format!(
                "busy workers want the GIL for {:.0} % of their time",
                100.0 * wanted(case)
            ),
            format!(
                "the process uses {:.2} cores, its workers {:.2}",
                w.process_cores,
                w.worker_cores.unwrap_or_default()
            ),
        ]
        .into_iter()
        .chain(named)
        .collect(),
        // How much either would give was not seen.
        ..advice(Kind::Background, text)
    })
}

/// Stuck requests make up at least this part of what is busy.
const MOSTLY: f64 = 0.5;
/// Fewer errors say nothing.
const FEW_ERRORS: u64 = 5;
/// From this share on errors are trouble.
const MANY_ERRORS: f64 = 0.1;
/// Routes whose errors are listed.
const ROUTES: usize = 3;
/// Garbage collections that take this share of the time are trouble, and those of so many seconds while requests
/// wait.
const OFTEN: f64 = 0.1;
const LONG_COLLECTION: f64 = 0.1;
/// Cores that workers must miss before it counts.
const NOTICED: f64 = 0.3;
/// From this share of a core for each GIL on the workers ask for as much as they can use; and waits for a core
/// count from this part of their time on.
const ASKED: f64 = 0.85;
const PART: f64 = 0.4;
/// Workers that wait in the application for this part of their time are held up there.
const SLEEPS: f64 = 0.6;
/// Cores that workers use in each process if they do not only sleep.
const COMPUTES: f64 = 0.3;
/// A process that uses this share of the machine takes the CPU from itself.
const OTHERS: f64 = 0.5;
/// The share of busy workers that want the GIL, and the cores that others in the process use, from which on it is
/// these others that have it.
const WANTED: f64 = 0.25;
const BESIDE: f64 = 0.3;
/// CPU seconds that the I/O thread takes for a request, at most.
const IO: f64 = 30e-6;
