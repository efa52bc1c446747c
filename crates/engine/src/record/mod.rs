//! One record per request, filled as it moves; every figure shown anywhere comes from it.
//!
//! A record holds marks on one clock: the instants at which a phase ended. Phases are what lies
//! between two marks, so they add up to the whole by construction ([`Record::phases`]). A request that
//! gets no further (refused, abandoned, cut) has its last phase ended where it stopped
//! ([`Record::stop`]).
//!
//! Filled by: the I/O thread (`receive.rs`, `transmit.rs`), the worker's end of the queue
//! (`tasks.rs`), and the application's side for status and end. Read by `recorder.rs`, once.

pub(crate) mod access_log;
pub(crate) mod census;
pub(crate) mod counters;
pub(crate) mod histogram;
pub(crate) mod recorder;

use std::time::{Duration, Instant};

use headwaiter_http::Refusal;

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// The whole reply is with the kernel.
    #[default]
    Complete,
    /// A rule of HTTP or a limit on its size refused it.
    Refused,
    /// The server had no room or no time for it (503); the application never saw it.
    Shed,
    /// It waited, its client left, and it was dropped unrun.
    Abandoned,
    /// A deadline passed: 408, `send_timeout` or `shutdown_timeout`.
    Cut,
    /// The application failed; the client got a 500 or a cut reply.
    AppError,
    /// The client left before the request or the reply was complete.
    Disconnected,
}

impl End {
    /// Every end, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Complete,
        Self::Refused,
        Self::Shed,
        Self::Abandoned,
        Self::Cut,
        Self::AppError,
        Self::Disconnected,
    ];

    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Refused => "refused",
            Self::Shed => "shed",
            Self::Abandoned => "abandoned",
            Self::Cut => "cut",
            Self::AppError => "app-error",
            Self::Disconnected => "disconnected",
        }
    }

    /// How a request that `refusal` answers has ended.
    pub(crate) fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::HeaderTimeout | Refusal::BodyTimeout => Self::Cut,
            Refusal::QueueFull | Refusal::QueueTimeout | Refusal::SpoolFull | Refusal::Draining => {
                Self::Shed
            }
            _ => Self::Refused,
        }
    }
}

/// Times and sizes of one request.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Its first byte was read.
    pub(crate) arrived: Instant,
    /// Its head was complete.
    pub(crate) head: Option<Instant>,
    /// Its body was complete: from here on it waits for a worker.
    pub(crate) received: Option<Instant>,
    /// A worker, attached, took it.
    pub(crate) taken: Option<Instant>,
    /// The worker was through with it.
    pub(crate) answered: Option<Instant>,
    /// The last byte of the reply was with the kernel, or the end came otherwise.
    pub(crate) ended: Option<Instant>,
    /// The part of the wait for which a worker was there and only the interpreter was not.
    pub(crate) gil: Duration,
    /// CPU time of the worker between `taken` and `answered`, where it was measured.
    pub(crate) app_cpu: Option<Duration>,
    /// The worker that ran it.
    pub(crate) worker: Option<u32>,
    /// Bytes of head and body as they came over the wire.
    pub(crate) bytes_in: u64,
    /// Reply bytes the kernel has taken, heads included.
    pub(crate) bytes_out: u64,
    /// The name of the rule or deadline that ended it; empty if none did.
    pub(crate) reason: &'static str,
    /// How many of `bytes_out` are the reply's head.
    pub reply_head: u64,
    /// Status of the reply; 0 when there was none.
    pub status: u16,
    /// How it ended.
    pub end: End,
}

