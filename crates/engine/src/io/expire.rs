//! Deadlines, the once-a-millisecond look at the queue, and the way to the end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use headwaiter_http::Refusal;

use crate::exchange::Exchange;
use crate::exchange::lane::Lane;
use crate::exchange::link::{GONE, TIMED_OUT};
use crate::io::channel::State;
use crate::io::deadlines::Fired;
use crate::io::{INDEX_MASK, IoLoop};
use crate::net::listen::Peer;
use crate::record::End;
use crate::record::recorder::{SEND_TIMEOUT, SHUTDOWN_TIMEOUT};
use crate::shared::Stage;
use crate::sys::clock::ThreadClock;

impl IoLoop {
    /// Deals with what has come due; the share of a turn, if that is much.
    pub(crate) fn expire(&mut self) {
        for _ in 0..DUE {
            let Some((at, token)) = self.deadlines.pop(self.seen) else {
                break;
            };
            let Some(index) = self.find(token) else {
                continue;
            };
            let deadline = &mut self.channels[index].deadline;
            if self.deadlines.check(at, token, deadline, self.seen) == Fired::Due {
                self.guarded(Some(token), |me| me.deadline_passed(index));
            }
        }
        if self.deadlines.len() > 2 * self.channels.len() + STALE_ENTRIES {
            let channels = &self.channels;
            self.deadlines
                .retain(|at, token| match channels.get(token & INDEX_MASK) {
                    Some(channel) => channel.link.token == token && channel.deadline.entry_is(at),
                    None => false,
                });
        }
        self.resume_accepting();
        self.guarded(None, Self::govern);
        if self.shared.queue.waiting() > 0 {
            self.guarded(None, Self::tick);
        }
    }

    /// Lets the governor look, about once a millisecond while workers have a choice of tasks.
    fn govern(&mut self) {
        let queue = &self.shared.queue;
        // Whichever I/O thread is awake: the one that was not would miss tasks of the others.
        if !self.shared.settings.gil || !(queue.contended() || queue.waiting() > 0) {
            return;
        }
        if self
            .governed
            .is_none_or(|at| self.now.saturating_duration_since(at) >= GOVERN)
        {
            self.governed = Some(self.now);
            // On one core what this thread uses is not the workers' to use.
            let own = if self.single_core {
                self.clock.and_then(ThreadClock::read)
            } else {
                None
            };
            queue.govern(self.now, own.unwrap_or_default());
        }
    }

    fn deadline_passed(&mut self, index: usize) {
        let channel = &mut self.channels[index];
        match channel.state {
            State::Idle | State::Lingering => self.close(index),
            State::Head => self.refuse(index, Refusal::HeaderTimeout),
            State::Body => self.refuse(index, Refusal::BodyTimeout),
            State::Asking => self.no_stacks(index),
            // Only an HTTP/1.1 client must be able to skip what the probe sends.
            State::Task if channel.sending.is_empty() => {
                channel.lane.probe();
                if channel.link.has(GONE) {
                    self.client_gone(index);
                }
            }
            State::Task | State::Replying | State::Refusing => {
                self.shared.counters.send_timeouts.add(1);
                channel.link.set(TIMED_OUT);
                for exchange in channel.replies() {
                    exchange.record.spoil(End::Cut, SEND_TIMEOUT);
                }
                log::info!(
                    target: crate::LOG,
                    "cut {}: it took no bytes for send_timeout={} seconds",
                    channel.link.peer,
                    self.shared.settings.send_timeout.unwrap_or_default().as_secs_f64(),
                );
                self.client_gone(index);
            }
        }
    }

    /// How often to look at the queue while tasks wait.
    pub(crate) fn tick_period(&self) -> Duration {
        if self.shared.settings.gil {
            GOVERN
        } else {
            WATCH
        }
    }

