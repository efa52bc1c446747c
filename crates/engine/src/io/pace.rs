//! Measures how briskly workers take tasks, and so whether a nap of the loop is worth it. See `nap.rs`.

use crate::sys::instant::Instant;
use std::time::Duration;

/// Measures how briskly workers take tasks.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    taken: u64,
    brisk: bool,
    /// Above this number of tasks per [`NAP`] the I/O thread has no time for a nap.
    most: Option<u64>,
    /// The system ends a wait of a millisecond after a millisecond.
    punctual: bool,
}

impl Pace {
    /// `one_core`: the I/O thread and the workers share one core.
    pub(crate) fn new(now: Instant, one_core: bool) -> Self {
        Self {
            since: now,
            taken: 0,
            brisk: false,
            most: (!one_core).then_some(MANY),
            punctual: PUNCTUAL,
        }
    }

    /// Whether tasks are so short that workers take several during a nap. `taken` counts all tasks since the start.
    pub(in crate::io) fn is_brisk(&mut self, taken: u64, now: Instant) -> bool {
        if !self.punctual {
            return false;
        }
        let tasks = taken - self.taken;
        let span = now.saturating_duration_since(self.since);
        if tasks >= FEW || span >= NAP {
            let tasks = NAP.as_nanos() * u128::from(tasks);
            let at_a_rate_of = |in_a_nap: u64| span.as_nanos() * u128::from(in_a_nap);
            self.brisk = at_a_rate_of(FEW) <= tasks
                && self.most.is_none_or(|most| tasks <= at_a_rate_of(most));
            self.since = now;
            self.taken = taken;
        }
        self.brisk
    }
}

/// Windows ends a wait with the next tick of its clock, up to 16 ms later: so there are no naps.
const PUNCTUAL: bool = cfg!(not(windows));
/// The longest nap.
pub(in crate::io) const NAP: Duration = Duration::from_millis(1);
/// From this number of tasks per [`NAP`] on, a nap is worth it.
const FEW: u64 = if cfg!(shuttle) { 1 } else { 4 };
/// Above this number of tasks per [`NAP`], a task costs the I/O thread more than it costs a worker. With a core of
/// its own the I/O thread is then the bottleneck and must not rest.
const MANY: u64 = 50;

#[cfg(test)]
mod tests {
    use super::*;

    /// Each step is an instant in microseconds and the number of tasks taken by then. Returns the answers.
    #[track_caller]
    fn check(script: &[(u64, u64, bool)]) {
        check_on(true, script);
    }

    #[track_caller]
    fn check_on(one_core: bool, script: &[(u64, u64, bool)]) {
        let start = Instant::now();
        let mut pace = Pace::new(start, one_core);
        pace.punctual = true;
        for &(at, taken, want) in script {
            let now = start + Duration::from_micros(at);
            assert_eq!(
                pace.is_brisk(taken, now),
                want,
                "{taken} by {at} us: {pace:?}"
            );
        }
    }

    #[test]
    fn tasks_are_brisk_when_a_nap_sees_several() {
        check(&[(0, 0, false), (900, FEW, true)]);
        check(&[(1000, FEW, true)]);
        check(&[(1001, FEW, false)]);
        check(&[
            (250, 1, false),
            (500, 2, false),
            (750, 3, false),
            (1000, 4, true),
        ]);
        check(&[(10, 400, true)]);
    }

    #[test]
    fn with_a_core_of_its_own_it_does_not_rest_from_work_of_its_own() {
        check_on(false, &[(1000, MANY, true)]);
        check_on(false, &[(1000, MANY + 1, false), (2000, 2 * MANY, true)]);
        check_on(true, &[(1000, MANY + 1, true)]);
    }

    #[test]
    fn where_a_nap_would_last_longer_there_is_none() {
        let start = Instant::now();
        let mut pace = Pace::new(start, true);
        assert_eq!(pace.punctual, cfg!(not(windows)));
        pace.punctual = false;
        assert!(!pace.is_brisk(400, start + Duration::from_micros(10)));
    }

    #[test]
    fn what_was_found_holds_until_there_is_more_to_go_by() {
        check(&[(100, FEW, true), (500, FEW, true), (1099, FEW + 3, true)]);
        check(&[(100, FEW, true), (1100, FEW + 3, false)]);
        check(&[(5000, 4, false), (5500, 7, false), (5600, 8, true)]);
    }

    #[test]
    fn tasks_that_take_long_end_it_and_short_ones_bring_it_back() {
        check(&[
            (500, 10, true),
            (1600, 11, false),
            (2700, 12, false),
            (3000, 16, true),
            (4000, 16, false),
        ]);
    }

    #[test]
    fn a_clock_that_stands_still_is_no_division() {
        check(&[(0, 0, false), (0, FEW, true), (0, FEW, true)]);
    }
}
