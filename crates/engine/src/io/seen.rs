//! Up to which instant the loop has handled the events of its sockets.

use crate::sys::instant::Instant;

use crate::io::shares::EVENTS;

/// The loop has handled every event that the kernel had before [`Seen::upto`].
///
/// Deadlines are compared with that instant, not with the present. A process that was frozen wakes up late: bytes may
/// have arrived in time, and the process sees them only when it polls again.
#[derive(Debug)]
pub(crate) struct Seen {
    upto: Instant,
    /// How many polls in a row returned as many events as fit in the buffer.
    full_polls: usize,
    /// When the first of these polls began.
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

    /// Notes that a poll, which began at `began` or later, returned `events`; `channels` are open. The caller handles
    /// these events before it calls [`Seen::upto`].
    pub(crate) fn polled(&mut self, began: Instant, events: usize, channels: usize) {
        if events < EVENTS {
            // The kernel has no further event.
            self.upto = began;
            self.full_polls = 0;
            return;
        }
        // The kernel's list of events is first in, first out. So after enough full polls for all channels, the loop
        // has handled every event that was in the list when the first of these polls began.
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
