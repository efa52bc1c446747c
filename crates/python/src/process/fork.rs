//! Children that an application forks.
//!
//! A child is a copy of the one thread that forked. Every socket is the parent's too, and a lock of the
//! engine's that another thread held at that moment stays locked for ever: in a child that comes back
//! from the application nothing may be sent, and nothing of the engine's be touched or dropped.

use std::sync::atomic::{AtomicU32, Ordering};

/// Forks that lie between the first process that loaded this module and the present one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Has every fork counted, before anything else runs in the child.
#[cfg(unix)]
#[expect(unsafe_code, reason = "forks that Python does not make count, too")]
pub(crate) fn install() {
    use std::sync::Once;

    extern "C" fn forked() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    static INSTALL: Once = Once::new();
    // SAFETY: the handler only adds to an atomic. Without memory for it, forks stay unnoticed.
    INSTALL.call_once(|| unsafe {
        libc::pthread_atfork(None, None, Some(forked));
    });
}

#[cfg(not(unix))]
pub(crate) fn install() {}

/// How many forks the present process is away from the first one.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// The process that a request was taken in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home(u32);

impl Home {
    pub(crate) fn here() -> Self {
        Self(generation())
    }

    /// Whether this is a child of that process.
    pub(crate) fn is_left(self) -> bool {
        generation() != self.0
    }
}
