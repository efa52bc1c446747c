mod averages;
mod evidence;
mod expected;
mod lines;

use super::*;
use crate::observe::profile::{Place, State};

/// Four threads, two cores, 100 requests a second of 10 ms each.
const CALM: Window = Window {
    collecting: 0.0,
    longest_collection: 0.0,
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
    let advice = advise(&Case {
        window,
        places,
        beside: &[],
        failed: &[],
        curve,
    });
    let sentences = advice.evidence.iter().chain([&advice.text]);
    for sentence in sentences {
        assert!(
            !sentence.contains("  ") && !sentence.contains('\n'),
            "{sentence}"
        );
    }
    advice
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
