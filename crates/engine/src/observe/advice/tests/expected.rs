//! What is expected of other numbers of threads.

use super::*;
use crate::observe::advice::expect::{Limit, expect};

fn case<'a>(window: &'a Window, places: &'a Places, curve: &'a Curve) -> Case<'a> {
    Case {
        window,
        places,
        beside: &[],
        failed: &[],
        curve,
    }
}

/// Four threads that sleep 50 ms for each of sixteen clients.
const SLEEPS: Window = Window {
    busy: 4.0,
    waiting: 12.0,
    wait: 0.15,
    mean: 0.05,
    ..SLEEPY
};

#[test]
fn threads_that_sleep_end_as_many_times_more_until_every_request_has_one() {
    let (nowhere, flat) = (Places::default(), Curve::default());
    let sleepy = case(&SLEEPS, &nowhere, &flat);
    let of = |threads| {
        let found = expect(&sleepy, threads).unwrap();
        let milliseconds = (1000.0 * found.wait).round();
        (found.rate.round(), milliseconds, found.limit)
    };
    assert_eq!(of(4), (80.0, 150.0, Limit::Threads));
    assert_eq!(of(8), (160.0, 50.0, Limit::Threads));
    assert_eq!(of(16), (320.0, 0.0, Limit::Load));
    assert_eq!(of(64), (320.0, 0.0, Limit::Load));
    let said = expect(&sleepy, 8).unwrap().said(&SLEEPS);
    assert_eq!(
        said,
        "With threads=8 about 160 requests a second would end (80 now), and a request would wait 50 ms for a thread \
         (150 ms now): the threads are the limit. This holds if the clients go on as now."
    );
    assert_eq!(expect(&sleepy, 8).unwrap().json()["limit"], "threads");
}

#[test]
fn a_lock_passes_no_more_whatever_the_threads() {
    let line = places(&[
        ("v.py:8 f / with", true, 30.0),
        ("v.py:9 f / sleep()", true, 10.0),
    ]);
    let curve = Curve::default();
    let locked = case(&SLEEPS, &line, &curve);
    for threads in [2, 4, 16] {
        let found = expect(&locked, threads).unwrap();
        assert_eq!(found.rate.round(), 80.0, "{threads}");
        assert_eq!(found.limit, Limit::Place("v.py:8 f".into()));
        assert_eq!(found.json()["place"], "v.py:8 f");
    }
}

#[test]
fn a_flat_curve_is_that_of_one_process() {
    let two = Window {
        busy: 8.0,
        waiting: 24.0,
        processes: 2,
        ..SLEEPS
    };
    let nowhere = Places::default();
    let flat = curve(&[(1.0, 40.0), (4.0, 40.0)]);
    let found = expect(&case(&two, &nowhere, &flat), 16).unwrap();
    assert_eq!(found.rate.round(), 80.0);
}

#[test]
fn the_gil_and_the_cpu_give_what_they_have() {
    let (nowhere, flat) = (Places::default(), Curve::default());
    let half = Window {
        worker_cores: Some(0.5),
        process_cores: 0.6,
        cores: 8,
        ..SLEEPS
    };
    let found = expect(&case(&half, &nowhere, &flat), 16).unwrap();
    assert_eq!((found.rate.round(), found.limit), (160.0, Limit::Gil));
    let kept = Window {
        worker_cores: Some(0.0),
        held: 0.3,
        probe: 0.2,
        ..half
    };
    let found = expect(&case(&kept, &nowhere, &flat), 16).unwrap();
    assert_eq!((found.rate.round(), found.limit), (80.0, Limit::Gil));
    let free = Window { gil: false, ..half };
    let found = expect(&case(&free, &nowhere, &flat), 16).unwrap();
    assert_eq!((found.rate.round(), found.limit), (320.0, Limit::Load));
    let busy = Window {
        worker_cores: Some(3.0),
        process_cores: 4.0,
        ..half
    };
    let found = expect(&case(&busy, &nowhere, &flat), 16).unwrap();
    assert_eq!((found.rate.round(), found.limit), (160.0, Limit::Cpu));
}

#[test]
fn beside_a_thread_that_computes_more_workers_get_a_larger_share_of_the_gil() {
    let beside = Window {
        worker_cores: Some(0.5),
        process_cores: 1.0,
        ..SLEEPS
    };
    let mut wanted = places(&[("views.py:8 f", true, 20.0), ("views.py:9 f", false, 20.0)]);
    wanted.0[0].0.state = State::Gil;
    let flat = Curve::default();
    let at = |threads| {
        let found = expect(&case(&beside, &wanted, &flat), threads).unwrap();
        (found.rate.round(), found.limit)
    };
    // As many turns as now, and four times as many beside those of the thread.
    assert_eq!(at(4), (80.0, Limit::Gil));
    assert_eq!(at(16), (128.0, Limit::Gil));
}

#[test]
fn nothing_is_expected_of_a_server_that_has_served_nothing() {
    let (nowhere, flat) = (Places::default(), Curve::default());
    let idle = Window {
        busy: 0.0,
        ..SLEEPS
    };
    assert_eq!(expect(&case(&idle, &nowhere, &flat), 8), None);
}
