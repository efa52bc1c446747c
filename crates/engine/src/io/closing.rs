//! The end of connections: a few system calls each, so a turn ends so many and the next ones go on.

use crate::sys::instant::Instant;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::exchange::link::{FIN, Link};
use crate::io::room::Room;
use crate::io::shares::CLOSES;
use crate::shared::Shared;

/// Connections whose channels are gone, and which are still open: their clients have closed them and wait for nothing.
#[derive(Debug, Default)]
pub(in crate::io) struct Closing {
    links: VecDeque<Arc<Link>>,
    /// How many this turn may still end.
    share: usize,
}

impl Closing {
    pub(in crate::io) fn begin_turn(&mut self) {
        self.share = CLOSES;
    }

    /// Whether the next turn has connections to end.
    pub(in crate::io) fn is_under_way(&self) -> bool {
        !self.links.is_empty()
    }

    /// Ends the connection of a channel that is gone; in a later turn, if its client has left and thousands have left
    /// with it.
    pub(in crate::io) fn end(
        &mut self,
        link: Arc<Link>,
        shared: &Shared,
        room: &mut Room,
        now: Instant,
    ) {
        let waits = self.share == 0 || self.is_under_way();
        if waits && link.has(FIN) {
            return self.links.push_back(link);
        }
        self.shut(link, shared, room, now);
    }

    /// Ends connections that an earlier turn has left.
    pub(in crate::io) fn go_on(&mut self, shared: &Shared, room: &mut Room, now: Instant) {
        while self.share > 0
            && let Some(link) = self.links.pop_front()
        {
            self.shut(link, shared, room, now);
        }
    }

    fn shut(&mut self, link: Arc<Link>, shared: &Shared, room: &mut Room, now: Instant) {
        self.share = self.share.saturating_sub(1);
        // A worker may keep the descriptor open, or a process that the application has forked: the client need not
        // wait for them.
        link.stream.shutdown_both();
        if !link.admin {
            shared.channels.fetch_sub(1, Ordering::Relaxed);
        }
        drop(link);
        // Its descriptor is free, unless a worker still holds the link.
        room.end_pause(now);
    }
}

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::io::tests::with_idle;

    #[test]
    fn a_turn_ends_no_more_than_its_share_of_the_connections_that_a_crowd_has_left() {
        let (shared, mut io, clients) = with_idle(2 * CLOSES + 3);
        drop(clients);
        let open = || shared.channels.load(Ordering::Relaxed);
        for left in [CLOSES + 3, 3, 0] {
            io.turn().unwrap();
            assert_eq!(open(), left);
            let goes_on = io.poll_timeout() == Some(Duration::ZERO);
            assert_eq!(goes_on, left > 0);
        }
    }
}
