//! Whether tasks are so short that it costs less to run them on the thread of the loop than to hand them over. Without a
//! GIL other workers could run them at the same time, so they never are.

use crate::sys::instant::Instant;
use std::time::Duration;

/// How long tasks are, by what the last ones took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// One thread had better do all.
    Short,
    /// Neither.
    Medium,
    /// Whoever runs a task may be away for long.
    Long,
}

/// How long the last tasks took, from the interpreter to the complete reply.
#[derive(Debug)]
pub(in crate::io) struct Brevity {
    gil: bool,
    /// A moving average in nanoseconds; `None` before the first task.
    mean: Option<u64>,
    /// When a task took longer than [`LONG`].
    long: Option<Instant>,
}

impl Brevity {
    pub(in crate::io) fn new(gil: bool) -> Self {
        Self {
            gil,
            mean: None,
            long: None,
        }
    }

    /// A task is back that took `wall` nanoseconds, if a worker has run it.
    pub(in crate::io) fn note(&mut self, wall: Option<u64>, now: Instant) {
        let Some(wall) = wall else { return };
        let mean = self.mean.unwrap_or(wall);
        self.mean = Some(mean - mean / WEIGHT + wall / WEIGHT);
        if wall >= LONG {
            self.long = Some(now);
        }
    }

    /// Tasks are short if their mean is and none was long lately; after a long one they are long for a while.
    pub(in crate::io) fn length(&self, now: Instant) -> Length {
        let long = self
            .long
            .is_some_and(|at| now.saturating_duration_since(at) < MEMORY);
        if long {
            Length::Long
        } else if self.gil && self.mean.is_some_and(|mean| mean <= SHORT) {
            Length::Short
        } else {
            Length::Medium
        }
    }
}

/// Tasks of so many nanoseconds are short.
const SHORT: u64 = 100_000;
/// A task of so many has blocked, or computed for long: others should not have to wait for such a one.
const LONG: u64 = 1_000_000;
/// For so long one long task is remembered.
const MEMORY: Duration = Duration::from_millis(250);
/// The average goes by so many tasks.
const WEIGHT: u64 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_short_until_one_is_long_and_again_when_that_is_forgotten() {
        let mut brevity = Brevity::new(true);
        let start = Instant::now();
        assert_eq!(brevity.length(start), Length::Medium);
        brevity.note(Some(30_000), start);
        assert_eq!(brevity.length(start), Length::Short);
        brevity.note(Some(LONG), start);
        assert_eq!(brevity.length(start), Length::Long);
        for _ in 0..5 * WEIGHT {
            brevity.note(Some(30_000), start);
        }
        assert_eq!(brevity.length(start + MEMORY / 2), Length::Long);
        assert_eq!(brevity.length(start + MEMORY), Length::Short);
        for _ in 0..5 * WEIGHT {
            brevity.note(Some(300_000), start);
        }
        assert_eq!(brevity.length(start + MEMORY), Length::Medium);
    }

    #[test]
    fn without_a_gil_they_are_for_everybody() {
        let mut brevity = Brevity::new(false);
        brevity.note(Some(1_000), Instant::now());
        assert_eq!(brevity.length(Instant::now()), Length::Medium);
    }
}
