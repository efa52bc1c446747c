//! Verdicts on what is wrong beside waits, and on the scaling seen.

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
            .contains(", at views.py:8 hang > threading.py:1 Event.wait > acquire(); 5 requests have been waiting."),
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
fn workers_that_nobody_serves_in_turn_wait_in_line() {
    let unfair = Window {
        stuck: 3,
        oldest: 12.0,
        stuck_busy: 3.0,
        ..SLEEPY
    };
    let line = places(&[
        ("v.py:4 f / get()", true, 30.0),
        ("v.py:5 f / sleep()", true, 10.0),
    ]);
    let found = verdict(&unfair, &line, &Curve::default());
    assert_eq!((found.kind, found.width), (Kind::Pool, Some(1)));
    let none_ends = Window {
        requests: 0,
        ..unfair
    };
    assert_eq!(
        verdict(&none_ends, &line, &Curve::default()).kind,
        Kind::Stuck
    );
}

#[test]
fn garbage_collections_that_take_long_are_named() {
    let often = Window {
        collecting: 0.12,
        longest_collection: 0.03,
        ..CALM
    };
    check(
        often,
        Kind::Collections,
        None,
        "stop the threads for 12 % of the time, 30 ms at the longest: gc.freeze()",
    );
    let long = Window {
        collecting: 0.02,
        longest_collection: 0.4,
        ..SLEEPY
    };
    check(
        long,
        Kind::Collections,
        None,
        ", 400 ms at the longest, and requests wait 310 ms: ",
    );
    let short = Window {
        longest_collection: 0.05,
        ..long
    };
    assert_eq!(by_averages(&short).kind, Kind::Threads);
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
    // Even if the CPU is scarce, as long as no request waits.
    let scarce = Window {
        delayed: 0.9,
        ..failing
    };
    check(scarce, Kind::Errors, None, "57 %");
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
fn the_route_of_most_errors_is_named() {
    let (nowhere, flat) = (Places::default(), Curve::default());
    let named = advise(&Case {
        window: &Window {
            errors: 60,
            requests: 100,
            ..CALM
        },
        places: &nowhere,
        beside: &[],
        failed: &[("GET /orders".into(), 50), ("GET /".into(), 10)],
        curve: &flat,
    });
    let says = "60 % of the replies are errors (5xx), most of them of GET /orders: ";
    assert!(named.text.starts_with(says), "{}", named.text);
    assert_eq!(
        named.evidence.last().map(String::as_str),
        Some("10 of GET /")
    );
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
    let another = cfg!(unix).then_some(2);
    assert_eq!(
        (found.kind, found.threads, found.processes),
        (Kind::Background, None, another),
        "{}",
        found.text
    );
    let one_core = Window {
        cores: 1,
        ..background
    };
    let alone = verdict(&one_core, &wanted, &Curve::default());
    assert_eq!(alone.processes, None);
    assert!(
        alone.text.ends_with("larger share of the GIL."),
        "{}",
        alone.text
    );
    let named = advise(&Case {
        window: &background,
        places: &wanted,
        beside: &[("poller".into(), 0.9), ("mailer".into(), 0.1)],
        failed: &[],
        curve: &Curve::default(),
    });
    assert!(
        named.text.contains(" cores, most of all poller)"),
        "{}",
        named.text
    );
    let mailer = "the thread mailer uses 0.10 cores";
    assert_eq!(named.evidence.last().map(String::as_str), Some(mailer));
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
    let left = "without them less than one thread would be busy";
    assert!(found.text.contains(left), "{}", found.text);
    // The quick ones may be too quick to be seen.
    at.0.truncate(1);
    let found = verdict(&mixed, &at, &Curve::default());
    assert_eq!(found.kind, Kind::Route);
}

#[test]
fn threads_that_are_in_each_others_way_may_be_too_many() {
    let many = Window {
        threads: 16,
        busy: 15.9,
        waiting: 16.0,
        ..SLEEPY
    };
    let falling = curve(&[(4.0, 60.0), (16.0, 40.0)]);
    let found = verdict(&many, &Places::default(), &falling);
    assert_eq!(
        (found.kind, found.threads, found.sure),
        (Kind::TooManyThreads, Some(4), false)
    );
    assert!(
        found.text.ends_with("threads=4 may do more."),
        "{}",
        found.text
    );
    // Requests that are unlike each other say nothing about that.
    let mixed = Window { mean: 0.2, ..many };
    assert_eq!(
        verdict(&mixed, &Places::default(), &falling).kind,
        Kind::Threads
    );
}
