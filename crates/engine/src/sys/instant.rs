//! Moments, as one number.
//!
//! Each request has seven of them and eight spans between them. Those of the standard library are seconds and
//! nanoseconds, and to subtract two takes some 35 instructions; here it takes one. The span, as a number, is for what
//! every request does; as a [`Duration`] it is for the rest.

use std::num::NonZeroU64;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A moment on the monotonic clock: nanoseconds since one that lies before all others. They last for five centuries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(NonZeroU64);

impl Instant {
    /// This moment. The engine asks `sys/sync.rs` for it, which tests can replace.
    #[inline]
    pub fn now() -> Self {
        Self::at(clock())
    }

    fn at(nanos: u64) -> Self {
        Self(NonZeroU64::new(nanos).unwrap_or(NonZeroU64::MIN))
    }

    /// The time from `earlier` to this moment; zero if that is not earlier.
    #[inline]
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// As [`Instant::saturating_duration_since`], in nanoseconds.
    #[inline]
    pub(crate) fn nanos_since(self, earlier: Self) -> u64 {
        self.0.get().saturating_sub(earlier.0.get())
    }

    /// This moment and so many nanoseconds more; the last one there is, if the sum lies beyond it.
    #[inline]
    pub(crate) fn plus(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// This moment and `span` more; `None` beyond the last one.
    #[inline]
    pub fn checked_add(self, span: Duration) -> Option<Self> {
        self.0.checked_add(nanos(span)).map(Self)
    }

    /// `span` before this moment; `None` if no moment is that early.
    #[inline]
    pub fn checked_sub(self, span: Duration) -> Option<Self> {
        let at = self.0.get().checked_sub(nanos(span))?;
        NonZeroU64::new(at).map(Self)
    }
}

/// The nanoseconds of `span`. `as_nanos` multiplies numbers of 128 bits.
#[inline]
pub(crate) fn nanos(span: Duration) -> u64 {
    let seconds = span.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(span.subsec_nanos().into())
}

#[cfg(target_os = "linux")]
#[inline]
fn clock() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64) * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "the clock of other systems")]
fn clock() -> u64 {
    use std::sync::LazyLock;
    use std::time::Instant;
    // Early enough for moments before the first one that was asked for.
    const BEFORE: u64 = 1 << 40;
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEFORE + nanos(FIRST.elapsed())
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// The last moment there is, if the sum lies beyond it.
    #[inline]
    fn add(self, span: Duration) -> Self {
        self.plus(nanos(span))
    }
}

impl AddAssign<Duration> for Instant {
    #[inline]
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    /// The first moment there is, if the difference lies before it.
    #[inline]
    fn sub(self, span: Duration) -> Self {
        Self::at(self.0.get().saturating_sub(nanos(span)))
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// Zero if `earlier` is not earlier.
    #[inline]
    fn sub(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_follow_one_another_as_those_of_the_standard_library_do() {
        let (outer, start) = (std::time::Instant::now(), Instant::now());
        std::thread::sleep(Duration::from_millis(2));
        let inner = Instant::now() - start;
        assert!(inner >= Duration::from_millis(2) && inner <= outer.elapsed());
    }

    #[test]
    fn spans_are_added_and_subtracted_within_what_there_is() {
        let (start, span) = (Instant::now(), Duration::new(3, 500_000_001));
        assert_eq!((start + span) - start, span);
        assert_eq!((start + span) - span, start);
        assert_eq!(start - (start + span), Duration::ZERO);
        assert_eq!(start.checked_add(Duration::MAX), None);
        assert_eq!(start.checked_sub(Duration::MAX), None);
        assert_eq!(start - Duration::MAX, Instant::at(0));
        assert!(start + Duration::MAX > start + span);
        assert_eq!(size_of::<Option<Instant>>(), 8);
    }
}
