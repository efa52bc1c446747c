//! Examines the queue about once a millisecond while tasks wait: runs the governor, refuses tasks that waited too
//! long, and logs a deep queue.

use crate::sys::instant::Instant;
use std::time::Duration;

use headwaiter_http::Refusal;

use crate::exchange::Exchange;
use crate::exchange::lane::Lane;
use crate::io::IoLoop;
use crate::io::desk::Desk;
use crate::io::observer::Observer;
use crate::io::shares::REFUSALS;
use crate::queue::Queue;
use crate::record::End;
use crate::shared::Shared;
use crate::sys::clock::ThreadClock;

/// When the queue was examined, and what was found.
///
/// Invariant: while tasks wait, the loop sleeps no longer than [`Governing::period`], so a task is refused at most
/// one period late.
#[derive(Debug)]
pub(in crate::io) struct Governing {
    /// When the governor was last asked.
    governed: Option<Instant>,
    /// More tasks have waited too long than a turn refuses.
    expiring: bool,
    /// The CPU clock of the loop's own thread, from `run` on.
    clock: Option<ThreadClock>,
    /// The process has one core for everything.
    single_core: bool,
}

impl Governing {
    pub(in crate::io) fn new(single_core: bool) -> Self {
        Self {
            governed: None,
            expiring: false,
            clock: None,
            single_core,
        }
    }

    /// The calling thread is the loop's own.
    pub(in crate::io) fn settle(&mut self) {
        self.clock = ThreadClock::of_this_thread();
    }

    /// How soon to examine the queue again; `None` if no task waits.
    pub(in crate::io) fn period(&self, shared: &Shared) -> Option<Duration> {
        (shared.queue.waiting() > 0).then_some(match shared.settings.gil {
            _ if self.expiring => Duration::ZERO,
            true => GOVERN,
            // A task that waits may move to a sibling process at any time.
            false if shared.has_siblings() => GOVERN,
            false => WATCH,
        })
    }

    /// Runs the governor, about once a millisecond while tasks wait or workers have a choice of tasks.
    fn govern(&mut self, queue: &Queue, now: Instant) {
        if self
            .governed
            .is_none_or(|at| now.saturating_duration_since(at) >= GOVERN)
        {
            self.governed = Some(now);
            // On one core the workers cannot use the CPU time that this thread uses.
            let own = if self.single_core {
                self.clock.and_then(ThreadClock::read)
            } else {
                None
            };
            queue.govern(now, own.unwrap_or_default());
        }
    }

    /// Tasks wait: refuses those that waited longer than `queue_timeout`, and logs a deep queue.
    fn tick(&mut self, desk: &mut Desk, observer: Option<&dyn Observer>) {
        if let Some(observer) = observer {
            observer.tick(desk.now);
        }
        if let Some(most) = desk.shared.settings.queue_timeout {
            let expired = desk.shared.queue.expire(desk.now, most, REFUSALS);
            self.expiring = expired.len() == REFUSALS;
            for exchange in expired {
                let token = exchange.lane.as_ref().map(Lane::token);
                desk.guarded(token, |desk| {
                    desk.refuse_waiting(exchange, Refusal::QueueTimeout);
                });
            }
        }
        log_deep_queue(&desk.shared, desk.now);
    }
}

impl IoLoop {
    /// Runs the governor, and if tasks wait [`Governing::tick`].
    pub(in crate::io) fn look_at_queue(&mut self) {
        self.guarded(None, |me| {
            let (shared, now) = (&me.desk.shared, me.desk.now);
            let queue = &shared.queue;
            if shared.settings.gil && (queue.contended() || queue.waiting() > 0) {
                me.governing.govern(queue, now);
            }
        });
        if self.desk.shared.queue.waiting() > 0 {
            self.guarded(None, |me| {
                me.governing.tick(&mut me.desk, me.observer.as_deref());
            });
        }
    }
}

/// Logs a queue whose oldest task has waited long.
fn log_deep_queue(shared: &Shared, now: Instant) {
    let look = shared.queue.look(now);
    if look.oldest_wait <= WORTH_A_WORD || !shared.queue_log.pass(now) {
        return;
    }
    let running = shared.running.requests(now);
    let slowest = running
        .first()
        .map(|r| format!("; slowest: {}, {:.1} s", r.what(), r.age.as_secs_f64()));
    log::warn!(
        target: crate::QUEUE_LOG,
        "Task queue depth is {}; {} of {} workers busy; oldest task waits {} ms{}",
        look.waiting,
        look.running,
        look.workers,
        look.oldest_wait.as_millis(),
        slowest.unwrap_or_default(),
    );
}

impl Desk {
    /// Refuses a task that has left the queue.
    fn refuse_waiting(&mut self, mut exchange: Box<Exchange>, refusal: Refusal) {
        let Some(lane) = exchange.lane.take() else {
            return;
        };
        self.in_flight.note_back();
        self.drop_followers(&mut exchange, false);
        if let Some(index) = self.find(lane.token()) {
            self.refuse(index, exchange, refusal);
        } else {
            exchange.record.stop(self.now, End::Disconnected, "");
            self.record(&mut exchange, lane.link());
            self.keep(exchange);
        }
    }
}

/// How often the governor runs.
const GOVERN: Duration = Duration::from_millis(1);
/// How often the queue is examined without a GIL, where the governor does not run.
const WATCH: Duration = Duration::from_millis(20);
/// The queue is logged only when its oldest task has waited longer than this.
const WORTH_A_WORD: Duration = Duration::from_millis(50);