impl Record {
    /// A record of a request whose first byte arrives `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            arrived: now,
            head: None,
            received: None,
            taken: None,
            answered: None,
            ended: None,
            gil: Duration::ZERO,
            app_cpu: None,
            worker: None,
            bytes_in: 0,
            bytes_out: 0,
            reason: "",
            reply_head: 0,
            status: 0,
            end: End::Complete,
        }
    }

    /// A record of a request that is complete `now`.
    pub(crate) fn received(now: Instant) -> Self {
        Self {
            head: Some(now),
            received: Some(now),
            ..Self::new(now)
        }
    }

    /// Begins `now`, complete: it came in behind another, which is answered.
    pub(crate) fn follow(&mut self, now: Instant) {
        *self = Self {
            bytes_in: self.bytes_in,
            ..Self::received(now)
        };
    }

    /// The request gets no further than the phase it is in, which ends `now`.
    pub(crate) fn stop(&mut self, now: Instant, end: End, reason: &'static str) {
        let current = if self.head.is_none() {
            &mut self.head
        } else if self.received.is_none() {
            &mut self.received
        } else if self.taken.is_none() {
            &mut self.taken
        } else {
            &mut self.answered
        };
        current.get_or_insert(now);
        self.spoil(end, reason);
    }

    /// Notes a bad end, unless one is noted already: what comes first is the cause.
    pub(crate) fn spoil(&mut self, end: End, reason: &'static str) {
        if self.end == End::Complete {
            self.end = end;
            self.reason = reason;
        }
    }

    /// A refusal answers it.
    pub(crate) fn refuse(&mut self, now: Instant, refusal: Refusal) {
        self.stop(now, End::of(refusal), refusal.rule());
        self.status = refusal.status();
    }

    /// A worker takes it `now`, having asked for the interpreter at `asked`.
    pub(crate) fn take(&mut self, now: Instant, asked: Instant, worker: usize) {
        let since = self.received.unwrap_or(self.arrived).max(asked);
        self.gil = now.saturating_duration_since(since);
        self.taken = Some(now);
        self.worker = u32::try_from(worker).ok();
    }

    /// When it was complete and began to wait.
    pub(crate) fn waiting_since(&self) -> Instant {
        self.received.unwrap_or(self.arrived)
    }

    /// What each phase took.
    pub(crate) fn phases(&self) -> Phases {
        let mut at = self.arrived;
        let mut until = |mark: Option<Instant>| {
            mark.map(|mark| {
                let took = mark.saturating_duration_since(at);
                at = at.max(mark);
                took
            })
        };
        let head = until(self.head);
        let body = until(self.received);
        let waited = until(self.taken);
        let app = until(self.answered);
        let flush = until(self.ended);
        let gil = waited.map(|waited| self.gil.min(waited));
        Phases {
            head,
            body,
            queue: waited.map(|waited| waited.saturating_sub(self.gil)),
            gil,
            app,
            flush,
            total: at.saturating_duration_since(self.arrived),
        }
    }
}

/// What each phase of a request took; `None` for one it did not come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Phases {
    /// First byte to complete head.
    pub(crate) head: Option<Duration>,
    /// Complete head to complete body.
    pub(crate) body: Option<Duration>,
    /// Waiting for a worker.
    pub(crate) queue: Option<Duration>,
    /// A worker was there and waited for the interpreter.
    pub(crate) gil: Option<Duration>,
    /// In the application's hands.
    pub(crate) app: Option<Duration>,
    /// Until the kernel had the last byte.
    pub(crate) flush: Option<Duration>,
    /// First byte to end: the sum of all of them.
    pub(crate) total: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn sum(phases: &Phases) -> Duration {
        [
            phases.head,
            phases.body,
            phases.queue,
            phases.gil,
            phases.app,
            phases.flush,
        ]
        .into_iter()
        .flatten()
        .sum()
    }

    #[test]
    fn phases_lie_between_marks_and_add_up() {
        let start = Instant::now();
        let mut record = Record::new(start);
        record.head = Some(start + MS);
        record.received = Some(start + 3 * MS);
        record.take(start + 10 * MS, start + 8 * MS, 2);
        record.answered = Some(start + 15 * MS);
        record.ended = Some(start + 21 * MS);
        let phases = record.phases();
        assert_eq!(
            phases,
            Phases {
                head: Some(MS),
                body: Some(2 * MS),
                queue: Some(5 * MS),
                gil: Some(2 * MS),
                app: Some(5 * MS),
                flush: Some(6 * MS),
                total: 21 * MS,
            }
        );
        assert_eq!(sum(&phases), phases.total);
    }

    #[test]
    fn a_worker_that_asked_before_the_request_came_waited_for_it_from_its_arrival() {
        let start = Instant::now();
        let mut record = Record::new(start + 5 * MS);
        record.head = Some(start + 5 * MS);
        record.received = Some(start + 5 * MS);
        record.take(start + 9 * MS, start, 0);
        let phases = record.phases();
        assert_eq!(
            (phases.queue, phases.gil),
            (Some(Duration::ZERO), Some(4 * MS))
        );
    }

    #[test]
    fn a_refused_request_stops_in_the_phase_it_was_in() {
        let start = Instant::now();
        let mut record = Record::new(start);
        record.head = Some(start + MS);
        record.refuse(start + 4 * MS, Refusal::BodyTimeout);
        record.ended = Some(start + 6 * MS);
        let phases = record.phases();
        assert_eq!(
            (phases.body, phases.queue, phases.app),
            (Some(3 * MS), None, None)
        );
        assert_eq!((phases.flush, sum(&phases)), (Some(2 * MS), phases.total));
        assert_eq!((record.end, record.reason), (End::Cut, "body-timeout"));
        // What follows from it does not hide it.
        record.spoil(End::Disconnected, "");
        assert_eq!(record.end, End::Cut);
    }

    #[test]
    fn marks_out_of_order_never_make_a_phase_negative() {
        let start = Instant::now() + 10 * MS;
        let mut record = Record::new(start);
        record.head = Some(start);
        record.received = Some(start);
        record.take(start + 5 * MS, start + 6 * MS, 0);
        record.answered = Some(start + 8 * MS);
        record.ended = Some(start + 7 * MS);
        let phases = record.phases();
        assert_eq!((phases.flush, phases.total), (Some(Duration::ZERO), 8 * MS));
        assert_eq!(sum(&phases), phases.total);
    }
}
