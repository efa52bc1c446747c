//! What workers and other threads tell an I/O thread.
//!
//! A message wakes the I/O thread only if it sleeps and the sender needs it now: while it is busy
//! it will look here anyway before it sleeps, so replies under load cost no wake-up each.

use std::sync::{OnceLock, PoisonError};

use crate::exchange::Exchange;
use crate::exchange::answer::Answer;
use crate::net::listen::Peer;
use crate::net::socket::Stream;
use crate::sys::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use crate::sys::sync::thread::{self, Thread};
use crate::sys::sync::{Mutex, MutexGuard, Waker};

/// A message to an I/O thread.
#[derive(Debug)]
pub(crate) enum Message {
    /// A worker is through with this exchange; what it still holds is to be sent.
    Done(Box<Exchange>),
    /// The channel with this token has new parts in its outbox, of the reply at this place of its chain.
    Flush(usize, u8),
    /// A connection this thread is to own, and the index of its listener.
    Accepted(Stream, Peer, usize),
    /// The answer to the pending request of the channel with this token.
    Answer(usize, Answer),
    /// The first I/O thread has no room for one more connection and nobody idle: close somebody idle, or
    /// pass this on.
    MakeRoom,
    /// A channel of another I/O thread was closed while the first one waited for room.
    RoomMade,
}

/// The box, and whether its owner sleeps.
#[derive(Debug)]
pub(crate) struct Mailbox {
    messages: Mutex<Vec<Message>>,
    /// The owner has ended: what comes now is for nobody.
    closed: AtomicBool,
    state: AtomicU8,
    waker: Waker,
    /// Who naps here.
    napper: OnceLock<Thread>,
}

impl Mailbox {
    pub(crate) fn new(waker: Waker) -> Self {
        Self {
            messages: Mutex::new(Vec::new()),
            closed: AtomicBool::new(false),
            state: AtomicU8::new(AWAKE),
            waker,
            napper: OnceLock::new(),
        }
    }

    /// Leaves a message; `urgent` ones wake a sleeping owner, others wait until it wakes by itself. A
    /// nap is short: none ends it.
    pub(crate) fn post(&self, message: Message, urgent: bool) {
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

    /// Makes the owner look around: now if it sleeps, else before it does.
    pub(crate) fn wake(&self) {
        match self.state.swap(NOTIFIED, Ordering::SeqCst) {
            ASLEEP => {
                // Fails only when the poll is gone, and then nobody is there to be woken.
                let _ = self.waker.wake();
            }
            NAPPING => self.rouse(),
            _ => {}
        }
    }

    /// The owner is about to nap, out of the poll. `false`: something has come up.
    pub(crate) fn begin_nap(&self) -> bool {
        self.napper.get_or_init(thread::current);
        let quiet = self
            .state
            .compare_exchange(AWAKE, NAPPING, Ordering::SeqCst, Ordering::SeqCst);
        quiet.is_ok() && self.lock().is_empty()
    }

    /// Ends a nap, if there is one.
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

    /// Moves all messages behind `into`, which should be empty.
    pub(crate) fn collect(&self, into: &mut Vec<Message>) {
        let mut messages = self.lock();
        if !messages.is_empty() {
            if into.is_empty() {
                std::mem::swap(&mut *messages, into);
            } else {
                into.append(&mut messages);
            }
        }
    }

    /// The owner is about to sleep. `false`: something has come up since it was [`Mailbox::awake`].
    pub(crate) fn fall_asleep(&self) -> bool {
        let quiet = self
            .state
            .compare_exchange(AWAKE, ASLEEP, Ordering::SeqCst, Ordering::SeqCst);
        quiet.is_ok() && self.lock().is_empty()
    }

    /// The owner is up, and will look at everything from here on.
    pub(crate) fn awake(&self) {
        self.state.store(AWAKE, Ordering::SeqCst);
    }

    /// The owner ends. A message holds its channel, and a channel this box: nothing may stay in it.
    pub(crate) fn close(&self) {
        let mut messages = self.lock();
        self.closed.store(true, Ordering::SeqCst);
        let last = std::mem::take(&mut *messages);
        drop(messages);
        drop(last);
    }

    /// Whether no message waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owner will look before it sleeps, but may have looked already.
const AWAKE: u8 = 0;
/// The owner is in the kernel, or on its way there.
const ASLEEP: u8 = 1;
/// Somebody wants the owner to look.
const NOTIFIED: u8 = 2;
/// The owner rests, and will look within a millisecond. See `nap.rs`.
const NAPPING: u8 = 3;
