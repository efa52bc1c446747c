//! Reply bytes on their way to the client, as parts: copied, held by reference, spilled, or a file.
//!
//! The worker builds an [`Outgoing`]; whoever sends (the I/O thread, or the worker itself for a
//! small reply) takes parts off the front with [`send_parts`].

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::io::{self, IoSlice};
use std::sync::Arc;

use crate::socket::Stream;
use crate::spool::Segment;

/// Bytes kept alive by reference until they are sent, such as a Python `bytes` object. Dropped on
/// whichever thread sent the last byte, which may be one that must not run application code.
pub trait Held: AsRef<[u8]> + Send + Sync {}

/// A run of reply bytes.
pub(crate) enum Part {
    /// Copied bytes, sent up to `at`.
    Copied { data: Vec<u8>, at: usize },
    /// Bytes of somebody else, sent up to `at`.
    Held { data: Box<dyn Held>, at: usize },
    /// Bytes in a temporary file of ours.
    Spilled {
        segment: Arc<Segment>,
        offset: u64,
        left: u64,
    },
    /// Bytes in a file of the application.
    File {
        file: Arc<File>,
        offset: u64,
        left: u64,
    },
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Part({} bytes left)", self.left())
    }
}

impl Part {
    /// Bytes still to send.
    pub(crate) fn left(&self) -> u64 {
        match self {
            Self::Copied { data, at } => (data.len() - at) as u64,
            Self::Held { data, at } => ((**data).as_ref().len() - at) as u64,
            Self::Spilled { left, .. } | Self::File { left, .. } => *left,
        }
    }

    /// The bytes still to send, when they are in memory.
    pub(crate) fn memory(&self) -> Option<&[u8]> {
        match self {
            Self::Copied { data, at } => Some(&data[*at..]),
            Self::Held { data, at } => Some(&(**data).as_ref()[*at..]),
            Self::Spilled { .. } | Self::File { .. } => None,
        }
    }

    fn advance(&mut self, n: u64) {
        match self {
            Self::Copied { at, .. } | Self::Held { at, .. } => *at += n as usize,
            Self::Spilled { offset, left, .. } | Self::File { offset, left, .. } => {
                *offset += n;
                *left -= n;
            }
        }
    }
}

/// Reply bytes a worker has produced and not handed over yet.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    parts: VecDeque<Part>,
    tail: Vec<u8>,
}

impl Outgoing {
    /// The buffer small writes are appended to.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    pub(crate) fn push(&mut self, part: Part) {
        self.seal();
        self.parts.push_back(part);
    }

    /// Turns the tail into a part, so that `parts` alone is the whole.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let data = std::mem::take(&mut self.tail);
            self.parts.push_back(Part::Copied { data, at: 0 });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.tail.is_empty()
    }

    /// Bytes held, and how many of them are in memory.
    pub(crate) fn size(&self) -> Size {
        let mut size = Size {
            all: self.tail.len() as u64,
            memory: self.tail.len() as u64,
        };
        for part in &self.parts {
            size.all += part.left();
            size.memory += part.memory().map_or(0, <[u8]>::len) as u64;
        }
        size
    }

    /// All parts, tail included, leaving nothing.
    pub(crate) fn take_parts(&mut self) -> VecDeque<Part> {
        self.seal();
        std::mem::take(&mut self.parts)
    }

    /// Moves everything behind `into`.
    pub(crate) fn move_to(&mut self, into: &mut VecDeque<Part>) {
        self.seal();
        into.append(&mut self.parts);
    }

    /// As [`Outgoing::move_to`]; a small reply is copied to the end of the last copied part, so that
    /// this buffer stays for the next one.
    pub(crate) fn append_to(&mut self, into: &mut VecDeque<Part>) {
        if let Some(bytes) = self.single().filter(|bytes| bytes.len() <= KEEP_CAPACITY) {
            match into.back_mut() {
                Some(Part::Copied { data, .. }) if data.len() < MERGED => {
                    data.extend_from_slice(bytes);
                }
                _ if bytes.is_empty() => {}
                _ => {
                    let mut data = Vec::with_capacity(ROOM_FOR_MORE.max(bytes.len()));
                    data.extend_from_slice(bytes);
                    into.push_back(Part::Copied { data, at: 0 });
                }
            }
            self.tail.clear();
        } else {
            self.move_to(into);
        }
    }

    /// The one buffer this reply consists of, when it is that simple: the common case, which needs
    /// no part and no list.
    pub(crate) fn single(&self) -> Option<&[u8]> {
        self.parts.is_empty().then_some(self.tail.as_slice())
    }

    /// Drops the first `n` bytes of the single buffer.
    pub(crate) fn advance_single(&mut self, n: usize) {
        if n == self.tail.len() {
            self.tail.clear();
        } else {
            self.tail.drain(..n);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.parts.clear();
        self.tail.clear();
        self.tail.shrink_to(KEEP_CAPACITY);
    }
}

