//! What the I/O thread and a worker share of a channel.
//!
//! The I/O thread owns the channel; a worker that runs one of its tasks holds a [`Link`] to it.
//! The socket lives here, so its descriptor stays open until both have let go.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::exchange::message::{Mailbox, Message};
use crate::net::address::Peer;
use crate::net::socket::Stream;
use crate::store::parts::{Parts, Size};
use crate::sys::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sys::sync::{Condvar, Mutex, MutexGuard};

/// The shared part of a channel.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: Stream,
    pub(crate) peer: Peer,
    /// Index of the listener the connection came in by.
    pub(crate) listener: u32,
    /// It came in by the admin endpoint: not a client of the application.
    pub(crate) admin: bool,
    /// Place in the queue of the task that waits for this channel.
    pub(crate) place: AtomicU64,
    pub(crate) token: usize,
    pub(crate) io: Arc<Mailbox>,
    flags: AtomicU32,
    unsent: AtomicU64,
    unsent_memory: AtomicU64,
    /// Those of all channels.
    total: Arc<AtomicU64>,
    /// Bytes sent of the reply whose record the worker still holds.
    early: AtomicU64,
    outbox: Mutex<Outbox>,
    room: Condvar,
}

/// What is handed over and not yet collected by the I/O thread: of each reply, by its place in its chain, one
/// list. A `Flush` message is under way for each.
type Outbox = VecDeque<(u8, Parts)>;

/// The client is gone: nothing more can reach it.
pub(crate) const GONE: u32 = 1;
/// The client will send no more (it may still read).
pub(crate) const FIN: u32 = 2;
/// Bytes wait on this channel behind the task: whoever finishes the reply must tell the I/O thread.
pub(crate) const PENDING: u32 = 4;
/// A worker has sent the reply itself and left a message about it.
pub(crate) const FINISHED: u32 = 8;
/// The worker sleeps until unsent bytes have become fewer.
const WAITING: u32 = 16;
/// Bytes of the reply may be on their way: nothing may be put before them any more.
const STARTED: u32 = 32;
/// A probe was sent for this request.
const PROBED: u32 = 64;
/// `send_timeout` has cut it.
pub(crate) const TIMED_OUT: u32 = 128;
/// The kernel takes no more bytes for this client: it is slower than we are.
const BLOCKED: u32 = 256;
/// The client has sent what a read stops at though more may stand behind it: urgent data, or descriptors.
pub(crate) const MARKED: u32 = 512;
/// What does not outlive a request.
const PER_REQUEST: u32 = PENDING | FINISHED | STARTED | PROBED;

impl Link {
    /// `listener` is `None` for the admin endpoint.
    pub(crate) fn new(
        stream: Stream,
        peer: Peer,
        listener: Option<u32>,
        token: usize,
        io: Arc<Mailbox>,
        total: Arc<AtomicU64>,
    ) -> Self {
        Self {
            stream,
            peer,
            listener: listener.unwrap_or_default(),
            admin: listener.is_none(),
            place: AtomicU64::new(0),
            token,
            io,
            flags: AtomicU32::new(0),
            unsent: AtomicU64::new(0),
            unsent_memory: AtomicU64::new(0),
            total,
            early: AtomicU64::new(0),
            outbox: Mutex::default(),
            room: Condvar::new(),
        }
    }

    /// Sets `flag`; returns the flags as they were.
    pub(crate) fn set(&self, flag: u32) -> u32 {
        self.flags.fetch_or(flag, Ordering::SeqCst)
    }

    /// A new request starts on this channel; `pending`: bytes wait behind it already.
    /// Only a client that `knows_interim` replies (RFC 9110 §15.2) will be probed.
    pub(crate) fn begin_request(&self, pending: bool, knows_interim: bool) {
        self.clear(PER_REQUEST);
        let pending = if pending { PENDING } else { 0 };
        let probed = if knows_interim { 0 } else { PROBED };
        if pending | probed != 0 {
            self.set(pending | probed);
        }
    }

    /// Must be called before the first byte of a reply is sent or handed over.
    pub(crate) fn begin_reply(&self) {
        let before = self.set(STARTED);
        if before & (FIN | STARTED) == FIN {
            // A probe may be on its way: let it be first.
            drop(self.lock());
        }
    }

    /// Finds out whether a client that finished sending has closed or only half-closed.
    ///
    /// The two look alike until something is sent. So this sends a `100 Continue`, which every
    /// HTTP/1.1 client must be able to skip (RFC 9110 §15.2): a closed peer answers with a reset.
    /// Sent once a request, and only while nothing of the reply is out.
    pub(crate) fn probe(&self) {
        let _outbox = self.lock();
        if !self.has(STARTED) && self.set(PROBED) & PROBED == 0 {
            // A failure is the answer asked for. The poll reports a reset; a Unix socket's end it has reported
            // with the client's last bytes.
            if let Err(error) = self.stream.send(headwaiter_http::CONTINUE)
                && error.kind() == std::io::ErrorKind::BrokenPipe
            {
                self.set(GONE);
            }
        }
    }

