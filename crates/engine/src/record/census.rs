//! How many channels are in which state, and how many bytes they hold.
//!
//! Only the I/O thread knows the channels, so it counts them (`io/census.rs`) and stores the result here.

use std::ops::AddAssign;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sys::sync::atomic::{AtomicU64, Ordering};
use crate::sys::sync::{self, Condvar, Mutex};

/// Channels by what they do, and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Census {
    /// Between requests.
    pub(crate) idle: u64,
    /// Receiving a request.
    pub(crate) receiving: u64,
    /// With a request that waits for a worker or runs.
    pub(crate) in_task: u64,
    /// Sending a complete reply, or being closed.
    pub(crate) sending: u64,
    /// Bytes of requests and replies in memory.
    pub(crate) memory: u64,
    /// Reply bytes that clients have not taken.
    pub(crate) unsent: u64,
}

/// The last count.
#[derive(Debug, Default)]
pub(crate) struct CensusTable {
    /// Counts requested so far. Its number identifies each.
    requested: AtomicU64,
    /// The number of the last complete count.
    number: AtomicU64,
    fields: [AtomicU64; FIELDS],
    lock: Mutex<()>,
    news: Condvar,
}

impl CensusTable {
    /// Requests a count; returns its number. The caller wakes the I/O thread.
    pub(crate) fn request(&self) -> u64 {
        self.requested.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The number of the count that was requested last.
    pub(crate) fn requested(&self) -> u64 {
        self.requested.load(Ordering::Relaxed)
    }

    /// Stores what was counted for request `number`.
    pub(crate) fn store(&self, number: u64, counted: &Census) {
        for (field, n) in self.fields.iter().zip(counted.fields()) {
            field.store(n, Ordering::Relaxed);
        }
        self.complete(number);
    }

    /// The I/O thread ends: nobody waits for its counts any more.
    pub(crate) fn leave(&self) {
        self.complete(u64::MAX);
    }

    fn complete(&self, number: u64) {
        self.number.store(number, Ordering::SeqCst);
        // The lock orders this behind a thread that is about to wait.
        drop(self.lock.lock());
        self.news.notify_all();
    }

    /// Blocks until count `number` is complete, or for `most`.
    pub(crate) fn wait(&self, number: u64, most: Duration) {
        let end = sync::now() + most;
        let mut lock = self.lock.lock();
        while !self.is_complete(number) {
            let left = end.saturating_duration_since(sync::now());
            let Ok(held) = lock else { return };
            if left.is_zero() {
                return;
            }
            lock = match self.news.wait_timeout(held, left) {
                Ok((held, _)) => Ok(held),
                Err(_) => return,
            };
        }
    }

    /// Whether count `number` is complete.
    pub(crate) fn is_complete(&self, number: u64) -> bool {
        self.number.load(Ordering::SeqCst) >= number
    }

    /// The last count.
    pub(crate) fn last(&self) -> Census {
        let [idle, receiving, in_task, sending, memory, unsent] =
            std::array::from_fn(|field| self.fields[field].load(Ordering::Relaxed));
        Census {
            idle,
            receiving,
            in_task,
            sending,
            memory,
            unsent,
        }
    }
}

impl Census {
    fn fields(self) -> [u64; FIELDS] {
        [
            self.idle,
            self.receiving,
            self.in_task,
            self.sending,
            self.memory,
            self.unsent,
        ]
    }
}

impl AddAssign for Census {
    fn add_assign(&mut self, other: Self) {
        self.idle += other.idle;
        self.receiving += other.receiving;
        self.in_task += other.in_task;
        self.sending += other.sending;
        self.memory += other.memory;
        self.unsent += other.unsent;
    }
}

const FIELDS: usize = 6;
