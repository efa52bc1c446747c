//! The listeners of a server, and when their connections are taken.

use std::time::Instant;

use crate::net::accept_error::Trouble;
use crate::net::address::Peer;
use crate::net::listener::Listener;
use crate::net::socket::Stream;

/// The listeners of a server, and when their connections are taken.
///
/// Invariant: while accepting is paused no connection is taken, and the pause has an end. Readiness of a listener
/// is reported once, so every way out of `IoLoop::accept_from` has found the backlog empty, has paused, or
/// has noted that there is more.
#[derive(Debug, Default)]
pub(crate) struct Accepting {
    /// The first thread listens for all; empty elsewhere, and from the drain on.
    listeners: Vec<Listener>,
    /// Accepting rests until this instant, for want of descriptors.
    paused: Option<Instant>,
    /// Connections wait that the share of a turn did not allow.
    more: bool,
    /// Errors in a row that accepting has brought.
    failures: usize,
    /// Why the other I/O threads are being asked for room.
    room_asked: Option<String>,
    /// The I/O thread that gets the next connection.
    next_owner: usize,
}

/// What a look at a listener has brought.
pub(in crate::io) enum Accepted {
    Connection(Stream, Peer),
    /// The backlog is empty.
    Nobody,
    /// A connection failed before it was taken.
    Failed,
    /// The system has no room for another connection; why.
    NoRoom(String),
    /// The listener itself cannot accept; why.
    Trouble(String),
}

impl Accepting {
    pub(crate) fn new(listeners: Vec<Listener>) -> Self {
        Self {
            listeners,
            ..Self::default()
        }
    }

    /// How many listeners there are.
    pub(crate) fn len(&self) -> usize {
        self.listeners.len()
    }

    /// Takes the listeners out: nothing will be accepted any more.
    pub(crate) fn take_listeners(&mut self) -> Vec<Listener> {
        std::mem::take(&mut self.listeners)
    }

    /// Whether a connection waits at listener `n`. A system call.
    pub(in crate::io) fn has_waiting(&self, n: usize) -> bool {
        self.listeners[n].has_waiting()
    }

    /// Takes one connection from listener `n`.
    pub(in crate::io) fn accept(&mut self, n: usize) -> Accepted {
        let error = match self.listeners[n].accept() {
            Ok((stream, peer)) => {
                self.failures = 0;
                return Accepted::Connection(stream, peer);
            }
            Err(error) => error,
        };
        match Trouble::of(&error) {
            Trouble::Nobody => Accepted::Nobody,
            // Its client gave up while it waited, say.
            Trouble::Connection => {
                self.failures += 1;
                if self.failures < MOST_FAILURES {
                    return Accepted::Failed;
                }
                // A sandbox that forbids the call looks the same, and never ends.
                self.failures = 0;
                Accepted::Trouble(error.to_string())
            }
            // Without a free descriptor the system says so even if nobody waits.
            _ if !self.has_waiting(n) => Accepted::Nobody,
            Trouble::Room => {
                self.failures = 0;
                Accepted::NoRoom(error.to_string())
            }
            Trouble::Listener => Accepted::Trouble(error.to_string()),
        }
    }

    /// When the pause ends, if there is one.
    pub(crate) fn paused_until(&self) -> Option<Instant> {
        self.paused
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Pauses until `end`, whatever pause there was.
    pub(crate) fn pause(&mut self, end: Instant) {
        self.paused = Some(end);
    }

    /// Pauses until `end`, unless there is a pause already.
    pub(crate) fn pause_unless_paused(&mut self, end: Instant) {
        self.paused.get_or_insert(end);
    }

    /// Ends the pause, if there is one, in this turn.
    pub(crate) fn end_pause(&mut self, now: Instant) {
        if self.is_paused() {
            self.paused = Some(now);
        }
    }

    /// Forgets the pause: the drain takes what is in the backlog, whatever the room.
    pub(crate) fn forget_pause(&mut self) {
        self.paused = None;
    }

    /// Notes that there is more than the share of a turn allowed.
    pub(crate) fn note_more(&mut self) {
        self.more = true;
    }

    /// Whether the next turn goes on accepting.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// Whether it is time to accept again: the pause has just ended, or a turn's share was used up.
    pub(in crate::io) fn resumes(&mut self, now: Instant) -> bool {
        let over = self.paused.is_some_and(|end| end <= now);
        if over {
            self.paused = None;
        }
        over || std::mem::take(&mut self.more)
    }

    /// Notes why the other threads are asked for room. Whether nobody had asked them before.
    pub(crate) fn ask_for_room(&mut self, why: &str) -> bool {
        self.room_asked.replace(why.to_owned()).is_none()
    }

    /// Why the other threads were asked for room, if they were; from here on they are not.
    pub(crate) fn take_room_asked(&mut self) -> Option<String> {
        self.room_asked.take()
    }

    /// Which of `owners` I/O threads gets the next connection.
    pub(in crate::io) fn next_owner(&mut self, owners: usize) -> usize {
        let owner = self.next_owner;
        self.next_owner = (owner + 1) % owners.max(1);
        owner
    }
}

/// Errors in a row that are the connections' own.
const MOST_FAILURES: usize = 64;
