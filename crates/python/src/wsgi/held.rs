//! Python `bytes` on their way to a client, by reference.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use headwaiter_engine::{Held, Poker, Stack};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::process::fork::Home;

/// A `bytes` object that I/O threads may read: it never changes, and the reference keeps it alive.
pub(crate) struct HeldBytes {
    start: *const u8,
    len: usize,
    owner: Option<Py<PyBytes>>,
    poker: Poker,
    home: Home,
}

#[expect(unsafe_code, reason = "copying megabytes per reply instead")]
// SAFETY: the pointer is to the immutable contents of `owner`, which lives as long as this; reading
// them needs no interpreter.
unsafe impl Send for HeldBytes {}
#[expect(unsafe_code, reason = "see Send")]
// SAFETY: as for `Send`.
unsafe impl Sync for HeldBytes {}

impl HeldBytes {
    /// The bytes of `range` of it. An endless reply must not gather what it has sent: with each new reference
    /// the old ones go.
    pub(crate) fn new(bytes: &Bound<'_, PyBytes>, range: Range<usize>, poker: &Poker) -> Self {
        release(bytes.py());
        let contents = &bytes.as_bytes()[range];
        Self {
            start: contents.as_ptr(),
            len: contents.len(),
            owner: Some(bytes.clone().unbind()),
            poker: poker.clone(),
            home: Home::here(),
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
        // An I/O thread must not touch the count of references. PyO3 would put the reference aside behind a
        // lock that every thread takes as it attaches, a forked child included.
        if let Some(owner) = self.owner.take() {
            SENT.push(owner);
        }
        if SENT_BYTES.fetch_add(self.len, Ordering::Relaxed) + self.len > MOST {
            SENT_BYTES.store(0, Ordering::Relaxed);
            if !self.home.is_left() {
                self.poker.poke();
            }
        }
    }
}

/// Gives up the references to what has been sent. Workers call it whenever they attach, take a task or send
/// more.
pub(crate) fn release(_attached: Python<'_>) {
    if !SENT.is_empty() {
        SENT.take_all().for_each(drop);
    }
}

/// What was sent and waits for a thread that is attached.
static SENT: Stack<Py<PyBytes>> = Stack::new();
/// Bytes sent since a worker was asked to look in.
static SENT_BYTES: AtomicUsize = AtomicUsize::new(0);
/// Bytes that may wait until a worker attaches by itself.
const MOST: usize = 8 * 1024 * 1024;
