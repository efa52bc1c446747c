//! Reply bytes that a worker has produced, and how they are sent.
//!
//! The worker fills an [`Outgoing`]. The I/O thread, or the worker itself for a small reply, sends its parts
//! from the front with [`send_parts`].

use std::io::{self, IoSlice};

use crate::net::socket::Stream;
use crate::store::disk::DiskTime;
use crate::store::parts::{Part, Parts, Size};

/// Bytes that are kept by reference until they are sent, such as a Python `bytes` object. The thread that
/// sends the last byte drops them; it may be the I/O thread, which must not run Python code.
pub trait Held: AsRef<[u8]> + Send + Sync {}

/// Reply bytes that a worker has produced and not handed over yet.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    parts: Parts,
    tail: Vec<u8>,
}

impl Outgoing {
    /// The buffer that small writes are appended to.
    pub(crate) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    pub(crate) fn push(&mut self, part: Part) {
        self.seal();
        self.parts.push(part);
    }

    /// Makes the tail the last part, so that `parts` holds all bytes.
    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let data = std::mem::take(&mut self.tail);
            self.parts.push(Part::Copied { data, at: 0 });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty() && self.tail.is_empty()
    }

    /// Bytes held, and how many of them are in memory.
    pub(crate) fn size(&self) -> Size {
        let (parts, tail) = (self.parts.size(), self.tail.len() as u64);
        Size {
            all: parts.all + tail,
            memory: parts.memory + tail,
        }
    }

    /// Takes all bytes, the tail included.
    pub(crate) fn take_parts(&mut self) -> Parts {
        self.seal();
        std::mem::take(&mut self.parts)
    }

    /// Moves all bytes to the end of `into`.
    pub(crate) fn move_to(&mut self, into: &mut Parts) {
        self.seal();
        into.append(&mut self.parts);
    }

    /// As [`Outgoing::move_to`], but copies a small reply to the last part, so that this buffer can be used
    /// for the next reply.
    pub(crate) fn append_to(&mut self, into: &mut Parts) {
        if let Some(bytes) = self.single().filter(|bytes| bytes.len() <= KEEP_CAPACITY) {
            into.copy(bytes);
            self.tail.clear();
        } else {
            self.move_to(into);
        }
    }

    /// Whether the reply is large enough to be counted against the memory of all replies.
    pub(crate) fn is_large(&self) -> bool {
        !self.parts.is_empty() || self.tail.len() > KEEP_CAPACITY
    }

    /// The bytes, if the tail holds all of them. This is the common case, which needs no list of parts.
    pub(crate) fn single(&self) -> Option<&[u8]> {
        self.parts.is_empty().then_some(self.tail.as_slice())
    }

    /// Drops the first `n` bytes of [`Outgoing::single`], which are sent.
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

/// How far [`send_parts`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The kernel has all bytes.
    All,
    /// The kernel takes no more for now.
    Blocked,
    /// The share of this turn is used up; there is more to send.
    Share,
}

/// Sends from the front of `parts` until they are gone, the kernel blocks or the turn's share is used up: `share`
/// bytes, [`CALLS`] system calls or the turn's `disk` time. Adds what was sent to `sent`.
///
/// # Errors
///
/// Those of the socket, and `UnexpectedEof` if a file is shorter than its part.
pub(crate) fn send_parts(
    stream: &Stream,
    parts: &mut Parts,
    share: u64,
    scratch: &mut [u8],
    disk: &mut DiskTime,
    sent: &mut Size,
) -> io::Result<Sent> {
    let mut left = share;
    for _ in 0..CALLS {
        let Some(front) = parts.front() else {
            return Ok(Sent::All);
        };
        if left == 0 || front.is_on_disk() && disk.is_used_up() {
            return Ok(Sent::Share);
        }
        let most = usize::try_from(front.left().min(left)).unwrap_or(usize::MAX);
        let result = match front {
            Part::File { file, offset, .. } => {
                let most = most.min(disk.most());
                disk.measure(|| stream.send_file(file, *offset, most, scratch))
            }
            Part::Spilled { block, offset, .. } => {
                let most = most.min(disk.most());
                disk.measure(|| stream.send_file(block.file(), *offset, most, scratch))
            }
            Part::Copied { .. } | Part::Held { .. } => send_memory(stream, parts, left),
        };
        let in_memory = !front.is_on_disk();
        match result {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                sent.all += n as u64;
                sent.memory += if in_memory { n as u64 } else { 0 };
                left = left.saturating_sub(n as u64);
                parts.consume(n as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Sent::Blocked),
            Err(error) => return Err(error),
        }
    }
    Ok(if parts.is_empty() {
        Sent::All
    } else {
        Sent::Share
    })
}

fn send_memory(stream: &Stream, parts: &Parts, most: u64) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); GATHER];
    let (mut used, mut left) = (0, usize::try_from(most).unwrap_or(usize::MAX));
    for bytes in parts.iter().map_while(Part::memory).take(GATHER) {
        let bytes = &bytes[..bytes.len().min(left)];
        if bytes.is_empty() {
            break;
        }
        slices[used] = IoSlice::new(bytes);
        used += 1;
        left -= bytes.len();
    }
    if used == 1 {
        stream.send(&slices[0])
    } else {
        stream.send_vectored(&slices[..used])
    }
}

/// Bytes of the largest reply buffer that a pooled exchange keeps.
const KEEP_CAPACITY: usize = 16 * 1024;
/// Parts gathered into one `sendmsg`.
const GATHER: usize = 64;
/// System calls that one channel may use for sending in a turn, however few bytes each of them sends.
const CALLS: usize = 32;

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

    #[cfg(unix)]
    #[test]
    fn no_more_than_the_share_is_sent_of_what_is_in_memory() {
        let (ours, _theirs) = mio::net::UnixStream::pair().unwrap();
        let (stream, mut parts) = (Stream::Unix(ours), Parts::default());
        for _ in 0..3 {
            parts.push(Part::Copied {
                data: vec![b'x'; 10_000],
                at: 0,
            });
        }
        let mut sent = Size::default();
        let disk = &mut DiskTime::default();
        let result = send_parts(&stream, &mut parts, 15_000, &mut [], disk, &mut sent);
        assert_eq!((result.unwrap(), sent.all), (Sent::Share, 15_000));
        assert_eq!(parts.size().all, 15_000);
    }

    #[cfg(unix)]
    #[test]
    fn a_turn_is_over_after_so_many_calls_however_small_the_parts_are() {
        use std::sync::Arc;

        let (ours, _theirs) = mio::net::UnixStream::pair().unwrap();
        let stream = Stream::Unix(ours);
        let file = Arc::new(tempfile::tempfile().unwrap());
        file.set_len(1).unwrap();
        let mut parts = Parts::default();
        for _ in 0..CALLS + 1 {
            parts.push(Part::File {
                file: Arc::clone(&file),
                offset: 0,
                left: 1,
            });
        }
        let mut send = |mut disk: DiskTime| {
            let (mut sent, scratch) = (Size::default(), &mut [0; 64]);
            let result = send_parts(&stream, &mut parts, u64::MAX, scratch, &mut disk, &mut sent);
            (result.unwrap(), sent.all)
        };
        let mut used_up = DiskTime::default();
        used_up.use_up();
        assert_eq!(send(used_up), (Sent::Share, 0));
        assert_eq!(send(DiskTime::without_end()), (Sent::Share, CALLS as u64));
        assert_eq!(send(DiskTime::without_end()), (Sent::All, 1));
    }
}
