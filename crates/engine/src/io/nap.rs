//! When the I/O thread takes a nap: it lets arrivals and replies gather, and later handles them as a batch.
//!
//! At saturation every arrival and every reply would cause one wake-up of the I/O thread. On a busy machine each
//! wake-up takes a core from the application and gives it back. So while many tasks wait and workers take them
//! briskly, the thread sleeps *outside* the poll, where arrivals do not wake it. The nap ends when workers have taken
//! half of the tasks, when somebody needs the thread, or after one to four milliseconds, as the tasks take longer
//! (`pace.rs`). So a nap delays a reply by no more than that, and only while at least [`DEEP`] other requests wait for a
//! worker. With a core of its own the thread takes no nap when tasks cost the workers less than they cost this thread.

use crate::io::IoLoop;
use crate::sys::sync::thread;

impl IoLoop {
    /// Takes a nap, if it is worth it. Only the loop's own thread calls this, never a leader.
    pub(crate) fn nap(&mut self) {
        if self.desk.channels.waiting() > 0
            || self.desk.in_flight.in_batch() > 0
            || self.desk.shared.draining()
        {
            return;
        }
        let queue = &self.desk.shared.queue;
        let Some(taken) = queue.taken_if_deep(DEEP) else {
            return;
        };
        if let Some(nap) = self.pace.nap(taken, self.desk.now)
            && self.desk.mailbox.begin_nap()
        {
            queue.watch_half();
            thread::park_timeout(nap);
            self.desk.mailbox.awake();
        }
    }
}

/// Fewest waiting tasks for a nap.
const DEEP: usize = if cfg!(shuttle) { 2 } else { 8 };
