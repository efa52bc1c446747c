//! Bodies in memory and in temporary files (`spool_dir`).
//!
//! A [`Spool`] holds a request body: its first `inbuf_overflow` bytes in memory, and more while the
//! common [`Budget`] has memory left; what follows is in one temporary file. It takes its bytes from the
//! budget before it writes and gives them back when dropped. Files are unlinked at birth: a crash leaves
//! none behind. What is spilled of replies is in `shelf.rs`.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use crate::budget::Budget;

/// A temporary file whose bytes are accounted for.
#[derive(Debug)]
struct Temp {
    file: File,
    len: u64,
    budget: Arc<Budget>,
}

impl Temp {
    fn create(budget: &Arc<Budget>) -> io::Result<Self> {
        let file = tempfile::tempfile_in(budget.dir())?;
        Ok(Self {
            file,
            len: 0,
            budget: Arc::clone(budget),
        })
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.budget.take(bytes.len() as u64)?;
        if let Err(error) = self.file.write_all(bytes) {
            self.budget.give(bytes.len() as u64);
            return Err(error);
        }
        self.len += bytes.len() as u64;
        Ok(())
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        self.budget.give(self.len);
    }
}

/// A request body: its beginning in memory, the rest in a file once memory is used up.
#[derive(Debug, Default)]
pub struct Spool {
    memory: Vec<u8>,
    /// Bytes of memory taken from the budget, and whose it is.
    granted: Option<(u64, Arc<Budget>)>,
    temp: Option<Temp>,
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Spool {
    /// Empties the spool; a small buffer is kept for the next body, a file is not.
    pub(crate) fn clear(&mut self) {
        self.temp = None;
        self.give_back();
        self.memory.clear();
        self.memory.shrink_to(KEEP_CAPACITY);
    }

    fn give_back(&mut self) {
        if let Some((granted, budget)) = self.granted.take() {
            budget.give_memory(granted);
            budget.recycle(std::mem::take(&mut self.memory));
        }
    }

    /// Bytes that still go to memory, of `wanted` ones.
    fn room(&mut self, wanted: u64, overflow: u64, budget: &Arc<Budget>) -> u64 {
        let held = self.memory.len() as u64;
        let granted = self.granted.as_ref().map_or(0, |(granted, _)| *granted);
        let room = (overflow + granted).saturating_sub(held);
        let missing = wanted.saturating_sub(room);
        if missing == 0 {
            return wanted;
        }
        let more = missing.next_multiple_of(GRANT);
        if !budget.take_memory(more) {
            return room;
        }
        self.granted = Some((granted + more, Arc::clone(budget)));
        wanted
    }

    /// Appends `bytes`; those for which there is no memory go to a temporary file.
    ///
    /// # Errors
    ///
    /// `StorageFull` when the budget or the disk has no room; other errors of the file system.
    pub(crate) fn append(
        &mut self,
        bytes: &[u8],
        overflow: u64,
        budget: &Arc<Budget>,
    ) -> io::Result<()> {
        if let Some(temp) = &mut self.temp {
            return temp.append(bytes);
        }
        let room = self.room(bytes.len() as u64, overflow, budget);
        let mut split = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        if self.memory.try_reserve(split).is_err() {
            // The system may have less memory than the budget.
            split = 0;
        }
        let (first, rest) = bytes.split_at(split);
        self.memory.extend_from_slice(first);
        if rest.is_empty() {
            return Ok(());
        }
        self.temp.insert(Temp::create(budget)?).append(rest)
    }

    /// Takes a buffer for a body of `size` bytes, the first of which have come. A client that has only
    /// announced them gets none.
    pub(crate) fn expect(&mut self, size: u64, budget: &Arc<Budget>) {
        if self.memory.capacity() <= KEEP_CAPACITY && size > KEEP_CAPACITY as u64 {
            self.memory = budget.buffer(usize::try_from(size).unwrap_or(usize::MAX));
            // So that the buffer finds its way back.
            self.granted.get_or_insert_with(|| (0, Arc::clone(budget)));
        }
    }

    /// The buffer to receive `more` bytes into directly, with room for them, if they fit.
    pub(crate) fn memory_for(
        &mut self,
        more: u64,
        overflow: u64,
        budget: &Arc<Budget>,
    ) -> Option<&mut Vec<u8>> {
        let fits = self.temp.is_none()
            && self.room(more, overflow, budget) >= more
            && self.memory.try_reserve(usize::try_from(more).ok()?).is_ok();
        fits.then_some(&mut self.memory)
    }

    /// Body bytes held.
    pub fn len(&self) -> u64 {
        self.memory.len() as u64 + self.temp.as_ref().map_or(0, |temp| temp.len)
    }

    /// Whether the body has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, when all are in memory.
    pub fn memory(&self) -> Option<&[u8]> {
        self.temp.is_none().then_some(self.memory.as_slice())
    }

    /// Reads at `offset` into `buf`; short only at the end.
    ///
    /// # Errors
    ///
    /// Those of reading the temporary file.
    pub fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.memory.len());
        let take = buf.len().min(self.memory.len() - start);
        let (first, rest) = buf.split_at_mut(take);
        first.copy_from_slice(&self.memory[start..start + take]);
        match &mut self.temp {
            Some(temp) if !rest.is_empty() => {
                let behind = (offset + take as u64) - self.memory.len() as u64;
                Ok(take + read_file_at(&temp.file, behind, rest)?)
            }
            _ => Ok(take),
        }
    }
}

