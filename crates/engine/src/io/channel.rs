//! One client connection as its I/O thread sees it.

use std::collections::VecDeque;
use std::sync::Arc;

use headwaiter_http::Refusal;

use crate::exchange::Exchange;
use crate::exchange::link::Link;
use crate::io::deadlines::Deadline;
use crate::io::idle::Neighbours;
use crate::store::budget::{Budget, Grant};
use crate::store::parts::Parts;
use crate::store::spool::FREE;

/// Where a channel is on a request's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Between requests: the cheapest thing there is.
    Idle,
    /// Part of a head has come.
    Head,
    /// The head is complete, the body is not.
    Body,
    /// The request waits for a worker or is run by one.
    Task,
    /// Another thread prepares the answer; no worker is involved.
    Pending,
    /// The worker is through; what is left of the reply is being sent.
    Replying,
    /// A refusal is being sent; nothing that comes behind it will be read as a request.
    Refusing,
    /// All is sent and our side is closed; what still comes in is thrown away, so that the client
    /// can read the reply before a reset would destroy it (RFC 9112 §9.6).
    Lingering,
}

/// A channel. What a worker needs of it is in its [`Link`].
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) link: Arc<Link>,
    pub(crate) state: State,
    /// Bytes read that belong to no complete head yet, or to the next request.
    pub(crate) inbuf: Vec<u8>,
    /// Memory for that, besides its first [`FREE`] bytes.
    pub(crate) grant: Option<Grant>,
    /// How far `inbuf` was searched for the end of a head.
    pub(crate) scanned: usize,
    /// The request being received, or the one whose reply is being sent.
    pub(crate) exchange: Option<Box<Exchange>>,
    /// Replies before that one, whose bytes stand first in `sending`.
    pub(crate) ahead: VecDeque<Ahead>,
    /// Reply bytes the kernel has not taken.
    pub(crate) sending: Parts,
    /// The kernel may hold bytes we have not read.
    pub(crate) readable: bool,
    /// It stands in the queue of channels with more to do.
    pub(in crate::io) queued_again: bool,
    pub(in crate::io) deadline: Deadline,
    /// The turn of the loop it was accepted in.
    pub(crate) accepted_in: u64,
    /// Its neighbours in the list of idle channels, while it stands there.
    pub(in crate::io) idle: Option<Neighbours>,
}

impl Channel {
    pub(crate) fn new(link: Arc<Link>, accepted_in: u64) -> Self {
        Self {
            link,
            state: State::Idle,
            inbuf: Vec::new(),
            grant: None,
            scanned: 0,
            exchange: None,
            ahead: VecDeque::new(),
            sending: Parts::default(),
            readable: false,
            queued_again: false,
            deadline: Deadline::default(),
            accepted_in,
            idle: None,
        }
    }
}

impl Channel {
    /// Whether what has come in is still being read, so that its end will be found there.
    pub(crate) fn reads_on(&self) -> bool {
        let reads = matches!(
            self.state,
            State::Idle | State::Head | State::Body | State::Lingering
        );
        reads && self.readable
    }

    /// Whether it stands in the list of idle channels, which has none of the admin endpoint's.
    pub(crate) fn is_listed_idle(&self) -> bool {
        self.idle.is_some()
    }

    /// Whether what comes in next may be long: a body, or what is thrown away.
    pub(crate) fn reads_bulk(&self) -> bool {
        matches!(self.state, State::Body | State::Lingering)
    }

    /// Whether bytes have come in behind the last request, in the kernel or here. A system call.
    pub(crate) fn has_request(&self) -> bool {
        self.readable || !self.inbuf.is_empty() || self.link.stream.has_unread()
    }

    /// Keeps `data` until the channel is read on.
    ///
    /// # Errors
    ///
    /// There is no memory for it, by the budget or by the system.
    pub(crate) fn keep_input(&mut self, data: &[u8], budget: &Arc<Budget>) -> Result<(), Refusal> {
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
    /// As [`Channel::keep_input`].
    pub(crate) fn take_input(
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

    /// Makes room for `size` bytes of input in all; the first ones are every channel's own.
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

    /// The exchanges it holds, in order.
    pub(crate) fn replies(&mut self) -> impl Iterator<Item = &mut Exchange> {
        let ahead = self.ahead.iter_mut().map(|ahead| &mut *ahead.exchange);
        ahead.chain(self.exchange.as_deref_mut())
    }
}

/// A reply that leaves before that of a later request on the same channel.
#[derive(Debug)]
pub(crate) struct Ahead {
    pub(crate) exchange: Box<Exchange>,
    /// Its bytes that the kernel has not taken.
    pub(crate) left: u64,
}
