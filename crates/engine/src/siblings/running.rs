//! What the workers of a process run, written down so that the parent can name it after the process has died.

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use super::map::{Entry, TEXT};

/// A request that a worker of a process runs, or ran when the process died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its method, cut to 16 bytes.
    pub method: Vec<u8>,
    /// Its path, cut to 112 bytes.
    pub path: Vec<u8>,
    /// How long ago its worker took it.
    pub age: Duration,
}

/// Writes a request down. Only the worker whose entry this is calls it.
pub(super) fn write(entry: &Entry, method: &[u8], path: &[u8]) {
    let method = &method[..method.len().min(METHOD)];
    let path = &path[..path.len().min(TEXT - METHOD)];
    // A reader that has seen another `began` before or after the text drops what it has read.
    entry.began.store(0, Ordering::Relaxed);
    fence(Ordering::Release);
    let lengths = method.len() | path.len() << 32;
    entry.lengths.store(lengths as u64, Ordering::Relaxed);
    for (bytes, at) in [(method, 0), (path, METHOD / 8)] {
        for (chunk, word) in bytes.chunks(8).zip(&entry.text[at..]) {
            let mut eight = [0; 8];
            eight[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_ne_bytes(eight), Ordering::Relaxed);
        }
    }
    entry.began.store(monotonic().max(1), Ordering::Release);
}

/// The worker is free.
pub(super) fn clear(entry: &Entry) {
    entry.began.store(0, Ordering::Relaxed);
}

/// What the worker runs, unless it is free or just takes another request.
pub(super) fn read(entry: &Entry, now: u64) -> Option<Running> {
    let began = entry.began.load(Ordering::Acquire);
    let lengths = entry.lengths.load(Ordering::Relaxed);
    let words = entry.text.iter();
    let text: Vec<u8> = words
        .flat_map(|word| word.load(Ordering::Relaxed).to_ne_bytes())
        .collect();
    fence(Ordering::Acquire);
    if began == 0 || entry.began.load(Ordering::Relaxed) != began {
        return None;
    }
    let (method, path) = text.split_at(METHOD);
    let cut = |bytes: &[u8], length: u64| bytes[..bytes.len().min(length as usize)].to_vec();
    Some(Running {
        method: cut(method, lengths & u64::from(u32::MAX)),
        path: cut(path, lengths >> 32),
        age: Duration::from_nanos(now.saturating_sub(began)),
    })
}

/// Nanoseconds on a clock that all processes share.
pub(super) fn monotonic() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Bytes of a method that are written down.
const METHOD: usize = 16;
