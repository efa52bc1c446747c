//! What the I/O thread and a worker share of one request on a connection.
//!
//! Three flags settle who acts next, in whatever order the two threads get there:
//!
//! - `PENDING` and `FINISHED`: bytes came in behind the request, and the worker has sent the reply by itself. The
//!   thread that sets the second of the two makes the I/O thread go on. So both are in one atomic word.
//! - `STARTED`: a reply may be on its way, so that no probe may be sent any more.
//!
//! Elsewhere: the connection (`link.rs`), whose flags are in a word of their own; the request itself (`mod.rs`).

use crate::sys::instant::Instant;
use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use crate::exchange::link::{BLOCKED, FIN, GONE, Link};
use crate::exchange::message::Message;
use crate::store::parts::{Parts, Size};
use crate::sys::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::sys::sync::{Condvar, Mutex, MutexGuard};

/// The way of one request at a time, and of its reply, on a connection.
///
/// A lane is made with its connection and used by each of the connection's requests in turn: `io/h1` begins the next
/// one when the last reply is complete. Requests chained behind one another share the lane, and `place` tells
/// their replies apart.
#[derive(Clone, Debug)]
pub(crate) struct Lane(Arc<Link>);

/// A lane that does not keep its connection's descriptor open.
#[derive(Clone, Debug)]
pub(crate) struct WeakLane(Weak<Link>);

/// The state of a lane. It lies in its [`Link`], so that a connection takes one allocation.
#[derive(Debug)]
pub(crate) struct LaneState {
    flags: AtomicU32,
    /// Place of the request's task in the queue.
    place: AtomicU64,
    /// Bytes handed over to the I/O thread that the kernel has not taken.
    unsent: AtomicU64,
    /// Those of them that are in memory.
    unsent_memory: AtomicU64,
    /// Unsent bytes in memory, of all lanes of the server.
    total: Arc<AtomicU64>,
    /// Bytes sent of the reply whose record the worker still holds.
    early: AtomicU64,
    outbox: Mutex<Outbox>,
    /// Wakes a worker that waits for room.
    room: Condvar,
}

/// Parts handed over that the I/O thread has not collected: a list for each reply, by the place of its request in
/// its chain. A `Flush` message is under way for each list.
type Outbox = VecDeque<(u8, Parts)>;

/// Bytes wait on the connection behind the request.
const PENDING: u32 = 1;
/// A worker has sent the reply by itself and left a message about it.
const FINISHED: u32 = 2;
/// Bytes of the reply may be on their way: no probe may be sent any more.
const STARTED: u32 = 4;
/// A probe was sent for this request, or none must be.
const PROBED: u32 = 8;
/// The worker sleeps until fewer bytes are unsent.
const WAITING: u32 = 16;

impl Lane {
    /// The lane of a connection that has one.
    pub(crate) fn of(link: &Arc<Link>) -> Self {
        Self(Arc::clone(link))
    }

    /// The connection.
    pub(crate) fn link(&self) -> &Link {
        &self.0
    }

    /// What a message to the I/O thread names this lane by.
    pub(crate) fn token(&self) -> usize {
        self.0.token
    }

    /// Whether both are the same lane.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A handle that does not keep the descriptor open.
    pub(crate) fn downgrade(&self) -> WeakLane {
        WeakLane(Arc::downgrade(&self.0))
    }

    fn state(&self) -> &LaneState {
        &self.0.lane
    }

    /// Place in the queue of the task that was queued last on this lane.
    pub(crate) fn place(&self) -> u64 {
        self.state().place.load(Ordering::Relaxed)
    }

    pub(crate) fn set_place(&self, place: u64) {
        self.state().place.store(place, Ordering::Relaxed);
    }

