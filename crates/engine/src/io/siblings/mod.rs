//! The loop among the sibling processes of its server: connections come and go with their descriptors.
//!
//! `leave.rs` hands over the connections of a server that stops, `task.rs` requests that wait for a worker.
//!
//! Without siblings each function here costs a look at an empty `Option`.

mod leave;
mod task;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::Interest;
use mio::event::Source as _;
use mio::unix::SourceFd;

use crate::exchange::link::MARKED;
use crate::io::IoLoop;
use crate::io::desk::Desk;
use crate::io::token::Source;
use crate::net::socket::Stream;
use crate::siblings::{Frame, Received, receive};

impl IoLoop {
    /// The first I/O thread reads the inbox, if there is one.
    pub(in crate::io) fn watch_inbox(&self) -> io::Result<()> {
        if let (0, Some(siblings)) = (self.desk.index, &self.desk.shared.siblings) {
            let inbox = siblings.inbox().as_raw_fd();
            let (registry, token) = (self.poll.registry(), Source::Inbox.token());
            SourceFd(&inbox).register(registry, token, Interest::READABLE)?;
            // The first turn makes this process ready: it must not sleep.
            self.desk.mailbox.wake();
        }
        Ok(())
    }

    /// Takes over every connection in the inbox.
    pub(in crate::io) fn read_inbox(&mut self) {
        let Some(siblings) = self.desk.shared.siblings.clone() else {
            return;
        };
        // The loop's own buffer is in use while the bytes are digested.
        let mut buffer = std::mem::take(&mut self.desk.leaving.arrivals);
        buffer.resize(crate::siblings::LARGEST, 0);
        loop {
            match receive(siblings.inbox(), &mut buffer) {
                Ok(Some(received)) => {
                    let taken = self.guarded(None, |me| me.take_over(received));
                    siblings.received();
                    if !taken {
                        self.desk.shared.counters.not_taken_over.add(1);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    if self.desk.shared.accept_log.pass(self.desk.now) {
                        log::warn!(target: crate::LOG, "the inbox could not be read: {error}");
                    }
                    break;
                }
            }
        }
        self.desk.leaving.arrivals = buffer;
    }

    /// Makes a connection that a sibling has handed over a channel, and reads what has come in.
    fn take_over(&mut self, received: Received<'_>) {
        let listener = received.listener as usize;
        let known = listener < self.desk.shared.listening.len();
        let connection = received.connection.filter(|_| known);
        let Some((stream, peer)) = connection.and_then(|fd: OwnedFd| Stream::from_fd(fd).ok())
        else {
            // The client has left, or the descriptor has: it is closed here.
            self.desk.shared.counters.not_taken_over.add(1);
            return;
        };
        self.desk.shared.channels.fetch_add(1, Ordering::Relaxed);
        self.desk.shared.counters.taken_over.add(1);
        if received.bytes.is_empty() && !received.marked {
            let (desk, registry) = (&mut self.desk, self.poll.registry());
            return self
                .accepting
                .distribute(stream, peer, listener, desk, registry);
        }
        let desk = &mut self.desk;
        let Some(index) = desk.install(self.poll.registry(), stream, peer, Some(listener)) else {
            return;
        };
        let channel = &mut desk.channels[index];
        let token = channel.link.token;
        if received.marked {
            channel.link.set(MARKED);
        }
        channel.readable = true;
        desk.guarded(Some(token), |me| me.receive_behind(index, received.bytes));
    }
}

impl Desk {
    /// Tells the siblings, at the end of a turn, how this process is doing, and gives them tasks that wait.
    pub(in crate::io) fn publish_turn(&mut self) {
        if self.index == 0 {
            self.shared.publish(self.in_flight.in_batch(), true);
        }
        self.move_tasks();
    }

    /// Whether new connections are left to a sibling, which has an idle worker while this process has none. If the
    /// sibling has not accepted them after [`DEFERENCE`], this process does.
    pub(in crate::io) fn defers_accepting(&mut self) -> bool {
        let defers = self.shared.siblings.as_ref();
        let defers = self.drain.is_none() && defers.is_some_and(|siblings| siblings.defers());
        if defers {
            self.room.pause_unless_paused(self.now + DEFERENCE);
        }
        defers
    }

    /// Hands a new connection over if a sibling can serve it sooner.
    pub(in crate::io) fn place(&self, stream: &Stream, listener: usize) -> bool {
        let Some(siblings) = &self.shared.siblings else {
            return false;
        };
        let frame = Frame {
            connection: stream.fd(),
            listener: listener as u32,
            marked: false,
            bytes: &[],
        };
        let placed = siblings.place(self.shared.channels.load(Ordering::Relaxed), &frame);
        if placed {
            self.shared.counters.connections.add(1);
            self.shared.counters.handed_over.add(1);
        }
        placed
    }
}

/// How long new connections are left to a sibling.
const DEFERENCE: Duration = Duration::from_millis(2);
