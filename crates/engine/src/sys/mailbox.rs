//! Messages from many threads to one, the *owner*, which reads them between two polls.
//!
//! A message wakes the owner only if the owner sleeps and the sender is in a hurry. A busy owner reads its messages
//! before its next sleep, so that under load most messages cost no wake-up.

use std::sync::{OnceLock, PoisonError};

use crate::sys::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use crate::sys::sync::thread::{self, Thread};
use crate::sys::sync::{Mutex, MutexGuard, Waker};

/// The messages, and whether their owner sleeps.
///
/// The owner's turn: [`Mailbox::fall_asleep`], the poll, [`Mailbox::awake`], [`Mailbox::collect`].
#[derive(Debug)]
pub(crate) struct Mailbox<M> {
    messages: Mutex<Vec<M>>,
    /// The owner has ended: new messages are dropped.
    closed: AtomicBool,
    state: AtomicU8,
    waker: Waker,
    /// The owner's own thread: the only one that naps.
    napper: OnceLock<Thread>,
}

impl<M> Mailbox<M> {
    pub(crate) fn new(waker: Waker) -> Self {
        Self {
            messages: Mutex::new(Vec::new()),
            closed: AtomicBool::new(false),
            state: AtomicU8::new(AWAKE),
            waker,
            napper: OnceLock::new(),
        }
    }

    /// Leaves a message. An `urgent` one wakes a sleeping owner; another waits until the owner wakes for
    /// something else. Neither ends a nap, which is short.
    pub(crate) fn post(&self, message: M, urgent: bool) {
        let mut messages = self.lock();
        if self.closed.load(Ordering::SeqCst) {
            return;
        }
        messages.push(message);
        drop(messages);
        if urgent && self.state.load(Ordering::SeqCst) != NAPPING {
            self.wake();
        }
    }

    /// Makes the owner look around: at once if it sleeps or naps, else before its next sleep.
    pub(crate) fn wake(&self) {
        match self.state.swap(NOTIFIED, Ordering::SeqCst) {
            ASLEEP => {
                // This fails only when the poll is gone, and the owner with it.
                let _ = self.waker.wake();
            }
            NAPPING => self.rouse(),
            _ => {}
        }
    }

    /// The owner is about to nap, outside of the poll. `false`: it must not, there is news.
    pub(crate) fn begin_nap(&self) -> bool {
        self.napper.get_or_init(thread::current);
        let quiet = self
            .state
            .compare_exchange(AWAKE, NAPPING, Ordering::SeqCst, Ordering::SeqCst);
        quiet.is_ok() && self.lock().is_empty()
    }

    /// Ends the owner's nap, if it naps.
    pub(crate) fn end_nap(&self) {
        let napping =
            self.state
                .compare_exchange(NAPPING, NOTIFIED, Ordering::SeqCst, Ordering::SeqCst);
        if napping.is_ok() {
            self.rouse();
        }
    }

    fn rouse(&self) {
        if let Some(napper) = self.napper.get() {
            napper.unpark();
        }
    }

    /// Moves all messages to the end of `into`. An empty `into` is swapped, which copies nothing.
    pub(crate) fn collect(&self, into: &mut Vec<M>) {
        let mut messages = self.lock();
        if !messages.is_empty() {
            if into.is_empty() {
                std::mem::swap(&mut *messages, into);
            } else {
                into.append(&mut messages);
            }
        }
    }

    /// The owner is about to sleep in the poll. `false`: it must not, there is news since [`Mailbox::awake`].
    pub(crate) fn fall_asleep(&self) -> bool {
        let quiet = self
            .state
            .compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst);
        quiet.is_ok() && self.lock().is_empty()
    }

    /// The owner is awake. It reads all messages before it sleeps again.
    pub(crate) fn awake(&self) {
        self.state.store(AWAKE, Ordering::SeqCst);
    }

    /// The owner ends. A message may hold a reference to this mailbox, so that one left here would keep both alive.
    pub(crate) fn close(&self) {
        let mut messages = self.lock();
        self.closed.store(true, Ordering::SeqCst);
        let last = std::mem::take(&mut *messages);
        drop(messages);
        // Outside of the lock: a message may close sockets and files as it is dropped.
        drop(last);
    }

    /// Whether no message waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<M>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owner is awake. It may have read its messages already.
const AWAKE: u8 = 0;
/// The owner sleeps in the poll, or is about to.
const ASLEEP: u8 = 1;
/// The owner was told to look around, and must not sleep before it has.
const NOTIFIED: u8 = 2;
/// The owner naps, for some milliseconds at most. See `io/nap.rs`.
const NAPPING: u8 = 3;
