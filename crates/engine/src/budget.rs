//! What all bodies of a server may take together: disk (`spool_limit`) and memory (`spool_memory`).
//!
//! Whoever keeps bytes takes them from here first and gives them back when dropped, so the adjustments
//! bound the whole whatever clients do, but for what a buffer has allocated beyond its bytes. Large
//! buffers are kept for the next body: fresh memory costs a page fault every 4 KiB, which is dearer than
//! receiving the bytes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Disk and memory shared by every body of a server.
#[derive(Debug)]
pub(crate) struct Budget {
    dir: PathBuf,
    disk: Share,
    memory: Share,
    buffers: Mutex<Vec<Vec<u8>>>,
}

/// Bytes of one kind.
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

    /// Takes `bytes`. `false`: there is no room for all of them, and none is taken.
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
    /// `disk` bytes in files in `dir`, and `memory` bytes beyond what each body may have anyway.
    pub(crate) fn new(dir: PathBuf, disk: u64, memory: u64) -> Self {
        Self {
            dir,
            disk: Share::new(disk),
            memory: Share::new(memory),
            buffers: Mutex::default(),
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
    /// `StorageFull`, and nothing is taken.
    pub(crate) fn take(&self, bytes: u64) -> io::Result<()> {
        if self.disk.take(bytes) {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "spool_limit reached",
            ))
        }
    }

    /// Gives `bytes` of disk back.
    pub(crate) fn give(&self, bytes: u64) {
        self.disk.give(bytes);
    }

    /// Takes `bytes` of memory. `false`: there is no room for all of them, and none is taken.
    pub(crate) fn take_memory(&self, bytes: u64) -> bool {
        self.memory.take(bytes)
    }

    /// Gives `bytes` of memory back.
    pub(crate) fn give_memory(&self, bytes: u64) {
        self.memory.give(bytes);
    }

    /// An empty buffer for a body of `size` bytes: one that was used before, if there is one.
    pub(crate) fn buffer(&self, size: usize) -> Vec<u8> {
        let kept = if size >= LARGE {
            self.lock().pop()
        } else {
            None
        };
        let mut buffer = kept.unwrap_or_default();
        // Where there is no memory for them, `Spool::append` finds a place for the bytes.
        let _ = buffer.try_reserve_exact(size.min(LARGEST));
        buffer
    }

    /// Keeps a large buffer for the next body, unless another thread is here: a forked child may drop a
    /// body, too, and would wait for ever for a lock that was held at the fork.
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

/// Buffers from this capacity on are kept,
const LARGE: usize = 64 * 1024;
/// up to this one,
const LARGEST: usize = 1024 * 1024;
/// and so many of them.
const KEPT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_come_back_and_small_ones_do_not() {
        let budget = Budget::new(PathBuf::new(), 0, 0);
        let large = budget.buffer(LARGE);
        let address = large.as_ptr();
        budget.recycle(Vec::with_capacity(LARGE - 1));
        budget.recycle(large);
        let small = budget.buffer(LARGE - 1);
        assert!(small.as_ptr() != address);
        let again = budget.buffer(2 * LARGE);
        assert!(budget.lock().is_empty() && again.is_empty());
        assert!(again.capacity() >= 2 * LARGE);
    }

    #[test]
    fn memory_is_taken_whole_or_not_at_all() {
        let budget = Budget::new(PathBuf::new(), 0, 10);
        assert!(budget.take_memory(8));
        assert!(!budget.take_memory(3));
        budget.give_memory(8);
        assert!(budget.take_memory(10));
    }
}