    /// Tasks wait: drop those that waited too long, and say so.
    fn tick(&mut self) {
        if self.index == 0 {
            self.shared.observe(self.now);
        }
        if let Some(most) = self.shared.settings.queue_timeout {
            let expired = self.shared.queue.expire(self.now, most, REFUSED);
            self.expiring = expired.len() == REFUSED;
            for exchange in expired {
                let token = exchange.lane.as_ref().map(Lane::token);
                self.guarded(token, |me| {
                    me.refuse_waiting(exchange, Refusal::QueueTimeout);
                });
            }
        }
        let look = self.shared.queue.look(self.now);
        if look.oldest_wait > WORTH_A_WORD && self.shared.queue_log.pass(self.now) {
            let running = self.shared.running_now(self.now);
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

    /// Refuses a task that was taken out of the queue.
    fn refuse_waiting(&mut self, mut exchange: Box<Exchange>, refusal: Refusal) {
        let Some(lane) = exchange.lane.take() else {
            return;
        };
        if self.mailbox_of(&lane.link().io) {
            self.outstanding = self.outstanding.saturating_sub(1);
            self.drop_followers(&mut exchange, false);
            if let Some(index) = self.find(lane.token()) {
                self.channels[index].exchange = Some(exchange);
                self.refuse(index, refusal);
            } else {
                exchange.record.stop(self.now, End::Disconnected, "");
                self.record(&mut exchange, lane.link());
                self.keep(exchange);
            }
        } else {
            // Its channel belongs to another I/O thread, which gets it back as answered.
            let mut reply = Vec::new();
            let date = self.date();
            refusal.write_reply(
                &mut reply,
                &date,
                self.shared.settings.ident.as_bytes(),
                exchange.head.is_head(),
            );
            exchange.record.refuse(self.now, refusal);
            exchange.record.reply_head = crate::io::h1::transmit::head_length(&reply);
            exchange.outgoing.tail().extend_from_slice(&reply);
            exchange.close = true;
            lane.begin_reply();
            let io = lane.link().io.clone();
            exchange.lane = Some(lane);
            io.post(crate::exchange::message::Message::Done(exchange), true);
        }
    }

    fn mailbox_of(&self, other: &std::sync::Arc<crate::exchange::message::Mailbox>) -> bool {
        std::sync::Arc::ptr_eq(&self.mailbox, other)
    }

    /// Follows the server to its end: from serving to draining to cutting.
    pub(crate) fn follow_stage(&mut self) {
        self.notice_drain();
        match self.shared.stage() {
            Stage::Serving => {}
            Stage::Draining if self.drain.is_none_or(|end| end > self.seen) => {}
            Stage::Draining => {
                self.shared.advance(Stage::Cutting);
                self.cut_all();
            }
            Stage::Cutting => self.cut_all(),
        }
    }

    /// Begins to drain, if that is what the server does by now and this thread does not yet.
    pub(crate) fn notice_drain(&mut self) {
        if self.drain.is_none() && self.shared.stage() == Stage::Draining {
            self.begin_drain();
        }
    }

    /// Takes what the kernel has accepted for us already, closes the listeners, and lets go of
    /// every channel that has no complete head. The rest will be cut when the time is up.
    fn begin_drain(&mut self) {
        self.drain = Some(self.now + self.shared.settings.shutdown_timeout);
        if self.index == 0 {
            self.guarded(None, |me| me.shared.say_advice());
        }
        self.accept_paused = None;
        for n in 0..self.listeners.len() {
            let most = usize::try_from(self.shared.settings.backlog).unwrap_or(usize::MAX);
            self.guarded(None, |me| me.accept_from(n, most));
        }
        self.accept_paused = None;
        for mut listener in std::mem::take(&mut self.listeners) {
            listener.deregister(self.poll.registry());
        }
        if self.index == 0 {
            self.shared.end_listening();
        }
        for index in self.all_channels() {
            let Some(channel) = self.channels.get(index).filter(|c| !c.link.admin) else {
                continue;
            };
            let state = channel.state;
            self.guarded(Some(channel.link.token), |me| {
                crate::inject_panic("drain");
                match state {
                    State::Idle => me.drain_idle(index),
                    State::Head => me.refuse(index, Refusal::Draining),
                    _ => {}
                }
            });
        }
    }

    pub(crate) fn all_channels(&self) -> Vec<usize> {
        self.channels.iter().map(|(index, _)| index).collect()
    }

    /// Closes an idle channel, unless a request has come in that was not read yet.
    pub(crate) fn drain_idle(&mut self, index: usize) {
        self.channels[index].readable = true;
        self.receive(index);
    }

    /// Cuts every channel and every waiting task, and says what was lost.
    pub(crate) fn cut_all(&mut self) {
        self.hear_the_last();
        let replying = |index: &usize| {
            let channel = &self.channels[*index];
            let exchange = channel.exchange.as_ref();
            channel.state == State::Replying
                && !channel.link.admin
                // Its worker may be in the iterable's `close()` still, and is cut, too: as one request.
                && exchange.is_none_or(|exchange| self.shared.cut_reply(&exchange.record))
        };
        let lost = self.outstanding
            + self.batch.len()
            + self.all_channels().iter().filter(|i| replying(i)).count();
        self.shared.unfinished.fetch_add(lost, Ordering::SeqCst);
        if self.index == 0 {
            self.guarded(None, Self::cut_running);
        }
        self.listeners.clear();
        self.admin.listeners.clear();
        if self.index == 0 {
            self.shared.end_listening();
        }
        let batch = std::mem::take(&mut self.batch);
        for mut exchange in batch.into_iter().chain(self.shared.queue.clear()) {
            exchange.record.stop(self.now, End::Cut, SHUTDOWN_TIMEOUT);
            if let Some(lane) = exchange.lane.clone() {
                self.guarded(None, |me| me.record(&mut exchange, lane.link()));
            }
        }
        for index in self.all_channels() {
            let channel = &mut self.channels[index];
            channel.link.mark_gone();
            for exchange in channel.replies() {
                exchange.record.stop(self.now, End::Cut, SHUTDOWN_TIMEOUT);
            }
            self.guarded(None, |me| me.close(index));
        }
        self.outstanding = 0;
        self.drain = Some(self.now);
        self.flush_records();
    }

    /// A reply may be out whose worker has not come round to say so: that is no request lost.
    fn hear_the_last(&mut self) {
        for _ in 0..LAST_WORDS {
            if self.outstanding == 0 {
                return;
            }
            crate::sys::sync::thread::park_timeout(Duration::from_millis(1));
            self.read_mail();
        }
    }

    /// Records what is cut while it runs: its worker may never come back to do it.
    fn cut_running(&mut self) {
        for (nth, request) in self.shared.cut_running(self.now).into_iter().enumerate() {
            if nth < SHOWN {
                let what = match request.closing {
                    Some(_) => "cut while its iterable was being closed",
                    None => "cut while it was running",
                };
                log::error!(
                    target: crate::LOG,
                    "{what}: {}, {:.1} s",
                    request.what(),
                    request.age.as_secs_f64(),
                );
            }
            if request.closing.is_some() {
                // Its reply has an end and a record of its own.
                self.shared.unfinished.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            let mut exchange = Exchange::new(self.now);
            exchange.record = request.record;
            exchange.record.stop(self.now, End::Cut, SHUTDOWN_TIMEOUT);
            exchange.record.ended = Some(self.now);
            let line = [&request.method[..], b" ", &request.path[..]].concat();
            exchange.note_first_line(&line);
            let peer = request.peer.unwrap_or(Peer::Unix);
            self.recorder.record_of(&self.shared, &mut exchange, peer);
        }
    }

    /// Whether nothing is left to do. The admin endpoint is there for the rest, and goes with it.
    pub(crate) fn is_done(&self) -> bool {
        self.drain.is_some()
            && self.listeners.is_empty()
            && self.channels.len() == self.admin.open.len()
            && self.outstanding == 0
            && (self.shared.closing.load(Ordering::SeqCst) == 0
                || self.shared.stage() == Stage::Cutting)
            // Until then the first thread may still give this one a connection.
            && self.shared.is_listening_over()
            && self.mailbox.is_empty()
    }
}

/// Deadlines in one turn. What came together comes due together, and each takes a few system calls.
const DUE: usize = 128;
/// The governor's period.
const GOVERN: Duration = Duration::from_millis(1);
/// The period where there is nothing to govern.
const WATCH: Duration = Duration::from_millis(20);
/// Tasks that are refused in one turn because they waited too long: each takes a system call.
const REFUSED: usize = 128;
/// A task that waits less is not worth a log record.
const WORTH_A_WORD: Duration = Duration::from_millis(50);
/// Deadlines of closed channels that may be kept until they come up.
const STALE_ENTRIES: usize = 1024;
/// Milliseconds for them, before a cut.
const LAST_WORDS: usize = 10;
/// Requests named when they are cut.
const SHOWN: usize = 20;

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use super::*;
    use crate::io::tests::with_idle;

    #[test]
    fn what_comes_due_at_once_is_dealt_with_in_shares() {
        let (_shared, mut io, _clients) = with_idle(DUE + 10);
        io.seen = io.now + Duration::from_secs(3600);
        io.expire();
        assert_eq!(io.channels.len(), 10);
        io.expire();
        assert_eq!(io.channels.len(), 0);
    }
}
