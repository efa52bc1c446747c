//! A sibling as this process knows it: where to send to, and whether anybody takes what is sent.

use crate::sys::instant::Instant;
use std::time::Duration;

use socket2::Socket;

use super::page::Line;
use crate::sys::sync;
use crate::sys::sync::atomic::{AtomicU64, Ordering};

/// A sibling that the parent has told of.
#[derive(Debug)]
pub(super) struct Sibling {
    pub(super) slot: usize,
    pub(super) inbox: Socket,
    known: Instant,
    /// Since when connections are on their way to the sibling and it makes no turn, in milliseconds since `known`;
    /// [`MOVES`] if that is not so.
    still_since: AtomicU64,
    /// The turns that the sibling had made then.
    turns: AtomicU64,
}

impl Sibling {
    pub(super) fn new(slot: usize, inbox: Socket) -> Self {
        Self {
            slot,
            inbox,
            known: sync::now(),
            still_since: AtomicU64::new(MOVES),
            turns: AtomicU64::new(0),
        }
    }

    /// Whether the sibling, whose line is `line`, has left connections in its inbox for so long that it must be stopped
    /// or stuck. What is sent to it now might wait until its parent ends it.
    pub(super) fn stands_still(&self, line: &Line, now: Instant) -> bool {
        let order = Ordering::Relaxed;
        if line.pending == 0 {
            self.still_since.store(MOVES, order);
            return false;
        }
        let now = now.saturating_duration_since(self.known).as_millis() as u64;
        let since = self.still_since.load(order);
        if since == MOVES || self.turns.load(order) != line.turns {
            self.turns.store(line.turns, order);
            self.still_since.store(now, order);
            return false;
        }
        Duration::from_millis(now.saturating_sub(since)) >= STILL
    }
}

/// The sibling takes what is sent to it.
const MOVES: u64 = u64::MAX;
/// A process that makes no turn for so long, though its inbox wakes it, does not run.
const STILL: Duration = Duration::from_millis(250);

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::siblings::inbox_pair;

    #[test]
    fn who_takes_nothing_and_makes_no_turn_stands_still() {
        let sibling = Sibling::new(0, inbox_pair().unwrap().1);
        let looks = |at: u32, pending, turns| {
            let line = Line {
                pending,
                turns,
                ..Line::default()
            };
            sibling.stands_still(&line, sibling.known + STILL / 10 * at)
        };
        // It sleeps, and nothing is on the way.
        assert!(!looks(0, 0, 7) && !looks(30, 0, 7));
        // Something is on the way, since now.
        assert!(!looks(100, 1, 7) && !looks(109, 3, 7));
        assert!(looks(110, 3, 7) && looks(200, 3, 7));
        // It runs again, and has a lot to do.
        assert!(!looks(201, 3, 8) && !looks(210, 5, 9) && !looks(219, 4, 9));
        assert!(looks(220, 4, 9));
        // Somebody else, or itself, has taken everything. The next message is a new one.
        assert!(!looks(221, 0, 9) && !looks(240, 1, 9) && !looks(249, 1, 9));
        assert!(looks(250, 1, 9));
    }
}
