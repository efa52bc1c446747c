//! One request and its reply, as data. The I/O thread fills it, a worker runs it, and the I/O thread recycles it.
//!
//! Elsewhere: what the two threads share of the request (`lane.rs`) and of its connection (`link.rs`), what they tell
//! each other (`message.rs`), and what a worker may do with it (`worker/task.rs`).

pub(crate) mod answer;
pub(crate) mod lane;
pub(crate) mod link;
pub(crate) mod message;

use std::time::Instant;

use headwaiter_http::{Body, Framing, Head};

use crate::exchange::lane::Lane;
use crate::net::listen::Peer;
use crate::record::Record;
use crate::store::outgoing::Outgoing;
use crate::store::shelf::Spill;
use crate::store::spool::Spool;

/// All that belongs to one request. [`Exchange::clear`] makes it ready for another one.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) head: Head,
    pub(crate) decoder: Body,
    pub(crate) body: Spool,
    pub(crate) record: Record,
    /// The way to its channel, from the complete request to the end of the reply.
    pub(crate) lane: Option<Lane>,
    pub(crate) outgoing: Outgoing,
    pub(crate) spill: Spill,
    /// Parts of this reply were handed over before its end.
    pub(crate) flushed: bool,
    /// What `outgoing` holds is among the link's unsent bytes.
    accounted: bool,
    /// The worker has sent everything itself.
    pub(crate) sent: bool,
    /// The channel must close behind this reply.
    pub(crate) close: bool,
    /// The request that came in behind this one, with those behind it. See `pipeline.rs`.
    pub(crate) behind: Option<Box<Exchange>>,
    /// Its place in a chain. Above 0 it came in behind another, whose reply may not be out yet.
    pub(crate) place: u8,
    /// Its follower is on the way to a worker: the channel goes on.
    pub(crate) followed: bool,
    /// Its end is recorded: there is nothing more to say about it.
    pub(crate) recorded: bool,
    /// The client as a trusted proxy named it.
    pub(crate) client: Option<Box<str>>,
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
            outgoing: Outgoing::default(),
            spill: Spill::default(),
            flushed: false,
            accounted: false,
            sent: false,
            close: false,
            behind: None,
            place: 0,
            followed: false,
            recorded: false,
            client: None,
            first_line: Vec::new(),
        }
    }

    /// Forgets the request. Keeps small buffers.
    pub(crate) fn clear(&mut self) {
        self.head.clear();
        self.decoder = no_body();
        self.body.clear();
        self.lane = None;
        self.outgoing.clear();
        self.spill = Spill::default();
        self.flushed = false;
        self.accounted = false;
        self.sent = false;
        self.close = false;
        self.behind = None;
        self.place = 0;
        self.followed = false;
        self.recorded = false;
        self.client = None;
        self.first_line.clear();
    }

    /// Who sent the request, while the exchange has its lane.
    pub(crate) fn peer(&self) -> Option<Peer> {
        self.lane.as_ref().map(|lane| lane.link().peer)
    }

    /// Counts what `outgoing` holds as unsent, once.
    pub(crate) fn account(&mut self, lane: &Lane) {
        if !std::mem::replace(&mut self.accounted, true) {
            lane.account(self.outgoing.size());
        }
    }

    /// Keeps the first line of `data`, which is not a complete head, for the log.
    pub(crate) fn note_first_line(&mut self, data: &[u8]) {
        if self.head.method().is_empty() && self.first_line.is_empty() {
            let line = data.split(|byte| matches!(byte, b'\r' | b'\n'));
            let line = line
                .into_iter()
                .find(|line| !line.is_empty())
                .unwrap_or_default();
            self.first_line
                .extend_from_slice(&line[..line.len().min(FIRST_LINE)]);
        }
    }
}

/// How many bytes of a malformed head are kept for the log.
const FIRST_LINE: usize = 256;

fn no_body() -> Body {
    match Body::new(Framing::None, 0) {
        Ok(body) => body,
        Err(_) => unreachable!("no body is within any limit"),
    }
}
