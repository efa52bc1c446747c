//! Gives memory back to the system after a burst.
//!
//! Without this, the process would keep the memory of a burst of uploads or connections for ever. When
//! [`QUIET`](crate::io::pool::QUIET) has passed since the last event of a burst, the I/O thread drops most of its pool,
//! unless requests still use most of it.
//! The thread that closes large files then returns free pages to the system (`store/temp.rs`). Each burst costs one
//! wake-up; without a burst there is none.

use crate::io::desk::Desk;
use crate::io::pool::MOST;

impl Desk {
    /// Gives memory back to the system if a burst is over.
    pub(crate) fn shrink(&mut self) {
        if !self.pool.shrink(self.now) {
            return;
        }
        self.channels.shrink();
        self.buffers.shrink();
        self.shared.budget.shrink();
        self.shared.budget.closer.trim(&self.shared.budget);
    }

    /// Notes an event of a burst when three quarters of many connections have closed.
    pub(crate) fn note_fewer_channels(&mut self) {
        let most = self.channels.capacity();
        if most > MOST && self.channels.len() == most / 4 {
            self.pool.note_burst(self.now);
        }
    }
}

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::io::IoLoop;
    use crate::io::pool::{CALM, LARGE, QUIET, USUAL};
    use crate::io::tests::with_idle;

    /// Takes `count` exchanges at once and puts them back. The last one has transferred `bytes`.
    fn serve(io: &mut IoLoop, count: usize, bytes: u64) {
        let mut taken: Vec<_> = (0..count).map(|_| io.desk.pool.take(io.desk.now)).collect();
        taken.last_mut().unwrap().record.bytes_out = bytes;
        for exchange in taken {
            io.desk.keep(exchange);
        }
    }

    #[test]
    fn usual_work_keeps_its_exchanges_and_arms_nothing() {
        let (_shared, mut io, _clients) = with_idle(0);
        serve(&mut io, USUAL, LARGE);
        io.desk.now += 2 * QUIET;
        io.desk.shrink();
        assert_eq!((io.desk.pool.len(), io.desk.pool.shrinks()), (USUAL, None));
    }

    #[test]
    fn a_pool_shrinks_when_it_is_quiet_after_a_burst_and_only_once() {
        let (_shared, mut io, _clients) = with_idle(0);
        for (count, bytes) in [(USUAL + 1, 0), (USUAL, LARGE + 1)] {
            serve(&mut io, count, bytes);
            let due = io.desk.now + QUIET;
            assert_eq!(io.poll_timeout(), Some(QUIET));
            io.desk.now = due - Duration::from_millis(1);
            io.desk.shrink();
            assert_eq!(io.desk.pool.len(), count);
            io.desk.now = due;
            io.desk.shrink();
            assert_eq!(io.desk.pool.len(), CALM);
            assert_eq!(io.poll_timeout(), None);
        }
    }

    #[test]
    fn an_event_within_the_quiet_time_puts_it_off() {
        let (_shared, mut io, _clients) = with_idle(0);
        serve(&mut io, USUAL + 1, 0);
        io.desk.now += QUIET / 2;
        serve(&mut io, 1, LARGE + 1);
        io.desk.now += QUIET / 2;
        io.desk.shrink();
        assert_eq!(io.desk.pool.len(), USUAL + 1);
        io.desk.now += QUIET / 2;
        io.desk.shrink();
        assert_eq!(io.desk.pool.len(), CALM);
    }

    #[test]
    fn small_requests_after_a_burst_do_not_put_it_off() {
        let (_shared, mut io, _clients) = with_idle(0);
        serve(&mut io, 2 * USUAL, 0);
        for _ in 0..4 {
            io.desk.now += QUIET / 4;
            serve(&mut io, USUAL, 0);
        }
        io.desk.shrink();
        assert_eq!(io.desk.pool.len(), CALM);
    }

    #[test]
    fn a_pool_that_is_in_use_does_not_shrink() {
        let (_shared, mut io, _clients) = with_idle(0);
        serve(&mut io, 2 * USUAL, 0);
        serve(&mut io, 2 * USUAL, 0);
        io.desk.now += QUIET;
        io.desk.shrink();
        assert_eq!(
            (io.desk.pool.len(), io.desk.pool.shrinks()),
            (2 * USUAL, None)
        );
    }

    #[test]
    fn a_pool_has_a_limit() {
        let (_shared, mut io, _clients) = with_idle(0);
        serve(&mut io, MOST + 1, 0);
        assert_eq!(io.desk.pool.len(), MOST);
    }

    #[test]
    fn places_of_connections_go_when_most_of_these_have_left() {
        let (_shared, mut io, clients) = with_idle(MOST + 1);
        let due = io.desk.now + QUIET;
        for index in (0..io.desk.channels.len()).rev().take(MOST - 8) {
            io.desk.close(index);
        }
        assert_eq!(
            (io.desk.channels.len(), io.desk.pool.shrinks()),
            (9, Some(due))
        );
        assert!(io.desk.channels.capacity() > MOST);
        io.desk.now = due;
        io.desk.shrink();
        assert!(io.desk.channels.capacity() < MOST);
        drop(clients);
    }
}
