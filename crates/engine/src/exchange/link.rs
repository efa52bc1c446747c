//! What the I/O thread and a worker share of a connection, for as long as the connection lives.
//!
//! The I/O thread owns the channel. A worker that runs one of the channel's requests holds the request's [`Lane`],
//! and with that the connection. The socket lies here, so that its descriptor stays open until both have dropped it.
//!
//! [`Lane`]: crate::exchange::lane::Lane

use std::sync::Arc;

use crate::exchange::lane::LaneState;
use crate::exchange::message::Mailbox;
use crate::net::address::Peer;
use crate::net::socket::Stream;
use crate::sys::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    /// For the I/O thread. Other threads ask for [`Link::direct`].
    pub(crate) stream: Stream,
    pub(crate) peer: Peer,
    /// Index of the listener the connection came in by.
    pub(crate) listener: u32,
    /// It came in by the admin endpoint: not a client of the application.
    pub(crate) admin: bool,
    /// Names the channel to its I/O thread.
    pub(crate) token: usize,
    /// The mailbox of that I/O thread.
    pub(crate) io: Arc<Mailbox>,
    flags: AtomicU32,
    /// The state of the one lane.
    pub(super) lane: LaneState,
}

/// The client is gone: nothing more can reach it.
pub(crate) const GONE: u32 = 1;
/// The client will send no more (it may still read).
pub(crate) const FIN: u32 = 2;
/// The I/O thread has cut the connection for `send_timeout`.
pub(crate) const TIMED_OUT: u32 = 4;
/// The client has sent what a read stops at though more may stand behind it: urgent data, or descriptors.
pub(crate) const MARKED: u32 = 8;
/// The kernel takes no more bytes for this client: the client is slower than the server.
pub(super) const BLOCKED: u32 = 16;

impl Link {
    /// `listener` is `None` for the admin endpoint; `total` counts the unsent bytes of all connections.
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
            token,
            io,
            flags: AtomicU32::new(0),
            lane: LaneState::new(total),
        }
    }

    /// The socket, for a thread that sends without the I/O thread. `None` where the bytes of a reply may not go to the
    /// socket as they are. On a connection that speaks plain HTTP/1 they may.
    pub(crate) fn direct(&self) -> Option<&Stream> {
        Some(&self.stream)
    }

    /// Sets `flag`; returns the flags as they were.
    pub(crate) fn set(&self, flag: u32) -> u32 {
        self.flags.fetch_or(flag, Ordering::SeqCst)
    }

    /// Whether one of the flags in `flags` is set.
    pub(crate) fn has(&self, flags: u32) -> bool {
        self.flags.load(Ordering::SeqCst) & flags != 0
    }

    /// Marks the client as gone and wakes a worker that waits for it.
    pub(crate) fn mark_gone(&self) {
        self.set(GONE);
        self.lane.notify_room();
    }

    /// Notes whether the kernel took all bytes when bytes were last sent. Only the I/O thread calls this.
    pub(crate) fn set_blocked(&self, blocked: bool) {
        if self.has(BLOCKED) == blocked {
            return;
        }
        if blocked {
            self.set(BLOCKED);
            self.lane.notify_room();
        } else {
            self.flags.fetch_and(!BLOCKED, Ordering::SeqCst);
        }
    }
}
