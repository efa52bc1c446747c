//! The deadlines of channels: a heap of instants with lazy entries.
//!
//! A keep-alive channel moves its idle deadline with every request. A move to a later instant does not touch the
//! heap. When the old entry comes up, [`Deadlines::check`] sees that the deadline has moved and pushes a new entry.
//! So each channel has one live entry, however busy it is, and a move costs no work on the hot path. Time comes in
//! as `now`.

use crate::sys::instant::Instant;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The part that each channel keeps: its deadline, and its earliest entry in the heap.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Deadline {
    due: Option<Instant>,
    entry: Option<Instant>,
}

/// The entries of all channels of one I/O thread.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, usize)>>,
}

/// What an entry that came up means for its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fired {
    /// The deadline has passed.
    Due,
    /// Nothing to do: the deadline was moved or removed, or the entry belongs to an earlier channel.
    Stale,
}

impl Deadlines {
    /// Sets `deadline`, which belongs to the channel `token`, to `due`.
    pub(crate) fn arm(&mut self, token: usize, deadline: &mut Deadline, due: Instant) {
        deadline.due = Some(due);
        if deadline.entry.is_none_or(|entry| due < entry) {
            deadline.entry = Some(due);
            self.heap.push(Reverse((due, token)));
        }
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Drops the entries for which `wanted` is false. Without this, the entries of closed channels stay until they
    /// come up. With a long timeout that is late.
    pub(crate) fn retain(&mut self, wanted: impl Fn(Instant, usize) -> bool) {
        self.heap.retain(|Reverse((at, token))| wanted(*at, *token));
    }

    /// Frees the memory of removed entries.
    pub(crate) fn shrink(&mut self) {
        self.heap.shrink_to_fit();
    }

    /// The first deadline. May be too early, never too late.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Takes the next entry whose instant has come by `now`. The caller passes it to [`Deadlines::check`].
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, usize)> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Decides what the entry `at` means for the channel `token`. Pushes a new entry if the deadline was moved.
    pub(crate) fn check(
        &mut self,
        at: Instant,
        token: usize,
        deadline: &mut Deadline,
        now: Instant,
    ) -> Fired {
        if deadline.entry != Some(at) {
            return Fired::Stale;
        }
        deadline.entry = None;
        match deadline.due {
            Some(due) if due <= now => {
                deadline.due = None;
                Fired::Due
            }
            Some(due) => {
                self.arm(token, deadline, due);
                Fired::Stale
            }
            None => Fired::Stale,
        }
    }
}

impl Deadline {
    /// Removes the deadline. Its entry stays in the heap and becomes stale.
    pub(crate) fn disarm(&mut self) {
        self.due = None;
    }

    /// Whether the entry `at` is the channel's live entry.
    pub(crate) fn entry_is(&self, at: Instant) -> bool {
        self.entry == Some(at)
    }

    /// Whether there is a deadline.
    pub(crate) fn is_armed(&self) -> bool {
        self.due.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn fire(all: &mut Deadlines, one: &mut Deadline, now: Instant) -> usize {
        let mut fired = 0;
        while let Some((at, token)) = all.pop(now) {
            fired += usize::from(all.check(at, token, one, now) == Fired::Due);
        }
        fired
    }

    #[test]
    fn a_sweep_leaves_the_entries_that_count() {
        let (start, second) = (Instant::now(), Duration::from_secs(1));
        let mut all = Deadlines::default();
        let mut open = Deadline::default();
        all.arm(7, &mut open, start + second * 9);
        all.arm(7, &mut open, start + second); // makes the earlier entry stale
        for token in 100..200 {
            all.arm(token, &mut Deadline::default(), start + second * 3600);
        }
        assert_eq!(all.len(), 102);
        all.retain(|at, token| token == 7 && open.entry_is(at));
        assert_eq!((all.len(), all.next()), (1, Some(start + second)));
        assert_eq!(fire(&mut all, &mut open, start + second), 1);
    }

    #[test]
    fn fires_once_at_the_latest_deadline_and_keeps_one_entry() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let (mut all, mut one) = (Deadlines::default(), Deadline::default());
        for n in 0..1000 {
            all.arm(7, &mut one, start + second * 100 + Duration::from_millis(n));
        }
        assert_eq!(all.heap.len(), 1);
        assert_eq!(fire(&mut all, &mut one, start + second * 100), 0);
        assert_eq!(fire(&mut all, &mut one, start + second * 101), 1);
        assert_eq!(fire(&mut all, &mut one, start + second * 999), 0);
        assert_eq!(all.next(), None);
    }

    #[test]
    fn an_earlier_deadline_fires_early_and_a_disarmed_one_never() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let (mut all, mut one) = (Deadlines::default(), Deadline::default());
        all.arm(7, &mut one, start + second * 120);
        all.arm(7, &mut one, start + second * 30);
        assert_eq!(all.next(), Some(start + second * 30));
        assert_eq!(fire(&mut all, &mut one, start + second * 30), 1);
        all.arm(7, &mut one, start + second * 60);
        one.disarm();
        assert_eq!(fire(&mut all, &mut one, start + second * 500), 0);
    }
}
