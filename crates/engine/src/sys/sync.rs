//! The synchronisation primitives of the hand-off: those of the standard library and of `mio`.
//!
//! They have a door of their own so that a scheduler can stand behind it. Under `--cfg shuttle` the
//! tests in `model/` get primitives that yield to it at every step, and run the very code that serves
//! (queue, seat, mailbox, link, I/O loop) through thousands of interleavings. Everywhere else these
//! names *are* the real ones: nothing is wrapped.

#[cfg(not(all(test, shuttle)))]
mod real {
    pub(crate) use std::sync::{Condvar, Mutex, MutexGuard, atomic};
    pub(crate) use std::thread;

    pub(crate) use mio::{Poll, Waker};

    /// The time.
    #[inline]
    pub(crate) fn now() -> std::time::Instant {
        std::time::Instant::now()
    }
}

#[cfg(all(test, shuttle))]
pub(crate) use crate::model::sync::{Condvar, Mutex, MutexGuard, Poll, Waker, atomic, now, thread};
#[cfg(not(all(test, shuttle)))]
pub(crate) use real::*;
