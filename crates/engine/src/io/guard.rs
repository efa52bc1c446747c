//! Where a bug ends: in handling one channel it costs that channel.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::io::IoLoop;
use crate::io::shares::SCRATCH;

impl IoLoop {
    /// Runs `work`; a panic in it closes the channel `token` and is logged. Whether it came to its end.
    pub(crate) fn guarded(&mut self, token: Option<usize>, work: impl FnOnce(&mut Self)) -> bool {
        // What a half-done step leaves behind belongs to the one channel that is closed for it.
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

    /// A turn has ended by a panic in its middle: events that it had taken are not reported again.
    pub(crate) fn look_everywhere(&mut self) {
        self.accepting.pause_unless_paused(self.now);
        for index in self.channels.indices() {
            self.channels[index].readable = true;
            self.later(index);
        }
    }
}
