//! One temporary file for all replies that are spilled, in blocks.
//!
//! With a file per reply slow readers would use up the descriptors. So a [`Spill`] takes block after block of a
//! common file, and a block is free when the last byte in it is sent: an endless reply frees its disk as it goes.
//!
//! What `sendfile` has sent may still lie in the kernel as pages of the file, so a block must not be overwritten:
//! its pages go back to the file system first. That may take the file system long, as closing a large file may, so
//! a thread does it that lives for no more than that. A block counts against `spool_limit` until then, and as a
//! whole. Blocks are dropped without a lock: a forked child may drop some, too, and has only copies of locks.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::store::budget::Budget;
use crate::store::parts::Part;
use crate::sys::stack::Stack;

/// The spilled replies of a server.
#[derive(Debug)]
pub(crate) struct Shelf {
    budget: Arc<Budget>,
    room: Mutex<Room>,
}

/// Where the next block comes from.
#[derive(Debug, Default)]
struct Room {
    /// `None` while nothing is spilled.
    volume: Option<Arc<Volume>>,
    /// Blocks of it without pages.
    clean: Vec<u64>,
    /// How many blocks it has.
    len: u64,
}

/// A temporary file that parts of replies refer to; closed with the last of them.
#[derive(Debug)]
struct Volume {
    file: File,
    budget: Arc<Budget>,
    shelf: Weak<Shelf>,
    /// Bytes of it that are taken from the budget.
    taken: AtomicU64,
    /// Blocks that are not free.
    live: AtomicUsize,
    /// Free blocks with pages.
    freed: Stack<u64>,
    /// Blocks freed so far.
    frees: AtomicUsize,
    /// The process whose file it is.
    home: u32,
}

/// A piece of a volume, written from its start to its end, once.
#[derive(Debug)]
pub(crate) struct Block {
    /// `None` only while it is dropped.
    volume: Option<Arc<Volume>>,
    index: u64,
}

impl Shelf {
    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            room: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    ///
    /// `StorageFull` when the budget has no room; other errors of the file system.
    fn take(self: &Arc<Self>) -> io::Result<Block> {
        let mut room = self.lock();
        self.budget.take(BLOCK)?;
        let volume = match &room.volume {
            Some(volume) => Arc::clone(volume),
            None => {
                let begun = self.begin().inspect_err(|_| self.budget.give(BLOCK))?;
                Arc::clone(room.volume.insert(Arc::new(begun)))
            }
        };
        volume.taken.fetch_add(BLOCK, Ordering::Relaxed);
        volume.live.fetch_add(1, Ordering::SeqCst);
        let index = room.clean.pop().unwrap_or_else(|| {
            room.len += 1;
            room.len - 1
        });
        Ok(Block {
            volume: Some(volume),
            index,
        })
    }

    fn begin(self: &Arc<Self>) -> io::Result<Volume> {
        Ok(Volume {
            file: tempfile::tempfile_in(self.budget.dir())?,
            budget: Arc::clone(&self.budget),
            shelf: Arc::downgrade(self),
            taken: AtomicU64::new(0),
            live: AtomicUsize::new(0),
            freed: Stack::new(),
            frees: AtomicUsize::new(0),
            home: std::process::id(),
        })
    }

    /// Gives the disk of free blocks back.
    fn tidy(&self, volume: &Arc<Volume>) {
        let mut room = self.lock();
        let current = |room: &Room| room.volume.as_ref().is_some_and(|v| Arc::ptr_eq(v, volume));
        if volume.live.load(Ordering::SeqCst) == 0 {
            // Nobody has a block, and nobody gets one under this lock.
            let over = current(&room).then(|| std::mem::take(&mut *room));
            drop(room);
            drop(over);
            return;
        }
        drop(room);
        for index in volume.freed.take_all() {
            let punched = punch(&volume.file, index * BLOCK, BLOCK);
            let mut room = self.lock();
            match punched {
                Ok(()) => {
                    volume.give(BLOCK);
                    if current(&room) {
                        room.clean.push(index);
                    }
                }
                // The file system knows no holes: the file ends with what is in it now.
                Err(_) if current(&room) && room.len >= WITHOUT_HOLES => {
                    *room = Room::default();
                }
                Err(_) => {}
            }
        }
    }
}

impl Volume {
    fn give(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
        self.budget.give(bytes);
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        self.budget.give(*self.taken.get_mut());
    }
}

impl Block {
    pub(crate) fn file(&self) -> &File {
        match &self.volume {
            Some(volume) => &volume.file,
            None => unreachable!("it is being dropped"),
        }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let Some(volume) = self.volume.take() else {
            return;
        };
        volume.freed.push(self.index);
        let frees = volume.frees.fetch_add(1, Ordering::Relaxed) + 1;
        let was_last = volume.live.fetch_sub(1, Ordering::SeqCst) == 1;
        if (was_last || frees.is_multiple_of(TIDIED)) && volume.home == std::process::id() {
            let tidy = move || {
                // A call that a signal interrupts would look like a file system without holes.
                crate::sys::mask::block_signals();
                if let Some(shelf) = volume.shelf.upgrade() {
                    shelf.tidy(&volume);
                }
            };
            // Without a thread the disk is freed later, at the latest with the server.
            let _ = std::thread::Builder::new()
                .name("headwaiter-spool".into())
                .spawn(tidy);
        }
    }
}

