//! Bytes out: replies of workers, up to the end of a reply and the next request.
//!
//! Elsewhere: replies that the I/O thread makes itself (`answer.rs`), closing (`io/close.rs`).

use std::time::Duration;

use crate::exchange::Exchange;
use crate::io::IoLoop;
use crate::io::h1::State;
use crate::io::shares::{SEND, SEND_AT_LEAST};
use crate::record::End;
use crate::store::outgoing::{Sent, send_parts};
use crate::store::parts::Size;

impl IoLoop {
    /// A worker is through with `exchange`.
    pub(crate) fn done(&mut self, mut exchange: Box<Exchange>) {
        if !exchange.has_follower() {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
        crate::inject_panic("done");
        let lane = exchange.lane.take();
        let index = lane.as_ref().and_then(|lane| self.find(lane.token()));
        let Some(lane) = lane else {
            return self.keep(exchange);
        };
        exchange.record.bytes_out += lane.take_early();
        let Some(index) = index else {
            return self.done_after_close(exchange, lane.link());
        };
        if exchange.has_follower() {
            return self.reply_ahead(index, exchange);
        }
        if exchange.closes() {
            self.drop_followers(&mut exchange, false);
        }
        if exchange.is_sent() {
            return self.reply_complete(index, exchange);
        }
        let channel = &mut self.channels[index];
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
                        return self.reply_complete(index, exchange);
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => {
                    h1.state = State::Replying(exchange);
                    return self.client_gone(index);
                }
            }
        }
        exchange.count_single(&lane);
        exchange.outgoing.move_to(&mut h1.sending);
        h1.state = State::Replying(exchange);
        self.transmit_in_order(index);
    }

    /// The worker of the channel `token` goes on and has handed over more of the reply at `place`.
    pub(crate) fn send_more(&mut self, token: usize, place: u8) {
        let Some(index) = self.find(token) else {
            return;
        };
        let channel = &mut self.channels[index];
        let h1 = channel.protocol.h1();
        if !h1.sends() {
            // A probe was due, at most.
            channel.deadline.disarm();
        }
        channel.lane.collect(place, &mut h1.sending);
        self.transmit_in_order(index);
    }

    /// Sends now, or, from a file, behind the channels that could not go on in an earlier turn: else these
    /// might never get disk time.
    pub(crate) fn transmit_in_order(&mut self, index: usize) {
        if self.channels[index].sends_from_disk() && self.channels.waiting() > 0 {
            self.later(index);
        } else {
            self.transmit(index);
        }
    }

    /// Sends what the kernel takes of a channel's parts.
    pub(crate) fn transmit(&mut self, index: usize) {
        crate::inject_panic("transmit");
        let share = (SEND / (self.channels.waiting() as u64 + 1)).max(SEND_AT_LEAST);
        let channel = &mut self.channels[index];
        let mut sent = Size::default();
        let result = send_parts(
            &channel.link.stream,
            &mut channel.protocol.h1().sending,
            share,
            &mut self.scratch,
            &mut self.disk,
            &mut sent,
        );
        if sent.all > 0 {
            channel.lane.sent(sent);
            // Progress: what was due is armed anew if the kernel blocks.
            channel.deadline.disarm();
            self.count_sent(index, sent.all);
        }
        let channel = &mut self.channels[index];
        let h1 = channel.protocol.h1();
        channel
            .link
            .set_blocked(matches!(result, Ok(Sent::Blocked)));
        match result {
            Ok(Sent::All) => match std::mem::take(&mut h1.state) {
                State::Replying(exchange) => self.reply_complete(index, exchange),
                State::Refusing(exchange) => {
                    self.finish(index, exchange);
                    self.linger(index);
                }
                other => {
                    h1.state = other;
                    channel.deadline.disarm();
                }
            },
            Ok(Sent::Share) => self.later(index),
            Ok(Sent::Blocked) => match self.shared.settings.send_timeout {
                // Armed anew by progress only.
                Some(most) if sent.all > 0 || !channel.deadline.is_armed() => {
                    self.channels.arm(index, Some(self.now + most));
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
                self.client_gone(index);
            }
        }
    }

    /// Gives `bytes` that the kernel has taken to the replies they belong to.
    fn count_sent(&mut self, index: usize, mut bytes: u64) {
        while let Some(complete) = self.channels[index].protocol.h1().count_ahead(&mut bytes) {
            self.finish(index, complete);
        }
        if bytes > 0 {
            let channel = &mut self.channels[index];
            channel.protocol.h1().count_last(bytes, &channel.lane);
        }
    }

    /// The whole reply is with the kernel: on to the next request, or the end of the channel.
    fn reply_complete(&mut self, index: usize, mut exchange: Box<Exchange>) {
        let close = exchange.closes();
        let behind = exchange.behind.take();
        // News of a reply that its worker sent may be old.
        let since = if exchange.is_sent() {
            exchange.record.answered.unwrap_or(self.now)
        } else {
            self.now
        };
        self.finish(index, exchange);
        let channel = &mut self.channels[index];
        if close {
            // Closing a socket that holds unread bytes resets it, and the reply may be lost. Whether there
            // are any may stand among events that this turn has not come to.
            let unread = self.shared.draining() || channel.has_request();
            return if unread {
                self.linger(index)
            } else {
                self.close(index)
            };
        }
        if let Some(next) = behind {
            return self.go_on_with(index, next);
        }
        self.channels[index].protocol.h1().state = State::Idle;
        self.become_idle(index, since);
        if self.leaves_now(index) {
            return;
        }
        let channel = &self.channels[index];
        if channel.readable || channel.has_input() {
            // Not here: a pipeline answered on this thread would nest as deep as it is long.
            self.later(index);
        } else if self.drain.is_some() {
            // The next request may be here, unread: sent before the client could know. One more look,
            // then what is still idle is closed.
            self.channels[index].readable = true;
            self.later(index);
        }
    }

    /// Closes our side and throws away what still comes, for a moment.
    fn linger(&mut self, index: usize) {
        let channel = &mut self.channels[index];
        let h1 = channel.protocol.h1();
        h1.state = State::Lingering;
        h1.drop_input();
        channel.link.stream.shutdown_write();
        channel.readable = true;
        self.channels.arm(index, Some(self.now + LINGER));
        self.later(index);
    }
}

/// How long a refused or closing channel is drained.
const LINGER: Duration = Duration::from_secs(1);
