//! One client connection as its I/O thread sees it.

use std::collections::VecDeque;
use std::sync::Arc;

use headwaiter_http::Refusal;

use crate::exchange::Exchange;
use crate::exchange::lane::Lane;
use crate::exchange::link::Link;
use crate::io::deadlines::Deadline;
use crate::io::idle::Neighbours;
use crate::store::budget::{Budget, Grant};
use crate::store::parts::{Part, Parts};
use crate::store::spool::FREE;

/// Where a channel is on a request's way, with the request while the channel holds it.
///
/// A step that needs the request takes the whole state, which leaves the channel idle for so long. The step
/// ends by setting the next state or by closing the channel.
#[derive(Debug, Default)]
pub(crate) enum State {
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
    /// The request that the channel holds.
    pub(crate) fn exchange(&self) -> Option<&Exchange> {
        match self {
            Self::Head(exchange)
            | Self::Body(exchange)
            | Self::Pending(exchange)
            | Self::Replying(exchange)
            | Self::Refusing(exchange) => Some(exchange),
            Self::Idle | Self::Task | Self::Lingering => None,
        }
    }

    /// The request that the channel holds.
    pub(crate) fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        match self {
            Self::Head(exchange)
            | Self::Body(exchange)
            | Self::Pending(exchange)
            | Self::Replying(exchange)
            | Self::Refusing(exchange) => Some(exchange),
            Self::Idle | Self::Task | Self::Lingering => None,
        }
    }

    /// Takes the request out of a channel that closes.
    pub(crate) fn into_exchange(self) -> Option<Box<Exchange>> {
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

/// A channel. What a worker needs of it is in its [`Link`].
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) link: Arc<Link>,
    /// What its requests, one at a time, share with their workers.
    pub(crate) lane: Lane,
    pub(crate) state: State,
    /// Bytes read that belong to no complete head yet, or to the next request.
    pub(crate) inbuf: Vec<u8>,
    /// Memory for that, besides its first [`FREE`] bytes.
    pub(crate) grant: Option<Grant>,
    /// How far `inbuf` was searched for the end of a head.
    pub(crate) scanned: usize,
    /// Replies before the one of `state`, whose bytes stand first in `sending`.
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
            lane: Lane::of(&link),
            link,
            state: State::default(),
            inbuf: Vec::new(),
            grant: None,
            scanned: 0,
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
            State::Idle | State::Head(_) | State::Body(_) | State::Lingering
        );
        reads && self.readable
    }

    /// Whether it stands in the list of idle channels, which has none of the admin endpoint's.
    pub(crate) fn is_listed_idle(&self) -> bool {
        self.idle.is_some()
    }

    /// Whether what comes in next may be long: a body, or what is thrown away.
    pub(crate) fn reads_bulk(&self) -> bool {
        matches!(self.state, State::Body(_) | State::Lingering)
    }

    /// Whether what it sends next is in a file.
    pub(crate) fn sends_from_disk(&self) -> bool {
        self.sending.front().is_some_and(Part::is_on_disk)
    }

    /// Whether bytes have come in behind the last request, in the kernel or here. A system call.
    pub(crate) fn has_request(&self) -> bool {
        self.readable || !self.inbuf.is_empty() || self.link.stream.has_unread()
    }

    /// Takes the request that is being received, if there is one.
    pub(crate) fn take_received(&mut self) -> Option<Box<Exchange>> {
        match std::mem::take(&mut self.state) {
            State::Head(exchange) | State::Body(exchange) => Some(exchange),
            other => {
                self.state = other;
                None
            }
        }
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
        ahead.chain(self.state.exchange_mut())
    }
}

/// A reply that leaves before that of a later request on the same channel.
#[derive(Debug)]
pub(crate) struct Ahead {
    pub(crate) exchange: Box<Exchange>,
    /// Its bytes that the kernel has not taken.
    pub(crate) left: u64,
}
