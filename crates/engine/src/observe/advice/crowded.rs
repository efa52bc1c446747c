//! Requests wait: which of CPU, GIL and threads is the reason, and what would help.

use super::words::{number, plural, the_gil, threads, threads_are, threads_or_processes, time};
use super::{Advice, HELD, Kind, QUIET, Window, advice, gil};

/// Requests wait: finds the reason.
pub(super) fn crowded(w: &Window) -> Advice {
    // The CPU that the workers ask for; a busy machine gives them less.
    let cores = w.worker_cores.unwrap_or(w.process_cores) + w.delayed;
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
        let text = format!(
            "All CPU of the machine is used ({:.1} of {} by {}) and {waits}: more {} will \
             not help; cheaper requests or more machines would.",
            w.process_cores,
            plural(w.cores, "core"),
            if w.processes == 1 {
                "this process".into()
            } else {
                format!("{} processes", w.processes)
            },
            threads_or_processes(w),
        );
        return advice(Kind::Cpu, text, None);
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
    more_threads(w, cores, serial, &waits)
}

/// Requests wait, and neither the CPU nor a held GIL is the reason: says whether more threads would help.
/// `cores` is the CPU that the workers ask for; `serial` says that they share one core, because of the GIL.
fn more_threads(w: &Window, cores: f64, serial: bool, waits: &str) -> Advice {
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
        return advice(Kind::Ok, text, None);
    }
    if most <= w.threads {
        return used_up(w, cores, serial, waits);
    }
    let remedy = if most == wanted {
        "would remove the wait"
    } else {
        "would shorten it"
    };
    // The setting is that of each process.
    let per_process = most.div_ceil(w.processes);
    let text = format!(
        "{} busy {:.0} % of the time and {waits}; they use {cores:.1} cores: threads={per_process}{} {remedy}.",
        threads_are(w.threads),
        100.0 * (w.busy / w.threads as f64).min(1.0),
        if w.processes == 1 {
            ""
        } else {
            " in each process"
        },
    );
    advice(Kind::Threads, text, Some(per_process))
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
    let text = format!(
        "The threads use {cores:.1} of {}, which is most of what there is, and {waits}: more {} will \
         not help; cheaper requests or more machines would.",
        plural(w.cores, "core"),
        threads_or_processes(w),
    );
    advice(Kind::Cpu, text, None)
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
const FULL: f64 = 0.85;
/// Workers that use more cores than this do not hold the GIL while they compute.
const PARALLEL: f64 = 1.3;
/// Busy threads that are ready to run for less than this share of the time wait, for the GIL or for others.
const READY: f64 = 0.6;
/// The most threads that are advised.
const MOST: usize = 1024;
