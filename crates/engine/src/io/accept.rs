//! New connections: accepting, `connection_limit`, running out of descriptors. `evict.rs` makes room for them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use mio::Token;

use crate::exchange::link::Link;
use crate::io::IoLoop;
use crate::io::channel::Channel;
use crate::io::evict::PAUSE;
use crate::net::accept_error::Trouble;
use crate::net::listen::{Listener, Peer};
use crate::net::socket::Stream;
use crate::sys::mailbox::Message;

/// The listeners of a server, and when their connections are taken.
///
/// Invariant: while accepting is paused no connection is taken, and the pause has an end. Readiness of a listener
/// is reported once, so every way out of [`IoLoop::accept_from`] has found the backlog empty, has paused, or
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
enum Accepted {
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
    fn has_waiting(&self, n: usize) -> bool {
        self.listeners[n].has_waiting()
    }

    /// Takes one connection from listener `n`.
    fn accept(&mut self, n: usize) -> Accepted {
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
    fn resumes(&mut self, now: Instant) -> bool {
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
    fn next_owner(&mut self, owners: usize) -> usize {
        let owner = self.next_owner;
        self.next_owner = (owner + 1) % owners.max(1);
        owner
    }
}

impl IoLoop {
    /// Takes what waits at listener `n`, but no more than `most`: readiness is reported once, so the rest
    /// is taken in the next turn.
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

    /// Accepts again once a pause is over, and goes on where a turn's share was used up.
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

    /// Spreads new connections evenly over the I/O threads.
    fn assign(&mut self, stream: Stream, peer: Peer, listener: usize) {
        self.shared.channels.fetch_add(1, Ordering::Relaxed);
        self.shared.counters.connections.add(1);
        let mailboxes = self.shared.mailboxes.get().map_or(&[][..], Vec::as_slice);
        let owner = self.accepting.next_owner(mailboxes.len());
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
        let token = self.channels.next_token();
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
        let channel = Channel::new(Arc::new(link), self.turn);
        let index = self.channels.insert(channel);
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
    use crate::net::listen::{ListenSpec, Listening, bind_all};
    use crate::observe::admin::Admin;
    use crate::settings::Settings;
    use crate::shared::Shared;

    #[test]
    fn a_crowd_is_let_in_in_shares() {
        let settings = Settings {
            connection_limit: 2 * ACCEPTS,
            ..Settings::default()
        };
        let any = ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
        let listeners = bind_all(&[any], &settings).unwrap();
        let Listening::Tcp(address) = *listeners[0].listening() else {
            unreachable!("it was bound to TCP")
        };
        let shared = Arc::new(Shared::new(settings, Vec::new(), None));
        let mut io = IoLoop::new(0, &shared, listeners, Admin::default()).unwrap();
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
