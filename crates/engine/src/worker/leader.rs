//! Lending the loop at low load, and what a worker does while it leads. See `seat.rs`.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::exchange::Exchange;
use crate::io::IoLoop;
use crate::shared::Shared;
use crate::sys::sync;
use crate::worker::seat::{Back, Seat};
use crate::worker::task::Task;

/// When an I/O thread lends its loop.
#[derive(Debug)]
pub(crate) struct Lending {
    /// Turns in a row that brought at most one task.
    quiet: u32,
    /// Not before this instant, after a leader stayed away.
    not_before: Option<Instant>,
    pause: Duration,
}

impl Lending {
    pub(crate) fn new() -> Self {
        Self {
            quiet: 0,
            not_before: None,
            pause: SHORTEST_PAUSE,
        }
    }

    /// A turn brought `tasks`. `true`: load is low, a worker may lead.
    fn after_turn(&mut self, tasks: usize, now: Instant) -> bool {
        self.quiet = if tasks > 1 {
            0
        } else {
            self.quiet.saturating_add(1)
        };
        tasks == 1 && self.quiet >= QUIET && self.not_before.is_none_or(|at| at <= now)
    }

    /// The loop is back. Applications that take long gain nothing by lending, so the pauses grow.
    fn came_back(&mut self, back: Back, lent_for: Duration, now: Instant) {
        self.quiet = 0;
        if back == Back::TakenBack {
            self.pause = if lent_for > GOOD_TERM {
                SHORTEST_PAUSE
            } else {
                (self.pause * 2).min(LONGEST_PAUSE)
            };
            self.not_before = Some(now + self.pause);
        }
    }
}

/// Runs the first I/O thread's loop until the server has drained, lending it at low load.
pub(crate) fn conduct(mut io: Box<IoLoop>, shared: &Shared, seat: &Seat<IoLoop>) {
    let mut lending = Lending::new();
    while !io.is_done() {
        let tasks = io.turn_or_end();
        if !shared.settings.lend_loop || shared.draining() || !lending.after_turn(tasks, io.now) {
            continue;
        }
        let lent = sync::now();
        shared.counters.loop_lends.add(1);
        let (returned, back) = seat.lend(io);
        io = returned;
        io.now = shared.now();
        let lent_for = sync::now().saturating_duration_since(lent);
        lending.came_back(back, lent_for, io.now);
    }
    // A leader may have ended the last request between two turns.
    io.flush_records();
}

/// Why a worker stopped leading.
#[derive(Debug)]
pub(crate) enum Led {
    /// It has a task to run; the seat is vacant meanwhile.
    Task(Box<Exchange>),
    /// Somebody wants it to attach once; the seat is vacant meanwhile.
    Poked,
    /// The loop is its I/O thread's again.
    GaveBack,
}

/// Leads: runs turns until there is one task for this worker, or the loop has to go back. The last
/// reply, `kept`, is sent first.
pub(crate) fn lead(
    shared: &Shared,
    seat: &Seat<IoLoop>,
    worker: usize,
    io: Box<IoLoop>,
    kept: Option<Task>,
) -> Led {
    let mut lent = Lent { seat, io: Some(io) };
    lent.io().now = shared.now();
    if let Some(exchange) = kept.and_then(Task::into_exchange) {
        lent.io().reply_to(exchange);
    }
    // A reply that this worker has left behind.
    lent.io().read_mail();
    loop {
        if shared.queue.take_poke() {
            lent.leave();
            return Led::Poked;
        }
        let tasks = lent.io().waiting_tasks();
        if tasks == 1
            && !shared.draining()
            && shared.queue.take_direct(worker)
            && let Some(exchange) = lent.io().take_single()
        {
            lent.leave();
            return Led::Task(exchange);
        }
        // More than one task, or none that this worker may run: load is not low any more.
        // An error of the poll will meet the I/O thread again, which ends the server.
        if tasks > 0 || shared.draining() || shared.queue.waiting() > 0 || lent.io().turn().is_err()
        {
            lent.io().hand_over();
            return Led::GaveBack;
        }
    }
}

/// The loop in a leader's hands. However the leader ends, the loop goes back.
struct Lent<'a> {
    seat: &'a Seat<IoLoop>,
    io: Option<Box<IoLoop>>,
}

impl Lent<'_> {
    fn io(&mut self) -> &mut IoLoop {
        let Some(io) = &mut self.io else {
            unreachable!("left only when leading ends")
        };
        io
    }

    fn leave(&mut self) {
        if let Some(io) = self.io.take() {
            self.seat.leave(io);
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(mut io) = self.io.take() {
            if std::thread::panicking() {
                io.look_everywhere();
            }
            self.seat.give_back(io);
        }
    }
}

impl IoLoop {
    /// A turn, then its tasks to the queue; how many there were. An error of the poll ends the server.
    fn turn_or_end(&mut self) -> usize {
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

    /// The one task of this turn.
    fn take_single(&mut self) -> Option<Box<Exchange>> {
        let exchange = self.batch.pop()?;
        self.outstanding += 1;
        Some(exchange)
    }

    /// A bug outside of any channel costs a turn; one that comes up in every turn ends the server.
    fn survive(&mut self, panic: Box<dyn Any + Send>) {
        self.shared.note_panic(&*panic);
        self.failed_turns += 1;
        if self.failed_turns > MOST_FAILED_TURNS {
            self.guarded(None, Self::cut_all);
            resume_unwind(panic);
        }
        self.look_everywhere();
    }

    fn fail(&mut self, error: &io::Error) {
        log::error!(target: crate::LOG, "polling failed: {error}");
        self.shared.advance(crate::shared::Stage::Cutting);
        self.cut_all();
    }

    /// Runs the loop of an I/O thread that never lends it.
    pub(crate) fn run(mut self: Box<Self>) {
        while !self.is_done() {
            self.turn_or_end();
        }
    }
}

/// After so many turns in a row that ended by a panic the next one ends the thread, and the server.
const MOST_FAILED_TURNS: u32 = 16;
/// Turns with at most one task before the loop is lent.
const QUIET: u32 = if cfg!(shuttle) { 1 } else { 8 };
/// After a leader stayed away the loop is not lent for this long, doubling up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(16);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A loop lent for this long was worth it.
const GOOD_TERM: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_is_lent_after_quiet_turns_only() {
        let now = Instant::now();
        let mut lending = Lending::new();
        assert!((1..QUIET).all(|_| !lending.after_turn(1, now)));
        assert!(lending.after_turn(1, now));
        assert!(!lending.after_turn(2, now));
        assert!(!lending.after_turn(1, now));
    }

    #[test]
    fn a_leader_that_stays_away_makes_the_pauses_longer_up_to_a_second() {
        let now = Instant::now();
        let mut lending = Lending::new();
        for _ in 0..20 {
            lending.came_back(Back::TakenBack, Duration::ZERO, now);
        }
        lending.quiet = QUIET;
        assert!(!lending.after_turn(1, now + Duration::from_millis(999)));
        assert!(lending.after_turn(1, now + Duration::from_secs(1)));
        lending.came_back(Back::TakenBack, GOOD_TERM * 2, now);
        assert_eq!(lending.pause, SHORTEST_PAUSE);
    }
}