    fn clear(&self, flags: u32) {
        self.flags.fetch_and(!flags, Ordering::SeqCst);
    }

    pub(crate) fn has(&self, flag: u32) -> bool {
        self.flags.load(Ordering::SeqCst) & flag != 0
    }

    /// Marks the client as gone and wakes a worker that waits for it.
    pub(crate) fn mark_gone(&self) {
        self.set(GONE);
        self.notify_room();
    }

    /// Bytes handed over that the kernel has not taken.
    pub(crate) fn unsent(&self) -> Size {
        Size {
            all: self.unsent.load(Ordering::SeqCst),
            memory: self.unsent_memory.load(Ordering::SeqCst),
        }
    }

    /// Hands `parts` of the reply at `place` over to the I/O thread. The end of the reply before may still be
    /// in the mail, so each has a message of its own: only with that it is that reply's turn.
    pub(crate) fn hand_over(&self, mut parts: Parts, size: Size, place: u8) {
        self.account(size);
        self.begin_reply();
        let mut outbox = self.lock();
        match outbox.back_mut().filter(|(other, _)| *other == place) {
            Some((_, waiting)) => waiting.append(&mut parts),
            None => {
                outbox.push_back((place, parts));
                drop(outbox);
                self.io.post(Message::Flush(self.token, place), true);
            }
        }
    }

    /// Counts bytes that are to be sent; [`Link::sent`] takes them off again.
    pub(crate) fn account(&self, size: Size) {
        self.unsent.fetch_add(size.all, Ordering::SeqCst);
        self.unsent_memory.fetch_add(size.memory, Ordering::SeqCst);
        self.total.fetch_add(size.memory, Ordering::Relaxed);
    }

    /// The I/O thread's side of [`Link::hand_over`]. Finds nothing if the end of the reply came first.
    pub(crate) fn collect(&self, place: u8, into: &mut Parts) {
        let mut outbox = self.lock();
        let is_there = outbox.front().is_some_and(|(other, _)| *other == place);
        let waiting = is_there.then(|| outbox.pop_front()).flatten();
        drop(outbox);
        if let Some((_, mut parts)) = waiting {
            into.append(&mut parts);
        }
    }

    /// `sent` bytes of what was handed over are with the kernel.
    pub(crate) fn sent(&self, sent: Size) {
        self.unsent.fetch_sub(sent.all, Ordering::SeqCst);
        self.unsent_memory.fetch_sub(sent.memory, Ordering::SeqCst);
        self.total.fetch_sub(sent.memory, Ordering::Relaxed);
        self.notify_room();
    }

    /// Counts bytes sent while the worker still holds the record.
    pub(crate) fn note_early(&self, bytes: u64) {
        self.early.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The bytes of [`Link::note_early`], once.
    pub(crate) fn take_early(&self) -> u64 {
        self.early.swap(0, Ordering::Relaxed)
    }

    fn notify_room(&self) {
        if self.has(WAITING) {
            // Taking the lock orders this behind a worker that is just falling asleep.
            drop(self.lock());
            self.room.notify_all();
        }
    }

    /// Notes whether the client was slower than we are when bytes were last sent.
    pub(crate) fn set_blocked(&self, blocked: bool) {
        if self.has(BLOCKED) == blocked {
            return;
        }
        if blocked {
            self.set(BLOCKED);
            self.notify_room();
        } else {
            self.clear(BLOCKED);
        }
    }

    /// Blocks the worker until `enough(unsent)` or the client is gone. The I/O thread enforces
    /// `send_timeout`, so this always ends.
    pub(crate) fn wait_room(&self, enough: impl Fn(Size) -> bool) {
        self.wait_until(|| enough(self.unsent()), None);
    }

    /// As [`Link::wait_room`], but for the I/O thread only, not for a client: no longer than it takes to
    /// try, and not when the client is known to be slow.
    pub(crate) fn wait_turn(&self, enough: impl Fn(Size) -> bool) {
        let end = crate::sys::sync::now() + TURN;
        self.wait_until(|| self.has(BLOCKED) || enough(self.unsent()), Some(end));
    }

    fn wait_until(&self, over: impl Fn() -> bool, end: Option<Instant>) {
        self.set(WAITING);
        let mut outbox = self.lock();
        while !self.has(GONE) && !over() {
            let left = end.map(|end| end.saturating_duration_since(crate::sys::sync::now()));
            outbox = match left {
                Some(left) if left.is_zero() => break,
                Some(left) => {
                    let waited = self.room.wait_timeout(outbox, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = self.room.wait(outbox);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
        drop(outbox);
        self.clear(WAITING);
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Link {
    /// What was never sent is dropped.
    fn drop(&mut self) {
        let left = self.unsent_memory.load(Ordering::SeqCst);
        self.total.fetch_sub(left, Ordering::Relaxed);
    }
}

/// How long a worker waits for the I/O thread to get to its bytes.
const TURN: Duration = Duration::from_millis(5);
