//! A server that stops among siblings hands its connections over instead of closing them.
//!
//! Idle channels and those that have part of a head leave at once, others when their reply is complete. A channel for
//! which the inboxes of all siblings are full stays and is served here until there is room.

use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;

use mio::Registry;
use mio::event::Source as _;
use mio::unix::SourceFd;

use headwaiter_http::Refusal;

use crate::exchange::link::MARKED;
use crate::io::desk::Desk;
use crate::io::leaving::LATE;
use crate::io::phase::Phase;
use crate::net::socket::Stream;
use crate::shared::Stage;
use crate::siblings::{Frame, MOST_BYTES, Outcome};

/// Parts with channels of the desk: siblings get them, or they end.
#[derive(Debug)]
pub(in crate::io) struct Departures<'a> {
    pub(super) desk: &'a mut Desk,
}

impl Departures<'_> {
    /// Hands a new connection over if a sibling can serve it sooner, or only a sibling has room for it.
    pub(in crate::io) fn place(&self, stream: &Stream, listener: usize) -> bool {
        let Some(siblings) = &self.desk.shared.siblings else {
            return false;
        };
        let frame = Frame {
            connection: stream.fd(),
            listener: listener as u32,
            marked: false,
            bytes: &[],
        };
        let placed = siblings.place(
            self.desk.shared.channels.load(Ordering::Relaxed),
            self.desk.shared.settings.connection_limit,
            &frame,
            self.desk.now,
        );
        if placed {
            self.desk.shared.counters.connections.add(1);
            self.desk.shared.counters.handed_over.add(1);
        }
        placed
    }

    /// The drain begins.
    pub(in crate::io) fn begin(&mut self) {
        self.desk.leaving.until = Some(self.desk.now + LATE);
    }

    /// Hands over a channel that is idle or has part of a head. `false`: the channel must end, since the server does
    /// not hand over or no sibling is ready any more.
    pub(in crate::io) fn hand_over(&mut self, index: usize) -> bool {
        if !self.desk.shared.hands_over() {
            return false;
        }
        let (channel, siblings) = (&self.desk.channels[index], &self.desk.shared.siblings);
        debug_assert!(!channel.sends(), "the last reply is complete");
        if self.desk.leaving.crowded || channel.input().len() > MOST_BYTES {
            return true;
        }
        let frame = Frame {
            connection: channel.link.stream.fd(),
            listener: channel.link.listener,
            marked: channel.link.has(MARKED),
            bytes: channel.input(),
        };
        let limit = self.desk.shared.settings.connection_limit;
        let sent = siblings
            .as_ref()
            .map(|siblings| siblings.hand_over(limit, &frame, self.desk.now));
        match sent {
            Some(Outcome::Sent) => {
                self.desk.shared.counters.handed_over.add(1);
                self.forget(index);
                true
            }
            Some(Outcome::Full) => {
                self.desk.leaving.crowded = true;
                true
            }
            Some(Outcome::Nobody) | None => false,
        }
    }

    /// Hands over a channel that has just become idle, if the server leaves. `true`: the channel is gone.
    pub(in crate::io) fn leaves_now(&mut self, index: usize) -> bool {
        let link = &self.desk.channels[index].link;
        let (token, admin) = (link.token, link.admin);
        self.desk.drain.is_some()
            && !admin
            && self.hand_over(index)
            && self.desk.find(token).is_none()
    }

    /// Parts with a channel that has no complete head, while the server drains.
    pub(in crate::io) fn part_with(&mut self, index: usize) {
        let phase = self.desk.channels[index].phase();
        if !matches!(phase, Phase::Idle | Phase::Head) || self.hand_over(index) {
            return;
        }
        match phase {
            Phase::Idle => self.desk.close_idle(index),
            _ => self.desk.refuse_received(index, Refusal::Draining),
        }
    }

    /// Hands over the channels for which there was no room.
    pub(in crate::io) fn go_on(&mut self) {
        if !std::mem::take(&mut self.desk.leaving.crowded) {
            return;
        }
        for index in self.desk.channels.indices() {
            if self.desk.leaving.crowded {
                return;
            }
            let listed = self.desk.channels.get(index).filter(|c| !c.link.admin);
            if let Some(token) = listed.map(|channel| channel.link.token) {
                self.desk
                    .guarded(Some(token), |me| me.departures().part_with(index));
            }
        }
    }

    /// Forgets a channel that a sibling has now. No request ends with it, and the connection must not be shut down.
    pub(super) fn forget(&mut self, index: usize) {
        let mut channel = self.desk.channels.remove(index);
        self.desk.shared.channels.fetch_sub(1, Ordering::Relaxed);
        for exchange in channel.take_requests() {
            self.desk.keep(exchange);
        }
        // For a handle on the client that the application has kept.
        channel.link.mark_gone();
        self.desk.leaving.departed.push(channel);
        self.desk.note_fewer_channels();
        self.desk.room.end_pause(self.desk.now);
    }

    /// Stops watching the connections that siblings have now. The poll watches a connection, not its descriptor, for
    /// as long as a sibling has it open.
    pub(in crate::io) fn end(&mut self, registry: &Registry) {
        for channel in self.desk.leaving.departed.drain(..) {
            let descriptor = channel.link.stream.fd().as_raw_fd();
            if let Err(error) = SourceFd(&descriptor).deregister(registry) {
                log::warn!(target: crate::LOG, "a connection is still watched: {error}");
            }
        }
    }
}

impl Desk {
    /// Parts with channels: to siblings, or for good.
    pub(in crate::io) fn departures(&mut self) -> Departures<'_> {
        Departures { desk: self }
    }

    /// Whether channels stay only until the inbox of a sibling has room.
    pub(in crate::io) fn is_crowded(&self) -> bool {
        self.leaving.crowded
    }

    /// Whether a sibling has announced a connection that has not arrived.
    pub(in crate::io) fn awaits_arrivals(&self) -> bool {
        let siblings = self.shared.siblings.as_ref();
        self.leaving.until.is_some_and(|until| until > self.now)
            && self.shared.stage() == Stage::Draining
            && siblings.is_some_and(|siblings| siblings.is_awaited())
    }
}
