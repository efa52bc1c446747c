//! Request bodies, in memory and in temporary files (`spool_dir`).
//!
//! A [`Spool`] keeps the first `inbuf_overflow` bytes of a body in memory, and more while the [`Budget`] that
//! all bodies share has memory left. The rest goes to one temporary file (`temp.rs`). A spool takes bytes
//! from the budget before it writes them, and gives them back when it is dropped.
//! Elsewhere: replies that are spilled to disk (`shelf.rs`).

use std::io;
use std::sync::Arc;

use crate::store::budget::{Budget, Grant};
use crate::store::temp::TempFile;

/// A request body: its beginning in memory, the rest in a file once memory is used up.
#[derive(Debug, Default)]
pub struct Spool {
    memory: Vec<u8>,
    /// Where the body begins in `memory`: behind its head, if it came in one piece with that.
    start: usize,
    /// Memory taken from the budget: that of `memory` beyond its first [`FREE`] bytes.
    grant: Option<Grant>,
    temp: Option<TempFile>,
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Spool {
    /// Empties the spool. It keeps a small buffer for the next body; it closes its file.
    pub(crate) fn clear(&mut self) {
        self.temp = None;
        self.give_back();
        self.start = 0;
        self.memory.clear();
        self.memory.shrink_to(FREE);
    }

    /// Whether the body has neither memory nor a file.
    pub fn is_bare(&self) -> bool {
        self.memory.capacity() == 0 && self.grant.is_none() && self.temp.is_none()
    }

    fn give_back(&mut self) {
        if let Some(grant) = self.grant.take() {
            grant.budget.recycle(std::mem::take(&mut self.memory));
        }
    }

    /// Bytes that this body may have in memory now.
    fn allowed(&self, overflow: u64) -> u64 {
        let granted = self.grant.as_ref().map_or(0, |g| g.within + g.beyond);
        overflow.min(FREE as u64) + granted
    }

    /// Takes memory for `bytes` more from the budget. Returns `false`, and takes nothing, if the budget has no
    /// room for all of them.
    fn take(&mut self, bytes: u64, overflow: u64, budget: &Arc<Budget>) -> bool {
        let taken = self.grant.as_ref().map_or(0, |grant| grant.within);
        let left = overflow.saturating_sub(FREE as u64 + taken);
        let (within, beyond) = (bytes.min(left), bytes.saturating_sub(left));
        let grant = self.grant.get_or_insert_with(|| Grant::of(budget));
        grant.add(within, beyond)
    }

    /// Makes room in memory for `wanted` more bytes, or for `hoped` if the budget has enough. Returns for how
    /// many of `wanted` there is room. Capacity is taken from the budget before it is allocated.
    fn room(&mut self, wanted: usize, hoped: u64, overflow: u64, budget: &Arc<Budget>) -> usize {
        self.memory.drain(..std::mem::take(&mut self.start));
        let held = self.memory.len() as u64;
        let wanted = wanted as u64;
        let room = self.allowed(overflow).saturating_sub(held);
        if wanted > room {
            let missing = wanted - room;
            let _ = self.take(missing.max(hoped.saturating_sub(room)), overflow, budget)
                || self.take(missing, overflow, budget)
                || self.fill_up(missing, overflow, budget);
        }
        let room = self.allowed(overflow).saturating_sub(held).min(wanted) as usize;
        // The system may refuse memory that the budget grants.
        if self.reserve(room, overflow, budget) {
            room
        } else {
            0
        }
    }

    /// Takes at most `bytes`, and no more than `overflow` allows: without memory beyond it, `overflow` is exact.
    fn fill_up(&mut self, bytes: u64, overflow: u64, budget: &Arc<Budget>) -> bool {
        let left = overflow.saturating_sub(self.allowed(overflow));
        self.take(bytes.min(left), overflow, budget)
    }

    /// Allocates room for `more` bytes, which the budget has granted; doubles the buffer if that was granted.
    /// Returns `false` if the system has no memory.
    fn reserve(&mut self, more: usize, overflow: u64, budget: &Arc<Budget>) -> bool {
        let held = self.memory.len();
        if held + more <= self.memory.capacity() {
            return true;
        }
        let allowed = usize::try_from(self.allowed(overflow)).unwrap_or(usize::MAX);
        let size = allowed.min((held + more).max(2 * held));
        if let Some(mut buffer) = budget.reuse(size) {
            let excess = buffer.capacity().saturating_sub(allowed);
            if self.take(excess as u64, overflow, budget) {
                buffer.extend_from_slice(&self.memory);
                budget.recycle(std::mem::replace(&mut self.memory, buffer));
                return true;
            }
            budget.recycle(buffer);
        }
        self.memory.try_reserve_exact(size - held).is_ok()
    }

    /// Takes the bytes from `start` of `buffer` on, with the buffer, and leaves a spare one. Does nothing and returns
    /// `false` if the body has bytes already, or may not have such a buffer in memory.
    pub(crate) fn adopt(&mut self, buffer: &mut Vec<u8>, start: usize, overflow: u64) -> bool {
        let fits = buffer.capacity() <= FREE && overflow >= FREE as u64;
        if !fits || !self.is_empty() || self.grant.is_some() {
            return false;
        }
        std::mem::swap(&mut self.memory, buffer);
        self.start = start;
        true
    }

    /// Appends `bytes`: in memory as far as there is room, the rest in the temporary file.
    ///
    /// # Errors
    ///
    /// `StorageFull` when the budget or the disk has no room; other errors of the file system. Nothing is
    /// appended if there was no file yet and none can be made.
    pub(crate) fn append(
        &mut self,
        bytes: &[u8],
        overflow: u64,
        budget: &Arc<Budget>,
    ) -> io::Result<()> {
        if let Some(temp) = &mut self.temp {
            return temp.append(bytes);
        }
        let hoped = self.in_memory().len() as u64;
        let (first, rest) = bytes.split_at(self.room(bytes.len(), hoped, overflow, budget));
        if rest.is_empty() {
            self.memory.extend_from_slice(first);
            return Ok(());
        }
        let temp = self.temp.insert(TempFile::create(budget)?);
        self.memory.extend_from_slice(first);
        temp.append(rest)
    }

    /// Whether some of the body is in a temporary file.
    pub(crate) fn has_file(&self) -> bool {
        self.temp.is_some()
    }

    /// Lets another body have a file in place of this one's, which is dropped with the body.
    pub(crate) fn give_up_file(&mut self) {
        if let Some(temp) = &mut self.temp {
            temp.give_up();
        }
    }

    /// The buffer to receive some of the next `run` bytes into, and for how many it has room: at most `most`,
    /// and no more than have come already, unless the buffer is larger anyway. So a client that only announces bytes
    /// costs no memory.
    pub(crate) fn memory_for(
        &mut self,
        run: u64,
        most: usize,
        overflow: u64,
        budget: &Arc<Budget>,
    ) -> Option<(&mut Vec<u8>, usize)> {
        let spare = self.memory.capacity() - self.memory.len();
        let hoped = run.min(self.in_memory().len().max(FREE).max(spare) as u64);
        let most = most.min(usize::try_from(hoped).ok()?);
        let fits = self.temp.is_none() && self.room(most, hoped, overflow, budget) >= most;
        fits.then_some((&mut self.memory, most))
    }

    /// Body bytes held.
    pub fn len(&self) -> u64 {
        self.in_memory().len() as u64 + self.temp.as_ref().map_or(0, TempFile::len)
    }

    /// Whether the body has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The whole body, if all of it is in memory.
    pub fn memory(&self) -> Option<&[u8]> {
        self.temp.is_none().then_some(self.in_memory())
    }

    /// The bytes at the beginning of the body that are in memory; the others are in a file.
    pub fn in_memory(&self) -> &[u8] {
        &self.memory[self.start..]
    }

    /// Reads from `offset` into `buf`; returns less than `buf` holds only at the end of the body.
    ///
    /// # Errors
    ///
    /// Those of reading the temporary file.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let memory = self.in_memory();
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(memory.len());
        let take = buf.len().min(memory.len() - start);
        let (first, rest) = buf.split_at_mut(take);
        first.copy_from_slice(&memory[start..start + take]);
        match &self.temp {
            Some(temp) if !rest.is_empty() => {
                let behind = (offset + take as u64) - memory.len() as u64;
                Ok(take + temp.read_at(behind, rest)?)
            }
            _ => Ok(take),
        }
    }
}

