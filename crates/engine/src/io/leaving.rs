//! What the loop keeps of connections that come from siblings and go to them. See `siblings/`.

use crate::sys::instant::Instant;
use std::time::Duration;

use crate::io::channel::Channel;

/// How far the loop is with handing its channels over, and what is on the way.
#[derive(Debug, Default)]
pub(in crate::io) struct Leaving {
    /// The inboxes of all siblings were full.
    pub(in crate::io) crowded: bool,
    /// Until when connections that siblings have announced are waited for.
    pub(in crate::io) until: Option<Instant>,
    /// Channels that siblings have now. The poll still watches them.
    pub(in crate::io) departed: Vec<Channel>,
    /// The message of a sibling that is being digested.
    pub(in crate::io) arrivals: Vec<u8>,
    /// Connections that were announced and do not come.
    pub(in crate::io) overdue: Overdue,
}

/// Finds announced connections that will not come, since their senders died between the announcement and the message.
#[derive(Debug, Default)]
pub(in crate::io) struct Overdue {
    /// The fewest that were announced at any look since then.
    least: u32,
    since: Option<Instant>,
}

impl Overdue {
    /// `pending` connections are announced now. Returns how many of them will not come.
    ///
    /// One that comes later all the same does no harm: it is served, and `pending` does not fall below zero.
    pub(in crate::io) fn look(&mut self, pending: u32, now: Instant) -> u32 {
        self.least = self.least.min(pending);
        let long_ago = |since| now.saturating_duration_since(since) >= LATE;
        let lost = match self.since {
            Some(since) if self.least > 0 && !long_ago(since) => return 0,
            Some(_) => self.least,
            None => 0,
        };
        (self.least, self.since) = (pending - lost, Some(now));
        lost
    }
}

/// How long connections that siblings have announced are waited for.
pub(in crate::io) const LATE: Duration = if cfg!(shuttle) {
    Duration::from_millis(20)
} else {
    Duration::from_secs(1)
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_announced_all_the_time_will_not_come() {
        let (start, mut overdue) = (Instant::now(), Overdue::default());
        let mut lost = |pending, nth| overdue.look(pending, start + LATE / 4 * nth);
        let seen = [
            (1, 0),
            (3, 1),
            (0, 2),
            (4, 3),
            (2, 5),
            (3, 6),
            (2, 7),
            (2, 8),
            (1, 9),
            (0, 13),
            (0, 20),
        ];
        let losses = seen.map(|(pending, nth)| lost(pending, nth));
        assert_eq!(losses, [0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]);
    }
}
