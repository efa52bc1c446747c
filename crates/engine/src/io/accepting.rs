//! The listeners of a server, and when the server accepts from them.

use crate::net::accept_error::Trouble;
use crate::net::address::Peer;
use crate::net::listener::Listener;
use crate::net::socket::Stream;

/// The listeners of a server, and when the server accepts from them.
///
/// Invariant: the poll reports the readiness of a listener once. So whenever `Accepting::accept_from` returns, it has
/// found the backlog empty, has begun a pause ([`Room`](crate::io::room::Room)), or has called
/// [`Accepting::note_more`].
#[derive(Debug, Default)]
pub(crate) struct Accepting {
    /// Empty once the drain has begun.
    listeners: Vec<Listener>,
    /// The last turn used up its share, so connections may still wait.
    more: bool,
    /// How many calls of `accept` in a row have failed.
    failures: usize,
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

    /// Notes that this turn used up its share, so that the next turn accepts more.
    pub(crate) fn note_more(&mut self) {
        self.more = true;
    }

    /// Whether the next turn has to accept more.
    pub(crate) fn has_more(&self) -> bool {
        self.more
    }

    /// Whether the last turn used up its share. Ends that.
    pub(in crate::io) fn take_more(&mut self) -> bool {
        std::mem::take(&mut self.more)
    }
}

/// After this many errors in a row the listener, not the connections, is the cause.
const MOST_FAILURES: usize = 64;