    /// A new request begins. `pending`: bytes wait behind it already. Only a client that `knows_interim` replies
    /// (RFC 9110 §15.2) will be probed.
    pub(crate) fn begin_request(&self, pending: bool, knows_interim: bool) {
        let pending = if pending { PENDING } else { 0 };
        let probed = if knows_interim { 0 } else { PROBED };
        // No worker has this request yet, and none has the last one, so no flag is lost. (A `Client` that the application
        // has kept from an earlier request may still probe, under the lock.)
        let before = self.state().flags.swap(pending | probed, Ordering::SeqCst);
        debug_assert_eq!(before & WAITING, 0, "no worker has the last request");
        debug_assert_eq!(self.unsent().all, 0, "the last reply is complete");
    }

    /// Bytes have come in behind the request. `true`: its worker had finished before, and does not know of them.
    pub(crate) fn set_pending(&self) -> bool {
        self.state().set(PENDING) & FINISHED != 0
    }

    /// The worker has sent the reply by itself, and its message is in the mailbox. `true`: bytes had come in
    /// before, so that the I/O thread must be woken.
    pub(crate) fn set_finished(&self) -> bool {
        self.state().set(FINISHED) & PENDING != 0
    }

    /// Must be called before the first byte of a reply is sent or handed over.
    pub(crate) fn begin_reply(&self) {
        // `STARTED` first: a probe that has not seen it follows on a `FIN` that is seen here.
        let before = self.state().set(STARTED);
        if before & STARTED == 0 && self.link().has(FIN) {
            // A probe may be on its way: wait until it is sent, so that it comes before the reply.
            drop(self.state().lock());
        }
    }

    /// Finds out whether a client that finished sending has closed or only half-closed.
    ///
    /// The two look alike until something is sent. So this sends a `100 Continue`, which every HTTP/1.1 client must
    /// be able to skip (RFC 9110 §15.2): a closed peer answers with a reset. It is sent at most once per request, and
    /// only before the reply begins.
    pub(crate) fn probe(&self) {
        debug_assert!(
            self.link().has(FIN),
            "else `begin_reply` does not wait for this"
        );
        let Some(stream) = self.link().direct() else {
            return;
        };
        let state = self.state();
        let _outbox = state.lock();
        if !state.has(STARTED) && state.set(PROBED) & PROBED == 0 {
            // Most failures need no handling: the poll reports a reset. But it has reported the end of a Unix socket
            // with the client's last bytes, and does not repeat that.
            if let Err(error) = stream.send(headwaiter_http::CONTINUE)
                && error.kind() == std::io::ErrorKind::BrokenPipe
            {
                self.link().set(GONE);
            }
        }
    }

    /// Bytes handed over that the kernel has not taken.
    pub(crate) fn unsent(&self) -> Size {
        self.state().unsent()
    }

    /// Hands `parts` of the reply at `place` over to the I/O thread.
    ///
    /// The end of the reply before may still be in the mailbox. A `Flush` of its own for each reply makes the I/O
    /// thread collect them in order.
    pub(crate) fn hand_over(&self, mut parts: Parts, size: Size, place: u8) {
        self.account(size);
        self.begin_reply();
        let mut outbox = self.state().lock();
        match outbox.back_mut().filter(|(other, _)| *other == place) {
            Some((_, waiting)) => waiting.append(&mut parts),
            None => {
                outbox.push_back((place, parts));
                drop(outbox);
                let message = Message::Flush(self.token(), place);
                self.link().io.post(message, true);
            }
        }
    }

    /// Moves what [`Lane::hand_over`] has left of the reply at `place` behind `into`. Does nothing when the end of
    /// the reply came first, since that collects everything.
    pub(crate) fn collect(&self, place: u8, into: &mut Parts) {
        let mut outbox = self.state().lock();
        let is_there = outbox.front().is_some_and(|(other, _)| *other == place);
        let waiting = is_there.then(|| outbox.pop_front()).flatten();
        drop(outbox);
        if let Some((_, mut parts)) = waiting {
            into.append(&mut parts);
        }
    }

    /// Counts bytes that are to be sent, until [`Lane::sent`].
    pub(crate) fn account(&self, size: Size) {
        let state = self.state();
        state.unsent.fetch_add(size.all, Ordering::SeqCst);
        state.unsent_memory.fetch_add(size.memory, Ordering::SeqCst);
        state.total.fetch_add(size.memory, Ordering::Relaxed);
    }