/// Without moving the file's position, which a forked child would share.
pub(crate) fn read_file_at(file: &File, offset: u64, mut buf: &mut [u8]) -> io::Result<usize> {
    let mut total = 0;
    while !buf.is_empty() {
        #[cfg(unix)]
        let got = std::os::unix::fs::FileExt::read_at(file, buf, offset + total as u64);
        #[cfg(windows)]
        let got = std::os::windows::fs::FileExt::seek_read(file, buf, offset + total as u64);
        match got {
            Ok(0) => break,
            Ok(n) => {
                total += n;
                buf = &mut buf[n..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

/// Memory is taken from the budget in steps of this size.
const GRANT: u64 = 128 * 1024;
/// Body buffers up to this size stay with the pooled exchange.
const KEEP_CAPACITY: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(limit: u64) -> Arc<Budget> {
        Arc::new(Budget::new(std::env::temp_dir(), limit, 0))
    }

    #[test]
    fn what_passes_the_threshold_goes_to_disk_and_reads_back_as_one() {
        let budget = budget(1000);
        let mut spool = Spool::default();
        spool.append(b"abc", 4, &budget).unwrap();
        assert_eq!(spool.memory(), Some(&b"abc"[..]));
        assert_eq!(budget.used(), 0);
        spool.append(b"defg", 4, &budget).unwrap();
        spool.append(b"hi", 4, &budget).unwrap();
        assert_eq!((spool.memory(), spool.len(), budget.used()), (None, 9, 5));
        for offset in 0..=11 {
            for length in 0..=11 {
                let mut buf = vec![0; length];
                let got = spool.read_at(offset as u64, &mut buf).unwrap();
                let from = offset.min(9);
                assert_eq!(
                    &buf[..got],
                    &b"abcdefghi"[from..(from + length).min(9)],
                    "{length} at {offset}"
                );
            }
        }
        spool.clear();
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn memory_that_nobody_else_needs_is_used_before_the_disk() {
        let budget = Arc::new(Budget::new(std::env::temp_dir(), u64::MAX, 2 * GRANT));
        let body = vec![b'x'; GRANT as usize];
        let mut first = Spool::default();
        first.append(&body, 4, &budget).unwrap();
        assert!(first.memory().is_some());
        let mut second = Spool::default();
        second.append(&body, 4, &budget).unwrap();
        assert!(second.memory().is_some());
        // All is taken: the next goes to disk beyond its own four bytes, and the first from here on.
        let mut third = Spool::default();
        third.append(&body, 4, &budget).unwrap();
        assert_eq!((third.memory(), budget.used()), (None, GRANT - 4));
        first.append(&body, 4, &budget).unwrap();
        assert_eq!(first.len(), 2 * GRANT);
        assert!(first.memory().is_none());
        drop((first, second));
        third.clear();
        third.append(&body, 4, &budget).unwrap();
        assert!(third.memory().is_some());
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn budget_refuses_and_takes_nothing() {
        let budget = budget(5);
        let mut spool = Spool::default();
        let error = spool.append(b"123456", 0, &budget).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(budget.used(), 0);
    }
}
