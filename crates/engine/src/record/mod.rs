//! One record per request, filled while the request moves. All figures shown anywhere are made from records.
//!
//! A record holds marks: instants on one clock at which a phase ended. A phase lies between two marks, so the
//! phases add up to the whole ([`Record::phases`]). A request that is refused, abandoned or cut ends its
//! current phase at that moment and has no later phase ([`Record::stop`]).
//!
//! The I/O thread (`io/h1/`) and the worker (`worker/`) set the marks; the application's side sets status and
//! end. When the request is over, whoever ended it shows it to its thread's [`recorder::Recorder`] as an
//! [`Ended`], once.

pub(crate) mod access_log;
pub(crate) mod census;
pub(crate) mod counters;
pub(crate) mod end;
pub(crate) mod failed;
pub(crate) mod figures;
pub(crate) mod histogram;
pub(crate) mod quota;
pub(crate) mod recorder;
pub(crate) mod route;

use crate::sys::instant::{Instant, nanos};
use std::time::Duration;

use headwaiter_http::{Head, Refusal};

use crate::net::address::Peer;
pub use crate::record::end::End;

/// Times and sizes of one request.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// The I/O thread read the first byte.
    pub(crate) arrived: Instant,
    /// The head was complete.
    pub(crate) head: Option<Instant>,
    /// The body was complete; the request began to wait for a worker.
    pub(crate) received: Option<Instant>,
    /// A worker that could have taken the request waits for the interpreter from here on.
    pub(crate) asked: Option<Instant>,
    /// A worker, attached to the interpreter, took the request.
    pub(crate) taken: Option<Instant>,
    /// The worker had finished the reply.
    pub(crate) answered: Option<Instant>,
    /// The kernel had the last byte of the reply, or the request ended otherwise.
    pub(crate) ended: Option<Instant>,
    /// CPU time of the worker between `taken` and `answered`, if measured.
    pub(crate) app_cpu: Option<Duration>,
    /// Number of the worker that ran the request.
    pub(crate) worker: Option<u32>,
    /// Bytes of head and body as the client sent them, framing included.
    pub(crate) bytes_in: u64,
    /// Reply bytes the kernel has taken, head included.
    pub(crate) bytes_out: u64,
    /// Name of the rule or deadline that ended the request, one of [`end::rules`]; empty if none did.
    pub(crate) rule: &'static str,
    /// Bytes of the reply's head.
    pub reply_head: u64,
    /// Status of the reply; 0 for no reply.
    pub status: u16,
    /// How the request ended; [`End::Complete`] until something else is noted.
    pub end: End,
}

