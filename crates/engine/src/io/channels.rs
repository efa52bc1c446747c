//! All channels of one I/O thread: found by their tokens, and kept in three orders.
//!
//! Invariants: a channel stands at most once in the list of the idle ones and at most once in the queue of
//! those with more to do, and it has one deadline. Nobody else writes what these orders keep in a channel.

use std::collections::VecDeque;
use std::ops::{Index, IndexMut};
use std::time::Instant;

use slab::Slab;

use crate::io::channel::Channel;
use crate::io::deadlines::{Deadlines, Fired};
use crate::io::idle::IdleList;

/// The channels by their places; an index is valid until its channel is removed, a token for ever.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    slab: Slab<Channel>,
    /// The generation of the channel that was added last.
    generation: usize,
    idle: IdleList,
    deadlines: Deadlines,
    /// Tokens of the channels that have more to do than a turn allows, first in first out.
    again: VecDeque<usize>,
}

impl Channels {
    /// The token of the channel that is added next. Every call gives another one.
    pub(crate) fn next_token(&mut self) -> usize {
        self.generation = (self.generation + 1) & (INDEX_MASK >> 1);
        (self.generation << (usize::BITS / 2)) | self.slab.vacant_key()
    }

    /// Adds a channel whose token is the last [`Channels::next_token`]; its index.
    pub(crate) fn insert(&mut self, channel: Channel) -> usize {
        let token = channel.link.token;
        let index = self.slab.insert(channel);
        debug_assert_eq!(self.find(token), Some(index), "the token is of this place");
        index
    }

    /// The channel with this token, unless it is closed.
    pub(crate) fn find(&self, token: usize) -> Option<usize> {
        let index = token & INDEX_MASK;
        (self.slab.get(index)?.link.token == token).then_some(index)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Channel> {
        self.slab.get(index)
    }

    /// Takes a channel out. Its deadline and its place in the queue of those with more to do are found to be
    /// stale when they come up.
    pub(crate) fn remove(&mut self, index: usize) -> Channel {
        self.unlist_idle(index);
        self.slab.remove(index)
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// One more than the highest index there may be.
    pub(crate) fn capacity(&self) -> usize {
        self.slab.capacity()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.slab.iter().map(|(_, channel)| channel)
    }

    /// The indices of all channels, for a walk that may close some.
    pub(crate) fn indices(&self) -> Vec<usize> {
        self.slab.iter().map(|(index, _)| index).collect()
    }

    /// Sets when the channel is due; `None` for never.
    pub(crate) fn arm(&mut self, index: usize, due: Option<Instant>) {
        let channel = &mut self.slab[index];
        match due {
            Some(due) => self
                .deadlines
                .arm(channel.link.token, &mut channel.deadline, due),
            None => channel.deadline.disarm(),
        }
    }

    /// When the first channel is due. May be early, never late.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// The next channel that is due by `now`; it is disarmed. Each entry looked at takes one of `looks`.
    pub(crate) fn next_due(&mut self, now: Instant, looks: &mut usize) -> Option<usize> {
        while *looks > 0 {
            let (at, token) = self.deadlines.pop(now)?;
            *looks -= 1;
            if let Some(index) = self.find(token) {
                let deadline = &mut self.slab[index].deadline;
                if self.deadlines.check(at, token, deadline, now) == Fired::Due {
                    return Some(index);
                }
            }
        }
        None
    }

    /// Drops the deadlines of channels that are closed, where there are many.
    pub(crate) fn sweep_deadlines(&mut self) {
        if self.deadlines.len() > 2 * self.slab.len() + STALE_ENTRIES {
            let slab = &self.slab;
            self.deadlines
                .retain(|at, token| match slab.get(token & INDEX_MASK) {
                    Some(channel) => channel.link.token == token && channel.deadline.entry_is(at),
                    None => false,
                });
        }
    }

    /// Puts the channel behind the others that are idle.
    pub(crate) fn list_idle(&mut self, index: usize) {
        self.idle.push(&mut self.slab, index);
    }

    /// Takes the channel out of the list of the idle ones, if it stands there.
    pub(crate) fn unlist_idle(&mut self, index: usize) {
        self.idle.remove(&mut self.slab, index);
    }

    /// The channel that has been idle longest.
    pub(crate) fn longest_idle(&self) -> Option<usize> {
        self.idle.longest()
    }

    /// The loop comes back to the channel in its next turn.
    pub(crate) fn later(&mut self, index: usize) {
        let channel = &mut self.slab[index];
        if !channel.queued_again {
            channel.queued_again = true;
            self.again.push_back(channel.link.token);
        }
    }

    /// How many channels the loop comes back to, some of which may be closed by then.
    pub(crate) fn waiting(&self) -> usize {
        self.again.len()
    }

    /// The next channel to come back to; its token.
    pub(crate) fn next_again(&mut self) -> Option<usize> {
        let token = self.again.pop_front()?;
        if let Some(index) = self.find(token) {
            self.slab[index].queued_again = false;
        }
        Some(token)
    }
}

impl Index<usize> for Channels {
    type Output = Channel;

    fn index(&self, index: usize) -> &Channel {
        &self.slab[index]
    }
}

impl IndexMut<usize> for Channels {
    fn index_mut(&mut self, index: usize) -> &mut Channel {
        &mut self.slab[index]
    }
}

/// The low half of a token is the channel's place in the slab, the high half tells its successors
/// in that place apart.
const INDEX_MASK: usize = usize::MAX >> (usize::BITS / 2);
/// Deadlines of closed channels that may be kept until they come up.
const STALE_ENTRIES: usize = 1024;
