//! Temporary files of request bodies. They count against `spool_limit` in bytes and `spool_files` in files.
//!
//! A file is unlinked as soon as it is made, so a crash leaves none behind. The last close then frees the
//! disk, which takes about a second for 4 GB. A file is dropped by the I/O thread or by a worker that holds
//! the GIL, and neither may wait so long: a thread of its own, the closer, closes large files. The first
//! file starts that thread. A file counts until it is closed, unless it was given up for
//! another one.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::Thread;

use crate::store::budget::Budget;
use crate::sys::fd::read_file_at;
use crate::sys::memory::give_back;
use crate::sys::stack::Stack;

/// A temporary file. Bytes are appended, never overwritten.
#[derive(Debug)]
pub(crate) struct TempFile {
    /// `None` only during the drop.
    file: Option<File>,
    len: u64,
    /// It is one of the files that the budget counts.
    counted: bool,
    budget: Arc<Budget>,
}

impl TempFile {
    /// Makes an empty file in `spool_dir`.
    ///
    /// # Errors
    ///
    /// `StorageFull` when the budget has no file left; other errors of the file system.
    pub(crate) fn create(budget: &Arc<Budget>) -> io::Result<Self> {
        budget.take_file()?;
        let file = tempfile::tempfile_in(budget.dir()).inspect_err(|_| budget.give_file())?;
        budget.closer.start(budget);
        Ok(Self {
            file: Some(file),
            len: 0,
            counted: true,
            budget: Arc::clone(budget),
        })
    }

    /// Takes disk for `bytes` from the budget and writes them at the end.
    ///
    /// # Errors
    ///
    /// `StorageFull` when the budget or the disk has no room; other errors of the file system.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            unreachable!("only the drop takes it")
        };
        self.budget.take(bytes.len() as u64)?;
        if let Err(error) = file.write_all(bytes) {
            self.budget.give(bytes.len() as u64);
            return Err(error);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Lets another file be made in place of this one, which is about to be dropped.
    pub(crate) fn give_up(&mut self) {
        if std::mem::take(&mut self.counted) {
            self.budget.give_file();
        }
    }

    /// Bytes appended.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Reads from `offset` into `buf`; returns less than `buf` holds only at the end of the file.
    pub(crate) fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file
            .as_ref()
            .map_or(Ok(0), |file| read_file_at(file, offset, buf))
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            let dropped = Dropped {
                file,
                len: self.len,
                counted: self.counted,
            };
            self.budget.closer.close(&self.budget, dropped);
        }
    }
}

/// A file to be closed, and what the budget gets back when it is.
#[derive(Debug)]
struct Dropped {
    file: File,
    len: u64,
    counted: bool,
}

/// The thread that closes large files and gives free memory back to the system, and what waits for it. Once the
/// thread runs, no code here takes a lock: a forked child may drop a file, and would wait for ever for a lock
/// that was held at the fork.
#[derive(Debug, Default)]
pub(crate) struct Closer {
    files: Stack<Dropped>,
    /// Memory is to be given back.
    trims: AtomicBool,
    /// The thread and its process; `None` if the system had no thread left.
    thread: std::sync::OnceLock<Option<(Thread, u32)>>,
}

impl Closer {
    fn start(&self, budget: &Arc<Budget>) {
        self.thread.get_or_init(|| {
            let budget = Arc::downgrade(budget);
            std::thread::Builder::new()
                .name("headwaiter-closer".into())
                .spawn(move || close_files(&budget))
                .ok()
                .map(|handle| (handle.thread().clone(), std::process::id()))
        });
    }

