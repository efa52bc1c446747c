//! Who runs the loop makes its turns here: its own I/O thread, or a leader (`worker/leader.rs`).

use crate::sys::instant::Instant;
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::exchange::Exchange;
use crate::io::IoLoop;
use crate::io::brevity::Length;
use crate::shared::Stage;

impl IoLoop {
    /// Makes a turn and gives its tasks to the queue. Returns how many they were. An error of the poll ends the
    /// server.
    pub(crate) fn turn_or_end(&mut self) -> usize {
        self.nap();
        match catch_unwind(AssertUnwindSafe(|| self.turn())) {
            Ok(Ok(())) => self.failed_turns = 0,
            Ok(Err(error)) => self.fail(&error),
            Err(panic) => self.survive(panic),
        }
        let tasks = self.waiting_tasks();
        self.hand_over();
        tasks
    }

    /// Takes tasks of this turn for the worker that leads. See `InFlight::take_for_leader`.
    pub(crate) fn take_for_leader(&mut self, worker: usize) -> Option<Box<Exchange>> {
        let short = self.task_length() == Length::Short;
        let desk = &mut self.desk;
        desk.in_flight
            .take_for_leader(&desk.shared.queue, worker, short)
    }

    /// How long tasks are at the moment.
    pub(crate) fn task_length(&self) -> Length {
        self.desk.brevity.length(self.desk.now)
    }

    /// A bug outside of any channel costs a turn. A bug in every turn ends the server.
    fn survive(&mut self, panic: Box<dyn Any + Send>) {
        self.desk.shared.note_panic(&*panic);
        self.failed_turns += 1;
        if self.failed_turns > MOST_FAILED_TURNS {
            self.guarded(None, Self::cut_all);
            resume_unwind(panic);
        }
        self.desk.look_everywhere();
    }

    /// Examines every channel and listener in the next turn: a panic has ended this one.
    pub(crate) fn look_everywhere(&mut self) {
        self.desk.look_everywhere();
    }

    fn fail(&mut self, error: &io::Error) {
        log::error!(target: crate::LOG, "polling failed: {error}");
        self.desk.shared.advance(Stage::Cutting);
        self.cut_all();
    }

    /// Runs the loop to its end, without lending it.
    #[cfg(all(test, shuttle))]
    pub(crate) fn run(mut self: Box<Self>) {
        while !self.is_done() {
            self.turn_or_end();
        }
    }

    /// The time that the loop goes by: that of its last look at the clock.
    pub(crate) fn now(&self) -> Instant {
        self.desk.now
    }

    /// The poll's own descriptor. It is readable when a turn has something to do, for whoever polls it.
    #[cfg(all(unix, not(all(test, shuttle))))]
    pub(crate) fn poll_fd(&self) -> std::os::fd::RawFd {
        std::os::fd::AsRawFd::as_raw_fd(&self.poll)
    }

    /// Looks at the clock, as a turn does. For whoever runs the loop between two turns.
    pub(crate) fn look_at_clock(&mut self) {
        self.desk.now = self.desk.shared.now();
    }
}

/// How many turns in a row may end by a panic. The next one ends the thread, and with it the server.
const MOST_FAILED_TURNS: u32 = 16;
