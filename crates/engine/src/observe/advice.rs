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

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::observe::watch::Sample;
use crate::record::Phase;

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

/// Requests wait: finds the reason.
fn crowded(w: &Window) -> Advice {
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

/// How many processes the load asks for, if each request takes as much CPU as it does now. `cores` is the CPU
/// that the workers ask for.
fn more_processes(w: &Window, cores: f64) -> usize {
    let each = cores / w.busy.max(QUIET);
    let wanted = ((w.waiting + w.busy) * each / FULL).ceil() as usize;
    wanted.clamp(w.processes + 1, w.cores.max(w.processes + 1))
}

fn the_gil(w: &Window) -> &'static str {
    if w.processes == 1 {
        "The GIL"
    } else {
        "The GIL of one process"
    }
}

fn threads_or_processes(w: &Window) -> &'static str {
    if w.processes == 1 {
        "threads"
    } else {
        "threads or processes"
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

/// A number a person would choose: 1, 2, 3, 4, 6, 8, 12, 16, 24, 32 and so on.
fn round_up(n: usize) -> usize {
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

fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 10.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.1} s"),
        s if s >= 0.001 => format!("{:.0} ms", s * 1000.0),
        _ => "less than 1 ms".into(),
    }
}

fn number(n: f64) -> String {
    if n < 10.0 {
        format!("{n:.1}")
    } else {
        format!("{n:.0}")
    }
}

fn threads(n: usize) -> String {
    plural(n, "thread")
}

fn threads_are(n: usize) -> String {
    let verb = if n == 1 { "is" } else { "are" };
    format!("{} {verb}", threads(n))
}

fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Fewer requests in flight than this, on average, count as none.
const QUIET: f64 = 0.01;
/// From this many waiting requests on, on average, the queue is worth advice.
const CROWD: f64 = 0.2;
/// Shorter waits, in seconds, trouble nobody.
const NOTICEABLE: f64 = 0.005;
/// Longer waits, in seconds, are bad however few requests wait.
const LONG: f64 = 0.05;
/// From this share on, a core (or all cores) counts as fully used.
const FULL: f64 = 0.85;
/// Workers that use more cores than this do not hold the GIL while they compute.
const PARALLEL: f64 = 1.3;
/// Busy threads that are ready to run for less than this share of the time wait, for the GIL or for others.
const READY: f64 = 0.6;
/// Waits for the GIL from this many seconds on are longer than a switch interval explains.
const HELD: f64 = 0.05;
/// A GIL that is held without a break for this share of the time is trouble, whoever waits for it.
const SHUT: f64 = 0.25;
/// A load has changed by this many requests in flight.
const CHANGED: f64 = 0.5;
/// The most threads that are advised.
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Four threads, two cores, 100 requests a second of 10 ms each.
    const CALM: Window = Window {
        requests: 6000,
        busy: 1.0,
        waiting: 0.001,
        flushing: 0.01,
        wait: 0.00001,
        gil_wait: 0.0,
        probe: 0.0001,
        held: 0.001,
        worker_cores: Some(0.2),
        delayed: 0.0,
        process_cores: 0.25,
        cores: 2,
        threads: 4,
        gil: true,
        processes: 1,
    };
    /// Sixteen clients of a view that sleeps.
    const SLEEPY: Window = Window {
        busy: 3.9,
        waiting: 12.0,
        wait: 0.31,
        worker_cores: Some(0.1),
        process_cores: 0.2,
        ..CALM
    };

    #[track_caller]
    fn check(window: Window, kind: Kind, threads: Option<usize>, says: &str) {
        let advice = advise(&window);
        assert_eq!(
            (advice.kind, advice.threads),
            (kind, threads),
            "{}",
            advice.text
        );
        assert!(advice.text.contains(says), "{}", advice.text);
        assert!(advice.text.ends_with('.') && !advice.text.contains('\n'));
    }

    #[test]
    fn every_situation_has_its_name() {
        let idle = Window {
            requests: 0,
            busy: 0.0,
            waiting: 0.0,
            ..CALM
        };
        check(idle, Kind::Idle, None, "No requests");
        check(CALM, Kind::Ok, None, "1.0 of 4 threads");
        check(
            SLEEPY,
            Kind::Threads,
            Some(16),
            "threads=16 would remove the wait",
        );
        let download = Window {
            flushing: 40.0,
            ..CALM
        };
        check(download, Kind::SlowClients, None, "40 replies");
    }

    #[test]
    fn a_burst_of_sleepers_is_not_blamed_on_the_gil() {
        let burst = Window {
            busy: 1.0,
            waiting: 0.5,
            wait: 1.7,
            worker_cores: Some(0.0),
            process_cores: 0.0,
            ..SLEEPY
        };
        check(burst, Kind::Ok, None, "in the bursts only");
    }

    #[test]
    fn a_burst_of_computing_requests_in_a_quiet_minute_is_no_trouble_of_the_gil() {
        let burst = Window {
            requests: 60,
            busy: 0.06,
            waiting: 0.5,
            wait: 0.18,
            worker_cores: Some(0.04),
            process_cores: 0.05,
            ..SLEEPY
        };
        check(burst, Kind::Ok, None, "would not help in the bursts either");
        let few = Window {
            requests: 4,
            waiting: 0.01,
            ..burst
        };
        check(few, Kind::Ok, None, "they wait 180 ms for one");
    }

    #[test]
    fn computing_under_the_gil_is_not_helped_by_threads() {
        let spinning = Window {
            worker_cores: Some(0.98),
            process_cores: 1.1,
            ..SLEEPY
        };
        check(spinning, Kind::Gil, None, "98 %");
        // Without the GIL the same load has a core left.
        let free = Window {
            gil: false,
            ..spinning
        };
        check(free, Kind::Threads, Some(6), "threads=6 would shorten it");
        // On a machine with one core the GIL is not to blame.
        let single = Window {
            cores: 1,
            ..spinning
        };
        check(single, Kind::Cpu, None, "1 core by this");
        // A machine that is busy with other things makes it no sleeper.
        let starved = Window {
            worker_cores: Some(0.5),
            delayed: 0.45,
            ..spinning
        };
        check(starved, Kind::Gil, None, "95 %");
        let contended = Window {
            delayed: 1.2,
            ..starved
        };
        check(contended, Kind::Gil, None, "100 %");
    }

    #[test]
    fn work_outside_the_gil_uses_the_machine_up() {
        let hashing = Window {
            worker_cores: Some(1.8),
            process_cores: 1.95,
            ..SLEEPY
        };
        check(hashing, Kind::Cpu, None, "2 cores");
        // Others use the machine, too.
        let beside = Window {
            worker_cores: Some(1.4),
            process_cores: 1.45,
            ..hashing
        };
        check(beside, Kind::Cpu, None, "1.4 of 2 cores");
        let starved = Window {
            worker_cores: Some(0.3),
            process_cores: 0.3,
            delayed: 3.0,
            ..hashing
        };
        check(starved, Kind::Cpu, None, "0.3 of 2 cores");
    }

    #[test]
    fn a_gil_held_by_code_that_sleeps_is_found_by_the_probe() {
        let held = Window {
            busy: 1.0,
            probe: 2.5,
            ..SLEEPY
        };
        check(held, Kind::Gil, None, "held for 2.5 s");
    }

    #[test]
    fn a_gil_that_is_held_is_seen_without_a_queue() {
        let held = Window {
            probe: 0.3,
            held: 0.6,
            ..CALM
        };
        check(held, Kind::Gil, None, "60 % of the time");
        let by_nobody_known = Window {
            requests: 0,
            busy: 0.0,
            waiting: 0.0,
            ..held
        };
        check(by_nobody_known, Kind::Gil, None, "60 % of the time");
        let seldom = Window { held: 0.1, ..held };
        check(seldom, Kind::Ok, None, "All well");
        // Threads that take turns: each wait is short.
        let shared = Window {
            probe: 0.02,
            ..held
        };
        check(shared, Kind::Ok, None, "All well");
        let free = Window { gil: false, ..held };
        check(free, Kind::Ok, None, "All well");
    }

    #[test]
    fn a_load_that_has_changed_is_another_time() {
        let waiting = |waiting| Window { waiting, ..CALM };
        let busy = |busy| Window { busy, ..CALM };
        let held = |held| Window { held, ..CALM };
        for (now, whole, differs) in [
            (CALM, CALM, false),
            (SLEEPY, CALM, true),
            (CALM, SLEEPY, true),
            (waiting(12.0), waiting(2.0), true),
            (waiting(0.0), waiting(2.0), true),
            (waiting(2.5), waiting(2.0), false),
            (waiting(0.0), waiting(0.4), false), // little, whatever the ratio
            (busy(4.0), busy(0.7), true),
            (busy(4.0), busy(3.0), false),
            (held(0.9), held(0.2), true),
            (held(0.9), held(0.7), false),
        ] {
            assert_eq!(now.differs_from(&whole), differs, "{now:?} {whole:?}");
        }
    }

    #[test]
    fn no_more_threads_are_advised_than_the_gil_has_room_for() {
        // Each busy thread takes a seventh of a core: six of them fill it.
        let half = Window {
            busy: 4.0,
            worker_cores: Some(0.57),
            waiting: 40.0,
            ..SLEEPY
        };
        check(half, Kind::Threads, Some(5), "would shorten it");
        let most = Window {
            worker_cores: Some(0.8),
            ..half
        };
        check(most, Kind::Gil, None, "0.8 cores");
    }

    #[test]
    fn processes_are_the_remedy_for_a_gil_while_there_are_cores() {
        let spinning = Window {
            worker_cores: Some(0.98),
            process_cores: 1.1,
            cores: 8,
            ..SLEEPY
        };
        #[track_caller]
        fn check(window: &Window, kind: Kind, processes: Option<usize>, says: &str) {
            let advice = advise(window);
            assert!(advice.text.contains(says), "{}", advice.text);
            let processes = processes.filter(|_| cfg!(unix));
            assert_eq!((advice.kind, advice.processes), (kind, processes));
        }
        // Sixteen clients ask for four cores and some room.
        check(&spinning, Kind::Gil, Some(5), "The GIL is busy 98 %");
        let two_cores = Window {
            cores: 2,
            ..spinning
        };
        check(&two_cores, Kind::Gil, Some(2), "more threads will not help");
        let mut two = spinning;
        two += spinning;
        check(
            &two,
            Kind::Gil,
            Some(8),
            "The GILs of all processes are busy 98 %",
        );
        let mut full = two_cores;
        full += two_cores;
        check(&full, Kind::Cpu, None, "(2.2 of 2 cores by 2 processes)");
        let mut held = Window {
            probe: 0.3,
            held: 0.6,
            ..CALM
        };
        held += CALM;
        check(
            &held,
            Kind::Gil,
            Some(3),
            "The GIL of one process is not to be had",
        );
    }

    #[test]
    fn windows_of_processes_add_up() {
        let mut both = SLEEPY;
        both += SLEEPY;
        let advice = advise(&both);
        // Each of the two gets as many threads as it would alone.
        assert_eq!((advice.kind, advice.threads), (Kind::Threads, Some(16)));
        assert!(
            advice.text.contains("8 threads are busy"),
            "{}",
            advice.text
        );
        assert!(
            advice.text.contains("threads=16 in each process"),
            "{}",
            advice.text
        );
        let mut mixed = SLEEPY;
        mixed += Window {
            requests: 12_000,
            wait: 0.01,
            ..CALM
        };
        assert!((mixed.wait - 0.11).abs() < 1e-9, "{}", mixed.wait);
    }

    #[test]
    fn advised_numbers_are_round_and_never_too_small() {
        for n in 1..2000 {
            let rounded = round_up(n);
            assert!(rounded >= n && rounded <= 2 * n, "{n}: {rounded}");
        }
        assert_eq!([1, 5, 11, 13, 25].map(round_up), [1, 6, 12, 16, 32]);
    }

    #[test]
    fn trouble_is_what_can_be_helped() {
        let trouble = [Kind::Threads, Kind::Gil, Kind::Cpu];
        assert!(trouble.iter().all(|kind| kind.is_trouble()));
        assert!(
            ![Kind::Idle, Kind::Ok, Kind::SlowClients]
                .iter()
                .any(|kind| kind.is_trouble())
        );
    }
}
