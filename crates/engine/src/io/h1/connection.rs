//! One connection that speaks HTTP/1.1: where it is on a request's way, and the bytes it keeps.
//!
//! Nothing here needs the loop. The loop passes in what it shares between channels: budgets, the lane, bytes.
//!
//! Elsewhere: the socket, the deadline and the place in the loop's orders (`io/channel.rs`).

use std::collections::VecDeque;
use std::sync::Arc;

use headwaiter_http::{HeadLimits, Refusal};

use crate::exchange::Exchange;
use crate::exchange::lane::Lane;
use crate::io::phase::Phase;
use crate::store::budget::{Budget, Grant};
use crate::store::parts::{Part, Parts};
use crate::store::spool::FREE;

/// Where a connection is on a request's way, with the request while the connection holds it.
///
/// A step that needs the request takes the whole state, which leaves the connection idle for so long. The step
/// ends by setting the next state or by closing the channel.
#[derive(Debug, Default)]
pub(super) enum State {
    /// Between requests: the cheapest thing there is.
    #[default]
    Idle,
    /// Part of a head has come.
    Head(Box<Exchange>),
    /// The head is complete, the body is not.
    Body(Box<Exchange>),
    /// The request waits in the queue or a worker runs it. One of the two holds it.
    Task,
    /// Another thread prepares the answer; no worker is involved.
    Pending(Box<Exchange>),
    /// The worker has finished. The I/O thread sends what is left of the reply.
    Replying(Box<Exchange>),
    /// The I/O thread sends a refusal and reads nothing that comes behind the request.
    Refusing(Box<Exchange>),
    /// All is sent and our side is closed. The I/O thread throws away what still comes in, so that the client
    /// can read the reply before a reset would destroy it (RFC 9112 §9.6).
    Lingering,
}

impl State {
    /// The request that the connection holds.
    pub(super) fn exchange(&self) -> Option<&Exchange> {
        match self {
            Self::Head(exchange)
            | Self::Body(exchange)
            | Self::Pending(exchange)
            | Self::Replying(exchange)
            | Self::Refusing(exchange) => Some(exchange),
            Self::Idle | Self::Task | Self::Lingering => None,
        }
    }

    /// The request that the connection holds.
    pub(super) fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        match self {
            Self::Head(exchange)
            | Self::Body(exchange)
            | Self::Pending(exchange)
            | Self::Replying(exchange)
            | Self::Refusing(exchange) => Some(exchange),
            Self::Idle | Self::Task | Self::Lingering => None,
        }
    }

    /// Takes the request out of a connection that closes.
    fn into_exchange(self) -> Option<Box<Exchange>> {
        match self {
            Self::Head(exchange)
            | Self::Body(exchange)
            | Self::Pending(exchange)
            | Self::Replying(exchange)
            | Self::Refusing(exchange) => Some(exchange),
            Self::Idle | Self::Task | Self::Lingering => None,
        }
    }
}

/// The state of a connection.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(super) state: State,
    /// Bytes read that belong to no complete head yet, or to the next request.
    inbuf: Vec<u8>,
    /// Memory for `inbuf`, besides its first [`FREE`] bytes.
    grant: Option<Grant>,
    /// How far `inbuf` was searched for the end of a head.
    scanned: usize,
    /// Replies before the one of `state`, whose bytes stand first in `sending`.
    ahead: VecDeque<Ahead>,
    /// Reply bytes the kernel has not taken.
    pub(super) sending: Parts,
}

impl Connection {
    /// Where the connection is on a request's way.
    pub(in crate::io) fn phase(&self) -> Phase {
        match self.state {
            State::Idle => Phase::Idle,
            State::Head(_) => Phase::Head,
            State::Body(_) => Phase::Body,
            State::Task => Phase::Task,
            State::Pending(_) => Phase::Pending,
            State::Replying(_) => Phase::Replying,
            State::Refusing(_) => Phase::Refusing,
            State::Lingering => Phase::Lingering,
        }
    }

    /// Bytes of requests that the connection keeps in memory.
    pub(in crate::io) fn kept(&self) -> usize {
        let exchange = self.state.exchange();
        self.inbuf.len() + exchange.map_or(0, |exchange| exchange.body.in_memory().len())
    }

    /// The request whose reply is being sent, all of which its worker has handed over.
    pub(in crate::io) fn replying(&self) -> Option<&Exchange> {
        match &self.state {
            State::Replying(exchange) => Some(exchange),
            _ => None,
        }
    }

