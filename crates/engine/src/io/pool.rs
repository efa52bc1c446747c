//! Exchanges that are in no use, kept with their buffers for the next requests.

use std::time::Instant;

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
    pub(crate) fn put(&mut self, mut exchange: Box<Exchange>) {
        self.followers -= usize::from(exchange.place > 0);
        exchange.clear();
        if self.free.len() < MOST {
            self.free.push(exchange);
        }
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

/// Exchanges kept for reuse.
const MOST: usize = 1024;
