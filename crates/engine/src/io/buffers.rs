//! The memory that the channels of one loop read into, one channel at a time.

use crate::io::shares::{READ_BODIES, SCRATCH};

/// The buffers of one loop, and how much of bodies it may still read in this turn.
///
/// Invariant: outside of a read the scratch buffer has [`SCRATCH`] bytes, also after a panic
/// ([`Buffers::restore`]).
#[derive(Debug)]
pub(in crate::io) struct Buffers {
    scratch: Vec<u8>,
    /// What the beginnings of requests are read into. A body may keep it and leave another one.
    first: Vec<u8>,
    /// Body bytes of one read, without the framing between them.
    gathered: Vec<u8>,
    /// Bytes of bodies that may still be read in this turn.
    bulk: usize,
}

impl Buffers {
    pub(in crate::io) fn new() -> Self {
        Self {
            scratch: vec![0; SCRATCH],
            first: Vec::new(),
            gathered: Vec::new(),
            bulk: READ_BODIES,
        }
    }

    /// A turn begins: its share of body bytes is unused.
    pub(in crate::io) fn begin_turn(&mut self) {
        self.bulk = READ_BODIES;
    }

    /// Whether this turn may read no more of bodies.
    pub(in crate::io) fn is_bulk_used_up(&self) -> bool {
        self.bulk == 0
    }

    /// Takes a read of a body off this turn's share.
    pub(in crate::io) fn count_bulk(&mut self, cost: usize) {
        self.bulk = self.bulk.saturating_sub(cost);
    }

    /// The scratch buffer, for a step that does not keep it.
    pub(in crate::io) fn scratch(&mut self) -> &mut [u8] {
        &mut self.scratch
    }

    /// Takes the scratch buffer out, and that for the beginnings of requests, for the reads of one channel.
    pub(in crate::io) fn take(&mut self) -> (Vec<u8>, Vec<u8>) {
        (
            std::mem::take(&mut self.scratch),
            std::mem::take(&mut self.first),
        )
    }

    /// Puts both buffers back.
    pub(in crate::io) fn put(&mut self, scratch: Vec<u8>, first: Vec<u8>) {
        self.scratch = scratch;
        self.first = first;
    }

    /// Replaces a scratch buffer that a panic has dropped.
    pub(in crate::io) fn restore(&mut self) {
        if self.scratch.is_empty() {
            self.scratch = vec![0; SCRATCH];
        }
    }

    /// Takes the buffer for decoded body bytes, empty.
    pub(in crate::io) fn take_gathered(&mut self) -> Vec<u8> {
        let mut gathered = std::mem::take(&mut self.gathered);
        gathered.clear();
        gathered
    }

    /// Puts the buffer for decoded body bytes back.
    pub(in crate::io) fn put_gathered(&mut self, gathered: Vec<u8>) {
        self.gathered = gathered;
    }

    /// Frees the buffer for decoded body bytes.
    pub(in crate::io) fn shrink(&mut self) {
        self.gathered = Vec::new();
    }
}
