//! One temporary file, the volume, for all spilled replies of a server. Replies use it in blocks.
//!
//! With one file per reply, slow readers would use up the descriptors. So a [`Spill`] takes one block after
//! another of a common file. A block is free when its last byte is sent: an endless reply frees its disk
//! while it runs.
//!
//! After `sendfile` the kernel may still refer to pages of the file, so a block must not be overwritten: its
//! pages are first given back to the file system, as a hole. This can take long, as closing a large file
//! can, so a short-lived thread does it. Until then the whole block counts against `spool_limit`.
//! Dropping a block takes no lock: a forked child may drop one, and its copies of locks may be locked.

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
    /// Blocks of the volume that may be written: they have no pages.
    clean: Vec<u64>,
    /// Blocks that the volume has.
    len: u64,
}

/// The temporary file. It is closed when the last part of a reply that refers to it is dropped.
#[derive(Debug)]
struct Volume {
    file: File,
    budget: Arc<Budget>,
    shelf: Weak<Shelf>,
    /// Bytes taken from the budget for it.
    taken: AtomicU64,
    /// Blocks that are not free.
    live: AtomicUsize,
    /// Free blocks that still have pages.
    freed: Stack<u64>,
    /// Blocks freed so far.
    frees: AtomicUsize,
    /// The process that made the file; its forked children leave it alone.
    home: u32,
}

/// A piece of the volume. Its bytes are written once, from its start to its end.
#[derive(Debug)]
pub(crate) struct Block {
    /// `None` only during the drop.
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

    /// Takes a block, and makes the volume if there is none.
    ///
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

    /// Gives the disk of free blocks back to the file system. If no block is in use, closes the volume.
    fn tidy(&self, volume: &Arc<Volume>) {
        let mut room = self.lock();
        let current = |room: &Room| room.volume.as_ref().is_some_and(|v| Arc::ptr_eq(v, volume));
        if volume.live.load(Ordering::SeqCst) == 0 {
            // No block is in use, and none can be taken while this thread holds the lock.
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
                // The file system cannot make holes: the next block begins a new volume, and this one is
                // closed with its last part.
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
                // A signal that interrupts the call would make it look as if holes were not supported.
                crate::sys::mask::block_signals();
                if let Some(shelf) = volume.shelf.upgrade() {
                    shelf.tidy(&volume);
                }
            };
            // If the system refuses a thread, the disk is freed later, at the latest with the server.
            let _ = std::thread::Builder::new()
                .name("headwaiter-spool".into())
                .spawn(tidy);
        }
    }
}

/// The writing end of one spilled reply.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    block: Option<Arc<Block>>,
    /// Bytes written to the block.
    used: u64,
}

impl Spill {
    /// Writes the beginning of `bytes` to disk, as much as the block has room for. Returns the part that
    /// refers to it.
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

/// Writes at `offset`. The file's own position, which all blocks share, stays where it is.
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

/// On this system files are read and copied before they are sent, so a block may be overwritten at once.
#[cfg(not(target_os = "linux"))]
fn punch(_file: &File, _offset: u64, _len: u64) -> io::Result<()> {
    Ok(())
}

/// Bytes of a block. The last block of a reply is not full, and the rest of it is unused.
const BLOCK: u64 = 256 * 1024;
/// After how many freed blocks their disk is given back.
const TIDIED: usize = 16;
/// Blocks of a volume on a file system without holes, where only closing the file frees its disk.
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

    /// The short-lived threads cannot be joined.
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
