//! Catches panics: a panic while the loop handles a channel closes this channel only.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::io::IoLoop;
use crate::io::shares::SCRATCH;

impl IoLoop {
    /// Runs `work`. If it panics, logs the panic, closes the channel `token` and returns `false`.
    pub(crate) fn guarded(&mut self, token: Option<usize>, work: impl FnOnce(&mut Self)) -> bool {
        // An interrupted step can leave only its own channel inconsistent, and that one is closed.
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(self))) else {
            return true;
        };
        self.shared.note_panic(&*panic);
        if self.scratch.is_empty() {
            self.scratch = vec![0; SCRATCH];
        }
        if let Some(index) = token.and_then(|token| self.find(token)) {
            self.close(index);
        }
        false
    }

    /// Examines every channel and listener in the next turn. A panic has ended this turn, and the poll does not report
    /// again the events that the turn had taken.
    pub(crate) fn look_everywhere(&mut self) {
        self.accepting.pause_unless_paused(self.now);
        for index in self.channels.indices() {
            self.channels[index].readable = true;
            self.later(index);
        }
    }
}
