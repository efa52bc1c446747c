//! How far the loop has seen what happened on its sockets.

use std::time::Instant;

use crate::io::shares::EVENTS;

/// Everything that happened on the sockets before [`Seen::upto`] has been dealt with.
///
/// Deadlines count up to there: a process that was frozen wakes up late, and finds what came in time only
/// when it polls again.
#[derive(Debug)]
pub(crate) struct Seen {
    upto: Instant,
    /// Polls in a row that brought as many events as fit.
    full_polls: usize,
    /// When the first of them began.
    full_since: Instant,
}

impl Seen {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            upto: now,
            full_polls: 0,
            full_since: now,
        }
    }

    pub(crate) fn upto(&self) -> Instant {
        self.upto
    }

    /// A poll that began at `began` or later brought `events`, of `channels` open ones. They are dealt with
    /// before anybody asks again.
    pub(crate) fn polled(&mut self, began: Instant, events: usize, channels: usize) {
        if events < EVENTS {
            // It left nothing behind.
            self.upto = began;
            self.full_polls = 0;
            return;
        }
        // The kernel's list is first in, first out: after as many polls as all channels take, what was at
        // its end when the first of them began has been dealt with.
        if self.full_polls == 0 {
            self.full_since = began;
        }
        self.full_polls += 1;
        if self.full_polls > 1 + channels / EVENTS {
            self.upto = self.full_since;
            self.full_polls = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn full_polls_are_seen_to_the_end_after_as_many_as_all_channels_take() {
        let start = Instant::now();
        let at = |n: u64| start + Duration::from_secs(n);
        let mut seen = Seen::new(start);
        seen.polled(at(1), EVENTS - 1, 5000);
        assert_eq!(seen.upto(), at(1));
        for n in 2..=6 {
            seen.polled(at(n), EVENTS, 4 * EVENTS);
            assert_eq!(seen.upto(), at(1));
        }
        seen.polled(at(7), EVENTS, 4 * EVENTS);
        assert_eq!(seen.upto(), at(2));
        seen.polled(at(8), 0, 4 * EVENTS);
        assert_eq!(seen.upto(), at(8));
    }
}
