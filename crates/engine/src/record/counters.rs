//! Counters of a server, read without any lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What has happened since the server was made.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $($(#[$doc])* pub(crate) $name: Counter),* }

        impl Counters {
            /// Every counter's name and value.
            pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get())),*]
            }
        }
    };
}

counters! {
    /// Connections accepted.
    connections,
    /// Requests answered at `health_path`.
    health_checks,
    /// Channels cut because the client took no bytes for `send_timeout`.
    send_timeouts,
    /// Idle channels closed to make room for new ones.
    evicted,
    /// Times accepting paused.
    accept_pauses,
    /// Times the first I/O thread lent its loop to a worker.
    loop_lends,
    /// Request bytes read.
    bytes_in,
    /// Panics caught.
    panics,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Lets something through at most once per period.
#[derive(Debug)]
pub struct Seldom {
    start: Instant,
    period: Duration,
    /// Milliseconds after `start` before which nothing passes.
    next: AtomicU64,
}

impl Seldom {
    /// Once in `period`.
    pub fn new(period: Duration) -> Self {
        Self {
            start: crate::sys::sync::now(),
            period,
            next: AtomicU64::new(0),
        }
    }

    /// Whether it may happen `now`; if so, not again for a period.
    pub fn pass(&self, now: Instant) -> bool {
        let at = now.saturating_duration_since(self.start).as_millis() as u64;
        let next = self.next.load(Ordering::Relaxed);
        let after = at + self.period.as_millis() as u64;
        at >= next
            && self
                .next
                .compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_once_a_period() {
        let seldom = Seldom::new(Duration::from_secs(1));
        let start = seldom.start;
        let passed = (0..30)
            .filter(|n| seldom.pass(start + Duration::from_millis(n * 100)))
            .count();
        assert_eq!(passed, 3);
    }
}
