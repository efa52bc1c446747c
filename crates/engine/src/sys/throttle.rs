//! A limit on how often something happens, such as a log record of the same trouble.

use crate::sys::instant::Instant;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Allows something at most once per period. Any thread may ask, without a lock.
#[derive(Debug)]
pub struct Seldom {
    start: Instant,
    period: Duration,
    /// Milliseconds from `start` until it is allowed again.
    next: AtomicU64,
}

impl Seldom {
    /// Allows it once per `period`, for the first time at once.
    pub fn new(period: Duration) -> Self {
        Self {
            start: crate::sys::sync::now(),
            period,
            next: AtomicU64::new(0),
        }
    }

    /// Whether it may happen `now`. If so, the next period begins.
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