impl Record {
    /// The record of a request whose first byte arrives `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            arrived: now,
            head: None,
            received: None,
            asked: None,
            taken: None,
            answered: None,
            ended: None,
            app_cpu: None,
            worker: None,
            bytes_in: 0,
            bytes_out: 0,
            rule: "",
            reply_head: 0,
            status: 0,
            end: End::Complete,
        }
    }

    /// The record of a request that is complete `now`.
    pub(crate) fn received(now: Instant) -> Self {
        Self {
            head: Some(now),
            received: Some(now),
            ..Self::new(now)
        }
    }

    /// Starts the record of a pipelined request: its predecessor is answered `now`, and it waits for a worker.
    pub(crate) fn follow(&mut self, now: Instant) {
        *self = Self {
            bytes_in: self.bytes_in,
            ..Self::received(now)
        };
    }

    /// Ends the current phase `now`; the request does not reach a later one.
    pub(crate) fn stop(&mut self, now: Instant, end: End, rule: &'static str) {
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
        self.fail(end, rule);
    }

    /// Notes a bad end. The first one noted stays, as it is the cause of those that follow.
    pub(crate) fn fail(&mut self, end: End, rule: &'static str) {
        if self.end == End::Complete {
            self.end = end;
            self.rule = rule;
        }
    }

    /// The server answers the request with `refusal`.
    pub(crate) fn refuse(&mut self, now: Instant, refusal: Refusal) {
        self.stop(now, End::of(refusal), refusal.rule());
        self.status = refusal.status();
    }

    /// `worker` takes the request `now`; it, or another that would have, began to wait for the interpreter at `asked`.
    pub(crate) fn take(&mut self, now: Instant, asked: Instant, worker: usize) {
        self.asked = Some(asked.clamp(self.waiting_since().min(now), now));
        self.taken = Some(now);
        self.worker = u32::try_from(worker).ok();
    }

    /// When the request began to wait for a worker.
    pub(crate) fn waiting_since(&self) -> Instant {
        self.received.unwrap_or(self.arrived)
    }

    /// How many nanoseconds a worker has had the request, if it is through with it.
    pub(crate) fn in_application(&self) -> Option<u64> {
        Some(self.answered?.nanos_since(self.taken?))
    }

    /// The durations measured, in nanoseconds and in the order of [`Phase::ALL`].
    #[inline]
    pub(crate) fn nanos(&self) -> [Option<u64>; Phase::ALL.len()] {
        let mut at = self.arrived;
        let mut until = |mark: Option<Instant>| {
            mark.map(|mark| {
                let took = mark.nanos_since(at);
                at = at.max(mark);
                took
            })
        };
        let head = until(self.head);
        let body = until(self.received);
        // Nobody has asked for a request that was not taken.
        let queue = until(self.asked.or(self.taken));
        let gil = until(self.taken);
        let app = until(self.answered);
        let flush = until(self.ended);
        let total = Some(at.nanos_since(self.arrived));
        let app_cpu = self.app_cpu.map(nanos);
        [head, body, queue, gil, app, app_cpu, flush, total]
    }

    /// The durations measured, in the order of [`Phase::ALL`].
    pub(crate) fn spans(&self) -> [Option<Duration>; Phase::ALL.len()] {
        self.nanos().map(|span| span.map(Duration::from_nanos))
    }

    /// The duration of each phase.
    pub(crate) fn phases(&self) -> Phases {
        let [head, body, queue, gil, app, _, flush, total] = self.spans();
        Phases {
            head,
            body,
            queue,
            gil,
            app,
            flush,
            total: total.unwrap_or_default(),
        }
    }
}

/// The duration of each phase of a request; `None` for a phase it did not reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Phases {
    /// From the first byte to the complete head.
    pub(crate) head: Option<Duration>,
    /// From the complete head to the complete body.
    pub(crate) body: Option<Duration>,
    /// Waiting for a worker, without `gil`.
    pub(crate) queue: Option<Duration>,
    /// Waiting for the interpreter, which a worker had asked for.
    pub(crate) gil: Option<Duration>,
    /// From a worker taking the request to the finished reply.
    pub(crate) app: Option<Duration>,
    /// From the finished reply until the kernel has its last byte.
    pub(crate) flush: Option<Duration>,
    /// From the first byte to the end: the sum of all phases.
    pub(crate) total: Duration,
}

/// A duration measured of every request. `AppCpu` is a part of `App`, `Total` the sum of the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Phase {
    Head,
    Body,
    Queue,
    Gil,
    App,
    AppCpu,
    Flush,
    Total,
}

impl Phase {
    /// Every phase and its name in logs and metrics.
    pub(crate) const ALL: [(Self, &'static str); 8] = [
        (Self::Head, "head"),
        (Self::Body, "body"),
        (Self::Queue, "queue"),
        (Self::Gil, "gil"),
        (Self::App, "app"),
        (Self::AppCpu, "app_cpu"),
        (Self::Flush, "flush"),
        (Self::Total, "total"),
    ];
}

/// A request that is over, as the recorder and the access log see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended<'a> {
    pub(crate) record: &'a Record,
    /// Empty if the server has no whole head; then `first_line` is shown in its place.
    pub(crate) head: &'a Head,
    /// The first line of a head that is malformed, incomplete or held by a worker that was cut.
    pub(crate) first_line: &'a [u8],
    /// The client's address as a trusted proxy named it.
    pub(crate) client: Option<&'a str>,
    /// What its framework calls its route; known of some requests that have failed.
    pub(crate) route: Option<&'a str>,
    pub(crate) peer: Peer,
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
        assert_eq!((record.end, record.rule), (End::Cut, "body-timeout"));
        // A later failure does not hide the cause.
        record.fail(End::Disconnected, "");
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
