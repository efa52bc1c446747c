//! Children that an application forks.
//!
//! A child has a copy of the thread that forked, and of no other. It shares every socket with its parent. A lock
//! of the engine that another thread held at the fork stays locked in the child for ever. So a child that
//! returns from the application sends nothing, and neither uses nor drops anything of the engine.

use std::sync::atomic::{AtomicU32, Ordering};

/// How many forks lie between the first process that loaded this module and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Counts each fork in the child, before anything else runs there.
#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "C code may fork without Python; nothing safe reports that"
)]
pub(crate) fn install() {
    use std::sync::Once;

    extern "C" fn forked() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    static INSTALL: Once = Once::new();
    // SAFETY: the handler only adds to an atomic. Without memory for the handler, forks are not noticed.
    INSTALL.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(forked));
    });
}

#[cfg(not(unix))]
pub(crate) fn install() {}

/// How many forks lie between the first process and this one.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Remembers the process that took a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForkCheck(u32);

impl ForkCheck {
    pub(crate) fn new() -> Self {
        Self(generation())
    }

    /// Whether this process is a child of the one that made the check.
    pub(crate) fn in_child(self) -> bool {
        generation() != self.0
    }
}
