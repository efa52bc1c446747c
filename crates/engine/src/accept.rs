//! New connections: accepting, `connection_limit`, running out of descriptors.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::Token;

use crate::channel::{Channel, State};
use crate::io_thread::{INDEX_MASK, IoThread};
use crate::link::Link;
use crate::listen::Peer;
use crate::mailbox::Message;
use crate::socket::Stream;

impl IoThread {
    /// Takes what waits at listener `n`, to the last: readiness is reported once.
    pub(crate) fn accept_from(&mut self, n: usize) {
        while self.accept_paused.is_none() && n < self.listeners.len() {
            if self.at_limit() {
                if !self.listeners[n].has_waiting() {
                    return;
                }
                if !self.evict() {
                    return self
                        .pause_accepting("connection_limit is reached and no channel is idle");
                }
            }
            match self.listeners[n].accept() {
                Ok((stream, peer)) => self.assign(stream, peer, n),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    // The client gave up while it waited.
                    io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::Interrupted => {}
                    // Without a free descriptor the system says so even if nobody waits.
                    _ if !self.listeners[n].has_waiting() => return,
                    _ if self.evict() => {}
                    _ => return self.pause_accepting(&error.to_string()),
                },
            }
        }
    }

    /// Takes what waits at the admin endpoint, whatever the limits of the others.
    pub(crate) fn accept_admin(&mut self, n: usize) {
        while let Some(listener) = self.admin.listeners.get(n) {
            match listener.accept() {
                // Without room for one more it is let go of.
                Ok((stream, peer)) => {
                    if self.admin.channels < ADMIN_CHANNELS || self.evict_admin() {
                        self.adopt(stream, peer, None);
                    }
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => return,
                    io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::Interrupted => {}
                    _ if !listener.has_waiting() => return,
                    // Out of descriptors. Those who wait are let in after a moment.
                    _ => {
                        self.accept_paused.get_or_insert(self.now + PAUSE);
                        return;
                    }
                },
            }
        }
    }

    fn at_limit(&self) -> bool {
        self.shared.channels.load(Ordering::Relaxed) >= self.shared.settings.connection_limit
    }

    /// Closes the channel that has been idle longest. Not one accepted in this very turn: its request
    /// may be on its way.
    fn evict(&mut self) -> bool {
        for _ in 0..MOST_LOOKS {
            let Some(index) = self.idle.longest() else {
                return false;
            };
            let channel = &mut self.channels[index];
            if channel.accepted_in == self.turn {
                return false;
            }
            if channel.has_request() {
                // It is idle only because this turn has not come to its event.
                channel.readable = true;
                self.receive(index);
                continue;
            }
            self.shared.counters.evicted.add(1);
            self.close(index);
            return true;
        }
        false
    }

    /// Closes the oldest channel of the admin endpoint that nobody uses now.
    fn evict_admin(&mut self) -> bool {
        let unused = |channel: &Channel| {
            channel.link.admin && channel.state == State::Idle && !channel.has_request()
        };
        let unused = self.channels.iter().filter(|(_, channel)| unused(channel));
        // Tokens rise from one connection to the next.
        match unused.min_by_key(|(_, channel)| channel.link.token) {
            Some((index, _)) => {
                self.close(index);
                true
            }
            None => false,
        }
    }

    /// Accepting rests for a moment; connections wait in the kernel's backlog meanwhile.
    fn pause_accepting(&mut self, why: &str) {
        if self.idle.longest().is_some() {
            // There are new ones only, which the next turn will read.
            self.accept_paused = Some(self.now + SHORT_PAUSE);
            return;
        }
        self.accept_paused = Some(self.now + PAUSE);
        self.shared.counters.accept_pauses.add(1);
        if self.shared.accept_log.pass(self.now) {
            log::warn!(
                target: crate::LOG,
                "accepting pauses: {why}; {} channels are open (connection_limit={})",
                self.shared.channels.load(Ordering::Relaxed),
                self.shared.settings.connection_limit,
            );
        }
    }

    /// Accepts again once the pause is over.
    pub(crate) fn resume_accepting(&mut self) {
        if self.accept_paused.is_some_and(|until| until <= self.now) {
            self.accept_paused = None;
            for n in 0..self.listeners.len() {
                self.guarded(None, |me| me.accept_from(n));
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
            log::warn!(target: crate::LOG, "a connection could not be watched: {error}");
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
            self.admin.channels += 1;
        }
        self.become_idle(index, self.now);
        crate::inject_panic("adopt");
        if listener.is_some() && self.drain.is_some() {
            self.drain_idle(index);
        }
    }
}

/// Channels looked at to find one that may be closed: a look costs a system call.
const MOST_LOOKS: usize = 16;
/// Connections to the admin endpoint that are open at once.
const ADMIN_CHANNELS: usize = 64;
/// How long accepting rests.
const PAUSE: Duration = Duration::from_millis(100);
/// How long it rests where the next turn may find room.
const SHORT_PAUSE: Duration = Duration::from_millis(1);
