//! Counters of a server that any thread adds to and reads without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Numbers of events since the server was made.
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $($(#[$doc])* pub(crate) $name: Counter),* }

        impl Counters {
            /// Every counter's name and value.
            pub(crate) fn all(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get())),*]
            }
        }
    };
}

counters! {
    /// Connections accepted.
    connections,
    /// Connections handed over to sibling processes.
    handed_over,
    /// Connections taken over from sibling processes.
    taken_over,
    /// Connections from sibling processes that were closed: their clients have left.
    not_taken_over,
    /// Requests answered at `health_path`.
    health_checks,
    /// Connections cut because the client took no bytes for `send_timeout`.
    send_timeouts,
    /// Idle connections closed to make room for new ones.
    evicted,
    /// Times the server paused accepting.
    accept_pauses,
    /// Times the I/O thread lent its loop to a worker.
    loop_lends,
    /// Request bytes read.
    bytes_in,
    /// Panics caught.
    panics,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
