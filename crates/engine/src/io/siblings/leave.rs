//! A server that stops among siblings hands its connections over instead of closing them.
//!
//! Idle channels and those that have part of a head leave at once, others when their reply is complete. A channel for
//! which the inboxes of all siblings are full stays and is served here until there is room.

use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering;

use mio::event::Source as _;
use mio::unix::SourceFd;

use headwaiter_http::Refusal;

use crate::exchange::link::MARKED;
use crate::io::IoLoop;
use crate::io::desk::Desk;
use crate::io::leaving::LATE;
use crate::io::phase::Phase;
use crate::shared::Stage;
use crate::siblings::{Frame, MOST_BYTES, Outcome};

impl IoLoop {
    /// Stops watching the connections that siblings have now. The poll watches a connection, not its descriptor, for
    /// as long as a sibling has it open.
    pub(in crate::io) fn end_departures(&mut self) {
        for channel in self.desk.leaving.departed.drain(..) {
            let descriptor = channel.link.stream.fd().as_raw_fd();
            if let Err(error) = SourceFd(&descriptor).deregister(self.poll.registry()) {
                log::warn!(target: crate::LOG, "a connection is still watched: {error}");
            }
        }
    }
}

impl Desk {
    /// The drain begins.
    pub(in crate::io) fn begin_leaving(&mut self) {
        self.leaving.until = Some(self.now + LATE);
    }

    /// Hands over a channel that is idle or has part of a head. `false`: the channel must end, since the server does
    /// not hand over or no sibling is ready any more.
    pub(in crate::io) fn hand_over_channel(&mut self, index: usize) -> bool {
        if !self.shared.hands_over() {
            return false;
        }
        let (channel, siblings) = (&self.channels[index], &self.shared.siblings);
        debug_assert!(!channel.sends(), "the last reply is complete");
        if self.leaving.crowded || channel.input().len() > MOST_BYTES {
            return true;
        }
        let frame = Frame {
            connection: channel.link.stream.fd(),
            listener: channel.link.listener,
            marked: channel.link.has(MARKED),
            bytes: channel.input(),
        };
        let sent = siblings.as_ref().map(|siblings| siblings.hand_over(&frame));
        match sent {
            Some(Outcome::Sent) => {
                self.shared.counters.handed_over.add(1);
                self.forget(index);
                true
            }
            Some(Outcome::Full) => {
                self.leaving.crowded = true;
                true
            }
            Some(Outcome::Nobody) | None => false,
        }
    }

    /// Hands over a channel that has just become idle, if the server leaves. `true`: the channel is gone.
    pub(in crate::io) fn leaves_now(&mut self, index: usize) -> bool {
        let link = &self.channels[index].link;
        let (token, admin) = (link.token, link.admin);
        self.drain.is_some()
            && !admin
            && self.hand_over_channel(index)
            && self.find(token).is_none()
    }

    /// Parts with a channel that has no complete head, while the server drains.
    pub(in crate::io) fn part_with(&mut self, index: usize) {
        let phase = self.channels[index].phase();
        if !matches!(phase, Phase::Idle | Phase::Head) || self.hand_over_channel(index) {
            return;
        }
        match phase {
            Phase::Idle => self.close(index),
            _ => self.refuse_received(index, Refusal::Draining),
        }
    }

    /// Hands over the channels for which there was no room.
    pub(in crate::io) fn go_on_leaving(&mut self) {
        if !std::mem::take(&mut self.leaving.crowded) {
            return;
        }
        for index in self.channels.indices() {
            if self.leaving.crowded {
                return;
            }
            let listed = self.channels.get(index).filter(|c| !c.link.admin);
            if let Some(token) = listed.map(|channel| channel.link.token) {
                self.guarded(Some(token), |me| me.part_with(index));
            }
        }
    }

    /// Whether channels stay only until the inbox of a sibling has room.
    pub(in crate::io) fn is_crowded(&self) -> bool {
        self.leaving.crowded
    }

    /// Whether a sibling has announced a connection that has not arrived.
    pub(in crate::io) fn awaits_arrivals(&self) -> bool {
        let siblings = self.shared.siblings.as_ref();
        self.index == 0
            && self.leaving.until.is_some_and(|until| until > self.now)
            && self.shared.stage() == Stage::Draining
            && siblings.is_some_and(|siblings| siblings.is_awaited())
    }

    /// Forgets a channel that a sibling has now. No request ends with it, and the connection must not be shut down.
    pub(super) fn forget(&mut self, index: usize) {
        let mut channel = self.channels.remove(index);
        self.shared.channels.fetch_sub(1, Ordering::Relaxed);
        for exchange in channel.take_requests() {
            self.keep(exchange);
        }
        // For a handle on the client that the application has kept.
        channel.link.mark_gone();
        self.leaving.departed.push(channel);
        self.note_fewer_channels();
        self.room.note_closed(&self.shared, self.now);
    }
}
