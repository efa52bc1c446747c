//! The synchronisation primitives of the hand-off: those of the standard library and of `mio`.
//!
//! The code of the hand-off (queue, seat, mailbox, lane, I/O loop) imports them from here only, so that the tests in
//! `model/` can replace them. Under `--cfg shuttle` these are primitives that yield to a scheduler at every step, and
//! the scheduler runs the real code in thousands of interleavings. In every other build these names are those of the
//! standard library and of `mio`, without a wrapper.

#[cfg(not(all(test, shuttle)))]
mod real {
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};
    pub(crate) use std::thread;

    pub(crate) use mio::{Poll, Waker};

    /// The time now.
    #[inline]
    pub(crate) fn now() -> std::time::Instant {
        std::time::Instant::now()
    }
}

#[cfg(all(test, shuttle))]
pub(crate) use crate::model::sync::{Condvar, Mutex, MutexGuard, Poll, Waker, atomic, now, thread};
#[cfg(not(all(test, shuttle)))]
pub(crate) use real::*;
