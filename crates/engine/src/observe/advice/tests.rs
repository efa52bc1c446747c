use super::crowded::round_up;
use super::*;
use crate::observe::profile::{Place, State};

/// Four threads, two cores, 100 requests a second of 10 ms each.
const CALM: Window = Window {
    requests: 6000,
    errors: 0,
    asked: 6000,
    busy: 1.0,
    waiting: 0.001,
    mean: 0.01,
    median: 0.01,
    flushing: 0.01,
    wait: 0.00001,
    still_waiting: 0,
    gil_wait: 0.0,
    probe: 0.0001,
    held: 0.001,
    worker_cores: Some(0.2),
    delayed: 0.0,
    process_cores: 0.25,
    cores: 2,
    threads: 4,
    most_threads: 4,
    stuck: 0,
    oldest: 0.0,
    stuck_busy: 0.0,
    draining: false,
    gil: true,
    processes: 1,
};
/// Sixteen clients of a view that sleeps.
const SLEEPY: Window = Window {
    busy: 3.9,
    waiting: 12.0,
    wait: 0.31,
    still_waiting: 12,
    worker_cores: Some(0.1),
    process_cores: 0.2,
    ..CALM
};

/// Workers that wait (`true`) or compute, by stack and seconds; the first frame of each is the application's.
fn places(of: &[(&str, bool, f64)]) -> Places {
    let place = |&(stack, waits, seconds): &(&str, bool, f64)| {
        let state = if waits {
            State::Waiting
        } else {
            State::Computing
        };
        let place = Place {
            route: "GET /".into(),
            stack: stack.replace(" / ", "\n"),
            own: 0,
            state,
        };
        (place, seconds)
    };
    Places(of.iter().map(place).collect())
}

/// A second with each of these numbers of busy workers, three times, and so many requests.
fn curve(levels: &[(f64, f64)]) -> Curve {
    let mut curve = Curve::default();
    for (busy, ended) in levels {
        curve.add(*busy, 3.0, 3.0 * ended);
    }
    curve
}

fn verdict(window: &Window, places: &Places, curve: &Curve) -> Advice {
    advise(&Case {
        window,
        places,
        curve,
    })
}

/// The verdict on the averages alone.
fn by_averages(window: &Window) -> Advice {
    verdict(window, &Places::default(), &Curve::default())
}

