//! Python `bytes` on their way to a client, by reference.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use headwaiter_engine::{Held, Poker};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// A `bytes` object that I/O threads may read: it never changes, and the reference keeps it alive.
pub(crate) struct HeldBytes {
    start: *const u8,
    len: usize,
    owner: Option<Py<PyBytes>>,
    poker: Poker,
}

#[expect(unsafe_code, reason = "copying megabytes per reply instead")]
// SAFETY: the pointer is to the immutable contents of `owner`, which lives as long as this; reading
// them needs no interpreter.
unsafe impl Send for HeldBytes {}
#[expect(unsafe_code, reason = "see Send")]
// SAFETY: as for `Send`.
unsafe impl Sync for HeldBytes {}

impl HeldBytes {
    /// The bytes of `range` of it.
    pub(crate) fn new(bytes: &Bound<'_, PyBytes>, range: Range<usize>, poker: &Poker) -> Self {
        let contents = &bytes.as_bytes()[range];
        Self {
            start: contents.as_ptr(),
            len: contents.len(),
            owner: Some(bytes.clone().unbind()),
            poker: poker.clone(),
        }
    }
}

impl AsRef<[u8]> for HeldBytes {
    #[expect(
        unsafe_code,
        reason = "the borrow that `PyBytes::as_bytes` gives ends with the attachment"
    )]
    fn as_ref(&self) -> &[u8] {
        // SAFETY: see the impls of `Send` and `Sync`.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }
}

impl Held for HeldBytes {}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        // On an I/O thread PyO3 puts the reference aside until somebody is attached. If nobody is for
        // long, much memory would wait; so a worker is asked to look in.
        drop(self.owner.take());
        if DROPPED.fetch_add(self.len, Ordering::Relaxed) + self.len > MOST {
            DROPPED.store(0, Ordering::Relaxed);
            self.poker.poke();
        }
    }
}

/// Bytes dropped since a worker was asked to look in.
static DROPPED: AtomicUsize = AtomicUsize::new(0);
/// Bytes that may wait until a worker attaches by itself.
const MOST: usize = 8 * 1024 * 1024;
