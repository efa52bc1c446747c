//! Python `bytes` that are sent by reference, without a copy.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use headwaiter_engine::{Held, Poker, Stack};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::process::fork::ForkCheck;

/// Part of a `bytes` object that the I/O thread may read. The object never changes, and the reference keeps it
/// alive.
pub(crate) struct HeldBytes {
    /// `None` only while this is dropped.
    bytes: Option<PyBackedBytes>,
    range: Range<usize>,
    poker: Poker,
    fork: ForkCheck,
}

impl HeldBytes {
    /// The bytes of `range`. Each new reference releases those that were sent, so that an endless reply does
    /// not gather them.
    pub(crate) fn new(bytes: &Bound<'_, PyBytes>, range: Range<usize>, poker: Poker) -> Self {
        release(bytes.py());
        Self {
            bytes: Some(bytes.clone().into()),
            range,
            poker,
            fork: ForkCheck::new(),
        }
    }
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        self.bytes
            .as_ref()
            .map_or(&[], |bytes| &bytes[self.range.clone()])
    }
}

impl Held for HeldBytes {}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        // The I/O thread must not change a reference count. PyO3 would keep the reference behind a lock that
        // every thread takes as it attaches, a forked child included.
        if let Some(bytes) = self.bytes.take() {
            SENT.push(bytes);
        }
        let len = self.range.len();
        if SENT_BYTES.fetch_add(len, Ordering::Relaxed) + len > MAX_UNRELEASED {
            SENT_BYTES.store(0, Ordering::Relaxed);
            if !self.fork.in_child() {
                self.poker.poke();
            }
        }
    }
}

/// Releases the references to bytes that were sent. Workers call this whenever they attach, take a task or
/// send more.
pub(crate) fn release(_attached: Python<'_>) {
    if !SENT.is_empty() {
        SENT.take_all().for_each(drop);
    }
}

/// References to bytes that were sent, until an attached thread releases them.
static SENT: Stack<PyBackedBytes> = Stack::new();
/// Bytes sent since a worker was last woken to release references.
static SENT_BYTES: AtomicUsize = AtomicUsize::new(0);
/// How many sent bytes may stay in memory before a parked worker is woken to release them.
const MAX_UNRELEASED: usize = 8 * 1024 * 1024;
