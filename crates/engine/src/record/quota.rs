//! How many requests a process serves before it asks to be replaced (`max_requests`).

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Calls a function once, when a given number of requests has been recorded.
pub(crate) struct Quota {
    most: u64,
    recorded: AtomicU64,
    spent: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Quota {
    pub(crate) fn new(most: u64) -> Self {
        Self {
            most,
            recorded: AtomicU64::new(0),
            spent: OnceLock::new(),
        }
    }

    /// Has `spent` called with the last request of the quota, by the thread that records that request. Only the
    /// first call of this counts.
    #[cfg(unix)]
    pub(crate) fn when_spent(&self, spent: impl Fn() + Send + Sync + 'static) {
        let _ = self.spent.set(Box::new(spent));
    }

    /// Counts one request.
    pub(crate) fn count(&self) {
        if self.recorded.fetch_add(1, Ordering::Relaxed) + 1 == self.most
            && let Some(spent) = self.spent.get()
        {
            spent();
        }
    }
}

impl fmt::Debug for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quota")
            .field("most", &self.most)
            .field("recorded", &self.recorded)
            .finish_non_exhaustive()
    }
}
