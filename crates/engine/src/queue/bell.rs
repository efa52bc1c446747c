//! What workers tell the thread that looks after them, without knowing who it is.
//!
//! That thread ([`Bell::wait`]) wakes for a task that is taken while nothing ran, and for the end of a
//! stuck request. Rule: a worker reads one flag per task; it takes the lock only if the flag is set or if
//! its request was stuck.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Wakes one listening thread, and counts the replacements of stuck workers.
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
    /// Workers that stand in for stuck ones.
    replacing: usize,
    /// It was logged that no more replacements may start.
    exhausted: bool,
}

impl Bell {
    /// A worker has taken a task.
    pub(super) fn task_taken(&self) {
        if self.armed.load(Ordering::SeqCst) {
            self.ring();
        }
    }

    /// A stuck request has ended. `true`: a replacement stood in for its worker, so one worker is to retire.
    pub(super) fn stuck_ended(&self) -> bool {
        let mut state = self.lock();
        let replaced = state.replacing > 0;
        if replaced {
            state.replacing -= 1;
            state.exhausted = false;
            // Another stuck worker may wait for a replacement.
            state.rung = true;
            self.news.notify_all();
        }
        replaced
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

    /// Workers that stand in for stuck ones.
    pub(crate) fn replacing(&self) -> usize {
        self.lock().replacing
    }

    /// Counts one more replacement, unless `most` are in use; how many there are then.
    pub(crate) fn begin_replacement(&self, most: usize) -> Option<usize> {
        let mut state = self.lock();
        if state.replacing >= most {
            return None;
        }
        state.replacing += 1;
        Some(state.replacing)
    }

    /// Takes back `count` replacements that did not come about.
    pub(crate) fn cancel_replacements(&self, count: usize) {
        let mut state = self.lock();
        state.replacing = state.replacing.saturating_sub(count);
    }

    /// Whether it was noted that no more replacements may start, since one last ended.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.lock().exhausted
    }

    /// Notes that no more replacements may start. `false`: it was noted before.
    pub(crate) fn note_exhausted(&self) -> bool {
        !std::mem::replace(&mut self.lock().exhausted, true)
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

    #[test]
    fn the_end_of_a_stuck_request_frees_its_replacement_once() {
        let bell = Bell::default();
        assert_eq!(bell.begin_replacement(1), Some(1));
        assert_eq!(bell.begin_replacement(1), None);
        assert!(bell.note_exhausted() && !bell.note_exhausted());
        assert!(bell.stuck_ended() && !bell.stuck_ended());
        assert!(!bell.is_exhausted());
        bell.wait(None);
    }
}
