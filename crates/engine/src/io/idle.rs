//! The idle channels of an I/O thread, in the order in which they became idle.

use slab::Slab;

use crate::io::channel::Channel;

/// A channel's place in the list.
#[derive(Clone, Copy, Debug)]
pub(in crate::io) struct Neighbours {
    before: u32,
    behind: u32,
}

/// Idle channels, longest idle first: a doubly linked list through the slab.
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

    /// Puts `index` at the end; it must not be listed.
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

    /// Takes `index` out, if it is listed.
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

/// No channel: the slab never grows this far, descriptors end long before.
const NOBODY: u32 = u32::MAX;
