//! The synchronisation primitives of the hand-off: those of the standard library and of `mio`.
//!
//! They have a door of their own so that a scheduler can stand behind it. Under `--cfg shuttle` the
//! tests in `model/` get primitives that yield to it at every step, and run the very code that serves
//! (queue, seat, mailbox, link, I/O loop) through thousands of interleavings. Everywhere else these
//! names *are* the real ones: nothing is wrapped.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(not(all(test, shuttle)))]
mod real {
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};
    pub(crate) use std::thread;

    pub(crate) use mio::{Poll, Waker};

    /// The time that deadlines and durations are counted by.
    #[inline]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
    pub(crate) fn now() -> std::time::Instant {
        std::time::Instant::now()
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
pub(crate) use crate::model::sync::{Condvar, Mutex, MutexGuard, Poll, Waker, atomic, now, thread};
#[cfg(not(all(test, shuttle)))]
pub(crate) use real::*;