    /// Gives the allocator's free pages back to the system, soon: the I/O thread would hold up its clients
    /// meanwhile.
    pub(crate) fn trim(&self, budget: &Arc<Budget>) {
        self.start(budget);
        self.trims.store(true, Ordering::Relaxed);
        if let Some(Some((thread, _))) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Closes a file, at once or soon.
    fn close(&self, budget: &Budget, dropped: Dropped) {
        match self.thread.get() {
            Some(Some((thread, process)))
                if dropped.len > CLOSED_AT_ONCE && *process == std::process::id() =>
            {
                self.files.push(dropped);
                thread.unpark();
            }
            _ => close(budget, dropped),
        }
    }
}

impl Drop for Closer {
    /// Wakes the thread, which finds its budget gone and ends.
    fn drop(&mut self) {
        if let Some(Some((thread, _))) = self.thread.get() {
            thread.unpark();
        }
    }
}

fn close_files(budget: &Weak<Budget>) {
    crate::sys::mask::block_signals();
    while let Some(budget) = budget.upgrade() {
        for dropped in budget.closer.files.take_all() {
            close(&budget, dropped);
        }
        if budget.closer.trims.swap(false, Ordering::Relaxed) {
            give_back();
        }
        drop(budget);
        std::thread::park();
    }
}

fn close(budget: &Budget, dropped: Dropped) {
    drop(dropped.file);
    budget.give(dropped.len);
    if dropped.counted {
        budget.give_file();
    }
}

/// Largest file, in bytes, that is closed where it is dropped: this takes no longer than to wake a thread.
const CLOSED_AT_ONCE: u64 = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::budget::Limits;

    fn budget(files: u64) -> Arc<Budget> {
        let limits = Limits {
            disk: u64::MAX,
            files,
            within: 0,
            beyond: 0,
        };
        Arc::new(Budget::new(std::env::temp_dir(), limits))
    }

    #[test]
    fn files_are_counted_and_refused() {
        let budget = budget(2);
        let files = [
            TempFile::create(&budget).unwrap(),
            TempFile::create(&budget).unwrap(),
        ];
        let refused = TempFile::create(&budget).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert!(refused.to_string().contains("spool_files"));
        drop(files);
        TempFile::create(&budget).unwrap();
        let gone = Budget::new(
            "/nowhere".into(),
            Limits {
                files: 1,
                ..Limits::default()
            },
        );
        let gone = Arc::new(gone);
        for _ in 0..2 {
            let missing = TempFile::create(&gone).unwrap_err();
            assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        }
    }

    /// The closer is this thread, of `process`, so that it closes nothing by itself.
    fn pretend(budget: &Budget, process: u32) {
        let pretended = Some((std::thread::current(), process));
        budget.closer.thread.set(pretended).unwrap();
    }

    fn file_of(budget: &Arc<Budget>, len: u64) -> TempFile {
        let mut file = TempFile::create(budget).unwrap();
        file.append(&vec![0; len as usize]).unwrap();
        file
    }

    #[test]
    fn large_files_are_left_to_another_thread_and_count_until_it_has_closed_them() {
        let budget = budget(2);
        pretend(&budget, std::process::id());
        drop(file_of(&budget, CLOSED_AT_ONCE));
        assert!(budget.closer.files.is_empty() && budget.used() == 0);
        drop(file_of(&budget, CLOSED_AT_ONCE + 1));
        assert_eq!(budget.used(), CLOSED_AT_ONCE + 1);
        let _other = TempFile::create(&budget).unwrap();
        assert!(TempFile::create(&budget).is_err());
        for dropped in budget.closer.files.take_all() {
            close(&budget, dropped);
        }
        assert_eq!(budget.used(), 0);
        TempFile::create(&budget).unwrap();
    }

    #[test]
    fn a_forked_child_has_no_such_thread() {
        let budget = budget(1);
        pretend(&budget, std::process::id() + 1);
        drop(file_of(&budget, CLOSED_AT_ONCE + 1));
        assert!(budget.closer.files.is_empty() && budget.used() == 0);
    }

    #[test]
    fn the_thread_gives_memory_back_also_where_there_was_no_file() {
        let budget = budget(0);
        for _ in 0..2 {
            budget.closer.trim(&budget);
            while budget.closer.trims.load(Ordering::Relaxed) {
                std::thread::yield_now();
            }
        }
    }

    #[test]
    fn the_thread_closes_what_is_left_to_it() {
        let budget = budget(1);
        for _ in 0..3 {
            let file = file_of(&budget, CLOSED_AT_ONCE + 1);
            assert!(matches!(budget.closer.thread.get(), Some(Some(_))));
            drop(file);
            while budget.used() > 0 || !budget.closer.files.is_empty() {
                std::thread::yield_now();
            }
            // The file is given back behind its bytes.
            while budget.take_file().is_err() {
                std::thread::yield_now();
            }
            budget.give_file();
        }
    }
}
