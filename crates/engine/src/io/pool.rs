//! Keeps unused exchanges and their buffers for the next requests.
//!
//! Fresh memory costs page faults, so the pool reuses buffers. The pool also notes signs of a burst: a large request
//! or reply, or more pooled exchanges than usual. `recycle.rs` frees that memory later. Time comes in as `now`.

use crate::sys::instant::Instant;
use std::time::Duration;

use crate::exchange::Exchange;
use crate::record::Record;

/// The unused exchanges of the I/O thread, and the number of its followers.
#[derive(Debug, Default)]
#[expect(
    clippy::vec_box,
    reason = "exchanges travel between threads by pointer; they never move"
)]
pub(crate) struct ExchangePool {
    free: Vec<Box<Exchange>>,
    /// When to free memory after a burst; `None` without a burst.
    shrinks: Option<Instant>,
    /// The fewest unused exchanges since `shrinks` was set: that many were of no use.
    spare: usize,
    /// The number of requests chained behind others, in all channels. See `h1/pipeline.rs`.
    followers: usize,
}

impl ExchangePool {
    /// Returns an exchange for a request whose first byte arrived at `now`.
    pub(crate) fn take(&mut self, now: Instant) -> Box<Exchange> {
        match self.free.pop() {
            Some(mut exchange) => {
                self.spare = self.spare.min(self.free.len());
                exchange.record = Record::new(now);
                exchange
            }
            None => Box::new(Exchange::new(now)),
        }
    }

    /// Takes an exchange back.
    pub(crate) fn put(&mut self, mut exchange: Box<Exchange>, now: Instant) {
        self.followers -= usize::from(exchange.place > 0);
        let bytes = exchange.record.bytes_in + exchange.record.bytes_out;
        exchange.clear();
        if self.free.len() < MOST {
            self.free.push(exchange);
        }
        // Small requests go on after a burst, so they do not put off what is due.
        if bytes > LARGE || self.free.len() > USUAL && self.shrinks.is_none() {
            self.note_burst(now);
        }
    }

    /// Notes an event of a burst. When [`QUIET`] has passed without another one, [`ExchangePool::shrink`] frees memory.
    #[cold]
    pub(crate) fn note_burst(&mut self, now: Instant) {
        self.shrinks = Some(now + QUIET);
        self.spare = self.free.len();
    }

    /// When to free memory after a burst; `None` without a burst.
    pub(crate) fn shrinks(&self) -> Option<Instant> {
        self.shrinks
    }

    /// Drops most exchanges if a burst is over, unless requests still use most of them. Returns whether it has
    /// dropped them.
    pub(in crate::io) fn shrink(&mut self, now: Instant) -> bool {
        if self.shrinks.is_none_or(|at| at > now) {
            return false;
        }
        self.shrinks = None;
        let in_use = self.free.len() > USUAL && self.spare <= CALM;
        if !in_use {
            self.free.truncate(CALM);
            self.free.shrink_to_fit();
        }
        !in_use
    }

    #[cfg(all(test, unix, not(shuttle)))]
    pub(in crate::io) fn len(&self) -> usize {
        self.free.len()
    }

    /// Counts an exchange that was chained behind another one.
    pub(crate) fn count_follower(&mut self) {
        self.followers += 1;
    }

    /// The number of followers that were counted and not put back.
    pub(crate) fn followers(&self) -> usize {
        self.followers
    }
}

/// How long after the last event of a burst to free memory.
pub(in crate::io) const QUIET: Duration = Duration::from_secs(10);
/// A request and its reply that have more bytes than this together are an event of a burst. From this size on the
/// system's allocator takes separate memory for a block.
pub(in crate::io) const LARGE: u64 = 128 * 1024;
/// Most exchanges that a pool holds.
pub(in crate::io) const MOST: usize = 1024;
/// More pooled exchanges than this are an event of a burst.
pub(in crate::io) const USUAL: usize = 64;
/// Most exchanges that remain after a burst. Each has up to 48 KiB of buffers.
pub(in crate::io) const CALM: usize = 16;
