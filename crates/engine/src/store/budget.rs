//! The budget that all bodies of a server share: disk (`spool_limit`), temporary files (`spool_files`) and
//! memory (`inbuf_total`, `spool_memory`).
//!
//! A spool takes from the budget before it keeps bytes, and gives back when it is dropped. So the
//! adjustments bound the sum, whatever clients send. Memory is counted by the capacity of buffers. Large
//! buffers are kept for the next body: fresh memory costs a page fault per 4 KiB, more than receiving the
//! bytes costs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::store::temp::Closer;

/// Disk, files and memory shared by every body of a server.
#[derive(Debug)]
pub(crate) struct Budget {
    dir: PathBuf,
    disk: Share,
    files: Share,
    within: Share,
    beyond: Share,
    buffers: Mutex<Vec<Vec<u8>>>,
    pub(crate) closer: Closer,
}

/// Memory taken from the budget for one body or head; given back when dropped.
#[derive(Debug)]
pub(crate) struct Grant {
    /// Bytes taken from `inbuf_total`: those up to the body's `inbuf_overflow`.
    pub(crate) within: u64,
    /// Bytes taken from `spool_memory`: those beyond it.
    pub(crate) beyond: u64,
    pub(crate) budget: Arc<Budget>,
}

impl Grant {
    /// A grant of nothing yet.
    pub(crate) fn of(budget: &Arc<Budget>) -> Self {
        Self {
            within: 0,
            beyond: 0,
            budget: Arc::clone(budget),
        }
    }

    /// Takes more. Returns `false`, and takes nothing, if there is no room for all of it.
    pub(crate) fn add(&mut self, within: u64, beyond: u64) -> bool {
        let taken = self.budget.take_memory(within, beyond);
        if taken {
            self.within += within;
            self.beyond += beyond;
        }
        taken
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.budget.give_memory(self.within, self.beyond);
    }
}

/// Upper limits of a budget.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    /// Bytes in temporary files.
    pub(crate) disk: u64,
    /// Temporary files of request bodies.
    pub(crate) files: u64,
    /// Memory that bodies take up to `inbuf_overflow` each.
    pub(crate) within: u64,
    /// Memory that they take beyond it.
    pub(crate) beyond: u64,
}

/// One limit, and how much of it is in use.
#[derive(Debug)]
struct Share {
    limit: u64,
    used: AtomicU64,
}

impl Share {
    fn new(limit: u64) -> Self {
        Self {
            limit,
            used: AtomicU64::new(0),
        }
    }

    /// Takes `bytes`. Returns `false`, and takes nothing, if there is no room for all of them.
    fn take(&self, bytes: u64) -> bool {
        let room = |used: u64| used.checked_add(bytes).filter(|total| *total <= self.limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_ok()
    }

    fn give(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Budget {
    /// A budget whose temporary files are made in `dir`.
    pub(crate) fn new(dir: PathBuf, limits: Limits) -> Self {
        Self {
            dir,
            disk: Share::new(limits.disk),
            files: Share::new(limits.files),
            within: Share::new(limits.within),
            beyond: Share::new(limits.beyond),
            buffers: Mutex::default(),
            closer: Closer::default(),
        }
    }

    /// Where temporary files are made.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes in temporary files now.
    pub(crate) fn used(&self) -> u64 {
        self.disk.used.load(Ordering::Relaxed)
    }

    /// Takes `bytes` of disk.
    ///
    /// # Errors
    ///
    /// `StorageFull` if there is no room for all of them; nothing is taken then.
    pub(crate) fn take(&self, bytes: u64) -> io::Result<()> {
        let taken = self.disk.take(bytes).then_some(());
        taken.ok_or_else(|| full("spool_limit reached"))
    }

    /// Gives `bytes` of disk back.
    pub(crate) fn give(&self, bytes: u64) {
        self.disk.give(bytes);
    }

    /// Counts one more temporary file.
    ///
    /// # Errors
    ///
    /// `StorageFull` if `spool_files` are open.
    pub(crate) fn take_file(&self) -> io::Result<()> {
        let taken = self.files.take(1).then_some(());
        taken.ok_or_else(|| full("spool_files reached"))
    }

    /// Counts one temporary file less.
    pub(crate) fn give_file(&self) {
        self.files.give(1);
    }

    /// Takes memory `within` the overflow of a body and `beyond` it. Returns `false`, and takes nothing, if
    /// there is no room for all of it.
    fn take_memory(&self, within: u64, beyond: u64) -> bool {
        if !self.within.take(within) {
            return false;
        }
        let taken = self.beyond.take(beyond);
        if !taken {
            self.within.give(within);
        }
        taken
    }

    /// Gives memory back that [`Budget::take_memory`] took.
    fn give_memory(&self, within: u64, beyond: u64) {
        self.within.give(within);
        self.beyond.give(beyond);
    }

    /// An empty buffer that was used before, with room for `size` bytes.
    pub(crate) fn reuse(&self, size: usize) -> Option<Vec<u8>> {
        if size < LARGE {
            return None;
        }
        let mut buffers = self.lock();
        let fits = buffers.iter().position(|kept| kept.capacity() >= size)?;
        Some(buffers.swap_remove(fits))
    }

    /// Keeps a large buffer for the next body; frees it if another thread holds the lock. A forked child may
    /// drop a body, and would wait for ever for a lock that was held at the fork.
    pub(crate) fn recycle(&self, mut buffer: Vec<u8>) {
        if (LARGE..=LARGEST).contains(&buffer.capacity())
            && let Ok(mut buffers) = self.buffers.try_lock()
            && buffers.len() < KEPT
        {
            buffer.clear();
            buffers.push(buffer);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Capacity of the smallest buffer that is kept.
const LARGE: usize = 64 * 1024;
/// Capacity of the largest.
const LARGEST: usize = 1024 * 1024;
/// How many buffers are kept.
const KEPT: usize = 16;

fn full(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(within: u64, beyond: u64) -> Budget {
        let limits = Limits {
            within,
            beyond,
            ..Limits::default()
        };
        Budget::new(PathBuf::new(), limits)
    }

    #[test]
    fn large_buffers_come_back_and_small_ones_do_not() {
        let budget = budget(0, 0);
        let large = Vec::with_capacity(2 * LARGE);
        let address = large.as_ptr();
        budget.recycle(Vec::with_capacity(LARGE - 1));
        budget.recycle(large);
        assert_eq!(budget.reuse(LARGE - 1), None);
        assert_eq!(budget.reuse(2 * LARGE + 1), None);
        let again = budget.reuse(LARGE).unwrap();
        assert_eq!((again.as_ptr(), again.len()), (address, 0));
        assert_eq!(budget.reuse(LARGE), None);
    }

    #[test]
    fn memory_is_taken_whole_or_not_at_all() {
        let budget = budget(5, 10);
        assert!(budget.take_memory(5, 8));
        assert!(!budget.take_memory(0, 3));
        assert!(!budget.take_memory(1, 0));
        budget.give_memory(5, 8);
        assert!(!budget.take_memory(5, 11));
        assert!(budget.take_memory(5, 10));
    }
}
