//! How many channels are where. Only its I/O thread knows a channel, so each thread counts its own when
//! it is asked to, and leaves the result for whoever shows it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::channel::State;
use crate::io_thread::IoThread;
use crate::shared::Shared;

/// Channels and bytes by where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Between requests.
    pub(crate) idle: u64,
    /// Receiving a request.
    pub(crate) receiving: u64,
    /// With a request that waits for a worker or runs.
    pub(crate) in_task: u64,
    /// Sending a reply whose worker is through, or being closed.
    pub(crate) sending: u64,
    /// Bytes of requests and replies in memory.
    pub(crate) memory: u64,
    /// Reply bytes that clients have not taken.
    pub(crate) unsent: u64,
}

const FIELDS: usize = 6;

/// One I/O thread's last count.
#[derive(Debug, Default)]
pub(crate) struct Ballot {
    wanted: AtomicBool,
    fields: [AtomicU64; FIELDS],
}

impl Shared {
    /// Asks every I/O thread for a count; it is there a moment later.
    pub(crate) fn want_census(&self) {
        for ballot in &self.ballots {
            ballot.wanted.store(true, Ordering::SeqCst);
        }
        self.wake_io_threads();
    }

    /// The last counts, added up.
    pub(crate) fn census(&self) -> Census {
        let sum = |field: usize| {
            let ballots = self.ballots.iter();
            ballots
                .map(|ballot| ballot.fields[field].load(Ordering::Relaxed))
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

impl IoThread {
    /// Counts, if somebody has asked; once a turn.
    pub(crate) fn vote(&self) {
        let ballot = &self.shared.ballots[self.index];
        if ballot.wanted.load(Ordering::Relaxed) && ballot.wanted.swap(false, Ordering::SeqCst) {
            self.count_channels();
        }
    }

    /// Counts now.
    pub(crate) fn count_channels(&self) {
        let mut census = Census::default();
        for (_, channel) in self.channels.iter().filter(|(_, c)| !c.link.admin) {
            match channel.state {
                State::Idle => census.idle += 1,
                State::Head | State::Body => census.receiving += 1,
                State::Task => census.in_task += 1,
                State::Asking | State::Replying | State::Refusing | State::Lingering => {
                    census.sending += 1;
                }
            }
            let unsent = channel.link.unsent();
            census.unsent += unsent.all;
            census.memory += unsent.memory + channel.inbuf.len() as u64;
            let exchange = channel.exchange.as_ref();
            census.memory += exchange.map_or(0, |exchange| exchange.body.in_memory().len()) as u64;
        }
        let counted = [
            census.idle,
            census.receiving,
            census.in_task,
            census.sending,
            census.memory,
            census.unsent,
        ];
        for (field, n) in self.shared.ballots[self.index].fields.iter().zip(counted) {
            field.store(n, Ordering::Relaxed);
        }
    }
}
