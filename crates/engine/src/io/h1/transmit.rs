//! Bytes out: replies of workers, up to the end of a reply and the next request.
//!
//! Elsewhere: replies that the I/O thread makes itself (`answer.rs`), closing (`io/close.rs`).

use std::time::Duration;

use crate::exchange::Exchange;
use crate::exchange::lane::Lane;
use crate::io::desk::Desk;
use crate::io::h1::State;
use crate::io::shares::{SEND, SEND_AT_LEAST};
use crate::record::End;
use crate::store::outgoing::{Sent, send_parts};
use crate::store::parts::Size;

/// Sends on one channel: replies, refusals, and what follows the end of a reply.
///
/// Invariant: the channel `index` was open when the sender was made. A step that may close the channel is the last
/// step of its caller.
#[derive(Debug)]
pub(super) struct Sender<'a> {
    pub(super) desk: &'a mut Desk,
    pub(super) index: usize,
}

impl<'a> Sender<'a> {
    pub(super) fn new(desk: &'a mut Desk, index: usize) -> Self {
        Self { desk, index }
    }

    /// A worker is through with `exchange`, a request of this channel.
    pub(super) fn reply(&mut self, mut exchange: Box<Exchange>, lane: &Lane) {
        if exchange.has_follower() {
            return self.reply_ahead(exchange);
        }
        if exchange.closes() {
            self.desk.drop_followers(&mut exchange, false);
        }
        if exchange.is_sent() {
            return self.reply_complete(exchange);
        }
        let channel = &mut self.desk.channels[self.index];
        let h1 = channel.protocol.h1();
        if !h1.sends() {
            channel.deadline.disarm();
        }
        if exchange.is_streamed() {
            lane.collect(exchange.place, &mut h1.sending);
        } else if !h1.sends()
            && let Some(bytes) = exchange.outgoing.single()
        {
            // The common case: one buffer, one write, nothing queued.
            match channel.link.stream.send_reply(bytes, exchange.closes()) {
                Ok(n) => {
                    let all = n == bytes.len();
                    exchange.record.bytes_out += n as u64;
                    exchange.outgoing.advance_single(n);
                    if all {
                        return self.reply_complete(exchange);
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    h1.state = State::Replying(exchange);
                    return self.desk.client_gone(self.index);
                }
            }
        }
        exchange.count_single(lane);
        exchange.outgoing.move_to(&mut h1.sending);
        h1.state = State::Replying(exchange);
        self.transmit_in_order();
    }

    /// Takes over what the worker has handed over so far of the reply at `place`, and sends it.
    pub(super) fn reply_more(&mut self, place: u8) {
        let channel = &mut self.desk.channels[self.index];
        let h1 = channel.protocol.h1();
        if !h1.sends() {
            // A probe was due, at most.
            channel.deadline.disarm();
        }
        channel.lane.collect(place, &mut h1.sending);
        self.transmit_in_order();
    }

    /// Sends now, or, from a file, behind the channels that could not go on in an earlier turn: else these
    /// might never get disk time.
    pub(super) fn transmit_in_order(&mut self) {
        if self.desk.channels[self.index].sends_from_disk() && self.desk.channels.waiting() > 0 {
            self.desk.later(self.index);
        } else {
            self.transmit();
        }
    }

    /// Sends what the kernel takes of a channel's parts.
    pub(super) fn transmit(&mut self) {
        crate::inject_panic("transmit");
        let share = (SEND / (self.desk.channels.waiting() as u64 + 1)).max(SEND_AT_LEAST);
        let channel = &mut self.desk.channels[self.index];
        let mut sent = Size::default();
        let result = send_parts(
            &channel.link.stream,
            &mut channel.protocol.h1().sending,
            share,
            self.desk.buffers.scratch(),
            &mut self.desk.disk,
            &mut sent,
        );
        if sent.all > 0 {
            channel.lane.sent(sent);
            // Progress: what was due is armed anew if the kernel blocks.
            channel.deadline.disarm();
            self.count_sent(sent.all);
        }
        let channel = &mut self.desk.channels[self.index];
        let h1 = channel.protocol.h1();
        channel
            .link
            .set_blocked(matches!(result, Ok(Sent::Blocked)));
        match result {
            Ok(Sent::All) => match std::mem::take(&mut h1.state) {
                State::Replying(exchange) => self.reply_complete(exchange),
                State::Refusing(exchange) => {
                    self.desk.finish(self.index, exchange);
                    self.linger();
                }
                other => {
                    h1.state = other;
                    channel.deadline.disarm();
                }
            },
            Ok(Sent::Share) => self.desk.later(self.index),
            Ok(Sent::Blocked) => match self.desk.shared.settings.send_timeout {
                // Armed anew by progress only.
                Some(most) if sent.all > 0 || !channel.deadline.is_armed() => {
                    self.desk
                        .channels
                        .arm(self.index, Some(self.desk.now + most));
                }
                _ => {}
            },
            Err(error) => {
                if error.kind() == std::io::ErrorKind::UnexpectedEof {
                    log::warn!(target: crate::LOG, "a file became shorter while it was sent; its reply is cut");
                    if let Some(exchange) = h1.state.exchange_mut() {
                        exchange.record.fail(End::AppError, "");
                    }
                }
                self.desk.client_gone(self.index);
            }
        }
    }

    /// Gives `bytes` that the kernel has taken to the replies they belong to.
    fn count_sent(&mut self, mut bytes: u64) {
        while let Some(complete) = self.desk.channels[self.index]
            .protocol
            .h1()
            .count_ahead(&mut bytes)
        {
            self.desk.finish(self.index, complete);
        }
        if bytes > 0 {
            let channel = &mut self.desk.channels[self.index];
            channel.protocol.h1().count_last(bytes, &channel.lane);
        }
    }

    /// The whole reply is with the kernel: on to the next request, or the end of the channel.
    fn reply_complete(&mut self, mut exchange: Box<Exchange>) {
        let close = exchange.closes();
        let behind = exchange.behind.take();
        // News of a reply that its worker sent may be old.
        let since = if exchange.is_sent() {
            exchange.record.answered.unwrap_or(self.desk.now)
        } else {
            self.desk.now
        };
        self.desk.finish(self.index, exchange);
        let channel = &mut self.desk.channels[self.index];
        if close {
            // Closing a socket that holds unread bytes resets it, and the reply may be lost. Whether there
            // are any may stand among events that this turn has not come to.
            let unread = self.desk.shared.draining() || channel.has_request();
            return if unread {
                self.linger()
            } else {
                self.desk.close(self.index)
            };
        }
        if let Some(next) = behind {
            return self.go_on_with(next);
        }
        self.desk.channels[self.index].protocol.h1().state = State::Idle;
        self.desk.become_idle(self.index, since);
        if self.desk.departures().leaves_now(self.index) {
            return;
        }
        let channel = &self.desk.channels[self.index];
        if channel.readable || channel.has_input() {
            // Not here: a pipeline answered on this thread would nest as deep as it is long.
            self.desk.later(self.index);
        } else if self.desk.drain.is_some() {
            // The next request may be here, unread: sent before the client could know. One more look,
            // then what is still idle is closed.
            self.desk.channels[self.index].readable = true;
            self.desk.later(self.index);
        }
    }

    /// Closes our side and throws away what still comes, for a moment.
    fn linger(&mut self) {
        let channel = &mut self.desk.channels[self.index];
        let h1 = channel.protocol.h1();
        h1.state = State::Lingering;
        h1.drop_input();
        channel.link.stream.shutdown_write();
        channel.readable = true;
        self.desk
            .channels
            .arm(self.index, Some(self.desk.now + LINGER));
        self.desk.later(self.index);
    }
}

/// How long a refused or closing channel is drained.
const LINGER: Duration = Duration::from_secs(1);
