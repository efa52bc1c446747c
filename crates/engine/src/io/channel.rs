//! One client connection as its I/O thread sees it, whatever protocol it speaks.

use crate::sys::instant::Instant;
use std::sync::Arc;

use crate::exchange::Exchange;
use crate::exchange::lane::Lane;
use crate::exchange::link::Link;
use crate::io::deadlines::Deadline;
use crate::io::h1;
use crate::io::idle::Neighbours;
use crate::io::phase::Phase;

/// A channel. What a worker needs of it is in its [`Link`].
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) link: Arc<Link>,
    /// What its requests, one at a time, share with their workers.
    pub(crate) lane: Lane,
    pub(in crate::io) protocol: Protocol,
    /// The kernel may hold bytes we have not read.
    pub(crate) readable: bool,
    /// It stands in the queue of channels with more to do.
    pub(in crate::io) queued_again: bool,
    pub(in crate::io) deadline: Deadline,
    /// The turn of the loop it was accepted in.
    pub(crate) accepted_in: u64,
    /// When it came here, until its first request begins.
    pub(in crate::io) new_since: Option<Instant>,
    /// Its neighbours in the list of idle channels, while it stands there.
    pub(in crate::io) idle: Option<Neighbours>,
}

/// What a channel's protocol keeps of it. It lies in the channel, so that a connection takes no further allocation.
#[derive(Debug)]
pub(crate) enum Protocol {
    H1(h1::Connection),
}

impl Channel {
    pub(crate) fn new(link: Arc<Link>, accepted_in: u64, now: Instant) -> Self {
        Self {
            lane: Lane::of(&link),
            link,
            protocol: Protocol::H1(h1::Connection::default()),
            readable: false,
            queued_again: false,
            deadline: Deadline::default(),
            accepted_in,
            new_since: Some(now),
            idle: None,
        }
    }

    /// Where the channel is on a request's way.
    pub(crate) fn phase(&self) -> Phase {
        match &self.protocol {
            Protocol::H1(h1) => h1.phase(),
        }
    }

    /// Whether what has come in is still being read, so that its end will be found there.
    pub(crate) fn reads_on(&self) -> bool {
        let reads = matches!(
            self.phase(),
            Phase::Idle | Phase::Head | Phase::Body | Phase::Lingering
        );
        reads && self.readable
    }

    /// Whether it stands in the list of idle channels, which has none of the admin endpoint's.
    pub(crate) fn is_listed_idle(&self) -> bool {
        self.idle.is_some()
    }

    /// Whether what comes in next may be long: a body, or what is thrown away.
    pub(crate) fn reads_bulk(&self) -> bool {
        matches!(self.phase(), Phase::Body | Phase::Lingering)
    }

    /// Whether bytes have come in behind the last request, in the kernel or here. A system call.
    pub(crate) fn has_request(&self) -> bool {
        self.readable || self.has_input() || self.link.stream.has_unread()
    }

    /// Whether it keeps bytes that were read and not digested.
    pub(crate) fn has_input(&self) -> bool {
        match &self.protocol {
            Protocol::H1(h1) => h1.has_input(),
        }
    }

    /// The bytes that were read and not digested.
    pub(crate) fn input(&self) -> &[u8] {
        match &self.protocol {
            Protocol::H1(h1) => h1.input(),
        }
    }

    /// Bytes of requests that it keeps in memory.
    pub(crate) fn kept(&self) -> usize {
        match &self.protocol {
            Protocol::H1(h1) => h1.kept(),
        }
    }

    /// Whether the kernel has not taken all bytes that the channel sends.
    pub(crate) fn sends(&self) -> bool {
        match &self.protocol {
            Protocol::H1(h1) => h1.sends(),
        }
    }

    /// Whether what it sends next is in a file.
    pub(crate) fn sends_from_disk(&self) -> bool {
        match &self.protocol {
            Protocol::H1(h1) => h1.sends_from_disk(),
        }
    }

    /// The request whose reply is being sent, all of which its worker has handed over.
    pub(crate) fn replying(&self) -> Option<&Exchange> {
        match &self.protocol {
            Protocol::H1(h1) => h1.replying(),
        }
    }

    /// The requests it holds, in order.
    pub(crate) fn replies(&mut self) -> impl Iterator<Item = &mut Exchange> {
        match &mut self.protocol {
            Protocol::H1(h1) => h1.replies(),
        }
    }

    /// Takes out the requests it holds, in order: it closes.
    pub(crate) fn take_requests(&mut self) -> impl Iterator<Item = Box<Exchange>> + use<> {
        match &mut self.protocol {
            Protocol::H1(h1) => h1.take_requests(),
        }
    }
}

impl Protocol {
    /// The state of a channel that speaks HTTP/1.1.
    pub(in crate::io) fn h1_ref(&self) -> &h1::Connection {
        match self {
            Self::H1(h1) => h1,
        }
    }

    /// The state of a channel that speaks HTTP/1.1.
    pub(in crate::io) fn h1(&mut self) -> &mut h1::Connection {
        match self {
            Self::H1(h1) => h1,
        }
    }
}