/// Where a reply that is spilled is being written.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    block: Option<Arc<Block>>,
    /// Bytes written to it.
    used: u64,
}

impl Spill {
    /// Writes a part of `bytes` to disk, from their start. Returns where that is.
    ///
    /// # Errors
    ///
    /// `StorageFull` when the budget or the disk has no room; other errors of the file system.
    pub(crate) fn append(&mut self, bytes: &[u8], shelf: &Arc<Shelf>) -> io::Result<Part> {
        if self.used == BLOCK {
            *self = Self::default();
        }
        let block = match &self.block {
            Some(block) => block,
            None => self.block.insert(Arc::new(shelf.take()?)),
        };
        let fits = usize::try_from(BLOCK - self.used).unwrap_or(usize::MAX);
        let bytes = &bytes[..bytes.len().min(fits)];
        write_at(block.file(), block.index * BLOCK + self.used, bytes)?;
        let part = Part::Spilled {
            block: Arc::clone(block),
            offset: block.index * BLOCK + self.used,
            left: bytes.len() as u64,
        };
        self.used += bytes.len() as u64;
        Ok(part)
    }
}

/// Without moving the file's position, which is everybody's.
#[cfg(unix)]
fn write_at(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, mut offset: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        offset += n as u64;
        bytes = &bytes[n..];
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn punch(file: &File, offset: u64, len: u64) -> io::Result<()> {
    use rustix::fs::FallocateFlags;
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(rustix::fs::fallocate(file, hole, offset, len)?)
}

/// Files are read and copied here, so a block may be written again as it is.
#[cfg(not(target_os = "linux"))]
fn punch(_file: &File, _offset: u64, _len: u64) -> io::Result<()> {
    Ok(())
}

/// Bytes of a block: at the end of a reply some of them are for nothing.
const BLOCK: u64 = 256 * 1024;
/// Blocks are tidied up together, so many at a time.
const TIDIED: usize = 16;
/// Blocks of a file whose disk is freed only as a whole.
const WITHOUT_HOLES: u64 = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::budget::Limits;

    fn shelf(limit: u64) -> (Arc<Shelf>, Arc<Budget>) {
        let limits = Limits {
            disk: limit,
            ..Limits::default()
        };
        let budget = Arc::new(Budget::new(std::env::temp_dir(), limits));
        (Arc::new(Shelf::new(&budget)), budget)
    }

    /// The helper's threads are nobody's to join.
    fn until(happened: impl Fn() -> bool) {
        while !happened() {
            std::thread::yield_now();
        }
    }

    fn read(part: &Part) -> Vec<u8> {
        let Part::Spilled {
            block,
            offset,
            left,
        } = part
        else {
            panic!("not spilled")
        };
        let mut bytes = vec![0; *left as usize];
        let got = crate::sys::fd::read_file_at(block.file(), *offset, &mut bytes).unwrap();
        assert_eq!(got, bytes.len());
        bytes
    }

    #[test]
    fn all_replies_share_a_file_and_it_goes_with_the_last() {
        let (shelf, budget) = shelf(u64::MAX);
        let mut spills: Vec<Spill> = (0..10).map(|_| Spill::default()).collect();
        let mut parts = Vec::new();
        for round in 0..3_u8 {
            for (n, spill) in spills.iter_mut().enumerate() {
                parts.push((n as u8 + round, spill.append(&[n as u8 + round; 9], &shelf)));
            }
        }
        for (want, part) in &parts {
            assert_eq!(read(part.as_ref().unwrap()), [*want; 9]);
        }
        assert_eq!(budget.used(), 10 * BLOCK);
        assert_eq!(shelf.lock().len, 10);
        drop((parts, spills));
        until(|| budget.used() == 0);
        until(|| shelf.lock().volume.is_none());
    }

    #[test]
    fn a_reply_without_an_end_uses_its_blocks_again() {
        let (shelf, budget) = shelf(u64::MAX);
        let (mut spill, mut other) = (Spill::default(), Spill::default());
        let kept = other.append(b"kept", &shelf).unwrap();
        for n in 0..20 * TIDIED as u64 {
            let part = spill.append(&[n as u8; BLOCK as usize], &shelf).unwrap();
            assert!(read(&part) == [n as u8; BLOCK as usize]);
            // What is sent is free; the helper may take its time.
            until(|| budget.used() <= (TIDIED as u64 + 2) * BLOCK);
        }
        assert!(shelf.lock().len <= 3 * TIDIED as u64);
        assert_eq!(read(&kept), b"kept");
    }

    #[test]
    fn what_does_not_fit_into_the_budget_is_refused_and_costs_nothing() {
        let (shelf, budget) = shelf(BLOCK);
        let (mut first, mut second) = (Spill::default(), Spill::default());
        let part = first.append(b"hello", &shelf).unwrap();
        let error = second.append(b"world", &shelf).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert_eq!(budget.used(), BLOCK);
        drop((part, first));
        until(|| budget.used() == 0);
        second.append(b"world", &shelf).unwrap();
    }
}
