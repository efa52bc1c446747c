//! Requests that a client has sent one behind the other (RFC 9112 §9.3.2).
//!
//! They are answered one at a time and in order, but need not cross to a worker and back one at a
//! time. When a task is submitted, the complete safe requests without a body that came in behind it are
//! parsed, too, and go along as a chain ([`Exchange::behind`]). A worker that is through with one puts
//! its follower at the *end* of the queue, so a channel that pipelines gets no more turns than others.
//! Replies that come back in one turn of the loop leave together.
//!
//! What a follower is not: received. Until its turn comes it counts as bytes that nobody has looked at;
//! its record begins when its predecessor is answered, and a channel that closes drops it unrecorded.

use crate::exchange::Exchange;
use crate::exchange::link::FIN;
use crate::io::desk::Desk;
use crate::io::h1::State;
use crate::io::h1::receive::{PROBE_AFTER, Receiver};
use crate::io::h1::transmit::Sender;
use crate::record::{End, Record};

impl Receiver<'_> {
    /// Chains the requests at the front of `rest` behind `first`; returns what is left of it.
    pub(super) fn read_ahead<'a>(&mut self, first: &mut Exchange, mut rest: &'a [u8]) -> &'a [u8] {
        let settings = &self.desk.shared.settings;
        // Each request has to ask for its place where places are counted.
        if rest.is_empty() || settings.queue_limit.is_some() || self.desk.shared.draining() {
            return rest;
        }
        let (limits, health) = (settings.head_limits(), settings.health_path.clone());
        let lane = first.lane.clone();
        let mut last = first;
        for place in 1..=CHAIN {
            if rest.is_empty()
                || !last.head.keep_alive()
                || self.desk.pool.followers() >= MOST_FOLLOWERS
            {
                break;
            }
            let mut next = self.desk.pool.take(self.desk.now);
            // Whatever is wrong with it will be found again when its turn comes.
            let parsed = next.head.parse(rest, &mut 0, limits);
            let fit = next.head.is_safe()
                && next.head.framing() == headwaiter_http::Framing::None
                && health.as_deref() != Some(next.head.path());
            let Ok(Some(consumed)) = parsed.map(|size| size.filter(|_| fit)) else {
                self.desk.keep(next);
                break;
            };
            next.record.bytes_in = consumed as u64;
            next.lane.clone_from(&lane);
            next.place = place;
            self.desk.pool.count_follower();
            rest = &rest[consumed..];
            last = last.behind.insert(next);
        }
        rest
    }
}

impl Sender<'_> {
    /// Takes the reply of `exchange`, whose follower is under way to a worker: it leaves with others.
    pub(super) fn reply_ahead(&mut self, mut exchange: Box<Exchange>) {
        let channel = &mut self.desk.channels[self.index];
        let (lane, h1) = (&channel.lane, channel.protocol.h1());
        if !h1.sends() {
            // A probe was due, at most.
            channel.deadline.disarm();
        }
        if exchange.is_streamed() {
            lane.collect(exchange.place, &mut h1.sending);
        }
        exchange.count_single(lane);
        exchange.outgoing.append_to(&mut h1.sending);
        match h1.put_ahead(exchange) {
            None => self.desk.corked.push(channel.link.token),
            // Streamed, and the kernel has all of it.
            Some(exchange) => self.desk.finish(self.index, exchange),
        }
    }

    /// Hands in what came in behind a reply that had to leave first, since the client reads too slowly
    /// for both to be kept.
    pub(super) fn go_on_with(&mut self, mut next: Box<Exchange>) {
        next.record.follow(self.desk.now);
        self.desk.hand_in(self.index, next);
    }
}

impl Desk {
    /// The channel has a task, which will be in the queue at the end of this turn.
    pub(crate) fn hand_in(&mut self, index: usize, exchange: Box<Exchange>) {
        let channel = &mut self.channels[index];
        channel.protocol.h1().state = State::Task;
        let knows_interim = exchange.head.minor() > 0;
        channel
            .lane
            .begin_request(channel.has_input() || channel.readable, knows_interim);
        if knows_interim && channel.link.has(FIN) {
            self.channels.arm(index, Some(self.now + PROBE_AFTER));
        }
        self.in_flight.add(exchange);
    }

    /// Sends the replies that this turn's mail has brought.
    pub(crate) fn uncork(&mut self) {
        if self.corked.is_empty() {
            return;
        }
        let mut corked = std::mem::take(&mut self.corked);
        for token in corked.drain(..) {
            self.guarded(Some(token), |me| {
                if let Some(index) = me.find(token)
                    && me.channels[index].protocol.h1().has_ahead()
                {
                    me.transmit(index);
                }
            });
        }
        self.corked = corked;
    }

    /// `exchange` is over and so is its channel: nothing behind it will be served.
    pub(crate) fn drop_followers(&mut self, exchange: &mut Exchange, gone: bool) {
        let mut behind = exchange.behind.take();
        while let Some(mut follower) = behind {
            behind = follower.behind.take();
            if gone && let Some(lane) = follower.lane.clone() {
                follower.record = Record::received(self.now);
                follower.record.stop(self.now, End::Abandoned, "");
                self.record(&mut follower, lane.link());
            }
            self.keep(follower);
        }
    }
}

/// The longest chain behind a request.
const CHAIN: u8 = 15;
/// Followers of all channels of the I/O thread together. Their heads take no more than the bytes that a
/// channel was read at once, which would be kept otherwise.
const MOST_FOLLOWERS: usize = 4096;
