//! One record per request, filled as it moves; every figure shown anywhere comes from it.

use std::time::{Duration, Instant};

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// The whole reply is with the kernel.
    #[default]
    Complete,
    /// The application failed; the client got a 500 or a cut reply.
    AppError,
    /// The client had left before the reply was complete.
    Disconnected,
}

/// Times and sizes of one request.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Its first byte was read.
    pub arrived: Instant,
    /// Its last byte was read: from here on it waits for a worker.
    pub received: Instant,
    /// A worker, attached, took it.
    pub taken: Instant,
    /// The worker was through with it.
    pub answered: Instant,
    /// Reply bytes the kernel has taken.
    pub sent_bytes: u64,
    /// Status of the reply; 0 when there was none.
    pub status: u16,
    /// How it ended.
    pub end: End,
}

impl Record {
    /// A record of a request whose first byte arrives `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            arrived: now,
            received: now,
            taken: now,
            answered: now,
            sent_bytes: 0,
            status: 0,
            end: End::Complete,
        }
    }

    /// How long the request waited for a worker.
    pub fn queue_wait(&self) -> Duration {
        self.taken.saturating_duration_since(self.received)
    }

    /// How long a worker was busy with it.
    pub fn run_time(&self) -> Duration {
        self.answered.saturating_duration_since(self.taken)
    }
}
