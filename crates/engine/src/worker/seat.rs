//! Who runs the loop of an I/O thread: the thread itself or, at low load, an idle worker (the *leader*).
//!
//! A leader polls, reads, runs the application and writes on one thread, without any hand-off. The loop is a
//! value that moves between threads by way of this seat:
//!
//! - the I/O thread *lends* its loop: it puts the loop in the seat and keeps watch;
//! - a worker that is about to park *takes* the loop out of the seat and polls. When it has a task to run, it
//!   *leaves* the loop in the seat, and takes it again after the task;
//! - when nobody has left or taken the loop for a tick, the I/O thread takes it back out of the seat;
//! - a leader that finds more than one task, or a drain, *gives* the loop *back* at once.
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
        let mut seen = state.moves;
        let mut seen_taken = taken();
        let mut away = 0;
        let mut tick = TICK;
        loop {
            state = if state.asleep {
                self.watch
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner)
            } else {
                self.watch
                    .wait_timeout(state, tick)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            };
            if state.returned {
                state.returned = false;
                if let Some(io) = state.vacant.take() {
                    return (io, Back::Given);
                }
            }
            let moves = state.moves - std::mem::replace(&mut seen, state.moves);
            tick = if moves >= BRISK { LONG_TICK } else { TICK };
            let now_taken = taken();
            let tasks = now_taken - std::mem::replace(&mut seen_taken, now_taken);
            away = if moves > 0 { 0 } else { away + 1 };
            if moves > 0 || tasks >= BRISK && away < LONGEST_BATCH {
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

/// How long a leader may be away before its loop is taken back.
const TICK: Duration = Duration::from_millis(1);
/// If the loop was left and taken this often within a tick, the next tick is the long one: each tick wakes the I/O
/// thread, which costs about as much as a request.
const BRISK: u64 = 8;
/// For so many ticks a leader may be away that takes a task each time, eight of them in a tick at least.
const LONGEST_BATCH: u32 = 8;
const LONG_TICK: Duration = Duration::from_millis(4);
