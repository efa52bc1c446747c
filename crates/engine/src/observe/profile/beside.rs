//! Threads of the application's own: how many cores each uses, beside the workers.

use crate::sys::instant::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// The CPU clock of a thread that is no worker.
#[derive(Clone, Debug)]
pub struct ThreadClock {
    /// What the system calls the thread.
    pub id: u64,
    /// What the application has called it.
    pub name: String,
    /// CPU seconds since the thread began.
    pub cpu: f64,
}

/// What the clocks said when they were read last, and the time before.
#[derive(Debug, Default)]
pub(super) struct Beside {
    last: Option<(Instant, Vec<ThreadClock>)>,
    cores: Vec<(String, f64)>,
}

impl Beside {
    /// Whether the clocks should be read again. A reading takes the interpreter some microseconds per thread.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let last = self.last.as_ref();
        last.is_none_or(|(at, _)| now.saturating_duration_since(*at) >= EVERY)
    }

    pub(super) fn tell(&mut self, now: Instant, clocks: Vec<ThreadClock>) {
        if let Some((at, before)) = self.last.take() {
            let elapsed = now.saturating_duration_since(at).as_secs_f64();
            self.cores = cores(&before, &clocks, elapsed.max(f64::MIN_POSITIVE));
        }
        self.last = Some((now, clocks));
    }

    /// The threads that compute, and how many cores each uses, most first. Threads of one name count together.
    /// Nothing, if the last reading is old.
    pub(super) fn cores(&self, now: Instant) -> &[(String, f64)] {
        let last = self.last.as_ref();
        let fresh = last.is_some_and(|(at, _)| now.saturating_duration_since(*at) < STALE);
        if fresh { &self.cores } else { &[] }
    }
}

fn cores(before: &[ThreadClock], after: &[ThreadClock], elapsed: f64) -> Vec<(String, f64)> {
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for clock in after {
        // A thread that has begun since then has used all its CPU since then.
        let earlier = before.iter().find(|earlier| earlier.id == clock.id);
        let used = clock.cpu - earlier.map_or(0.0, |earlier| earlier.cpu);
        *sums.entry(&clock.name).or_default() += used.max(0.0) / elapsed;
    }
    let computes = |(_, cores): &(&str, f64)| *cores >= LEAST;
    let found = sums.into_iter().filter(computes);
    most(found.map(|(name, n)| (name.to_owned(), n)).collect())
}

fn most(mut found: Vec<(String, f64)>) -> Vec<(String, f64)> {
    found.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    found.truncate(MOST);
    found
}

/// The time between two readings.
const EVERY: Duration = Duration::from_secs(1);
/// After this long a reading does not say what threads do now.
const STALE: Duration = Duration::from_secs(5);
/// Cores below which a thread does not compute.
const LEAST: f64 = 0.05;
/// Names that are kept.
const MOST: usize = 8;

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::sys::sync;

    fn clock(id: u64, name: &str, cpu: f64) -> ThreadClock {
        ThreadClock {
            id,
            name: name.into(),
            cpu,
        }
    }

    #[test]
    fn threads_of_one_name_count_together_and_idle_ones_do_not() {
        let now = sync::now();
        let mut beside = Beside::default();
        assert!(beside.is_due(now));
        let first = [
            clock(1, "poller", 5.0),
            clock(2, "poller", 1.0),
            clock(3, "MainThread", 9.0),
        ];
        beside.tell(now, first.to_vec());
        assert!(!beside.is_due(now + EVERY / 2));
        assert_eq!(beside.cores(now), []);
        let second = [
            clock(1, "poller", 5.5),
            clock(2, "poller", 1.5),
            clock(3, "MainThread", 9.01),
            clock(4, "mailer", 0.25),
        ];
        beside.tell(now + EVERY, second.to_vec());
        let found = [("poller".to_owned(), 1.0), ("mailer".to_owned(), 0.25)];
        assert_eq!(beside.cores(now + EVERY), found);
        assert_eq!(beside.cores(now + EVERY + STALE), []);
    }
}
