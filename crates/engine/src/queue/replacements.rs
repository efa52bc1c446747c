//! How many workers stand in for those whose request is stuck.

use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(crate) struct Replacements {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Workers that stand in for stuck ones.
    count: usize,
    /// It was logged that no more may start.
    exhausted: bool,
}

impl Replacements {
    /// Workers that stand in for stuck ones.
    pub(crate) fn count(&self) -> usize {
        self.lock().count
    }

    /// Counts one more, unless `most` are in use; how many there are then.
    pub(crate) fn begin(&self, most: usize) -> Option<usize> {
        let mut state = self.lock();
        if state.count >= most {
            return None;
        }
        state.count += 1;
        Some(state.count)
    }

    /// Takes back `count` of them that did not come about.
    pub(crate) fn cancel(&self, count: usize) {
        let mut state = self.lock();
        state.count = state.count.saturating_sub(count);
    }

    /// A stuck request has ended. `true`: a replacement stood in for its worker, so one worker is to retire.
    pub(super) fn end(&self) -> bool {
        let mut state = self.lock();
        let replaced = state.count > 0;
        if replaced {
            state.count -= 1;
            state.exhausted = false;
        }
        replaced
    }

    /// Whether it was noted that no more may start, since one last ended.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.lock().exhausted
    }

    /// Notes that no more may start. `false`: it was noted before.
    pub(crate) fn note_exhausted(&self) -> bool {
        !std::mem::replace(&mut self.lock().exhausted, true)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_stuck_request_frees_its_replacement_once() {
        let replacements = Replacements::default();
        assert_eq!(replacements.begin(1), Some(1));
        assert_eq!(replacements.begin(1), None);
        assert!(replacements.note_exhausted() && !replacements.note_exhausted());
        assert!(replacements.end() && !replacements.end());
        assert!(!replacements.is_exhausted());
    }
}
