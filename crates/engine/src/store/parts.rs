//! Reply bytes on their way to the client, as a list of parts: copied, held by reference, spilled, or a file.
//!
//! An application may yield a few bytes at a time, and each piece is handed over on its own. Neighbouring
//! small pieces are merged into one part, so that the cost of a part (memory, system calls) is paid per
//! kilobytes and not per piece. Large pieces are not merged: copying them would cost more.

use std::collections::{VecDeque, vec_deque};
use std::fmt;
use std::fs::File;
use std::sync::Arc;

use crate::store::outgoing::Held;
use crate::store::shelf::Block;

/// A run of reply bytes.
pub(crate) enum Part {
    /// Copied bytes, sent up to `at`.
    Copied { data: Vec<u8>, at: usize },
    /// Bytes that somebody else owns, such as a Python object, sent up to `at`.
    Held { data: Box<dyn Held>, at: usize },
    /// Bytes in the file of spilled replies (`shelf.rs`).
    Spilled {
        block: Arc<Block>,
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

    /// The bytes still to send, if they are in memory.
    pub(crate) fn memory(&self) -> Option<&[u8]> {
        match self {
            Self::Copied { data, at } => Some(&data[*at..]),
            Self::Held { data, at } => Some(&(**data).as_ref()[*at..]),
            Self::Spilled { .. } | Self::File { .. } => None,
        }
    }

    pub(crate) fn advance(&mut self, n: u64) {
        match self {
            Self::Copied { at, .. } | Self::Held { at, .. } => *at += n as usize,
            Self::Spilled { offset, left, .. } | Self::File { offset, left, .. } => {
                *offset += n;
                *left -= n;
            }
        }
    }

    /// Appends the bytes of `next`, which follow this part, if that is worth it. Returns whether it did.
    fn merge(&mut self, next: &Self) -> bool {
        match (self, next) {
            (Self::Copied { data, .. }, Self::Copied { data: more, at }) => {
                extend(data, &more[*at..])
            }
            (
                Self::Spilled {
                    block,
                    offset,
                    left,
                },
                Self::Spilled {
                    block: other,
                    offset: at,
                    left: more,
                },
            ) if Arc::ptr_eq(block, other) && *offset + *left == *at => {
                *left += more;
                true
            }
            _ => false,
        }
    }
}

/// Appends `more` to the bytes of a part. Returns `false`, and appends nothing, if `more` is large, the part
/// is full or the system has no memory.
fn extend(data: &mut Vec<u8>, more: &[u8]) -> bool {
    let len = data.len() + more.len();
    if more.len() > SMALL || len > MERGED {
        return false;
    }
    if len > data.capacity() {
        let room = len.max(MERGED.min(2 * data.capacity()));
        if data.try_reserve_exact(room - data.len()).is_err() {
            return false;
        }
    }
    data.extend_from_slice(more);
    true
}

/// Parts in the order in which they are sent.
#[derive(Debug, Default)]
pub(crate) struct Parts(VecDeque<Part>);

impl Parts {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn front(&self) -> Option<&Part> {
        self.0.front()
    }

    pub(crate) fn iter(&self) -> vec_deque::Iter<'_, Part> {
        self.0.iter()
    }

    /// Bytes held, and how many of them are in memory.
    pub(crate) fn size(&self) -> Size {
        self.iter().fold(Size::default(), |size, part| Size {
            all: size.all + part.left(),
            memory: size.memory + part.memory().map_or(0, <[u8]>::len) as u64,
        })
    }

    pub(crate) fn push(&mut self, part: Part) {
        let merged = part.left() == 0 || self.0.back_mut().is_some_and(|back| back.merge(&part));
        if !merged {
            self.0.push_back(part);
        }
    }

    /// Appends a copy of `bytes`, as [`Parts::push`] does with a part.
    pub(crate) fn copy(&mut self, bytes: &[u8]) {
        let merged = match self.0.back_mut() {
            Some(Part::Copied { data, .. }) => extend(data, bytes),
            _ => bytes.is_empty(),
        };
        if !merged {
            let mut data = Vec::with_capacity(ROOM_FOR_MORE.max(bytes.len()));
            data.extend_from_slice(bytes);
            self.0.push_back(Part::Copied { data, at: 0 });
        }
    }

