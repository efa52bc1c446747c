//! Whether there is room for new connections.

use crate::sys::instant::Instant;

/// When accepting pauses: there was no room for a new connection.
///
/// Invariant: during a pause the loop accepts nothing, and every pause has an end.
#[derive(Debug, Default)]
pub(in crate::io) struct Room {
    /// End of the pause.
    paused: Option<Instant>,
}

impl Room {
    /// When the pause ends; `None` without a pause.
    pub(in crate::io) fn paused_until(&self) -> Option<Instant> {
        self.paused
    }

    pub(in crate::io) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Pauses until `end`. Replaces an earlier pause.
    pub(in crate::io) fn pause(&mut self, end: Instant) {
        self.paused = Some(end);
    }

    /// Pauses until `end`. Keeps an earlier pause.
    pub(in crate::io) fn pause_unless_paused(&mut self, end: Instant) {
        self.paused.get_or_insert(end);
    }

    /// A channel was closed: lets a pause end in this turn.
    pub(in crate::io) fn end_pause(&mut self, now: Instant) {
        if self.is_paused() {
            self.paused = Some(now);
        }
    }

    /// Removes the pause. The drain accepts the whole backlog, even beyond `connection_limit`.
    pub(in crate::io) fn forget_pause(&mut self) {
        self.paused = None;
    }

    /// Removes the pause if it is over, and returns whether it was.
    pub(in crate::io) fn has_pause_ended(&mut self, now: Instant) -> bool {
        let over = self.paused.is_some_and(|end| end <= now);
        if over {
            self.paused = None;
        }
        over
    }
}
