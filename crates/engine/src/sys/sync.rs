//! The synchronisation primitives of the hand-off: those of the standard library and of `mio`.
//!
//! The code of the hand-off (queue, seat, mailbox, lane, I/O loop, siblings) imports them from here only, so that the tests in
//! `model/` can replace them. Under `--cfg shuttle` these are primitives that yield to a scheduler at every step, and
//! the scheduler runs the real code in thousands of interleavings. In every other build these names are those of the
//! standard library and of `mio`, without a wrapper.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(not(all(test, shuttle)))]
mod real {
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};
    pub(crate) use std::thread;

    pub(crate) use mio::{Poll, Waker};

    /// Atomics in memory that processes share.
    #[cfg(unix)]
    pub(crate) mod shared {
        pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64};
    }

    /// The time that deadlines and durations are counted by.
    #[inline]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
    pub(crate) fn now() -> crate::sys::instant::Instant {
        crate::sys::instant::Instant::now()
    }
}

/// The time of day, for dates: seconds and more since 1970, zero if the clock is set before that.
#[inline]
#[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
pub(crate) fn unix_time() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(all(test, shuttle))]
pub(crate) use crate::model::sync::{
    Condvar, Mutex, MutexGuard, Poll, Waker, atomic, now, shared, thread,
};
#[cfg(not(all(test, shuttle)))]
pub(crate) use real::*;
