//! Who runs the loop: its own I/O thread, or, at low load, an idle worker (the *leader*).
//!
//! A leader polls, reads, runs the application and writes on one thread, without any hand-off. The
//! loop itself, an [`IoLoop`] value, moves between threads through this seat:
//!
//! - the I/O thread *lends* it: the seat is vacant from then on, and the I/O thread keeps watch;
//! - a worker that is about to park *takes* the vacant loop and polls; when it has a task to run it
//!   *leaves* the seat vacant again and comes back after the task;
//! - a leader that has not come back for a tick loses it: the I/O thread takes the loop back;
//! - a leader with more than one task, or one that drains, *gives it back* at once.
//!
//! The watch ticks once a millisecond only while requests come in: while the leader sleeps in the
//! poll, the I/O thread sleeps too, so an idle server makes no wake-ups.

use std::sync::PoisonError;
use std::time::Duration;

use crate::io::IoLoop;
use crate::sys::sync::{Condvar, Mutex, MutexGuard};

/// The place of the loop while its I/O thread is not in it.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    state: Mutex<State>,
    watch: Condvar,
}

#[derive(Debug, Default)]
struct State {
    vacant: Option<Box<IoLoop>>,
    /// The loop comes back to its I/O thread for good.
    returned: bool,
    /// Times the seat was left or taken: a tick without a change means that nobody is coming.
    moves: u64,
    /// The I/O thread waits without ticks.
    asleep: bool,
}

/// Why the loop came back to its I/O thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Back {
    /// The leader gave it back.
    Given,
    /// The leader was busy for too long.
    TakenBack,
}

impl Seat {
    /// Lends the loop; blocks its I/O thread until it comes back.
    pub(crate) fn lend(&self, io: Box<IoLoop>) -> (Box<IoLoop>, Back) {
        let mut state = self.lock();
        state.vacant = Some(io);
        state.moves += 1;
        state.asleep = false;
        let mut seen = state.moves;
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
            if moves > 0 {
                continue;
            }
            match state.vacant.take() {
                Some(io) => return (io, Back::TakenBack),
                // A leader sleeps in the poll: whatever wakes it will wake us.
                None => state.asleep = true,
            }
        }
    }

    /// Takes the vacant loop, to lead.
    pub(crate) fn take(&self) -> Option<Box<IoLoop>> {
        let mut state = self.lock();
        if state.returned {
            return None;
        }
        let io = state.vacant.take()?;
        state.moves += 1;
        Some(io)
    }

    /// Runs `then` if the loop is lent and nobody polls: whoever takes it next will see what `then` leaves.
    pub(crate) fn if_vacant(&self, then: impl FnOnce()) {
        let state = self.lock();
        if state.vacant.is_some() && !state.returned {
            then();
        }
    }

    /// Leaves the loop for the length of a task.
    pub(crate) fn leave(&self, io: Box<IoLoop>) {
        let mut state = self.lock();
        state.vacant = Some(io);
        state.moves += 1;
        if std::mem::take(&mut state.asleep) {
            drop(state);
            self.watch.notify_one();
        }
    }

    /// Gives the loop back for good.
    pub(crate) fn give_back(&self, io: Box<IoLoop>) {
        let mut state = self.lock();
        state.vacant = Some(io);
        state.moves += 1;
        state.returned = true;
        state.asleep = false;
        drop(state);
        self.watch.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long a leader may be away.
const TICK: Duration = Duration::from_millis(1);
/// A leader that comes back so often in a tick is looked at less often: a look costs as much as a
/// request.
const BRISK: u64 = 8;
const LONG_TICK: Duration = Duration::from_millis(4);
