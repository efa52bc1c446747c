//! How workers wake a thread that looks after them, without knowing who it is.
//!
//! That thread ([`Bell::wait`]) wakes for a task that is taken while nothing ran. Rule: a worker reads one
//! flag per task and bell; it takes the lock only if the flag is set.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Wakes one listening thread.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    /// The listener sleeps without a deadline: the next task that is taken rings.
    armed: AtomicBool,
    state: Mutex<BellState>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct BellState {
    /// Somebody rang since the listener last returned from [`Bell::wait`].
    rung: bool,
    closed: bool,
}

impl Bell {
    /// A worker has taken a task.
    pub(super) fn task_taken(&self) {
        if self.armed.load(Ordering::SeqCst) {
            self.ring();
        }
    }

    /// Wakes the listener, now or as soon as it waits.
    pub(crate) fn ring(&self) {
        self.lock().rung = true;
        self.news.notify_all();
    }

    /// The server has ended.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.ring();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// From here on a task that is taken rings.
    pub(crate) fn arm(&self) {
        self.armed.store(true, Ordering::SeqCst);
    }

    /// Blocks the listener until somebody rings, or for `most`. With a bound it wakes by itself, so tasks
    /// do not ring.
    pub(crate) fn wait(&self, most: Option<Duration>) {
        if most.is_some() {
            self.armed.store(false, Ordering::SeqCst);
        }
        let quiet = |state: &mut BellState| !state.rung;
        let state = self.lock();
        let mut state = match most {
            Some(most) => {
                let waited = self.news.wait_timeout_while(state, most, quiet);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = self.news.wait_while(state, quiet);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
        state.rung = false;
        drop(state);
        self.armed.store(false, Ordering::SeqCst);
    }

    fn lock(&self) -> MutexGuard<'_, BellState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_kept_for_the_listener_and_a_task_rings_only_an_armed_bell() {
        let bell = Bell::default();
        bell.ring();
        // It does not block.
        bell.wait(None);
        bell.task_taken();
        assert!(!bell.lock().rung);
        bell.arm();
        bell.task_taken();
        bell.wait(None);
        assert!(!bell.armed.load(Ordering::SeqCst));
    }
}