#[track_caller]
fn check(window: Window, kind: Kind, threads: Option<usize>, says: &str) {
    let advice = by_averages(&window);
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
fn stuck_workers_are_no_reason_for_threads() {
    let stuck = Window {
        requests: 0,
        asked: 9,
        busy: 4.0,
        waiting: 5.0,
        wait: 17.0,
        still_waiting: 5,
        stuck: 4,
        oldest: 31.0,
        stuck_busy: 4.0,
        worker_cores: Some(0.0),
        ..SLEEPY
    };
    check(
        stuck,
        Kind::Stuck,
        None,
        "4 of 4 threads seem stuck: the oldest request has run for 31 s",
    );
    let at = places(&[(
        "views.py:8 hang / threading.py:1 Event.wait / acquire()",
        true,
        120.0,
    )]);
    let found = verdict(&stuck, &at, &Curve::default());
    assert!(
        found
            .text
            .contains(", at views.py:8 hang \u{2192} threading.py:1 Event.wait \u{2192} acquire(); 5 requests have been waiting."),
        "{}",
        found.text
    );
    assert!(found.sure);
    // One long request beside many others is none of that.
    let one = Window {
        stuck: 1,
        stuck_busy: 1.0,
        ..SLEEPY
    };
    check(one, Kind::Threads, Some(16), "threads=16");
    // Even if nobody waits, not all is well.
    let alone = Window {
        stuck: 1,
        oldest: 28.0,
        stuck_busy: 1.0,
        busy: 1.0,
        ..CALM
    };
    check(alone, Kind::Stuck, None, "1 of 4 threads seem stuck");
}

#[test]
fn all_is_not_well_while_replies_are_errors_or_the_server_leaves() {
    let failing = Window {
        errors: 3420,
        ..CALM
    };
    check(
        failing,
        Kind::Errors,
        None,
        "57 % of the replies are errors",
    );
    let few = Window { errors: 4, ..CALM };
    check(few, Kind::Ok, None, "All well");
    let found = by_averages(&Window {
        errors: 100,
        ..SLEEPY
    });
    assert_eq!(found.kind, Kind::Threads);
    assert_eq!(
        found.evidence.last().unwrap(),
        "100 of 6000 requests have failed (5xx)"
    );
    let leaving = Window {
        draining: true,
        ..SLEEPY
    };
    check(
        leaving,
        Kind::Draining,
        None,
        "12 requests wait for a worker",
    );
    let waits = Window {
        wait: 0.515,
        flushing: 40.0,
        ..CALM
    };
    check(waits, Kind::Burst, None, "they wait 515 ms for one");
}

#[test]
fn workers_that_sleep_are_not_starved() {
    // Each time one wakes up, it waits for a core.
    let late = Window {
        worker_cores: Some(0.02),
        delayed: 0.4,
        ..SLEEPY
    };
    check(late, Kind::Threads, Some(6), "threads=6 would shorten it");
    let starved = Window {
        delayed: 1.9,
        ..late
    };
    check(starved, Kind::Starved, None, "Other processes use the CPU");
}

#[test]
fn a_pool_that_may_grow_is_not_told_to() {
    let growing = Window {
        threads: 20,
        most_threads: 64,
        busy: 20.0,
        waiting: 4.0,
        ..SLEEPY
    };
    check(
        growing,
        Kind::Growing,
        None,
        "it has 20 of at most 64 threads",
    );
    let small = Window {
        most_threads: 22,
        ..growing
    };
    check(small, Kind::Threads, Some(24), "threads=24");
}

#[test]
fn a_lock_is_named_and_threads_are_not_the_remedy() {
    let held = places(&[
        ("shop/views.py:12 view / with", true, 29.0),
        ("shop/views.py:13 view / sleep()", true, 10.0),
    ]);
    let found = verdict(&SLEEPY, &held, &Curve::default());
    assert_eq!(
        (found.kind, found.threads, found.width),
        (Kind::Lock, None, Some(1))
    );
    assert_eq!(found.place.as_deref(), Some("shop/views.py:12 view"));
    assert!(
        found.sure
            && found
                .text
                .contains("for a lock at shop/views.py:12 view, and requests wait 310 ms"),
        "{}",
        found.text
    );
    assert!(
        found.evidence[0].starts_with("2.9 of 3.9 busy workers wait at shop/views.py:12 view"),
        "{:?}",
        found.evidence
    );
    // Throughput that has risen with busy workers contradicts.
    let rising = curve(&[(1.0, 20.0), (4.0, 79.0)]);
    let doubted = verdict(&SLEEPY, &held, &rising);
    assert!(
        !doubted.sure && doubted.text.contains("undo it"),
        "{}",
        doubted.text
    );
    // Now and then somebody waits for a lock: the threads are the bottleneck all the same.
    let seldom = places(&[
        ("shop/views.py:12 view / with", true, 2.0),
        ("shop/views.py:13 view / sleep()", true, 37.0),
    ]);
    assert_eq!(
        verdict(&SLEEPY, &seldom, &Curve::default()).kind,
        Kind::Threads
    );
}

#[test]
fn a_pool_has_a_width() {
    for inner in [
        "threading.py:507 Semaphore.acquire / threading.py:320 Condition.wait / acquire()",
        "queue.py:171 Queue.get / threading.py:320 Condition.wait / acquire()",
    ] {
        let held = places(&[
            (&format!("db.py:7 connection / {inner}"), true, 20.0),
            ("db.py:20 query / recv()", true, 19.0),
        ]);
        let found = verdict(&SLEEPY, &held, &Curve::default());
        assert_eq!(
            (found.kind, found.width, found.threads),
            (Kind::Pool, Some(2), None)
        );
        assert!(
            found.sure
                && found
                    .text
                    .contains("at db.py:7 connection for one of 2 connections"),
            "{}",
            found.text
        );
    }
    // Each waits for a result of its own: no worker has what the others wait for.
    let results = places(&[(
        "rpc.py:7 call / queue.py:171 Queue.get / acquire()",
        true,
        39.0,
    )]);
    let found = verdict(&SLEEPY, &results, &Curve::default());
    assert_eq!((found.kind, found.sure), (Kind::Threads, false));
    assert!(
        found
            .text
            .contains("if what they wait for keeps up, mostly at rpc.py:7 call"),
        "{}",
        found.text
    );
}

#[test]
fn what_was_seen_to_scale_decides_where_no_line_is_seen() {
    let service = places(&[(
        "api.py:7 call / socket.py:706 SocketIO.readinto / recv_into()",
        true,
        39.0,
    )]);
    let found = verdict(&SLEEPY, &service, &curve(&[(1.0, 20.0), (4.0, 79.0)]));
    assert_eq!(
        (found.kind, found.threads, found.sure),
        (Kind::Threads, Some(16), true)
    );
    assert!(
        found.text.ends_with("would remove the wait."),
        "{}",
        found.text
    );
    let found = verdict(&SLEEPY, &service, &curve(&[(2.0, 40.0), (4.0, 41.0)]));
    assert_eq!(
        (found.kind, found.threads, found.width),
        (Kind::Service, None, Some(2))
    );
    assert!(
        found.text.contains("served about 2 at a time"),
        "{}",
        found.text
    );
}

#[test]
fn threads_beside_the_workers_that_take_the_gil_are_named_as_the_reason() {
    let background = Window {
        worker_cores: Some(0.4),
        process_cores: 1.0,
        ..SLEEPY
    };
    let mut wanted = places(&[
        ("views.py:8 view", false, 10.0),
        ("views.py:9 view", false, 29.0),
    ]);
    wanted.0[1].0.state = State::Gil;
    let found = verdict(&background, &wanted, &Curve::default());
    assert_eq!(found.kind, Kind::Background, "{}", found.text);
}

#[test]
fn few_long_requests_that_starve_the_others_are_named() {
    let mixed = Window {
        mean: 0.5,
        median: 0.01,
        ..SLEEPY
    };
    let mut at = places(&[
        ("views.py:8 report / execute()", true, 35.0),
        ("views.py:20 page / execute()", true, 4.0),
    ]);
    at.0[0].0.route = "GET /report".into();
    let found = verdict(&mixed, &at, &Curve::default());
    assert_eq!((found.kind, found.threads), (Kind::Route, Some(16)));
    assert!(
        found.text.contains("90 % of it those to GET /report"),
        "{}",
        found.text
    );
}