    /// Moves all parts of `behind` to the end.
    pub(crate) fn append(&mut self, behind: &mut Self) {
        if self.is_empty() {
            std::mem::swap(self, behind);
        } else if let Some(first) = behind.0.pop_front() {
            self.push(first);
            self.0.append(&mut behind.0);
        }
        behind.give_back();
    }

    /// Drops the first `n` bytes, which are sent.
    pub(crate) fn consume(&mut self, mut n: u64) {
        while let Some(front) = self.0.front_mut() {
            let left = front.left();
            if n < left {
                front.advance(n);
                return;
            }
            n -= left;
            self.0.pop_front();
        }
        self.give_back();
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
        self.give_back();
    }

    /// Frees the memory of a long list: idle connections and pooled buffers need none.
    fn give_back(&mut self) {
        if self.0.capacity() > KEPT {
            self.0 = VecDeque::new();
        }
    }
}

impl IntoIterator for Parts {
    type Item = Part;
    type IntoIter = vec_deque::IntoIter<Part>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// How many bytes parts have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) all: u64,
    pub(crate) memory: u64,
}

/// Bytes up to which a copied part grows.
const MERGED: usize = 64 * 1024;
/// Bytes of the largest piece that is copied to the end of another part.
const SMALL: usize = 8 * 1024;
/// First capacity, in bytes, of a part that takes several replies.
const ROOM_FOR_MORE: usize = 4096;
/// Largest capacity that an empty list keeps, in parts.
const KEPT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(bytes: &[u8]) -> Part {
        Part::Copied {
            data: bytes.to_vec(),
            at: 0,
        }
    }

    fn bytes(parts: &Parts) -> Vec<u8> {
        let memory = parts.iter().map(|part| part.memory().unwrap());
        memory.flatten().copied().collect()
    }

    #[test]
    fn small_pieces_become_few_parts_with_little_room_to_spare() {
        let pieces = 3 * MERGED / 8;
        let mut parts = Parts::default();
        for n in 0..pieces {
            let mut piece = Parts::default();
            piece.push(copied(&(n as u64).to_ne_bytes()));
            parts.append(&mut piece);
        }
        assert_eq!(parts.iter().count(), 3);
        let want: Vec<u8> = (0..pieces).flat_map(|n| (n as u64).to_ne_bytes()).collect();
        assert!(bytes(&parts) == want);
        for part in parts.iter() {
            let Part::Copied { data, .. } = part else {
                panic!("copied")
            };
            assert!(data.capacity() <= MERGED);
        }
    }

    #[test]
    fn a_part_of_which_some_is_sent_takes_more() {
        let mut parts = Parts::default();
        parts.push(copied(b"abc"));
        parts.consume(2);
        parts.push(copied(b"de"));
        parts.copy(b"f");
        assert_eq!((bytes(&parts), parts.iter().count()), (b"cdef".to_vec(), 1));
    }

    #[test]
    fn large_pieces_are_not_copied() {
        let mut parts = Parts::default();
        for _ in 0..3 {
            parts.push(copied(&[b'x'; SMALL + 1]));
        }
        assert_eq!(parts.iter().count(), 3);
    }

    #[test]
    fn consume_crosses_parts_and_empty_ones_are_none() {
        let mut parts = Parts::default();
        for piece in [&b"ab"[..], b"", &[b'c'; SMALL + 1]] {
            parts.push(copied(piece));
        }
        assert_eq!(parts.iter().count(), 2);
        parts.consume(3);
        assert_eq!(parts.size().all, SMALL as u64);
        parts.consume(SMALL as u64);
        assert!(parts.is_empty());
    }

    #[test]
    fn a_long_list_gives_its_memory_back_when_it_is_sent() {
        let mut parts = Parts::default();
        for _ in 0..1000 {
            parts.push(copied(&[b'x'; SMALL + 1]));
        }
        let mut sending = Parts::default();
        sending.append(&mut parts);
        sending.consume(1000 * (SMALL as u64 + 1));
        assert!(sending.is_empty() && sending.0.capacity() <= KEPT);
        for _ in 0..1000 {
            parts.push(copied(&[b'x'; SMALL + 1]));
        }
        sending.push(copied(b"x"));
        sending.append(&mut parts);
        assert!(parts.0.capacity() <= KEPT);
    }
}