    /// Whether it keeps bytes that were read.
    pub(in crate::io) fn has_input(&self) -> bool {
        !self.inbuf.is_empty()
    }

    /// The bytes that were read and are kept.
    pub(in crate::io) fn input(&self) -> &[u8] {
        &self.inbuf
    }

    /// Takes the bytes that were read and kept.
    pub(super) fn take_kept(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.inbuf)
    }

    /// Gives back what [`Connection::take_input`] has taken, with more bytes behind it.
    pub(super) fn put_back(&mut self, input: Vec<u8>) {
        debug_assert!(self.inbuf.is_empty(), "the input was taken");
        self.inbuf = input;
    }

    /// Drops the bytes that were read and kept.
    pub(super) fn drop_input(&mut self) {
        self.inbuf = Vec::new();
    }

    /// Gives the memory for a head back to the budget: the head is complete.
    pub(super) fn drop_grant(&mut self) {
        self.grant = None;
    }

    /// Parses a head; `data` is all that has come of it so far. Returns the length of a complete head.
    ///
    /// # Errors
    ///
    /// The head is malformed or outgrows `limits`.
    pub(super) fn parse_head(
        &mut self,
        exchange: &mut Exchange,
        data: &[u8],
        limits: HeadLimits,
    ) -> Result<Option<usize>, Refusal> {
        exchange.record.bytes_in = data.len() as u64;
        let parsed = exchange.head.parse(data, &mut self.scanned, limits);
        match parsed {
            Ok(Some(consumed)) => {
                exchange.record.bytes_in = consumed as u64;
                self.scanned = 0;
            }
            Ok(None) => {}
            Err(_) => exchange.note_first_line(data),
        }
        parsed
    }

    /// Takes the request that is being received, if there is one.
    pub(super) fn take_received(&mut self) -> Option<Box<Exchange>> {
        match std::mem::take(&mut self.state) {
            State::Head(exchange) | State::Body(exchange) => Some(exchange),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Keeps `data` until the connection is read on.
    ///
    /// # Errors
    ///
    /// There is no memory for it, by the budget or by the system.
    pub(super) fn keep_input(&mut self, data: &[u8], budget: &Arc<Budget>) -> Result<(), Refusal> {
        self.inbuf = Vec::new();
        self.grant = None;
        if data.is_empty() {
            return Ok(());
        }
        self.room_for(data.len(), budget)?;
        self.inbuf.extend_from_slice(data);
        Ok(())
    }

    /// Takes out the input kept so far, with room for `more` bytes.
    ///
    /// # Errors
    ///
    /// As [`Connection::keep_input`].
    pub(super) fn take_input(
        &mut self,
        more: usize,
        budget: &Arc<Budget>,
    ) -> Result<Vec<u8>, Refusal> {
        let size = self.inbuf.len() + more;
        if size > self.inbuf.capacity() {
            let plenty = self.room_for(size.max(2 * self.inbuf.len()), budget);
            plenty.or_else(|_| self.room_for(size, budget))?;
        }
        Ok(std::mem::take(&mut self.inbuf))
    }

    /// Makes room for `size` bytes of input in all; the first ones are every connection's own.
    fn room_for(&mut self, size: usize, budget: &Arc<Budget>) -> Result<(), Refusal> {
        let taken = self.grant.as_ref().map_or(0, |grant| grant.within);
        let wanted = (size.saturating_sub(FREE) as u64).saturating_sub(taken);
        if wanted > 0 {
            let grant = self.grant.get_or_insert_with(|| Grant::of(budget));
            if !grant.add(wanted, 0) {
                return Err(Refusal::SpoolFull);
            }
        }
        let more = size - self.inbuf.len();
        let room = self.inbuf.try_reserve_exact(more);
        room.map_err(|_| Refusal::Internal)
    }

    /// Whether the kernel has not taken all reply bytes.
    pub(in crate::io) fn sends(&self) -> bool {
        !self.sending.is_empty()
    }

    /// Whether what the connection sends next is in a file.
    pub(in crate::io) fn sends_from_disk(&self) -> bool {
        self.sending.front().is_some_and(Part::is_on_disk)
    }

    /// Whether replies leave before that of the last request.
    pub(super) fn has_ahead(&self) -> bool {
        !self.ahead.is_empty()
    }

    /// Puts a reply, whose bytes are the last in `sending`, behind those that leave before the last one. Returns
    /// the exchange if the kernel has taken all bytes.
    pub(super) fn put_ahead(&mut self, exchange: Box<Exchange>) -> Option<Box<Exchange>> {
        // What the lane calls unsent may count bytes of the follower already.
        let all = self.sending.size().all;
        if all == 0 {
            return Some(exchange);
        }
        let before: u64 = self.ahead.iter().map(|ahead| ahead.left).sum();
        let left = all - before;
        self.ahead.push_back(Ahead { exchange, left });
        None
    }

    /// Counts `bytes`, which the kernel has taken, for the first reply, and subtracts them. Returns the exchange of
    /// a reply that leaves before the last one and that is complete.
    pub(super) fn count_ahead(&mut self, bytes: &mut u64) -> Option<Box<Exchange>> {
        let first = self.ahead.front_mut()?;
        let taken = first.left.min(*bytes);
        first.exchange.record.bytes_out += taken;
        first.left -= taken;
        *bytes -= taken;
        if first.left > 0 {
            return None;
        }
        self.ahead.pop_front().map(|ahead| ahead.exchange)
    }

    /// Counts `bytes`, which the kernel has taken, for the reply of the last request.
    pub(super) fn count_last(&mut self, bytes: u64, lane: &Lane) {
        match self.state.exchange_mut() {
            Some(exchange) => exchange.record.bytes_out += bytes,
            None => lane.note_early(bytes),
        }
    }

    /// The requests whose replies are being sent or prepared, in order.
    pub(in crate::io) fn replies(&mut self) -> impl Iterator<Item = &mut Exchange> {
        let ahead = self.ahead.iter_mut().map(|ahead| &mut *ahead.exchange);
        ahead.chain(self.state.exchange_mut())
    }

    /// Takes out all requests, in order: the channel closes.
    pub(in crate::io) fn take_requests(&mut self) -> impl Iterator<Item = Box<Exchange>> + use<> {
        let ahead = std::mem::take(&mut self.ahead).into_iter();
        let last = std::mem::take(&mut self.state).into_exchange();
        ahead.map(|ahead| ahead.exchange).chain(last)
    }
}

/// A reply that leaves before that of a later request on the same connection.
#[derive(Debug)]
struct Ahead {
    exchange: Box<Exchange>,
    /// Its bytes that the kernel has not taken.
    left: u64,
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use crate::sys::instant::Instant;

    use super::*;

    /// A connection with replies of `lengths` bytes, none of them the last one.
    fn with_ahead(lengths: &[usize]) -> Connection {
        let mut h1 = Connection::default();
        for length in lengths {
            let data = vec![b'x'; *length];
            h1.sending.push(Part::Copied { data, at: 0 });
            let exchange = Box::new(Exchange::new(Instant::now()));
            assert!(h1.put_ahead(exchange).is_none());
        }
        h1
    }

    #[test]
    fn bytes_are_counted_for_the_replies_in_order() {
        let mut h1 = with_ahead(&[10, 20]);
        let mut bytes = 15;
        let first = h1.count_ahead(&mut bytes);
        assert_eq!((first.unwrap().record.bytes_out, bytes), (10, 5));
        assert!(h1.count_ahead(&mut bytes).is_none());
        assert_eq!((bytes, h1.has_ahead()), (0, true));
        bytes = 17;
        let second = h1.count_ahead(&mut bytes);
        assert_eq!((second.unwrap().record.bytes_out, bytes), (20, 2));
        assert!(h1.count_ahead(&mut bytes).is_none());
        assert_eq!((bytes, h1.has_ahead()), (2, false));
    }

    #[test]
    fn a_reply_that_the_kernel_has_taken_is_not_put_ahead() {
        let exchange = Box::new(Exchange::new(Instant::now()));
        let mut h1 = with_ahead(&[]);
        assert!(h1.put_ahead(exchange).is_some());
        assert!(!h1.has_ahead());
    }

    #[test]
    fn a_closing_connection_gives_up_its_requests_in_order() {
        let mut h1 = with_ahead(&[1, 2]);
        h1.state = State::Replying(Box::new(Exchange::new(Instant::now())));
        for (place, exchange) in h1.replies().enumerate() {
            exchange.place = place as u8;
        }
        let places: Vec<_> = h1.take_requests().map(|exchange| exchange.place).collect();
        assert_eq!(places, [0, 1, 2]);
        assert_eq!((h1.phase(), h1.has_ahead()), (Phase::Idle, false));
    }
}
