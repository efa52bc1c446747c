//! The deadline of a process that was told to stop. Whoever watches it ends the process when Python does not.

use crate::sys::instant::Instant;
use std::time::Duration;

/// When the process has to be gone.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    by: Option<Instant>,
    closed: bool,
}

/// What the watching thread does next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Wait for news, no longer than this.
    Wait(Option<Duration>),
    /// The deadline has passed.
    Late,
    /// End.
    Closed,
}

impl Leaving {
    /// The process is told to stop `now`, and has `time` for what it still does.
    pub(crate) fn within(&mut self, now: Instant, time: Duration) {
        // A sum beyond the clock's range means no deadline.
        self.by = now.checked_add(time.saturating_add(GRACE));
    }

    /// Python has noticed the stop and is ending the process: give it `more` time.
    pub(crate) fn extend(&mut self, now: Instant, more: Duration) {
        if self.by.is_some() {
            self.within(now, more);
        }
    }

    /// There is no deadline any more.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    pub(crate) fn look(&self, now: Instant) -> Look {
        if self.closed {
            return Look::Closed;
        }
        match self.by {
            None => Look::Wait(None),
            Some(end) if end <= now => Look::Late,
            Some(end) => Look::Wait(Some((end - now).max(LEAST_WAIT))),
        }
    }
}

/// Sockets count timeouts in microseconds, on Windows in milliseconds, and 0 means no timeout.
pub(super) const LEAST_WAIT: Duration = if cfg!(windows) {
    Duration::from_millis(1)
} else {
    Duration::from_micros(1)
};
/// How long Python may take to end the process after everything was cut.
pub(super) const GRACE: Duration = Duration::from_secs(2);
