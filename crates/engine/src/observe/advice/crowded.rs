//! Requests wait: which of CPU, GIL and threads is the reason, and what would help.

use super::limited::limited;
use super::place::{Resource, Waiters, waiters};
use super::scaling::Shape;
use super::troubled::compute;
use super::words::{
    in_each_process, number, plural, the_gil, threads, threads_are, threads_or_processes, time,
};
use super::{Advice, Case, HELD, Kind, QUIET, Window, advice, gil};

/// Requests wait: finds the reason.
pub(super) fn crowded(case: &Case<'_>) -> Advice {
    let w = case.window;
    // The CPU that the workers ask for; a busy machine gives them less.
    let used = w.worker_cores.unwrap_or(w.process_cores);
    // Workers that sleep wait for a core after each sleep, however little they compute then.
    let delayed = match compute(case, used) {
        true => w.delayed,
        false => w.delayed.min(used),
    };
    let cores = used + delayed;
    let waits = format!("requests wait {} for a worker", time(w.wait));
    let gils = w.processes as f64;
    let machine_full = w.process_cores.max(cores) >= FULL * w.cores as f64;
    // Threads that compute under the GIL wait for it most of the time; without one they are ready to run.
    let serial = w.gil
        && w.worker_cores.is_none_or(|used| used <= PARALLEL * gils)
        && (cores <= PARALLEL * gils || cores < READY * w.busy);
    if serial && w.cores > w.processes && cores >= FULL * gils {
        let what = if w.processes == 1 {
            "The GIL is"
        } else {
            "The GILs of all processes are"
        };
        return gil(
            w,
            more_processes(w, cores),
            &format!(
                "{what} busy {:.0} % of the time and {waits}",
                100.0 * (cores / gils).min(1.0)
            ),
        );
    }
    if machine_full {
        return cpu(w, &machine_is_full(w), &waits);
    }
    if w.gil && w.gil_wait.max(w.probe) >= HELD && w.gil_wait.max(w.probe) >= w.wait / 4.0 {
        return gil(
            w,
            w.processes + 1,
            &format!(
                "{} is held for {} at a time by code that does not let go of it, and {waits}",
                the_gil(w),
                time(w.gil_wait.max(w.probe))
            ),
        );
    }
    if let Some(limited) = limited(case, &waits) {
        return limited;
    }
    more_threads(case, cores, serial, &waits)
}

fn machine_is_full(w: &Window) -> String {
    let by = if w.processes == 1 {
        "this process".into()
    } else {
        format!("{} processes", w.processes)
    };
    let of = plural(w.cores, "core");
    let used = w.process_cores;
    if used >= FULL * w.cores as f64 {
        return format!("All CPU of the machine is used ({used:.1} of {of} by {by})");
    }
    format!(
        "The CPU is used up ({used:.1} of {of} by {by}, and its threads wait for {:.1} more)",
        w.delayed
    )
}

/// Requests wait, and neither the CPU nor a held GIL is the reason: says whether more threads would help.
/// `cores` is the CPU that the workers ask for; `serial` says that they share one core, because of the GIL.
fn more_threads(case: &Case<'_>, cores: f64, serial: bool, waits: &str) -> Advice {
    let w = case.window;
    // How many threads the CPU has room for, if each uses as much as a busy thread does now.
    let of = if serial {
        w.processes.min(w.cores)
    } else {
        w.cores
    };
    let room = FULL * of as f64;
    let each = (cores / w.busy.max(QUIET)).max(1e-3);
    let useful = (room / each).floor() as usize;
    let wanted = round_up((w.waiting + w.busy).ceil() as usize);
    let most = wanted.min(useful).min(MOST);
    if wanted <= w.threads && (useful > w.threads || cores < room / 2.0) {
        // On average the threads suffice: the requests that waited came all at once.
        let remedy = if useful > w.threads {
            "more threads would help in the bursts only"
        } else {
            "they compute, so more threads would not help in the bursts either"
        };
        let text = format!(
            "Requests come in bursts and {waits}, but {} of {} are busy on average: {remedy}.",
            number(w.busy),
            threads(w.threads)
        );
        return advice(Kind::Burst, text);
    }
    if most <= w.threads {
        return used_up(w, cores, serial, waits);
    }
    let waiting = waiters(case.places, w.busy);
    let mainly = waiting.first().filter(|at| at.workers >= MAINLY * w.busy);
    match case.curve.shape().filter(|_| !are_unlike(w)) {
        Some(flat @ Shape::Flat { width, .. }) => served_elsewhere(w, flat, width, mainly, waits),
        Some(falling @ Shape::Falling { best, .. }) => in_the_way(w, falling, best.busy, waits),
        _ => so_many_threads(case, cores, (most, wanted), mainly, waits),
    }
}

