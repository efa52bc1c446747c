//! All channels of one I/O thread. [`Channels::find`] finds them by token. Three collections order them: the idle
//! list, the queue of channels with more to do, and the deadlines.
//!
//! Invariants: a channel is at most once in the idle list, at most once in the queue, and has one deadline. Only
//! this file and its collections write the fields that they keep in a channel.

use crate::sys::instant::Instant;
use std::collections::VecDeque;
use std::ops::{Index, IndexMut};

use slab::Slab;

use crate::io::channel::Channel;
use crate::io::deadlines::{Deadlines, Fired};
use crate::io::idle::IdleList;

/// The channels of one I/O thread. An index is valid until its channel is removed. A token stays unique after that.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    slab: Slab<Channel>,
    /// The generation in the last token.
    generation: usize,
    idle: IdleList,
    deadlines: Deadlines,
    /// Tokens of the channels that have more to do than one turn allows, first in first out.
    again: VecDeque<usize>,
}

impl Channels {
    /// A token for the channel that is added next. Every call returns a different one.
    pub(crate) fn next_token(&mut self) -> usize {
        self.generation = (self.generation + 1) & (INDEX_MASK >> 1);
        (self.generation << (usize::BITS / 2)) | self.slab.vacant_key()
    }

    /// Adds a channel and returns its index. The channel's token must be the last [`Channels::next_token`].
    pub(crate) fn insert(&mut self, channel: Channel) -> usize {
        let token = channel.link.token;
        let index = self.slab.insert(channel);
        debug_assert_eq!(self.find(token), Some(index), "the token is of this place");
        index
    }

    /// The index of the channel with this token; `None` if it is closed.
    pub(crate) fn find(&self, token: usize) -> Option<usize> {
        let index = token & INDEX_MASK;
        (self.slab.get(index)?.link.token == token).then_some(index)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Channel> {
        self.slab.get(index)
    }

    /// Removes a channel. Its entries among the deadlines and in the queue stay; whoever takes them out later
    /// finds that they are stale.
    pub(crate) fn remove(&mut self, index: usize) -> Channel {
        self.unlist_idle(index);
        self.slab.remove(index)
    }

    pub(crate) fn len(&self) -> usize {
        self.slab.len()
    }

    /// One more than the highest index that is possible without growing.
    pub(crate) fn capacity(&self) -> usize {
        self.slab.capacity()
    }

    /// Frees the memory of unused entries.
    pub(crate) fn shrink(&mut self) {
        self.slab.shrink_to_fit();
        self.deadlines.shrink();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Channel> {
        self.slab.iter().map(|(_, channel)| channel)
    }

    /// The indices of all channels, for a loop that may close some of them.
    pub(crate) fn indices(&self) -> Vec<usize> {
        self.slab.iter().map(|(index, _)| index).collect()
    }

    /// Sets the channel's deadline; `None` removes it.
    pub(crate) fn arm(&mut self, index: usize, due: Option<Instant>) {
        let channel = &mut self.slab[index];
        match due {
            Some(due) => self
                .deadlines
                .arm(channel.link.token, &mut channel.deadline, due),
            None => channel.deadline.disarm(),
        }
    }

    /// The first deadline. May be too early, never too late.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    /// The next channel whose deadline has passed by `now`. Removes this deadline. Each entry that is examined
    /// takes one off `looks`.
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

    /// Drops the deadlines of closed channels, if there are many.
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

    /// Puts the channel at the end of the idle list.
    pub(crate) fn list_idle(&mut self, index: usize) {
        self.idle.push(&mut self.slab, index);
    }

    /// Takes the channel out of the idle list, if it is there.
    pub(crate) fn unlist_idle(&mut self, index: usize) {
        self.idle.remove(&mut self.slab, index);
    }

    /// The channel that has been idle longest.
    pub(crate) fn longest_idle(&self) -> Option<usize> {
        self.idle.longest()
    }

    /// Puts the channel in the queue: the loop serves it in the next turn.
    pub(crate) fn later(&mut self, index: usize) {
        let channel = &mut self.slab[index];
        if !channel.queued_again {
            channel.queued_again = true;
            self.again.push_back(channel.link.token);
        }
    }

    /// The length of the queue. Some of its channels may be closed.
    pub(crate) fn waiting(&self) -> usize {
        self.again.len()
    }

    /// Takes the first channel out of the queue. Returns its token.
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

/// The low half of a token is the channel's index in the slab. The high half is a generation: it differs for the
/// next channel with the same index.
const INDEX_MASK: usize = usize::MAX >> (usize::BITS / 2);
/// The deadlines are swept only when they hold more stale entries than this.
const STALE_ENTRIES: usize = 1024;
