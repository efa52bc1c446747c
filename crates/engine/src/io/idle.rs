//! The idle channels of the I/O thread, in the order in which they became idle.

use slab::Slab;

use crate::io::channel::Channel;

/// A channel's links in the list.
#[derive(Clone, Copy, Debug)]
pub(in crate::io) struct Neighbours {
    before: u32,
    behind: u32,
}

/// The idle channels, longest idle first. A doubly linked list whose links are in the channels.
#[derive(Debug)]
pub(crate) struct IdleList {
    first: u32,
    last: u32,
}

impl Default for IdleList {
    fn default() -> Self {
        Self {
            first: NOBODY,
            last: NOBODY,
        }
    }
}

impl IdleList {
    /// The channel that has been idle longest.
    pub(crate) fn longest(&self) -> Option<usize> {
        (self.first != NOBODY).then_some(self.first as usize)
    }

    /// Puts `index` at the end. It must not be in the list yet.
    pub(crate) fn push(&mut self, channels: &mut Slab<Channel>, index: usize) {
        let me = index as u32;
        channels[index].idle = Some(Neighbours {
            before: self.last,
            behind: NOBODY,
        });
        match channels
            .get_mut(self.last as usize)
            .and_then(|c| c.idle.as_mut())
        {
            Some(last) => last.behind = me,
            None => self.first = me,
        }
        self.last = me;
    }

    /// Takes `index` out, if it is in the list.
    pub(crate) fn remove(&mut self, channels: &mut Slab<Channel>, index: usize) {
        let Some(Neighbours { before, behind }) = channels[index].idle.take() else {
            return;
        };
        match channels
            .get_mut(before as usize)
            .and_then(|c| c.idle.as_mut())
        {
            Some(before) => before.behind = behind,
            None => self.first = behind,
        }
        match channels
            .get_mut(behind as usize)
            .and_then(|c| c.idle.as_mut())
        {
            Some(behind) => behind.before = before,
            None => self.last = before,
        }
    }
}

/// Stands for no channel. No channel has this index: a process has fewer descriptors.
const NOBODY: u32 = u32::MAX;
