//! When the I/O thread lends its loop, and what a worker does while it leads. `seat.rs` says how a loop moves.

use crate::sys::instant::Instant;
use std::time::Duration;

use crate::exchange::Exchange;
use crate::io::IoLoop;
use crate::io::brevity::Length;
use crate::shared::Shared;
use crate::sys::sync;
use crate::worker::seat::{Back, Seat};
use crate::worker::task::Task;

/// When the I/O thread lends its loop.
#[derive(Debug)]
pub(crate) struct Lending {
    /// Turns in a row that brought at most one task.
    quiet: u32,
    /// The loop is not lent before this instant, since a leader stayed away.
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

    /// A turn brought `tasks`. `true`: lend the loop, since tasks are short, or load is low and they are not long.
    fn after_turn(&mut self, tasks: usize, length: Length, now: Instant) -> bool {
        self.quiet = if tasks > 1 {
            0
        } else {
            self.quiet.saturating_add(1)
        };
        // While several leaders come and go, each away for long, requests would wait for the next to come.
        let lend = match length {
            Length::Short => tasks > 0,
            Length::Medium => tasks == 1 && self.quiet >= QUIET,
            Length::Long => false,
        };
        lend && self.not_before.is_none_or(|at| at <= now)
    }

    /// The loop is back after `lent_for`. Lending gains nothing for an application that takes long, so each loop that
    /// had to be taken back doubles the pause.
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

/// Runs the loop until the server has drained, lending it at low load and while tasks are short.
pub(crate) fn conduct(mut io: Box<IoLoop>, shared: &Shared, seat: &Seat<IoLoop>) {
    let mut lending = Lending::new();
    while !io.is_done() {
        let tasks = io.turn_or_end();
        if !shared.settings.lend_loop
            || shared.draining()
            || !lending.after_turn(tasks, io.task_length(), io.now())
        {
            continue;
        }
        let lent = sync::now();
        shared.counters.loop_lends.add(1);
        let (returned, back) = seat.lend(io, || shared.queue.taken());
        io = returned;
        // Tasks of a leader that is away are for the others now.
        shared.queue.share();
        io.look_at_clock();
        let lent_for = sync::now().saturating_duration_since(lent);
        lending.came_back(back, lent_for, io.now());
    }
    // A leader may have ended the last request after its last turn.
    io.flush_records();
}

/// Why a worker stopped leading.
#[derive(Debug)]
pub(crate) enum Led {
    /// It has a task to run, and has left the loop in the seat.
    Task(Box<Exchange>),
    /// A thread wants it to attach to the interpreter once. It has left the loop in the seat.
    Poked,
    /// It has given the loop back to its I/O thread.
    GaveBack,
}

/// Leads: runs turns of the loop until there is one task for this worker, or the loop has to go back. Sends `kept`,
/// the worker's last reply, first.
pub(crate) fn lead(
    shared: &Shared,
    seat: &Seat<IoLoop>,
    worker: usize,
    io: Box<IoLoop>,
    kept: Option<Task>,
) -> Led {
    let mut lent = Lent { seat, io: Some(io) };
    lent.io().look_at_clock();
    if let Some(exchange) = kept.and_then(Task::into_exchange) {
        lent.io().reply_to(exchange);
    }
    // Replies that this worker has left in the mailbox.
    lent.io().mailbox().awake();
    lent.io().read_mail();
    loop {
        if shared.queue.take_poke() {
            lent.leave();
            return Led::Poked;
        }
        let tasks = lent.io().waiting_tasks();
        if tasks > 0
            && !shared.draining()
            && let Some(exchange) = lent.io().take_for_leader(worker)
        {
            lent.leave();
            return Led::Task(exchange);
        }
        // Tasks that are for all workers, or that this one may not run. After an error of the poll the I/O thread gets
        // the same error, and ends the server.
        if tasks > 0 || shared.draining() || shared.queue.waiting() > 0 || lent.io().turn().is_err()
        {
            lent.io().hand_over();
            return Led::GaveBack;
        }
    }
}

/// The loop while a leader runs it. If the leader ends without leaving it, even by a panic, the loop goes back.
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

/// How many turns in a row must bring at most one task before the loop is lent.
const QUIET: u32 = if cfg!(shuttle) { 1 } else { 8 };
/// How long the loop is not lent after a leader stayed away. Each time doubles it, up to [`LONGEST_PAUSE`].
const SHORTEST_PAUSE: Duration = Duration::from_millis(16);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A loop that was lent for longer than this was worth lending: the pauses begin anew.
const GOOD_TERM: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_is_lent_after_quiet_turns_only() {
        let now = Instant::now();
        let mut lending = Lending::new();
        assert!((1..QUIET).all(|_| !lending.after_turn(1, Length::Medium, now)));
        assert!(lending.after_turn(1, Length::Medium, now));
        assert!(!lending.after_turn(2, Length::Medium, now));
        assert!(!lending.after_turn(1, Length::Medium, now));
    }

    #[test]
    fn while_tasks_are_long_it_is_not_lent() {
        let now = Instant::now();
        let mut lending = Lending::new();
        assert!((0..QUIET * 2).all(|_| !lending.after_turn(1, Length::Long, now)));
        assert!(lending.after_turn(1, Length::Medium, now));
    }

    #[test]
    fn while_tasks_are_short_it_is_lent_whatever_a_turn_brings() {
        let now = Instant::now();
        let mut lending = Lending::new();
        assert!(lending.after_turn(5, Length::Short, now));
        assert!(!lending.after_turn(0, Length::Short, now));
        lending.came_back(Back::TakenBack, Duration::ZERO, now);
        assert!(!lending.after_turn(5, Length::Short, now));
        assert!(lending.after_turn(5, Length::Short, now + SHORTEST_PAUSE * 2));
    }

    #[test]
    fn a_leader_that_stays_away_makes_the_pauses_longer_up_to_a_second() {
        let now = Instant::now();
        let mut lending = Lending::new();
        for _ in 0..20 {
            lending.came_back(Back::TakenBack, Duration::ZERO, now);
        }
        lending.quiet = QUIET;
        assert!(!lending.after_turn(1, Length::Medium, now + Duration::from_millis(999)));
        assert!(lending.after_turn(1, Length::Medium, now + Duration::from_secs(1)));
        lending.came_back(Back::TakenBack, GOOD_TERM * 2, now);
        assert_eq!(lending.pause, SHORTEST_PAUSE);
    }
}
