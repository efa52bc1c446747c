//! Exchanges kept for the next requests, and when memory goes back to the system after a burst.
//!
//! Buffers are reused, because fresh memory costs page faults. So a burst of uploads or of connections would
//! keep its memory for ever. The pool notes what only a burst brings: a large request or reply, or more
//! pooled exchanges than usual. When [`QUIET`] has passed since the last such event, the I/O thread drops
//! most of what it pools, and the thread that closes large files gives free pages back to the system
//! (`store/temp.rs`). A burst costs one wake-up afterwards; an idle server is never woken for this. Time
//! comes in as `now`.

use std::time::{Duration, Instant};

use crate::exchange::Exchange;
use crate::io::IoLoop;

/// Exchanges of one I/O thread that wait for a request.
#[derive(Debug, Default)]
pub(crate) struct ExchangePool {
    exchanges: Vec<Box<Exchange>>,
    /// When to give memory back, after a burst.
    shrinks: Option<Instant>,
}

impl ExchangePool {
    pub(crate) fn take(&mut self) -> Option<Box<Exchange>> {
        self.exchanges.pop()
    }

    /// Keeps an exchange that was cleared; its record still tells its sizes.
    pub(crate) fn put(&mut self, exchange: Box<Exchange>, now: Instant) {
        let bytes = exchange.record.bytes_in + exchange.record.bytes_out;
        if bytes > LARGE || self.exchanges.len() >= USUAL {
            self.note_burst(now);
        }
        if self.exchanges.len() < MOST {
            self.exchanges.push(exchange);
        }
    }

    /// Memory has come free that should go back to the system when it is quiet.
    #[cold]
    pub(crate) fn note_burst(&mut self, now: Instant) {
        self.shrinks = Some(now + QUIET);
    }

    /// When [`IoLoop::shrink`] has something to do.
    pub(crate) fn shrinks(&self) -> Option<Instant> {
        self.shrinks
    }
}

impl IoLoop {
    /// Gives memory back to the system, if a burst is over.
    pub(crate) fn shrink(&mut self) {
        if self.pool.shrinks.is_none_or(|at| at > self.now) {
            return;
        }
        self.pool.shrinks = None;
        self.pool.exchanges.truncate(CALM);
        self.pool.exchanges.shrink_to_fit();
        self.channels.shrink_to_fit();
        self.deadlines.shrink();
        self.gathered = Vec::new();
        self.shared.budget.shrink();
        self.shared.budget.closer.trim(&self.shared.budget);
    }

    /// Notes a burst when the last of many connections leave.
    pub(crate) fn note_fewer_channels(&mut self) {
        let most = self.channels.capacity();
        if most > MOST && self.channels.len() == most / 4 {
            self.pool.note_burst(self.now);
        }
    }
}

/// How long after the last event of a burst memory goes back.
const QUIET: Duration = Duration::from_secs(10);
/// A request and its reply with more bytes than this are an event of a burst: from this size on the system's
/// allocator has memory of its own for a block.
const LARGE: u64 = 128 * 1024;
/// How many exchanges a pool holds at most,
const MOST: usize = 1024;
/// without a burst,
const USUAL: usize = 64;
/// and after one. Each has up to 48 KiB of buffers.
const CALM: usize = 16;

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use super::*;
    use crate::io::tests::with_idle;

    /// Takes `count` exchanges at once and puts them back, the last of them with `bytes`.
    fn serve(io: &mut IoLoop, count: usize, bytes: u64) {
        let mut taken: Vec<_> = (0..count).map(|_| io.new_exchange()).collect();
        taken.last_mut().unwrap().record.bytes_out = bytes;
        for exchange in taken {
            io.keep(exchange);
        }
    }

    #[test]
    fn usual_work_keeps_its_exchanges_and_arms_nothing() {
        let (_shared, mut io, _clients) = with_idle(0);
        serve(&mut io, USUAL, LARGE);
        io.now += 2 * QUIET;
        io.expire();
        assert_eq!((io.pool.exchanges.len(), io.pool.shrinks), (USUAL, None));
    }

    #[test]
    fn a_pool_shrinks_when_it_is_quiet_after_a_burst_and_only_once() {
        let (_shared, mut io, _clients) = with_idle(0);
        for (count, bytes) in [(USUAL + 1, 0), (USUAL, LARGE + 1)] {
            serve(&mut io, count, bytes);
            let due = io.now + QUIET;
            assert_eq!(io.poll_timeout(), Some(QUIET));
            io.now = due - Duration::from_millis(1);
            io.expire();
            assert_eq!(io.pool.exchanges.len(), count);
            io.now = due;
            io.expire();
            assert_eq!(io.pool.exchanges.len(), CALM);
            assert_eq!(io.poll_timeout(), None);
        }
    }

    #[test]
    fn an_event_within_the_quiet_time_puts_it_off() {
        let (_shared, mut io, _clients) = with_idle(0);
        serve(&mut io, USUAL + 1, 0);
        io.now += QUIET / 2;
        serve(&mut io, 1, LARGE + 1);
        io.now += QUIET / 2;
        io.expire();
        assert_eq!(io.pool.exchanges.len(), USUAL + 1);
        io.now += QUIET / 2;
        io.expire();
        assert_eq!(io.pool.exchanges.len(), CALM);
    }

    #[test]
    fn a_pool_has_a_limit() {
        let (_shared, mut io, _clients) = with_idle(0);
        serve(&mut io, MOST + 1, 0);
        assert_eq!(io.pool.exchanges.len(), MOST);
    }

    #[test]
    fn places_of_connections_go_when_most_of_these_have_left() {
        let (_shared, mut io, _clients) = with_idle(8);
        io.channels.reserve(2 * MOST);
        let (due, most) = (io.now + QUIET, io.channels.capacity());
        assert_eq!(io.pool.shrinks, None);
        while io.channels.len() < most / 4 {
            let more = with_place(&io);
            io.channels.insert(more);
        }
        io.note_fewer_channels();
        assert_eq!(io.pool.shrinks, Some(due));
        for index in 8..io.channels.len() {
            io.channels.remove(index);
        }
        io.now = due;
        io.expire();
        assert!(io.channels.capacity() < MOST);
        assert_eq!(io.channels.len(), 8);
    }

    /// Another channel of the first one's connection.
    fn with_place(io: &IoLoop) -> crate::io::channel::Channel {
        crate::io::channel::Channel::new(std::sync::Arc::clone(&io.channels[0].link), 0)
    }
}
