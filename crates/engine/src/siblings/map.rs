//! The memory that all processes of a server share: atomics in a file that each of them has mapped.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{self, Ordering};

use memmap2::MmapRaw;

use crate::sys::sync::shared::{AtomicU32, AtomicU64};

/// A mapped file of atomics. All bytes of a new file are zero.
#[derive(Debug)]
pub(super) struct Map {
    file: OwnedFd,
    memory: MmapRaw,
}

/// What all slots share.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Header {
    /// [`LAYOUT`], in each page that this code can read.
    pub(super) layout: AtomicU32,
    /// The whole server stops.
    pub(super) stopping: AtomicU32,
}

/// One process.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Slot {
    pub(super) state: AtomicU32,
    pub(super) idle: AtomicU32,
    pub(super) waiting: AtomicU32,
    pub(super) connections: AtomicU32,
    pub(super) pending: AtomicU32,
    pub(super) turns: AtomicU64,
    /// What its workers run.
    pub(super) running: [Entry; ENTRIES],
}

/// What one worker runs.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Entry {
    /// Nanoseconds on the system's monotonic clock; 0 while the worker is free.
    pub(super) began: atomic::AtomicU64,
    /// The length of the method, and behind it that of the path.
    pub(super) lengths: atomic::AtomicU64,
    /// The method and the path, eight bytes each.
    pub(super) text: [atomic::AtomicU64; TEXT / 8],
}

impl Map {
    /// A new file with room for `slots`.
    pub(super) fn create(slots: usize) -> io::Result<Self> {
        let size = size_of::<Header>() + slots * size_of::<Slot>();
        let file = new_file()?;
        rustix::fs::ftruncate(&file, size as u64)?;
        // A mapped file that shrinks would end every process that reads it.
        #[cfg(target_os = "linux")]
        rustix::fs::fcntl_add_seals(
            &file,
            rustix::fs::SealFlags::SHRINK | rustix::fs::SealFlags::GROW,
        )?;
        let map = Self::of(file)?;
        map.header().layout.store(LAYOUT, Ordering::SeqCst);
        Ok(map)
    }

    /// Maps a file that [`Map::create`] has made, in this process or in its parent.
    pub(super) fn open(file: OwnedFd) -> io::Result<Self> {
        let map = Self::of(file)?;
        match map.header().layout.load(Ordering::SeqCst) {
            LAYOUT => Ok(map),
            _ => Err(not_a_page()),
        }
    }

    fn of(file: OwnedFd) -> io::Result<Self> {
        let memory = MmapRaw::map_raw(&file)?;
        let slots = memory.len().checked_sub(size_of::<Header>());
        if slots.is_none_or(|slots| slots == 0 || slots % size_of::<Slot>() != 0) {
            return Err(not_a_page());
        }
        Ok(Self { file, memory })
    }

    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    #[expect(unsafe_code, reason = "the memory is shared with other processes")]
    pub(super) fn header(&self) -> &Header {
        // SAFETY: the mapping begins at a page, has room for a header, and lives as long as `self`. A header consists
        // of atomics, for which every value is valid.
        unsafe { &*self.memory.as_ptr().cast::<Header>() }
    }

    #[expect(unsafe_code, reason = "as above")]
    pub(super) fn slots(&self) -> &[Slot] {
        let count = (self.memory.len() - size_of::<Header>()) / size_of::<Slot>();
        // SAFETY: as above; `count` slots lie behind the header, whose size is a multiple of their alignment.
        unsafe {
            let first = self.memory.as_ptr().add(size_of::<Header>());
            std::slice::from_raw_parts(first.cast::<Slot>(), count)
        }
    }
}

fn not_a_page() -> io::Error {
    let why = "not a page of figures, or one of another version of headwaiter";
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(target_os = "linux")]
fn new_file() -> io::Result<OwnedFd> {
    use rustix::fs::{MemfdFlags, memfd_create};
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    Ok(memfd_create("headwaiter", flags)?)
}

#[cfg(not(target_os = "linux"))]
fn new_file() -> io::Result<OwnedFd> {
    tempfile::tempfile().map(OwnedFd::from)
}

/// Tells a page from other files, and from pages of another layout. Increase it with each change of the structures above.
const LAYOUT: u32 = 0x6877_0001;
/// Workers of a process whose requests are written down.
pub(super) const ENTRIES: usize = 64;
/// Bytes of method and path that are written down.
pub(super) const TEXT: usize = 128;