/// `most` threads would help; `wanted` would leave nobody waiting.
fn so_many_threads(
    case: &Case<'_>,
    cores: f64,
    (most, wanted): (usize, usize),
    mainly: Option<&Waiters>,
    waits: &str,
) -> Advice {
    let w = case.window;
    if most <= w.most_threads && w.most_threads > w.threads {
        let text = format!(
            "The number of threads follows the load by itself, and {waits}: there are {} of at most {}.",
            w.threads,
            threads(w.most_threads)
        );
        return advice(Kind::Growing, text);
    }
    let shape = case.curve.shape();
    let remedy = if most == wanted {
        "would remove the wait"
    } else {
        "would shorten it"
    };
    let provided = match mainly {
        _ if shape.is_some() => String::new(),
        Some(at) if at.resource == Resource::Sleep => String::new(),
        Some(at) => format!(", if what they wait for keeps up, mostly at {}", at.shown),
        None => ", if what they wait for keeps up".into(),
    };
    // The setting is that of each process.
    let per_process = most.div_ceil(w.processes);
    let mut text = format!(
        "{} busy {:.0} % of the time and {waits}; they use {cores:.1} cores: threads={per_process}{} {remedy}{provided}.",
        threads_are(w.threads),
        100.0 * (w.busy / w.threads as f64).min(1.0),
        in_each_process(w),
    );
    let mut kind = Kind::Threads;
    if let Some(starved) = long_route(case) {
        kind = Kind::Route;
        text = format!("{starved} {text}");
    }
    let (busy, waiting) = (number(w.busy), number(w.waiting));
    let little = format!("{busy} requests are in the application and {waiting} wait, on average");
    let seen = mainly.map(|at| at.said(w.busy));
    Advice {
        threads: Some(per_process),
        place: mainly.map(|at| at.at.clone()),
        evidence: [Some(little), seen, shape.map(|shape| shape.said(w))]
            .into_iter()
            .flatten()
            .collect(),
        sure: matches!(shape, Some(Shape::Rising { .. })),
        ..advice(kind, text)
    }
}

/// More busy workers ended no more requests, though the workers wait in no line that can be seen: something
/// outside of the process lets only a few pass.
fn served_elsewhere(
    w: &Window,
    shape: Shape,
    width: usize,
    mainly: Option<&Waiters>,
    waits: &str,
) -> Advice {
    let (what, place) = match mainly {
        Some(at) => (
            format!("what they wait for at {} does not keep up", at.shown),
            Some(at.at.clone()),
        ),
        None => ("something that they wait for does not keep up".into(), None),
    };
    let text = format!(
        "Requests are served about {width} at a time{}, however many of the {} are busy, and {waits}: {what}. If \
         twice the threads end no more requests a second, that is what must get faster.",
        in_each_process(w),
        threads(w.threads),
    );
    Advice {
        place,
        width: Some(width),
        evidence: vec![shape.said(w)],
        ..advice(Kind::Service, text)
    }
}

/// More busy workers ended fewer requests.
fn in_the_way(w: &Window, shape: Shape, best: usize, waits: &str) -> Advice {
    let text = format!(
        "The threads are in each other's way, and {waits}: {}. threads={best}{} may do more.",
        shape.said(w),
        in_each_process(w),
    );
    Advice {
        threads: Some(best),
        evidence: vec![shape.said(w)],
        ..advice(Kind::TooManyThreads, text)
    }
}

/// Few requests take most of the workers' time: a sentence about the route that most of it goes to. The others may be
/// so short that no look has met one.
fn long_route(case: &Case<'_>) -> Option<String> {
    let routes = case.places.by_route();
    let (route, share) = routes.first()?;
    if !are_unlike(case.window) || *share < MAINLY {
        return None;
    }
    let left = match case.window.busy * (1.0 - share) {
        few if few < ONE => "less than one thread".into(),
        rest => format!("{} threads", number(rest)),
    };
    Some(format!(
        "Few requests take most of the time, {:.0} % of it those to {route}, and the others wait for them: without \
         them {left} would be busy on average.",
        100.0 * share
    ))
}

/// Few requests take much longer than most: how many end a second says little then.
fn are_unlike(w: &Window) -> bool {
    w.median > 0.0 && w.mean >= UNLIKE * w.median
}

/// Requests wait, and the threads already use what they can have of the CPU.
fn used_up(w: &Window, cores: f64, serial: bool, waits: &str) -> Advice {
    if serial && w.cores > w.processes {
        let allows = if w.processes == 1 {
            "the GIL allows"
        } else {
            "their GILs allow"
        };
        return gil(
            w,
            more_processes(w, cores),
            &format!(
                "The threads use {cores:.1} cores between them, which is most of what {allows}, and {waits}"
            ),
        );
    }
    let what = format!(
        "The threads use {cores:.1} of {}, which is most of what there is",
        plural(w.cores, "core")
    );
    cpu(w, &what, waits)
}

fn cpu(w: &Window, what: &str, waits: &str) -> Advice {
    let text = format!(
        "{what}, and {waits}: more {} will not help; cheaper requests or more machines would.",
        threads_or_processes(w),
    );
    Advice {
        evidence: vec![format!("{what}, by their clocks")],
        sure: w.process_cores >= FULL * w.cores as f64,
        ..advice(Kind::Cpu, text)
    }
}

/// How many processes the load asks for, if each request takes as much CPU as it does now. `cores` is the CPU
/// that the workers ask for.
fn more_processes(w: &Window, cores: f64) -> usize {
    let each = cores / w.busy.max(QUIET);
    let wanted = ((w.waiting + w.busy) * each / FULL).ceil() as usize;
    wanted.clamp(w.processes + 1, w.cores.max(w.processes + 1))
}

/// A number a person would choose: 1, 2, 3, 4, 6, 8, 12, 16, 24, 32 and so on.
pub(super) fn round_up(n: usize) -> usize {
    let mut power = 1;
    loop {
        for choice in [power, power + power / 2] {
            if choice >= n {
                return choice;
            }
        }
        power *= 2;
    }
}

/// From this share on, a core (or all cores) counts as fully used.
pub(super) const FULL: f64 = 0.85;
/// Workers that use more cores than this do not hold the GIL while they compute.
pub(super) const PARALLEL: f64 = 1.3;
/// Busy threads that are ready to run for less than this share of the time wait, for the GIL or for others.
const READY: f64 = 0.6;
/// This share of the busy workers, or of their time, is most of it.
const MAINLY: f64 = 0.6;
/// So many busy threads are said to be less than one.
const ONE: f64 = 0.95;
/// Requests are unlike each other if their mean takes so many times as long as their median.
const UNLIKE: f64 = 4.0;
/// The most threads that are advised.
const MOST: usize = 1024;
