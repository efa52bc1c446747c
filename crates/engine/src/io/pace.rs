//! Measures how briskly workers take tasks, and so whether a nap of the loop is worth it, and how long. See `nap.rs`.

use crate::sys::instant::Instant;
use std::time::Duration;

/// Measures how briskly workers take tasks.
#[derive(Debug)]
pub(crate) struct Pace {
    since: Instant,
    taken: u64,
    /// How long a nap is, if one is worth it.
    nap: Option<Duration>,
    /// If the tasks take less than this each, the I/O thread has no time for a nap.
    least: Duration,
    /// The system ends a wait of a millisecond after a millisecond.
    punctual: bool,
}

impl Pace {
    /// `one_core`: the I/O thread and the workers share one core.
    pub(crate) fn new(now: Instant, one_core: bool) -> Self {
        Self {
            since: now,
            taken: 0,
            nap: None,
            least: if one_core { Duration::ZERO } else { CHEAP },
            punctual: PUNCTUAL,
        }
    }

    /// How long a nap is worth it, in which workers take several tasks. `taken` counts all tasks since the start.
    pub(in crate::io) fn nap(&mut self, taken: u64, now: Instant) -> Option<Duration> {
        if !self.punctual {
            return None;
        }
        let tasks = u32::try_from(taken - self.taken).unwrap_or(u32::MAX);
        let span = now.saturating_duration_since(self.since);
        if tasks >= FEW || span >= LONGEST {
            let each = span.checked_div(tasks);
            let fits = |each: &Duration| *each >= self.least && *each * FEW <= LONGEST;
            let nap = |each: Duration| (each * SOME).clamp(SHORTEST, LONGEST);
            self.nap = each.filter(fits).map(nap);
            self.since = now;
            self.taken = taken;
        }
        self.nap
    }
}

/// Windows ends a wait with the next tick of its clock, up to 16 ms later: so there are no naps.
const PUNCTUAL: bool = cfg!(not(windows));
/// A nap is at least and at most this long.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_millis(4);
/// A nap that sees so many tasks taken is worth it.
const FEW: u32 = if cfg!(shuttle) { 1 } else { 4 };
/// A nap lasts as long as so many tasks take, within its bounds.
const SOME: u32 = 8;
/// A task that takes less than this costs the I/O thread more than it costs a worker. With a core of its own the I/O
/// thread is then the bottleneck and must not rest.
const CHEAP: Duration = Duration::from_micros(20);

#[cfg(test)]
mod tests {
    use super::*;

    /// Each step is an instant in microseconds, the number of tasks taken by then, and the nap in microseconds; 0 for
    /// none.
    #[track_caller]
    fn check(script: &[(u64, u64, u64)]) {
        check_on(true, script);
    }

    #[track_caller]
    fn check_on(one_core: bool, script: &[(u64, u64, u64)]) {
        let start = Instant::now();
        let mut pace = Pace::new(start, one_core);
        pace.punctual = true;
        for &(at, taken, want) in script {
            let nap = pace.nap(taken, start + Duration::from_micros(at));
            let want = (want > 0).then(|| Duration::from_micros(want));
            assert_eq!(nap, want, "{taken} by {at} us: {pace:?}");
        }
    }

    const ENOUGH: u64 = FEW as u64;

    #[test]
    fn a_nap_is_worth_it_when_it_sees_several_tasks() {
        check(&[(0, 0, 0), (3900, ENOUGH, 4000)]);
        check(&[(4000, ENOUGH, 4000)]);
        check(&[(4001, ENOUGH, 0)]);
        check(&[(1000, 1, 0), (2000, 2, 0), (3000, 3, 0), (4000, 4, 4000)]);
    }

    #[test]
    fn it_lasts_as_long_as_some_tasks_take() {
        check(&[(10, 400, 1000)]);
        check(&[(500, 4, 1000)]);
        check(&[(1000, 4, 2000)]);
        check(&[(2000, 4, 4000)]);
    }

    #[test]
    fn with_a_core_of_its_own_it_does_not_rest_from_work_of_its_own() {
        check_on(false, &[(1000, 50, 1000)]);
        check_on(false, &[(1000, 51, 0), (2000, 101, 1000)]);
        check_on(true, &[(1000, 51, 1000)]);
    }

    #[test]
    fn where_a_nap_would_last_longer_there_is_none() {
        let start = Instant::now();
        let mut pace = Pace::new(start, true);
        assert_eq!(pace.punctual, cfg!(not(windows)));
        pace.punctual = false;
        assert_eq!(pace.nap(400, start + Duration::from_micros(10)), None);
    }

    #[test]
    fn what_was_found_holds_until_there_is_more_to_go_by() {
        check(&[(100, 4, 1000), (500, 4, 1000), (4099, 7, 1000)]);
        check(&[(100, 4, 1000), (4100, 7, 0)]);
        check(&[(5000, 4, 0), (5500, 7, 0), (5600, 8, 1200)]);
    }

    #[test]
    fn tasks_that_take_long_end_it_and_short_ones_bring_it_back() {
        check(&[
            (500, 10, 1000),
            (4600, 11, 0),
            (8700, 12, 0),
            (9000, 16, 1000),
            (13_000, 16, 0),
        ]);
    }

    #[test]
    fn a_clock_that_stands_still_is_no_division() {
        check(&[(0, 0, 0), (0, 4, 1000), (0, 4, 1000)]);
    }
}
