//! Children that an application forks.
//!
//! A child is a copy of the one thread that forked. Every socket is the parent's too, and a lock of the
//! engine's that another thread held at that moment stays locked for ever: in a child that comes back
//! from the application nothing may be sent, and nothing of the engine's be touched or dropped.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::prelude::*;

/// Forks that lie between the first process that loaded this module and the present one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Told to `os.register_at_fork`: the present process is a new child.
#[pyfunction]
pub(crate) fn forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// The process that a request was taken in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home(u32);

impl Home {
    pub(crate) fn here() -> Self {
        Self(GENERATION.load(Ordering::Relaxed))
    }

    /// Whether this is a child of that process.
    pub(crate) fn is_left(self) -> bool {
        GENERATION.load(Ordering::Relaxed) != self.0
    }
}