/// Bytes of parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) all: u64,
    pub(crate) memory: u64,
}

/// What a round of sending achieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Everything is with the kernel.
    All,
    /// The kernel takes no more for now.
    Blocked,
    /// The round's share is used up; there is more to send.
    Share,
}

/// Sends from the front of `parts` until they are gone, the kernel blocks or `share` bytes are
/// sent. Adds what was sent to `sent`.
///
/// # Errors
///
/// Those of the socket, and `UnexpectedEof` when a file is shorter than it was said to be.
pub(crate) fn send_parts(
    stream: &Stream,
    parts: &mut VecDeque<Part>,
    share: u64,
    scratch: &mut [u8],
    sent: &mut Size,
) -> io::Result<Sent> {
    let mut left = share;
    loop {
        let Some(front) = parts.front() else {
            return Ok(Sent::All);
        };
        if left == 0 {
            return Ok(Sent::Share);
        }
        let most = usize::try_from(front.left().min(left)).unwrap_or(usize::MAX);
        let result = match front {
            Part::File { file, offset, .. } => stream.send_file(file, *offset, most, scratch),
            Part::Spilled {
                segment, offset, ..
            } => stream.send_file(segment.file(), *offset, most, scratch),
            Part::Copied { .. } | Part::Held { .. } => send_memory(stream, parts),
        };
        let in_memory = front_in_memory(parts);
        match result {
            Ok(0) if most > 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                sent.all += n as u64;
                sent.memory += if in_memory { n as u64 } else { 0 };
                left = left.saturating_sub(n as u64);
                consume(parts, n as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Sent::Blocked),
            Err(error) => return Err(error),
        }
    }
}

fn front_in_memory(parts: &VecDeque<Part>) -> bool {
    parts.front().is_some_and(|part| part.memory().is_some())
}

fn send_memory(stream: &Stream, parts: &VecDeque<Part>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); GATHER];
    let mut used = 0;
    for bytes in parts.iter().map_while(Part::memory).take(GATHER) {
        slices[used] = IoSlice::new(bytes);
        used += 1;
    }
    if used == 1 {
        stream.send(&slices[0])
    } else {
        stream.send_vectored(&slices[..used])
    }
}

fn consume(parts: &mut VecDeque<Part>, mut n: u64) {
    while let Some(front) = parts.front_mut() {
        let left = front.left();
        if n < left {
            front.advance(n);
            return;
        }
        n -= left;
        parts.pop_front();
    }
}

/// Reply buffers up to this size stay with the pooled exchange.
const KEEP_CAPACITY: usize = 16 * 1024;
/// A part of this size takes no further replies.
const MERGED: usize = 64 * 1024;
/// The first size of a part that takes several replies.
const ROOM_FOR_MORE: usize = 4096;
/// Parts gathered into one `sendmsg`.
const GATHER: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_kept_between_tail_and_parts() {
        let mut out = Outgoing::default();
        out.tail().extend_from_slice(b"ab");
        out.push(Part::Copied {
            data: b"cd".to_vec(),
            at: 0,
        });
        out.tail().extend_from_slice(b"e");
        assert_eq!(out.size(), Size { all: 5, memory: 5 });
        let parts = out.take_parts();
        let bytes: Vec<u8> = parts
            .iter()
            .flat_map(|p| p.memory().unwrap().to_vec())
            .collect();
        assert_eq!(bytes, b"abcde");
        assert!(out.is_empty());
    }

    #[test]
    fn consume_crosses_parts_and_skips_empty_ones() {
        let part = |bytes: &[u8]| Part::Copied {
            data: bytes.to_vec(),
            at: 0,
        };
        let mut parts = VecDeque::from([part(b"ab"), part(b""), part(b"cde")]);
        consume(&mut parts, 3);
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].memory(), Some(&b"de"[..]));
        consume(&mut parts, 2);
        assert!(parts.is_empty());
    }
}
