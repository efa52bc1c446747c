//! Connections that siblings hand over become channels here.

use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering;

use mio::Registry;
use rustix::io::fcntl_dupfd_cloexec;

use crate::exchange::link::MARKED;
use crate::io::accepting::Accepting;
use crate::io::desk::Desk;
use crate::io::evict::PAUSE;
use crate::net::socket::Stream;
use crate::siblings::{Received, receive};

/// What it takes to make connections of the inbox channels.
#[derive(Debug)]
pub(in crate::io) struct Arrivals<'a> {
    desk: &'a mut Desk,
    accepting: &'a mut Accepting,
    registry: &'a Registry,
}

impl<'a> Arrivals<'a> {
    pub(super) fn new(
        desk: &'a mut Desk,
        accepting: &'a mut Accepting,
        registry: &'a Registry,
    ) -> Self {
        Self {
            desk,
            accepting,
            registry,
        }
    }

    /// Takes over every connection in the inbox.
    pub(in crate::io) fn read(&mut self) {
        let Some(siblings) = self.desk.shared.siblings.clone() else {
            return;
        };
        // The loop's own buffer is in use while the bytes are digested.
        let mut buffer = std::mem::take(&mut self.desk.leaving.arrivals);
        buffer.resize(crate::siblings::LARGEST, 0);
        loop {
            if let Err(error) = fcntl_dupfd_cloexec(siblings.inbox(), 0) {
                // The connection that came would be lost. Reads on after the pause, if this begins one.
                if self.desk.make_room(&error.to_string()) {
                    continue;
                }
                break;
            }
            match receive(siblings.inbox(), &mut buffer) {
                Ok(Some(received)) => {
                    let (accepting, registry) = (&mut *self.accepting, self.registry);
                    let taken = self.desk.guarded(None, |desk| {
                        Arrivals::new(desk, accepting, registry).take_over(received);
                    });
                    // In this order: at no moment a sibling sees fewer than there are.
                    let connections = self.desk.shared.channels.load(Ordering::Relaxed);
                    siblings.show_connections(u32::try_from(connections).unwrap_or(u32::MAX));
                    siblings.received();
                    if !taken {
                        self.desk.shared.counters.not_taken_over.add(1);
                    }
                    // A sibling that leaves asks nobody whether there is room.
                    while self.desk.is_beyond_limit() && self.desk.evict() {}
                }
                Ok(None) => break,
                Err(error) => {
                    if self.desk.shared.accept_log.pass(self.desk.now) {
                        log::warn!(target: crate::LOG, "the inbox could not be read: {error}");
                    }
                    self.desk.room.pause(self.desk.now + PAUSE);
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
            return self.desk.adopt(self.registry, stream, peer, Some(listener));
        }
        let desk = &mut *self.desk;
        let Some(index) = desk.install(self.registry, stream, peer, Some(listener)) else {
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
