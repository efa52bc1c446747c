//! The listeners of a server, and when the server accepts from them.

use std::time::Instant;

use crate::net::accept_error::Trouble;
use crate::net::address::Peer;
use crate::net::listener::Listener;
use crate::net::socket::Stream;

/// The listeners of a server, and when the server accepts from them.
///
/// Invariant: during a pause nobody accepts, and every pause has an end. The poll reports the readiness of a
/// listener once. So whenever `IoLoop::accept_from` returns, it has found the backlog empty, has begun a pause, or
/// has called [`Accepting::note_more`].
#[derive(Debug, Default)]
pub(crate) struct Accepting {
    /// The first I/O thread accepts for all threads. Empty in the other threads, and once the drain has begun.
    listeners: Vec<Listener>,
    /// End of the pause. Accepting pauses when no descriptor is free.
    paused: Option<Instant>,
    /// The last turn used up its share, so connections may still wait.
    more: bool,
    /// How many calls of `accept` in a row have failed.
    failures: usize,
    /// Why this thread has asked the other I/O threads for room; `None` if it has not.
    room_asked: Option<String>,
    /// The I/O thread that gets the next connection.
    next_owner: usize,
}

/// The result of one call of `accept`.
pub(in crate::io) enum Accepted {
    Connection(Stream, Peer),
    /// The backlog is empty.
    Nobody,
    /// A connection failed before the server accepted it.
    Failed,
    /// The system has no room for another connection; the reason.
    NoRoom(String),
    /// The listener itself cannot accept; the reason.
    Trouble(String),
}

impl Accepting {
    pub(crate) fn new(listeners: Vec<Listener>) -> Self {
        Self {
            listeners,
            ..Self::default()
        }
    }

    /// The number of listeners.
    pub(crate) fn len(&self) -> usize {
        self.listeners.len()
    }

    /// Takes the listeners out. The server accepts nothing from now on.
    pub(crate) fn take_listeners(&mut self) -> Vec<Listener> {
        std::mem::take(&mut self.listeners)
    }

    /// Whether a connection waits at listener `n`. Costs a system call.
    pub(in crate::io) fn has_waiting(&self, n: usize) -> bool {
        self.listeners[n].has_waiting()
    }

    /// Accepts one connection from listener `n`.
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
            // For example, the client left while its connection waited.
            Trouble::Connection => {
                self.failures += 1;
                if self.failures < MOST_FAILURES {
                    return Accepted::Failed;
                }
                // A sandbox that forbids the call causes the same error, and causes it for ever.
                self.failures = 0;
                Accepted::Trouble(error.to_string())
            }
            // When no descriptor is free, `accept` fails even if no connection waits.
            _ if !self.has_waiting(n) => Accepted::Nobody,
            Trouble::Room => {
                self.failures = 0;
                Accepted::NoRoom(error.to_string())
            }
            Trouble::Listener => Accepted::Trouble(error.to_string()),
        }
    }

    /// When the pause ends; `None` without a pause.
    pub(crate) fn paused_until(&self) -> Option<Instant> {
        self.paused
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Pauses until `end`. Replaces an earlier pause.
    pub(crate) fn pause(&mut self, end: Instant) {
        self.paused = Some(end);
    }

    /// Pauses until `end`. Keeps an earlier pause.
    pub(crate) fn pause_unless_paused(&mut self, end: Instant) {
        self.paused.get_or_insert(end);
    }

    /// Lets a pause end in this turn.
    pub(crate) fn end_pause(&mut self, now: Instant) {
        if self.is_paused() {
            self.paused = Some(now);
        }
    }

    /// Removes the pause. The drain accepts the whole backlog, even beyond `connection_limit`.
    pub(crate) fn forget_pause(&mut self) {
        self.paused = None;
    }

    /// Notes that this turn used up its share, so that the next turn accepts more.
    pub(crate) fn note_more(&mut self) {
        self.more = true;
    }

    /// Whether the next turn has to accept more.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// Whether to accept again: a pause has just ended, or the last turn used up its share.
    pub(in crate::io) fn resumes(&mut self, now: Instant) -> bool {
        let over = self.paused.is_some_and(|end| end <= now);
        if over {
            self.paused = None;
        }
        over || std::mem::take(&mut self.more)
    }

    /// Notes why this thread asks the others for room. Returns `false` if an earlier request is still open.
    pub(crate) fn ask_for_room(&mut self, why: &str) -> bool {
        self.room_asked.replace(why.to_owned()).is_none()
    }

    /// Ends the request for room. Returns its reason; `None` if there was no request.
    pub(crate) fn take_room_asked(&mut self) -> Option<String> {
        self.room_asked.take()
    }

    /// The index of the I/O thread that gets the next connection. There are `owners` threads.
    pub(in crate::io) fn next_owner(&mut self, owners: usize) -> usize {
        let owner = self.next_owner;
        self.next_owner = (owner + 1) % owners.max(1);
        owner
    }
}

/// After this many errors in a row the listener, not the connections, is the cause.
const MOST_FAILURES: usize = 64;
