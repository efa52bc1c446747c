//! Catches panics: a panic while the loop handles a channel closes this channel only.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::io::IoLoop;
use crate::io::desk::Desk;

impl IoLoop {
    /// Runs `work`, as [`Desk::guarded`] does.
    pub(in crate::io) fn guarded(
        &mut self,
        token: Option<usize>,
        work: impl FnOnce(&mut Self),
    ) -> bool {
        guarded(self, |me| &mut me.desk, token, work)
    }
}

impl Desk {
    /// Runs `work`. If it panics, logs the panic, closes the channel `token` and returns `false`.
    pub(in crate::io) fn guarded(
        &mut self,
        token: Option<usize>,
        work: impl FnOnce(&mut Self),
    ) -> bool {
        guarded(self, |me| me, token, work)
    }

    /// Examines every channel and listener in the next turn. A panic has ended this turn, and the poll does not report
    /// again the events that the turn had taken.
    pub(in crate::io) fn look_everywhere(&mut self) {
        self.room.pause_unless_paused(self.now);
        for index in self.channels.indices() {
            self.channels[index].readable = true;
            self.later(index);
        }
    }
}

fn guarded<T>(
    host: &mut T,
    desk: impl FnOnce(&mut T) -> &mut Desk,
    token: Option<usize>,
    work: impl FnOnce(&mut T),
) -> bool {
    // An interrupted step can leave only its own channel inconsistent, and that one is closed.
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(host))) else {
        return true;
    };
    let desk = desk(host);
    desk.shared.note_panic(&*panic);
    desk.buffers.restore();
    if let Some(index) = token.and_then(|token| desk.find(token)) {
        desk.close(index);
    }
    false
}
