//! Verdicts on the averages alone.

use std::time::Duration;

use super::super::crowded::round_up;
use super::*;
use crate::observe::watch::{Sample, Watch};

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
    check(burst, Kind::Burst, None, "in the bursts only");
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
    check(
        burst,
        Kind::Burst,
        None,
        "would not help in the bursts either",
    );
    let few = Window {
        requests: 4,
        waiting: 0.01,
        ..burst
    };
    check(few, Kind::Burst, None, "they wait 180 ms for one");
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
        process_cores: 0.6,
        ..starved
    };
    check(
        contended,
        Kind::Starved,
        None,
        "Other processes use the CPU",
    );
}

#[test]
fn work_outside_the_gil_uses_the_machine_up() {
    let hashing = Window {
        worker_cores: Some(1.8),
        process_cores: 1.95,
        ..SLEEPY
    };
    check(hashing, Kind::Cpu, None, "2 cores");
    // Others take half of it: four threads that are ready to run are not held up by the GIL.
    let half = Window {
        worker_cores: Some(1.05),
        process_cores: 1.09,
        delayed: 2.8,
        ..hashing
    };
    check(half, Kind::Cpu, None, "1.1 of 2 cores");
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
    check(
        starved,
        Kind::Starved,
        None,
        "get 0.3 cores where they could use 3.3 of 2 cores",
    );
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
        let advice = by_averages(window);
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
        "The GIL of one process cannot be had",
    );
}

#[test]
fn windows_of_processes_add_up() {
    let mut both = SLEEPY;
    both += SLEEPY;
    let advice = by_averages(&both);
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
        asked: 12_000,
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
    let trouble = [
        Kind::Threads,
        Kind::Gil,
        Kind::Cpu,
        Kind::Stuck,
        Kind::Errors,
    ];
    assert!(trouble.iter().all(|kind| kind.is_trouble()));
    let none = [
        Kind::Idle,
        Kind::Ok,
        Kind::Burst,
        Kind::SlowClients,
        Kind::Draining,
    ];
    assert!(!none.iter().any(|kind| kind.is_trouble()));
}

#[test]
fn requests_that_still_wait_or_run_count_as_those_that_have_ended() {
    let first = Watch::new().first().clone();
    let last = Sample {
        at: first.at + Duration::from_secs(31),
        busy: 124.0,
        waited: 155.0,
        waiting: 5,
        running: 4,
        ages: vec![31.0, 31.0, 31.0, 31.0],
        ..first.clone()
    };
    let window = Window::between(&first, &last, None);
    assert_eq!((window.requests, window.asked), (0, 9));
    assert_eq!((window.still_waiting, window.stuck), (5, 4));
    assert!((window.wait - 155.0 / 9.0).abs() < 1e-9, "{}", window.wait);
    assert!(
        (window.stuck_busy - 4.0).abs() < 1e-9,
        "{}",
        window.stuck_busy
    );
    let patient = Window::between(&first, &last, Some(Duration::from_secs(60)));
    assert_eq!(patient.stuck, 0);
}

#[test]
fn a_wait_is_named_only_if_requests_waited() {
    check(
        CALM,
        Kind::Ok,
        None,
        "busy on average, and requests do not wait.",
    );
    let waiting = Window {
        wait: 0.004,
        ..CALM
    };
    check(waiting, Kind::Ok, None, "and requests wait 4 ms for one.");
}
