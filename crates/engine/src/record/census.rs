//! How many channels are in which state, and how many bytes they hold.
//!
//! Only its I/O thread knows a channel, so each I/O thread counts its own (`io/census.rs`) and stores the
//! result here. Whoever shows the numbers adds the threads up.

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

/// The last count of each I/O thread.
#[derive(Debug)]
pub(crate) struct CensusTable {
    /// Counts requested so far. Each is of all threads, and its number identifies it.
    requested: AtomicU64,
    threads: Vec<ThreadCount>,
    lock: Mutex<()>,
    news: Condvar,
}

/// The last count of one I/O thread.
#[derive(Debug, Default)]
struct ThreadCount {
    /// The number of the count.
    number: AtomicU64,
    fields: [AtomicU64; FIELDS],
}

impl CensusTable {
    pub(crate) fn new(io_threads: usize) -> Self {
        Self {
            requested: AtomicU64::new(0),
            threads: (0..io_threads).map(|_| ThreadCount::default()).collect(),
            lock: Mutex::new(()),
            news: Condvar::new(),
        }
    }

    /// Requests a count; returns its number. The caller wakes the I/O threads.
    pub(crate) fn request(&self) -> u64 {
        self.requested.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The number of the count that was requested last.
    pub(crate) fn requested(&self) -> u64 {
        self.requested.load(Ordering::Relaxed)
    }

    /// Stores what I/O thread `index` has counted for request `number`.
    pub(crate) fn store(&self, index: usize, number: u64, counted: &Census) {
        let fields = &self.threads[index].fields;
        for (field, n) in fields.iter().zip(counted.fields()) {
            field.store(n, Ordering::Relaxed);
        }
        self.complete(index, number);
    }

    /// I/O thread `index` ends: nobody waits for its counts any more.
    pub(crate) fn leave(&self, index: usize) {
        self.complete(index, u64::MAX);
    }

    fn complete(&self, index: usize, number: u64) {
        self.threads[index].number.store(number, Ordering::SeqCst);
        // The lock orders this behind a thread that is about to wait.
        drop(self.lock.lock());
        self.news.notify_all();
    }

    /// Blocks until every I/O thread has completed count `number`, or for `most`.
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

    /// Whether every I/O thread has completed count `number`.
    pub(crate) fn is_complete(&self, number: u64) -> bool {
        let mut threads = self.threads.iter();
        threads.all(|thread| thread.number.load(Ordering::SeqCst) >= number)
    }

    /// The sum of the last counts.
    pub(crate) fn sum(&self) -> Census {
        let sum = |field: usize| {
            let threads = self.threads.iter();
            threads
                .map(|thread| thread.fields[field].load(Ordering::Relaxed))
                .sum()
        };
        Census {
            idle: sum(0),
            receiving: sum(1),
            in_task: sum(2),
            sending: sum(3),
            memory: sum(4),
            unsent: sum(5),
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
