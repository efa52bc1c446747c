//! New connections: accepts them within `connection_limit` and gives each to an I/O thread. `evict.rs` makes room
//! when the limit is reached or no descriptor is free.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mio::Token;

use crate::exchange::link::Link;
use crate::exchange::message::Message;
use crate::io::IoLoop;
use crate::io::accepting::Accepted;
use crate::io::channel::Channel;
use crate::io::evict::PAUSE;
use crate::io::shares::{ACCEPTS, ADMIN_ACCEPTS};
use crate::net::accept_error::Trouble;
use crate::net::address::Peer;
use crate::net::socket::Stream;

impl IoLoop {
    /// Accepts at most `most` connections from listener `n`. The poll reports readiness once, so the next turn goes
    /// on without a new report.
    pub(crate) fn accept_from(&mut self, n: usize, most: usize) {
        for _ in 0..most {
            if self.accepting.is_paused() || n >= self.accepting.len() {
                return;
            }
            if self.at_limit() {
                if !self.accepting.has_waiting(n) {
                    return;
                }
                if !self.make_room("connection_limit is reached and no channel is idle") {
                    return;
                }
            }
            match self.accepting.accept(n) {
                Accepted::Connection(stream, _) if self.place(&stream, n) => {}
                Accepted::Connection(stream, peer) => self.assign(stream, peer, n),
                Accepted::Nobody => return,
                Accepted::Failed => {}
                Accepted::NoRoom(why) => {
                    if !self.make_room(&why) {
                        return;
                    }
                }
                Accepted::Trouble(why) => return self.pause_accepting(&why),
            }
        }
        self.accepting.note_more();
    }

    /// Accepts connections to the admin endpoint. `connection_limit` does not apply to them.
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
                    // Accepts the waiting clients after the pause.
                    Trouble::Room | Trouble::Listener => {
                        self.accepting.pause_unless_paused(self.now + PAUSE);
                        return;
                    }
                },
            }
        }
        self.accepting.note_more();
    }

    fn at_limit(&self) -> bool {
        self.shared.channels.load(Ordering::Relaxed) >= self.shared.settings.connection_limit
    }

    /// Accepts again when a pause is over, or when the last turn used up its share.
    pub(crate) fn resume_accepting(&mut self) {
        if self.accepting.resumes(self.now) {
            for n in 0..self.accepting.len() {
                self.guarded(None, |me| me.accept_from(n, ACCEPTS));
            }
            for n in 0..self.admin.listeners.len() {
                self.guarded(None, |me| me.accept_admin(n));
            }
        }
    }

    /// Counts a new connection and gives it to an I/O thread.
    fn assign(&mut self, stream: Stream, peer: Peer, listener: usize) {
        self.shared.channels.fetch_add(1, Ordering::Relaxed);
        self.shared.counters.connections.add(1);
        self.distribute(stream, peer, listener);
    }

    /// Gives a connection to the next I/O thread in turn.
    pub(in crate::io) fn distribute(&mut self, stream: Stream, peer: Peer, listener: usize) {
        let mailboxes = self.shared.mailboxes.get().map_or(&[][..], Vec::as_slice);
        let owner = self.accepting.next_owner(mailboxes.len());
        match mailboxes.get(owner) {
            // While the server drains, the other threads may have ended.
            Some(mailbox) if owner != self.index && !self.shared.draining() => {
                mailbox.post(Message::Accepted(stream, peer, listener), true)
            }
            _ => self.adopt(stream, peer, Some(listener)),
        }
    }

    /// Makes the connection a channel of this thread. `listener` is `None` for the admin endpoint.
    pub(crate) fn adopt(&mut self, stream: Stream, peer: Peer, listener: Option<usize>) {
        if let Some(index) = self.install(stream, peer, listener)
            && listener.is_some()
            && self.drain.is_some()
            && !self.hand_over_channel(index)
        {
            self.drain_idle(index);
        }
    }

    /// Makes the connection an idle channel; returns its index, unless the system refuses to watch it.
    pub(in crate::io) fn install(
        &mut self,
        mut stream: Stream,
        peer: Peer,
        listener: Option<usize>,
    ) -> Option<usize> {
        let token = self.channels.next_token();
        if let Err(error) = stream.register(self.poll.registry(), Token(token)) {
            if listener.is_some() {
                self.shared.channels.fetch_sub(1, Ordering::Relaxed);
            }
            if self.shared.accept_log.pass(self.now) {
                log::warn!(target: crate::LOG, "a connection could not be watched: {error}");
            }
            return None;
        }
        let link = Link::new(
            stream,
            peer,
            listener.map(|n| n as u32),
            token,
            Arc::clone(&self.mailbox),
            Arc::clone(&self.shared.unsent),
        );
        let channel = Channel::new(Arc::new(link), self.turn);
        let index = self.channels.insert(channel);
        if listener.is_none() {
            self.admin.open.push(token);
        }
        self.become_idle(index, self.now);
        crate::inject_panic("adopt");
        Some(index)
    }
}

/// Most open connections to the admin endpoint.
const ADMIN_CHANNELS: usize = 64;

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::io::inline::Endpoint;
    use crate::net::address::{ListenSpec, Listening};
    use crate::net::listener::bind_all;
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
        let mut io = IoLoop::new(0, &shared, listeners, Endpoint::default()).unwrap();
        let crowd: Vec<_> = (0..ACCEPTS + 3)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        io.accept_from(0, ACCEPTS);
        assert_eq!(
            (io.channels.len(), io.accepting.has_more()),
            (ACCEPTS, true)
        );
        io.resume_accepting();
        assert_eq!(
            (io.channels.len(), io.accepting.has_more()),
            (crowd.len(), false)
        );
    }
}
