//! New connections: accepting, `connection_limit`, running out of descriptors. `evict.rs` makes room for them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mio::Token;

use crate::exchange::link::Link;
use crate::io::channel::Channel;
use crate::io::evict::PAUSE;
use crate::io::{INDEX_MASK, IoLoop};
use crate::net::accept_error::Trouble;
use crate::net::address::Peer;
use crate::net::socket::Stream;
use crate::sys::mailbox::Message;

impl IoLoop {
    /// Takes what waits at listener `n`, but no more than `most`: readiness is reported once, so the rest
    /// is taken in the next turn.
    pub(crate) fn accept_from(&mut self, n: usize, most: usize) {
        for _ in 0..most {
            if self.accept_paused.is_some() || n >= self.listeners.len() {
                return;
            }
            if self.at_limit() {
                if !self.listeners[n].has_waiting() {
                    return;
                }
                if !self.make_room("connection_limit is reached and no channel is idle") {
                    return;
                }
            }
            match self.listeners[n].accept() {
                Ok((stream, peer)) => self.assign(stream, peer, n),
                Err(error) => match Trouble::of(&error) {
                    Trouble::Nobody => return,
                    // Its client gave up while it waited, say.
                    Trouble::Connection => {
                        self.accept_failures += 1;
                        if self.accept_failures == MOST_FAILURES {
                            self.accept_failures = 0;
                            // A sandbox that forbids the call looks the same, and never ends.
                            return self.pause_accepting(&error.to_string());
                        }
                        continue;
                    }
                    // Without a free descriptor the system says so even if nobody waits.
                    _ if !self.listeners[n].has_waiting() => return,
                    Trouble::Room => {
                        if !self.make_room(&error.to_string()) {
                            return;
                        }
                    }
                    Trouble::Listener => return self.pause_accepting(&error.to_string()),
                },
            }
            self.accept_failures = 0;
        }
        self.accept_more = true;
    }

    /// Takes what waits at the admin endpoint, whatever the limits of the others.
    pub(crate) fn accept_admin(&mut self, n: usize) {
        for _ in 0..ADMIN_ACCEPTS {
            let Some(listener) = self.admin.listeners.get(n) else {
                return;
            };
            match listener.accept() {
                Ok((stream, peer)) => {
                    if self.admin.open.len() < ADMIN_CHANNELS || self.evict_admin() {
                        self.adopt(stream, peer, None);
                    }
                }
                Err(error) => match Trouble::of(&error) {
                    Trouble::Nobody => return,
                    Trouble::Connection => {}
                    _ if !listener.has_waiting() => return,
                    // Those who wait are let in after a moment.
                    Trouble::Room | Trouble::Listener => {
                        self.accept_paused.get_or_insert(self.now + PAUSE);
                        return;
                    }
                },
            }
        }
        self.accept_more = true;
    }

    fn at_limit(&self) -> bool {
        self.shared.channels.load(Ordering::Relaxed) >= self.shared.settings.connection_limit
    }

    /// Accepts again once a pause is over, and goes on where a turn's share was used up.
    pub(crate) fn resume_accepting(&mut self) {
        let over = self.accept_paused.is_some_and(|until| until <= self.now);
        if over {
            self.accept_paused = None;
        }
        if over || std::mem::take(&mut self.accept_more) {
            for n in 0..self.listeners.len() {
                self.guarded(None, |me| me.accept_from(n, ACCEPTS));
            }
            for n in 0..self.admin.listeners.len() {
                self.guarded(None, |me| me.accept_admin(n));
            }
        }
    }

    /// Spreads new connections evenly over the I/O threads.
    fn assign(&mut self, stream: Stream, peer: Peer, listener: usize) {
        self.shared.channels.fetch_add(1, Ordering::Relaxed);
        self.shared.counters.connections.add(1);
        let mailboxes = self.shared.mailboxes.get().map_or(&[][..], Vec::as_slice);
        let owner = self.next_owner;
        self.next_owner = (owner + 1) % mailboxes.len().max(1);
        match mailboxes.get(owner) {
            // Once draining, the others may have left already.
            Some(mailbox) if owner != self.index && !self.shared.draining() => {
                mailbox.post(Message::Accepted(stream, peer, listener), true)
            }
            _ => self.adopt(stream, peer, Some(listener)),
        }
    }

    /// Makes the connection a channel of this thread.
    /// `listener` is `None` for the admin endpoint.
    pub(crate) fn adopt(&mut self, mut stream: Stream, peer: Peer, listener: Option<usize>) {
        self.generation = (self.generation + 1) & (INDEX_MASK >> 1);
        let entry = self.channels.vacant_entry();
        let index = entry.key();
        let token = (self.generation << (usize::BITS / 2)) | index;
        if let Err(error) = stream.register(self.poll.registry(), Token(token)) {
            if listener.is_some() {
                self.shared.channels.fetch_sub(1, Ordering::Relaxed);
            }
            if self.shared.accept_log.pass(self.now) {
                log::warn!(target: crate::LOG, "a connection could not be watched: {error}");
            }
            return;
        }
        let link = Link::new(
            stream,
            peer,
            listener.map(|n| n as u32),
            token,
            Arc::clone(&self.mailbox),
            Arc::clone(&self.shared.unsent),
        );
        entry.insert(Channel::new(Arc::new(link), self.turn));
        if listener.is_none() {
            self.admin.open.push(token);
        }
        self.become_idle(index, self.now);
        crate::inject_panic("adopt");
        if listener.is_some() && self.drain.is_some() {
            self.drain_idle(index);
        }
    }
}

/// Connections taken from one listener in a turn.
pub(crate) const ACCEPTS: usize = 64;
/// Connections of the admin endpoint taken in a turn.
const ADMIN_ACCEPTS: usize = 8;
/// Connections to the admin endpoint that are open at once.
const ADMIN_CHANNELS: usize = 64;
/// Errors in a row that are the connections' own.
const MOST_FAILURES: usize = 64;

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::net::address::{ListenSpec, Listening};
    use crate::net::listener::bind_all;
    use crate::observe::admin::Admin;
    use crate::settings::Settings;
    use crate::shared::Shared;

    #[test]
    fn a_crowd_is_let_in_in_shares() {
        let settings = Settings {
            connection_limit: 2 * ACCEPTS,
            ..Settings::for_tests()
        };
        let any = ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
        let listeners = bind_all(&[any], settings.bind_options()).unwrap();
        let Listening::Tcp(address) = *listeners[0].listening() else {
            unreachable!("it was bound to TCP")
        };
        let shared = Arc::new(Shared::new(settings, Vec::new(), None));
        let mut io = IoLoop::new(0, &shared, listeners, Admin::default()).unwrap();
        let crowd: Vec<_> = (0..ACCEPTS + 3)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        io.accept_from(0, ACCEPTS);
        assert_eq!((io.channels.len(), io.accept_more), (ACCEPTS, true));
        io.resume_accepting();
        assert_eq!((io.channels.len(), io.accept_more), (crowd.len(), false));
    }
}
