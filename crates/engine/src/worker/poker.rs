//! How another thread has a worker attach to its interpreter.

use std::fmt;
use std::sync::Arc;

use crate::shared::Shared;

/// Wakes a parked worker though no task waits, so that it attaches to its interpreter once.
#[derive(Clone)]
pub struct Poker(Arc<Shared>);

impl Poker {
    pub(crate) fn of(shared: &Arc<Shared>) -> Self {
        Self(Arc::clone(shared))
    }

    /// Wakes one worker, if one is parked; else the I/O thread, since a worker may lead in its place.
    pub fn poke(&self) {
        if !self.0.queue.poke() {
            self.0.wake_io_thread();
        }
    }
}

impl fmt::Debug for Poker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Poker")
    }
}
