//! Verdicts on the wait profile, the scaling seen, and what is wrong beside waits.

use super::*;

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
    let held = Window {
        probe: 9.0,
        held: 0.9,
        ..stuck
    };
    check(held, Kind::Gil, None, "held for 9.0 s at a time");
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
    check(alone, Kind::Stuck, None, "1 of 4 threads seems stuck");
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
    check(
        late,
        Kind::Threads,
        Some(16),
        "threads=16 would remove the wait",
    );
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
    check(growing, Kind::Growing, None, "20 of at most 64 threads");
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

#[test]
fn a_lock_that_is_taken_in_several_places_is_one_line() {
    let held = places(&[
        ("shop/views.py:12 view / with", true, 12.0),
        ("shop/views.py:30 order / with", true, 17.0),
        ("shop/views.py:13 view / sleep()", true, 10.0),
    ]);
    let found = verdict(&SLEEPY, &held, &Curve::default());
    assert_eq!((found.kind, found.width), (Kind::Lock, Some(1)));
    assert_eq!(found.place.as_deref(), Some("shop/views.py:30 order"));
    assert!(
        found.evidence[1].contains("shop/views.py:12 view"),
        "{:?}",
        found.evidence
    );
    assert_eq!(found.evidence[2], "1.0 are elsewhere");
}

#[test]
fn each_process_has_a_lock_of_its_own() {
    let held = places(&[
        ("shop/views.py:12 view / with", true, 29.0),
        ("shop/views.py:13 view / sleep()", true, 10.0),
    ]);
    let mut both = SLEEPY;
    both += SLEEPY;
    let found = verdict(&both, &held, &Curve::default());
    assert_eq!((found.kind, found.width), (Kind::Lock, Some(1)));
    assert_eq!(found.processes, cfg!(unix).then_some(3));
    let says = "2.9 threads wait for a lock at shop/views.py:12 view in each process, and requests";
    assert!(found.text.contains(says), "{}", found.text);
}

#[test]
fn a_pool_that_few_workers_wait_for_is_doubted() {
    let wide = Window {
        busy: 15.8,
        threads: 16,
        waiting: 40.0,
        ..SLEEPY
    };
    let held = places(&[
        ("db.py:7 connection / get()", true, 2.0),
        ("db.py:20 query / recv()", true, 13.8),
    ]);
    let found = verdict(&wide, &held, &Curve::default());
    assert_eq!((found.kind, found.sure), (Kind::Pool, false));
    assert!(found.text.ends_with("undo them."), "{}", found.text);
    // What ended with how many busy workers settles it.
    let flat = curve(&[(4.0, 50.0), (16.0, 51.0)]);
    let settled = verdict(&wide, &held, &flat);
    assert!(
        settled.sure
            && settled
                .evidence
                .last()
                .unwrap()
                .contains("4 to 16 busy workers")
    );
}

#[test]
fn more_workers_are_known_to_be_futile_only_if_the_line_is_plain() {
    let line = |seconds| {
        places(&[
            ("shop/views.py:12 view / with", true, 3.0 * seconds),
            ("shop/views.py:13 view / sleep()", true, seconds),
        ])
    };
    let none = Curve::default();
    let why = limit(&line(1.0), &none, 4.0);
    assert_eq!(
        why.as_deref(),
        Some("On average 3.0 threads wait for a lock at shop/views.py:12 view")
    );
    assert_eq!(limit(&line(0.1), &none, 4.0), None, "not enough was seen");
    let rising = curve(&[(1.0, 20.0), (4.0, 79.0)]);
    assert_eq!(limit(&line(1.0), &rising, 4.0), None);
    assert_eq!(limit(&Places::default(), &none, 4.0), None);
}

#[test]
fn what_all_processes_share_is_not_helped_by_processes() {
    let held = places(&[
        ("jobs.py:7 once / flock()", true, 29.0),
        ("jobs.py:20 once / sleep()", true, 10.0),
    ]);
    let found = verdict(&SLEEPY, &held, &Curve::default());
    assert_eq!(
        (found.kind, found.processes, found.sure),
        (Kind::Lock, None, true)
    );
}

#[test]
fn a_condition_may_be_a_pool_or_not() {
    let held = places(&[
        (
            "db.py:7 take / threading.py:320 Condition.wait / acquire()",
            true,
            20.0,
        ),
        ("db.py:20 query / recv()", true, 19.0),
    ]);
    let found = verdict(&SLEEPY, &held, &Curve::default());
    assert_eq!(
        (found.kind, found.width, found.sure),
        (Kind::Pool, Some(2), false)
    );
    let flat = curve(&[(2.0, 50.0), (4.0, 51.0)]);
    assert!(verdict(&SLEEPY, &held, &flat).sure);
}
