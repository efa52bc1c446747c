//! Exchanges that are in no use, kept with their buffers for the next requests.
//!
//! Fresh memory costs page faults, so buffers are reused. The pool notes what only a burst brings: a large request
//! or reply, or more pooled exchanges than usual. `recycle.rs` gives that memory back. Time comes in as `now`.

use std::time::{Duration, Instant};

use crate::exchange::Exchange;
use crate::record::Record;

/// The exchanges of an I/O thread: those in no use, and how many followers are out.
#[derive(Debug, Default)]
#[expect(
    clippy::vec_box,
    reason = "exchanges travel between threads by pointer; they never move"
)]
pub(crate) struct ExchangePool {
    free: Vec<Box<Exchange>>,
    /// When to give memory back, after a burst.
    shrinks: Option<Instant>,
    /// Requests chained behind others, of all channels. See `h1/pipeline.rs`.
    followers: usize,
}

impl ExchangePool {
    /// An exchange for a request whose first byte came at `now`.
    pub(crate) fn take(&mut self, now: Instant) -> Box<Exchange> {
        match self.free.pop() {
            Some(mut exchange) => {
                exchange.record = Record::new(now);
                exchange
            }
            None => Box::new(Exchange::new(now)),
        }
    }

    /// Takes back what [`ExchangePool::take`] has given, wherever it has been.
    pub(crate) fn put(&mut self, mut exchange: Box<Exchange>, now: Instant) {
        self.followers -= usize::from(exchange.place > 0);
        let bytes = exchange.record.bytes_in + exchange.record.bytes_out;
        if bytes > LARGE || self.free.len() >= USUAL {
            self.note_burst(now);
        }
        exchange.clear();
        if self.free.len() < MOST {
            self.free.push(exchange);
        }
    }

    /// Memory has come free that goes back to the system when [`QUIET`] has passed without another such event.
    #[cold]
    pub(crate) fn note_burst(&mut self, now: Instant) {
        self.shrinks = Some(now + QUIET);
    }

    /// When memory goes back to the system, if a burst has left some.
    pub(crate) fn shrinks(&self) -> Option<Instant> {
        self.shrinks
    }

    /// Drops most exchanges, if a burst is over. Returns whether it was.
    pub(in crate::io) fn shrink(&mut self, now: Instant) -> bool {
        let over = self.shrinks.is_some_and(|at| at <= now);
        if over {
            self.shrinks = None;
            self.free.truncate(CALM);
            self.free.shrink_to_fit();
        }
        over
    }

    #[cfg(all(test, unix, not(shuttle)))]
    pub(in crate::io) fn len(&self) -> usize {
        self.free.len()
    }

    /// Counts an exchange that was given a place behind another one.
    pub(crate) fn count_follower(&mut self) {
        self.followers += 1;
    }

    /// Followers that were counted and have not come back.
    pub(crate) fn followers(&self) -> usize {
        self.followers
    }
}

/// How long after the last event of a burst memory goes back.
pub(in crate::io) const QUIET: Duration = Duration::from_secs(10);
/// A request and its reply with more bytes than this are an event of a burst: from this size on the system's
/// allocator has memory of its own for a block.
pub(in crate::io) const LARGE: u64 = 128 * 1024;
/// How many exchanges a pool holds at most,
pub(in crate::io) const MOST: usize = 1024;
/// without a burst,
pub(in crate::io) const USUAL: usize = 64;
/// and after one. Each has up to 48 KiB of buffers.
pub(in crate::io) const CALM: usize = 16;