    /// The kernel has taken `sent` bytes of what was counted.
    pub(crate) fn sent(&self, sent: Size) {
        let state = self.state();
        let before = state.unsent.fetch_sub(sent.all, Ordering::SeqCst);
        debug_assert!(before >= sent.all, "bytes are counted before they are sent");
        state.unsent_memory.fetch_sub(sent.memory, Ordering::SeqCst);
        state.total.fetch_sub(sent.memory, Ordering::Relaxed);
        state.notify_room();
    }

    /// Counts bytes sent while the worker still holds the record.
    pub(crate) fn note_early(&self, bytes: u64) {
        self.state().early.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes the bytes counted by [`Lane::note_early`].
    pub(crate) fn take_early(&self) -> u64 {
        self.state().early.swap(0, Ordering::Relaxed)
    }

    /// Blocks the worker until `enough(unsent)` or the client is gone. It ends at the latest when the I/O thread cuts
    /// the client for `send_timeout`.
    pub(crate) fn wait_room(&self, enough: impl Fn(Size) -> bool) {
        self.wait_until(|| enough(self.unsent()), None);
    }

    /// Blocks the worker until the I/O thread has had time to send: until `enough(unsent)`, the client is gone or
    /// known to be slow, or [`TURN`] is over.
    pub(crate) fn wait_turn(&self, enough: impl Fn(Size) -> bool) {
        let end = crate::sys::sync::now() + TURN;
        let over = || self.link().has(BLOCKED) || enough(self.unsent());
        self.wait_until(over, Some(end));
    }

    fn wait_until(&self, over: impl Fn() -> bool, end: Option<Instant>) {
        let state = self.state();
        state.set(WAITING);
        let mut outbox = state.lock();
        while !self.link().has(GONE) && !over() {
            let left = end.map(|end| end.saturating_duration_since(crate::sys::sync::now()));
            outbox = match left {
                Some(left) if left.is_zero() => break,
                Some(left) => {
                    let waited = state.room.wait_timeout(outbox, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = state.room.wait(outbox);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
        drop(outbox);
        state.flags.fetch_and(!WAITING, Ordering::SeqCst);
    }
}

impl WeakLane {
    /// The lane, unless its connection is closed and no thread holds it.
    pub(crate) fn upgrade(&self) -> Option<Lane> {
        self.0.upgrade().map(Lane)
    }
}

impl LaneState {
    /// `total` counts the unsent bytes in memory of all lanes.
    pub(super) fn new(total: Arc<AtomicU64>) -> Self {
        Self {
            flags: AtomicU32::new(0),
            place: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
            unsent_memory: AtomicU64::new(0),
            total,
            early: AtomicU64::new(0),
            outbox: Mutex::default(),
            room: Condvar::new(),
        }
    }

    /// Sets `flag`; returns the flags as they were.
    fn set(&self, flag: u32) -> u32 {
        self.flags.fetch_or(flag, Ordering::SeqCst)
    }

    fn has(&self, flag: u32) -> bool {
        self.flags.load(Ordering::SeqCst) & flag != 0
    }

    fn unsent(&self) -> Size {
        Size {
            all: self.unsent.load(Ordering::SeqCst),
            memory: self.unsent_memory.load(Ordering::SeqCst),
        }
    }

    /// Lets a worker that waits look again. Called after each change that the worker waits for.
    pub(super) fn notify_room(&self) {
        if self.has(WAITING) {
            // A worker that has looked before the change holds the lock until it sleeps.
            drop(self.lock());
            self.room.notify_all();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LaneState {
    /// What was never sent is dropped with the lane.
    fn drop(&mut self) {
        let left = self.unsent_memory.load(Ordering::SeqCst);
        self.total.fetch_sub(left, Ordering::Relaxed);
    }
}

/// How long a worker waits for the I/O thread to get to its bytes.
const TURN: Duration = Duration::from_millis(5);
