//! Verdicts on workers that wait in line: locks and pools.

use super::*;

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
