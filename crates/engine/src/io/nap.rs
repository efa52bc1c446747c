//! When an I/O thread lets arrivals and replies gather, while workers have enough to do.
//!
//! At saturation every reply and every arrival would wake the I/O thread for itself, and on a busy
//! machine each wake-up takes a core away from the application and back again. So while many tasks
//! wait and are taken briskly, the thread rests *outside* the poll, where arrivals do not wake it. It
//! gets up when half of the tasks are taken, when somebody needs it, and after [`NAP`] at the latest:
//! that is the most a reply is held up by this, and only while requests wait for a worker anyway. Where
//! it has a core of its own and tasks are shorter than what they cost this thread, it has no time to rest.

use crate::io::IoLoop;
use crate::io::pace::NAP;
use crate::sys::sync::thread;

impl IoLoop {
    /// Rests, if that is worth it. Only the loop's own thread calls this, never a leader.
    pub(crate) fn nap(&mut self) {
        if self.channels.waiting() > 0 || !self.batch.is_empty() || self.shared.draining() {
            return;
        }
        let queue = &self.shared.queue;
        let Some(taken) = queue.taken_if_deep(DEEP) else {
            return;
        };
        if self.pace.is_brisk(taken, self.now) && self.mailbox.begin_nap() {
            queue.watch_half();
            thread::park_timeout(NAP);
            self.mailbox.awake();
        }
    }
}

/// With fewer tasks waiting there is no nap.
const DEEP: usize = if cfg!(shuttle) { 2 } else { 8 };
