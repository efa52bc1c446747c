//! One request and its reply, as data. The I/O thread fills it, a worker runs it, and the I/O thread recycles it.
//!
//! Elsewhere: what the two threads share of the request (`lane.rs`) and of its connection (`link.rs`), what they tell
//! each other (`message.rs`), how the reply is framed (`framing.rs`), and what a worker may do with the request
//! (`worker/task.rs`).

pub(crate) mod answer;
pub(crate) mod framing;
pub(crate) mod lane;
pub(crate) mod link;
pub(crate) mod message;

use crate::sys::instant::Instant;

use headwaiter_http::{BodyDecoder, Framing, Head};

use crate::exchange::framing::ReplyFraming;
use crate::exchange::lane::Lane;
use crate::exchange::link::Link;
use crate::net::address::Peer;
use crate::record::{Ended, Record};
use crate::store::outgoing::Outgoing;
use crate::store::shelf::Spill;
use crate::store::spool::Spool;

/// All that belongs to one request. [`Exchange::clear`] makes it ready for another one.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) head: Head,
    pub(crate) decoder: BodyDecoder,
    pub(crate) body: Spool,
    pub(crate) record: Record,
    /// The way to its channel, from the complete request to the end of the reply.
    pub(crate) lane: Option<Lane>,
    /// How far the reply in `outgoing` is framed.
    pub(crate) framing: ReplyFraming,
    pub(crate) outgoing: Outgoing,
    pub(crate) spill: Spill,
    delivery: Delivery,
    next: Next,
    /// The request that came in behind this one, with those behind it. See `pipeline.rs`.
    pub(crate) behind: Option<Box<Exchange>>,
    /// Its place in a chain. Above 0 it came in behind another, whose reply may not be out yet.
    pub(crate) place: u8,
    /// [`Exchange::end`] has returned its view, or the request was recorded without this exchange.
    recorded: bool,
    /// The client as a trusted proxy named it.
    pub(crate) client: Option<Box<str>>,
    /// What its framework calls its route, if the request has failed.
    pub(crate) route: Option<Box<str>>,
    /// What came in place of a head that is malformed or incomplete: its first line, for the log.
    pub(crate) first_line: Vec<u8>,
}

impl Exchange {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            head: Head::new(),
            decoder: no_body(),
            body: Spool::default(),
            record: Record::new(now),
            lane: None,
            framing: ReplyFraming::default(),
            outgoing: Outgoing::default(),
            spill: Spill::default(),
            delivery: Delivery::default(),
            next: Next::default(),
            behind: None,
            place: 0,
            recorded: false,
            client: None,
            route: None,
            first_line: Vec::new(),
        }
    }

    /// Forgets the request. Keeps small buffers.
    pub(crate) fn clear(&mut self) {
        self.head.clear();
        self.decoder = no_body();
        self.body.clear();
        self.lane = None;
        self.framing = ReplyFraming::default();
        self.outgoing.clear();
        self.spill = Spill::default();
        debug_assert!(
            !self.is_sent() || self.recorded,
            "a worker records what it sends"
        );
        self.delivery = Delivery::default();
        self.next = Next::default();
        self.behind = None;
        self.place = 0;
        self.recorded = false;
        self.client = None;
        self.route = None;
        self.first_line.clear();
    }

    /// Who sent the request, while the exchange has its lane.
    pub(crate) fn peer(&self) -> Option<Peer> {
        self.lane.as_ref().map(|lane| lane.link().peer)
    }

    /// The worker hands over parts of the reply before its end.
    pub(crate) fn stream(&mut self) {
        debug_assert_ne!(
            self.delivery,
            Delivery::Sent,
            "nothing follows a whole reply"
        );
        self.delivery = Delivery::Streamed;
    }

    /// Whether the worker handed over parts of the reply before its end.
    pub(crate) fn is_streamed(&self) -> bool {
        self.delivery == Delivery::Streamed
    }

    /// The worker has sent the whole reply itself.
    pub(crate) fn set_sent(&mut self) {
        debug_assert_eq!(
            self.delivery,
            Delivery::Held,
            "the I/O thread sends what it has a part of"
        );
        debug_assert_ne!(
            self.next,
            Next::Follower,
            "the I/O thread keeps replies in order"
        );
        self.delivery = Delivery::Sent;
    }

    /// Whether the worker has sent the whole reply itself.
    pub(crate) fn is_sent(&self) -> bool {
        self.delivery == Delivery::Sent
    }

    /// The channel closes behind this reply.
    pub(crate) fn close_after(&mut self) {
        debug_assert_ne!(self.next, Next::Follower, "the follower needs the channel");
        self.next = Next::Close;
    }

    /// Whether the channel closes behind this reply.
    pub(crate) fn closes(&self) -> bool {
        self.next == Next::Close
    }

    /// Takes the follower, for the queue: its worker may start before this reply is sent.
    pub(crate) fn start_follower(&mut self) -> Option<Box<Exchange>> {
        let follower = self.behind.take()?;
        debug_assert_eq!(
            self.next,
            Next::KeepAlive,
            "a follower starts once, on a channel that stays open"
        );
        self.next = Next::Follower;
        Some(follower)
    }

    /// Whether the follower has started.
    pub(crate) fn has_follower(&self) -> bool {
        self.next == Next::Follower
    }

    /// Counts the reply, or its rest, as unsent when the worker leaves it to the I/O thread or leads and has it sent,
    /// unless it is a single buffer: the kernel is likely to take that at once.
    pub(crate) fn count_parts(&self, lane: &Lane) {
        if self.outgoing.single().is_none() {
            lane.account(self.outgoing.size());
        }
    }

    /// Counts a single buffer as unsent when the I/O thread queues it. Replies of several parts are counted by
    /// [`Exchange::count_parts`].
    pub(crate) fn count_single(&self, lane: &Lane) {
        if self.outgoing.single().is_some() {
            lane.account(self.outgoing.size());
        }
    }

    /// Keeps the first line of `data`, which is not a complete head, for the log.
    pub(crate) fn note_first_line(&mut self, data: &[u8]) {
        if self.head.method().is_empty() && self.first_line.is_empty() {
            self.first_line.extend_from_slice(first_line(data));
        }
    }

    /// The request was recorded without this exchange: the I/O thread has cut it while its worker held it.
    pub(crate) fn set_recorded(&mut self) {
        self.recorded = true;
    }

    /// Ends the request and returns the view to record. Returns `None` for a request that was recorded already,
    /// so that each is recorded once, and for the admin endpoint's, which are not recorded.
    pub(crate) fn end(&mut self, link: &Link, now: impl FnOnce() -> Instant) -> Option<Ended<'_>> {
        if std::mem::replace(&mut self.recorded, true) || link.admin {
            return None;
        }
        self.record.ended = Some(now());
        Some(Ended {
            record: &self.record,
            head: &self.head,
            first_line: &self.first_line,
            client: self.client.as_deref(),
            route: self.route.as_deref(),
            peer: link.peer,
        })
    }
}