/// Bytes of memory that each body and each head may have without asking the budget. A pooled exchange keeps
/// a buffer of this size.
pub(crate) const FREE: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    use crate::store::budget::Limits;

    fn budget(disk: u64) -> Arc<Budget> {
        memory(disk, u64::MAX, 0)
    }

    fn memory(disk: u64, within: u64, beyond: u64) -> Arc<Budget> {
        let limits = Limits {
            disk,
            files: u64::MAX,
            within,
            beyond,
        };
        Arc::new(Budget::new(std::env::temp_dir(), limits))
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

    const SIZE: usize = 4 * FREE;

    #[test]
    fn memory_that_nobody_else_needs_is_used_before_the_disk() {
        let budget = memory(u64::MAX, 0, 2 * SIZE as u64 - 8);
        let body = vec![b'x'; SIZE];
        let mut first = Spool::default();
        first.append(&body, 4, &budget).unwrap();
        assert!(first.memory().is_some());
        let mut second = Spool::default();
        second.append(&body, 4, &budget).unwrap();
        assert!(second.memory().is_some());
        // All is taken: the next goes to disk beyond its own four bytes, and the first from here on.
        let mut third = Spool::default();
        third.append(&body, 4, &budget).unwrap();
        assert_eq!((third.memory(), budget.used()), (None, SIZE as u64 - 4));
        first.append(&body, 4, &budget).unwrap();
        assert_eq!(first.len(), 2 * SIZE as u64);
        assert!(first.memory().is_none());
        drop((first, second));
        third.clear();
        third.append(&body, 4, &budget).unwrap();
        assert!(third.memory().is_some());
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn all_bodies_below_their_overflow_share_a_total() {
        let budget = memory(u64::MAX, SIZE as u64, 0);
        let overflow = 10 * SIZE as u64;
        let body = vec![b'x'; FREE];
        let mut first = Spool::default();
        for _ in 0..5 {
            first.append(&body, overflow, &budget).unwrap();
        }
        assert_eq!(first.in_memory().len(), FREE + SIZE);
        // Whatever others have, each body has its first bytes in memory.
        let mut second = Spool::default();
        second.append(&body, overflow, &budget).unwrap();
        assert!(second.memory().is_some());
        second.append(&body, overflow, &budget).unwrap();
        assert_eq!(
            (second.in_memory().len(), budget.used()),
            (FREE, FREE as u64)
        );
        drop(first);
        second.clear();
        second.append(&[b'x'; SIZE], overflow, &budget).unwrap();
        assert!(second.memory().is_some());
    }

    #[test]
    fn a_buffer_with_a_head_before_the_body_is_taken_as_it_is() {
        let budget = memory(u64::MAX, 0, 0);
        let overflow = FREE as u64;
        let received = || {
            let mut buffer = Vec::with_capacity(FREE);
            buffer.extend_from_slice(b"head");
            buffer.resize(FREE, b'x');
            buffer
        };
        let mut spool = Spool::default();
        let mut buffer = received();
        let place = buffer.as_ptr();
        assert!(spool.adopt(&mut buffer, 4, overflow));
        let body = spool.memory().unwrap();
        assert_eq!(
            (body, body.as_ptr()),
            (&[b'x'; FREE - 4][..], place.wrapping_add(4))
        );
        assert!(buffer.is_empty());
        let mut last = [0; 10];
        assert_eq!(spool.read_at(FREE as u64 - 6, &mut last).unwrap(), 2);
        // The bytes of the head do not count when more comes.
        spool.append(b"yyyyz", overflow, &budget).unwrap();
        assert_eq!(spool.in_memory()[FREE - 8..], *b"xxxxyyyy");
        assert_eq!((spool.len(), budget.used()), (FREE as u64 + 1, 1));
        assert!(!spool.adopt(&mut received(), 4, overflow), "it has a body");
        spool.clear();
        assert!(spool.is_empty());
        assert!(
            !spool.adopt(&mut received(), 4, 10),
            "more than it may keep"
        );
        assert!(
            !spool.adopt(&mut Vec::with_capacity(2 * FREE), 4, overflow),
            "too large"
        );
        assert!(spool.is_empty());
    }

    #[test]
    fn a_buffer_grows_with_what_has_come_and_is_taken_from_the_budget() {
        let budget = memory(u64::MAX, u64::MAX / 2, 0);
        let (overflow, announced) = (1 << 30, 1 << 30);
        let mut spool = Spool::default();
        spool.append(&[b'x'; 9000], overflow, &budget).unwrap();
        let mut came = 9000;
        for _ in 0..100 {
            let (buffer, room) = spool
                .memory_for(announced - came, 1 << 20, overflow, &budget)
                .unwrap();
            assert!(buffer.capacity() - buffer.len() >= room);
            buffer.extend(std::iter::repeat_n(b'x', room / 2));
            came += room as u64 / 2;
            let (held, capacity) = (spool.memory.len(), spool.memory.capacity());
            assert!(
                capacity <= 2 * held.max(FREE),
                "{capacity} bytes for {held}"
            );
            assert!(
                capacity as u64 <= spool.allowed(overflow),
                "{capacity} bytes"
            );
        }
        assert!(came > 1 << 20);
        // A buffer that was used before is taken as it is, and counts as it is.
        drop(spool);
        let size = 1 << 20;
        let mut spool = Spool::default();
        budget.recycle(Vec::with_capacity(size));
        spool.append(&[b'x'; 100_000], overflow, &budget).unwrap();
        assert_eq!(spool.memory.capacity(), size);
        assert_eq!(spool.allowed(overflow), size as u64);
        let small = memory(0, 100_000, 0);
        small.recycle(Vec::with_capacity(size));
        let mut spool = Spool::default();
        spool.append(&[b'x'; 100_000], overflow, &small).unwrap();
        assert!(spool.memory.capacity() < size);
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
