//! Whether a busy worker computes, waits for a core or for the GIL, or waits in the application. A pure function.

use std::time::Duration;

use super::table::State;

/// What is known of a worker at a look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evidence {
    /// The interpreter has a GIL.
    pub(super) gil: bool,
    /// The time from the look to the second reading of the clocks.
    pub(super) gap: Duration,
    /// The worker's CPU in the gap; `None` where it cannot be measured.
    pub(super) used: Option<Duration>,
    /// How long the worker was ready to run in the gap and had no core; `None` where the kernel does not tell.
    pub(super) delayed: Option<Duration>,
    /// What all busy workers together used in the gap or waited for a core.
    pub(super) ready: Duration,
    /// What the whole process used in the gap; `None` where it cannot be measured.
    pub(super) process: Option<Duration>,
    /// How many workers are busy.
    pub(super) busy: usize,
    /// The time since the last look.
    pub(super) elapsed: Duration,
    /// How long the look itself waited for the interpreter.
    pub(super) probe: Duration,
    /// The worker's CPU since the last look, if it was busy then.
    pub(super) since_last: Option<Duration>,
    /// It waited in the application at the last look.
    pub(super) was_waiting: bool,
    /// It runs the same request and has not gone on since the last look.
    pub(super) same_place: bool,
}

/// What the worker does.
///
/// A thread that waits for the GIL and one that waits in the application both use no CPU. But whoever waits
/// for the GIL gets a turn now and then, and uses CPU in it; and while somebody waits for the GIL, it is in use.
pub(super) fn judge(evidence: &Evidence) -> State {
    let e = evidence;
    if e.used.is_some_and(|used| used >= share(e.gap, COMPUTES)) {
        return State::Computing;
    }
    if e.delayed
        .is_some_and(|delayed| delayed >= share(e.gap, COMPUTES))
    {
        return State::Core;
    }
    if !e.gil {
        return State::Waiting;
    }
    if e.probe >= share(e.elapsed, 0.5) {
        // Nobody but the holder of the GIL could go on since the last look.
        let waits = e.same_place && e.was_waiting;
        return if waits { State::Waiting } else { State::Gil };
    }
    let turn = share(e.elapsed, TURN.min(0.5 / e.busy.max(1) as f64));
    let had_turns = e.since_last.is_none_or(|cpu| cpu >= turn);
    if had_turns && !e.same_place && in_use(e) {
        return State::Gil;
    }
    State::Waiting
}

/// Whether somebody had the GIL in the gap: a worker, or another thread, for which the look had to wait, too.
/// The I/O thread uses CPU without it, and no look waits for them.
fn in_use(e: &Evidence) -> bool {
    let most = share(e.gap, IN_USE);
    e.ready >= most || e.probe >= QUEUED && e.process.is_some_and(|used| used >= most)
}

fn share(of: Duration, part: f64) -> Duration {
    of.mul_f64(part)
}

/// A worker that uses this share of the gap computes; one that is ready for as long waits for a core.
const COMPUTES: f64 = 0.3;
/// The GIL is in use if the workers are ready to run for this share of the gap, with or without a core, or others
/// run.
const IN_USE: f64 = 0.7;
/// A look that waited for so long was in line for the GIL.
const QUEUED: Duration = Duration::from_millis(1);
/// A worker that had turns of the GIL used this share of the time; less, if many take turns.
const TURN: f64 = 0.05;

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    /// One of four busy workers, which does nothing in the gap.
    const QUIET: Evidence = Evidence {
        gil: true,
        gap: Duration::from_millis(3),
        used: Some(Duration::ZERO),
        delayed: Some(Duration::ZERO),
        ready: Duration::ZERO,
        process: Some(Duration::ZERO),
        busy: 4,
        elapsed: Duration::from_millis(100),
        probe: Duration::ZERO,
        since_last: Some(Duration::ZERO),
        was_waiting: false,
        same_place: false,
    };

    #[test]
    fn a_worker_that_uses_cpu_computes() {
        let used = Some(2 * MS);
        assert_eq!(judge(&Evidence { used, ..QUIET }), State::Computing);
        let ready = 2 * MS;
        let computes = Evidence {
            used,
            ready,
            same_place: true,
            ..QUIET
        };
        assert_eq!(judge(&computes), State::Computing);
        assert_eq!(
            judge(&Evidence {
                gil: false,
                ..computes
            }),
            State::Computing
        );
    }

    #[test]
    fn a_worker_that_is_ready_waits_for_a_core() {
        let delayed = Some(2 * MS);
        assert_eq!(judge(&Evidence { delayed, ..QUIET }), State::Core);
        let same_place = true;
        assert_eq!(
            judge(&Evidence {
                delayed,
                same_place,
                gil: false,
                ..QUIET
            }),
            State::Core
        );
    }

    #[test]
    fn a_worker_that_had_its_turns_waits_for_a_gil_in_use() {
        let turns = Evidence {
            ready: 3 * MS,
            since_last: Some(25 * MS),
            ..QUIET
        };
        assert_eq!(judge(&turns), State::Gil);
        assert_eq!(
            judge(&Evidence {
                since_last: None,
                ..turns
            }),
            State::Gil
        );
        // Of 64 workers that take turns each has little.
        let many = Evidence {
            busy: 64,
            since_last: Some(2 * MS),
            ..turns
        };
        assert_eq!(judge(&many), State::Gil);
    }

    #[test]
    fn a_worker_that_had_its_turns_waits_for_a_thread_beside_that_has_the_gil() {
        let beside = Evidence {
            probe: 5 * MS,
            process: Some(3 * MS),
            since_last: Some(12 * MS),
            ..QUIET
        };
        assert_eq!(judge(&beside), State::Gil);
        // The I/O thread computes without it, and nobody waits for it.
        let io = Evidence {
            probe: Duration::ZERO,
            ..beside
        };
        assert_eq!(judge(&io), State::Waiting);
        // The look waited, and then nobody had it any more.
        let process = Some(MS);
        assert_eq!(judge(&Evidence { process, ..beside }), State::Waiting);
    }

    #[test]
    fn a_worker_beside_computing_ones_waits_in_the_application_if_it_uses_no_turns() {
        let beside = Evidence {
            ready: 3 * MS,
            since_last: Some(MS),
            ..QUIET
        };
        assert_eq!(judge(&beside), State::Waiting);
        let same_place = Evidence {
            since_last: Some(25 * MS),
            same_place: true,
            ..beside
        };
        assert_eq!(judge(&same_place), State::Waiting);
        let no_gil = Evidence {
            gil: false,
            since_last: Some(25 * MS),
            ..beside
        };
        assert_eq!(judge(&no_gil), State::Waiting);
    }

    #[test]
    fn while_one_thread_holds_the_gil_the_others_wait_for_it_unless_they_waited_before() {
        let held = Evidence {
            probe: 900 * MS,
            elapsed: 1000 * MS,
            same_place: true,
            ..QUIET
        };
        assert_eq!(judge(&held), State::Gil);
        assert_eq!(
            judge(&Evidence {
                was_waiting: true,
                ..held
            }),
            State::Waiting
        );
    }
}