/// How much of a reply has left the exchange before the I/O thread gets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Delivery {
    /// Nothing: `outgoing` holds the whole reply.
    #[default]
    Held,
    /// The worker handed over parts by way of the link; `outgoing` holds the rest.
    Streamed,
    /// The worker has sent and recorded all of it.
    Sent,
}

/// What the channel does when the reply is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    /// It reads the next request.
    #[default]
    KeepAlive,
    /// It closes.
    Close,
    /// It goes on with the follower, which is in the queue already or with a worker.
    Follower,
}

/// The first line of `data` that is not empty, or the beginning of a long one.
pub(crate) fn first_line(data: &[u8]) -> &[u8] {
    let mut lines = data.split(|byte| matches!(byte, b'\r' | b'\n'));
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    &line[..line.len().min(FIRST_LINE)]
}

/// Bytes of a malformed head kept for the log.
const FIRST_LINE: usize = 256;

fn no_body() -> BodyDecoder {
    match BodyDecoder::new(Framing::None, 0) {
        Ok(body) => body,
        Err(_) => unreachable!("no body is within any limit"),
    }
}

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::exchange::message::Mailbox;
    use crate::net::address::Peer;
    use crate::net::socket::Stream;
    use crate::store::parts::Part;

    /// A link of a client (`Some`) or of the admin endpoint.
    fn link(listener: Option<u32>) -> Link {
        let poll = mio::Poll::new().unwrap();
        let waker = mio::Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (stream, _) = mio::net::UnixStream::pair().unwrap();
        let (stream, io) = (Stream::Unix(stream), Arc::new(Mailbox::new(waker)));
        Link::new(stream, Peer::Unix, listener, 0, io, Arc::default())
    }

    fn exchange() -> Exchange {
        Exchange::new(Instant::now())
    }

    #[test]
    fn a_request_is_recorded_once() {
        let link = link(Some(0));
        let mut exchange = exchange();
        assert!(exchange.end(&link, Instant::now).is_some());
        let ended = exchange.record.ended;
        assert!(exchange.end(&link, Instant::now).is_none());
        assert_eq!(exchange.record.ended, ended);
        exchange.clear();
        assert!(exchange.end(&link, Instant::now).is_some());
    }

    #[test]
    fn what_was_cut_and_what_the_admin_endpoint_answers_is_not_recorded() {
        let mut cut = exchange();
        cut.set_recorded();
        assert!(cut.end(&link(Some(0)), Instant::now).is_none());
        assert!(exchange().end(&link(None), Instant::now).is_none());
    }

    #[test]
    fn a_reply_is_counted_as_unsent_once() {
        for parts in [0, 2] {
            let lane = Lane::of(&Arc::new(link(Some(0))));
            let mut exchange = exchange();
            for _ in 0..parts {
                let data = vec![b'x'; 10];
                exchange.outgoing.push(Part::Copied { data, at: 0 });
            }
            exchange.outgoing.tail().extend_from_slice(b"tail");
            exchange.count_parts(&lane);
            exchange.count_single(&lane);
            assert_eq!(lane.unsent(), exchange.outgoing.size(), "{parts}");
        }
    }

    #[test]
    fn a_follower_starts_once() {
        let mut first = exchange();
        first.behind = Some(Box::new(exchange()));
        assert!(!first.has_follower());
        assert!(first.start_follower().is_some());
        assert!(first.has_follower() && !first.closes());
        assert!(first.start_follower().is_none());
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "the follower needs the channel")]
    fn a_channel_whose_follower_has_started_stays_open() {
        let mut first = exchange();
        first.behind = Some(Box::new(exchange()));
        first.start_follower();
        first.close_after();
    }
}
