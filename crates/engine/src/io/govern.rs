//! Examines the queue about once a millisecond while tasks wait: runs the governor, refuses tasks that waited too
//! long, and logs a deep queue.

use std::time::Duration;

use headwaiter_http::Refusal;

use crate::exchange::Exchange;
use crate::exchange::lane::Lane;
use crate::io::IoLoop;
use crate::io::shares::REFUSALS;
use crate::record::End;
use crate::sys::clock::ThreadClock;

impl IoLoop {
    /// Runs the governor, and if tasks wait [`IoLoop::tick`].
    pub(crate) fn look_at_queue(&mut self) {
        self.guarded(None, Self::govern);
        if self.shared.queue.waiting() > 0 {
            self.guarded(None, Self::tick);
        }
    }

    /// Runs the governor, about once a millisecond while tasks wait or workers have a choice of tasks.
    fn govern(&mut self) {
        let queue = &self.shared.queue;
        // Any I/O thread that is awake does this. A fixed one could sleep while the others receive tasks.
        if !self.shared.settings.gil || !(queue.contended() || queue.waiting() > 0) {
            return;
        }
        if self
            .governed
            .is_none_or(|at| self.now.saturating_duration_since(at) >= GOVERN)
        {
            self.governed = Some(self.now);
            // On one core the workers cannot use the CPU time that this thread uses.
            let own = if self.single_core {
                self.clock.and_then(ThreadClock::read)
            } else {
                None
            };
            queue.govern(self.now, own.unwrap_or_default());
        }
    }

    /// How often to examine the queue while tasks wait.
    pub(crate) fn tick_period(&self) -> Duration {
        if self.shared.settings.gil {
            GOVERN
        } else {
            WATCH
        }
    }

    /// Tasks wait: refuses those that waited longer than `queue_timeout`, and logs a deep queue.
    fn tick(&mut self) {
        if let Some(observer) = &self.observer {
            observer.tick(self.now);
        }
        if let Some(most) = self.shared.settings.queue_timeout {
            let expired = self.shared.queue.expire(self.now, most, REFUSALS);
            self.expiring = expired.len() == REFUSALS;
            for exchange in expired {
                let token = exchange.lane.as_ref().map(Lane::token);
                self.guarded(token, |me| {
                    me.refuse_waiting(exchange, Refusal::QueueTimeout);
                });
            }
        }
        let look = self.shared.queue.look(self.now);
        if look.oldest_wait > WORTH_A_WORD && self.shared.queue_log.pass(self.now) {
            let running = self.shared.running.requests(self.now);
            let slowest = running
                .first()
                .map(|r| format!("; slowest: {}, {:.1} s", r.what(), r.age.as_secs_f64()));
            log::warn!(
                target: crate::QUEUE_LOG,
                "Task queue depth is {}; {} of {} workers busy; oldest task waits {:.2} s{}",
                look.waiting,
                look.running,
                look.workers,
                look.oldest_wait.as_secs_f64(),
                slowest.unwrap_or_default(),
            );
        }
    }

    /// Refuses a task that has left the queue.
    fn refuse_waiting(&mut self, mut exchange: Box<Exchange>, refusal: Refusal) {
        let Some(lane) = exchange.lane.take() else {
            return;
        };
        if self.mailbox_of(&lane.link().io) {
            self.outstanding = self.outstanding.saturating_sub(1);
            self.drop_followers(&mut exchange, false);
            if let Some(index) = self.find(lane.token()) {
                self.refuse(index, exchange, refusal);
            } else {
                exchange.record.stop(self.now, End::Disconnected, "");
                self.record(&mut exchange, lane.link());
                self.keep(exchange);
            }
        } else {
            // The channel belongs to another I/O thread. This thread gets the task back as an answered one.
            let mut reply = Vec::new();
            let date = self.date();
            refusal.write_reply(
                &mut reply,
                &date,
                self.shared.settings.ident.as_bytes(),
                exchange.head.is_head(),
            );
            exchange.record.refuse(self.now, refusal);
            exchange.record.reply_head = crate::io::h1::head_length(&reply);
            exchange.outgoing.tail().extend_from_slice(&reply);
            exchange.close_after();
            lane.begin_reply();
            let io = lane.link().io.clone();
            exchange.lane = Some(lane);
            io.post(crate::exchange::message::Message::Done(exchange), true);
        }
    }

    fn mailbox_of(&self, other: &std::sync::Arc<crate::exchange::message::Mailbox>) -> bool {
        std::sync::Arc::ptr_eq(&self.mailbox, other)
    }
}

/// How often the governor runs.
const GOVERN: Duration = Duration::from_millis(1);
/// How often the queue is examined without a GIL, where the governor does not run.
const WATCH: Duration = Duration::from_millis(20);
/// The queue is logged only when its oldest task has waited longer than this.
const WORTH_A_WORD: Duration = Duration::from_millis(50);
