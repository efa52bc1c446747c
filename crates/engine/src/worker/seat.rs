//! Who runs the loop of the I/O thread: the thread itself or, at low load and while tasks are short, an idle worker (the *leader*).
//!
//! A leader polls, reads, runs the application and writes on one thread, without any hand-off. The loop is a
//! value that moves between threads by way of this seat:
//!
//! - the I/O thread *lends* its loop: it puts the loop in the seat and keeps watch;
//! - a worker that is about to park *takes* the loop out of the seat and polls. When it has a task to run, it
//!   *leaves* the loop in the seat, and takes it again after the task;
//! - when nobody has left or taken the loop for a tick, and workers have taken few tasks, the I/O thread takes it back
//!   out of the seat;
//! - a leader that finds several tasks takes them all, if tasks are short; else, and at a drain, it *gives* the loop
//!   *back* at once.
//!
//! The watch ticks once a millisecond only while requests come in: while the leader sleeps in the
//! poll, the I/O thread sleeps too, so an idle server makes no wake-ups.

use std::sync::PoisonError;
use std::time::Duration;

use crate::sys::sync::{Condvar, Mutex, MutexGuard};

/// Where a lent loop `L` lies while no thread runs it.
#[derive(Debug)]
pub(crate) struct Seat<L> {
    state: Mutex<State<L>>,
    /// Wakes the I/O thread that has lent its loop.
    watch: Condvar,
}

#[derive(Debug)]
struct State<L> {
    /// The loop, while it is lent and no leader polls.
    vacant: Option<Box<L>>,
    /// A leader has given the loop back: only the I/O thread may take it.
    returned: bool,
    /// How often the loop was left or taken. If a tick changes nothing, no leader is about to come.
    moves: u64,
    /// The I/O thread waits without ticks, since a leader sleeps in the poll.
    asleep: bool,
}

impl<L> State<L> {
    fn put(&mut self, io: Box<L>) {
        debug_assert!(self.vacant.is_none(), "there is one loop");
        self.vacant = Some(io);
        self.moves += 1;
    }
}

/// Why the loop came back to its I/O thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Back {
    /// A leader has given it back.
    Given,
    /// The leader was busy with its task for too long.
    TakenBack,
}

impl<L> Default for Seat<L> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                vacant: None,
                returned: false,
                moves: 0,
                asleep: false,
            }),
            watch: Condvar::new(),
        }
    }
}

impl<L> Seat<L> {
    /// Lends the loop. Blocks its I/O thread until the loop comes back. `taken` says how many tasks workers have taken:
    /// a leader that takes many is not away.
    pub(crate) fn lend(&self, io: Box<L>, taken: impl Fn() -> u64) -> (Box<L>, Back) {
        let mut state = self.lock();
        state.put(io);
        state.asleep = false;
        let mut watch = Watch::begin(state.moves, taken());
        loop {
            state = if state.asleep {
                self.watch
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner)
            } else {
                self.watch
                    .wait_timeout(state, watch.tick)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            };
            if state.returned {
                state.returned = false;
                if let Some(io) = state.vacant.take() {
                    return (io, Back::Given);
                }
            }
            if !watch.sees_nobody(state.moves, taken()) {
                continue;
            }
            match state.vacant.take() {
                Some(io) => return (io, Back::TakenBack),
                // A leader sleeps in the poll. It leaves the loop or gives it back when it wakes, and that wakes us.
                None => state.asleep = true,
            }
        }
    }

    /// Takes the vacant loop, to lead.
    pub(crate) fn take(&self) -> Option<Box<L>> {
        let mut state = self.lock();
        if state.returned {
            return None;
        }
        let io = state.vacant.take()?;
        state.moves += 1;
        Some(io)
    }

    /// Runs `then` if the loop lies here: the next to take it will see what `then` does. Meanwhile nobody takes it.
    pub(crate) fn if_vacant(&self, then: impl FnOnce()) {
        let state = self.lock();
        if state.vacant.is_some() && !state.returned {
            then();
        }
    }

    /// Leaves the loop here while the leader runs a task.
    pub(crate) fn leave(&self, io: Box<L>) {
        let mut state = self.lock();
        state.put(io);
        if std::mem::take(&mut state.asleep) {
            drop(state);
            self.watch.notify_one();
        }
    }

    /// Gives the loop back to its I/O thread.
    pub(crate) fn give_back(&self, io: Box<L>) {
        let mut state = self.lock();
        state.put(io);
        state.returned = true;
        state.asleep = false;
        drop(state);
        self.watch.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread that has lent its loop has seen.
struct Watch {
    moves: u64,
    taken: u64,
    /// Ticks in a row without a move.
    still: u32,
    /// How long to wait for the next look.
    tick: Duration,
}

impl Watch {
    fn begin(moves: u64, taken: u64) -> Self {
        Self {
            moves,
            taken,
            still: 0,
            tick: TICK,
        }
    }

    /// A tick is over. `true`: no leader is about to come.
    fn sees_nobody(&mut self, moves: u64, taken: u64) -> bool {
        let moved = moves - std::mem::replace(&mut self.moves, moves);
        let tasks = taken - std::mem::replace(&mut self.taken, taken);
        self.tick = if moved >= BRISK { LONG_TICK } else { TICK };
        self.still = if moved > 0 { 0 } else { self.still + 1 };
        moved == 0 && (tasks < BRISK || self.still >= LONGEST_BATCH)
    }
}

/// How long a leader may be away before its loop is taken back.
const TICK: Duration = Duration::from_millis(1);
/// If the loop was left and taken this often within a tick, the next tick is the long one: each tick wakes the I/O
/// thread, which costs about as much as a request.
const BRISK: u64 = 8;
/// For so many ticks a leader may be away that takes [`BRISK`] tasks in each.
const LONGEST_BATCH: u32 = 8;
const LONG_TICK: Duration = Duration::from_millis(4);

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_leader_is_away_unless_it_moves_the_loop_or_takes_many_tasks() {
        let mut watch = Watch::begin(5, 100);
        assert!(!watch.sees_nobody(6, 100));
        assert_eq!(watch.tick, TICK);
        assert!(!watch.sees_nobody(6 + BRISK, 100));
        assert_eq!(watch.tick, LONG_TICK);
        assert!(watch.sees_nobody(6 + BRISK, 100 + BRISK - 1));
        assert_eq!(watch.tick, TICK);
    }

    #[test]
    fn not_even_a_busy_leader_is_away_for_ever() {
        let mut watch = Watch::begin(0, 0);
        let looks = (1..).map(|look| watch.sees_nobody(0, look * BRISK));
        let patient = looks.take_while(|nobody| !nobody).count();
        assert_eq!(patient as u32, LONGEST_BATCH - 1);
    }
}
