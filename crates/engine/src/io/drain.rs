//! How the I/O thread stops: it serves, then drains, then cuts what is left.

use std::sync::atomic::Ordering;
use std::time::Duration;

use headwaiter_http::{Head, Refusal};

use crate::exchange::{Exchange, first_line};
use crate::io::IoLoop;
use crate::io::channel::Channel;
use crate::io::desk::Desk;
use crate::io::phase::Phase;
use crate::net::address::Peer;
use crate::record::end::SHUTDOWN_TIMEOUT;
use crate::record::{End, Ended};
use crate::shared::Stage;

impl IoLoop {
    /// Does what the stage of the server asks for: serve, drain or cut.
    pub(crate) fn follow_stage(&mut self) {
        if !self.desk.shared.draining() {
            return;
        }
        self.notice_drain();
        match self.desk.shared.stage() {
            Stage::Serving => {}
            Stage::Draining if self.desk.drain.is_none_or(|end| end > self.seen.upto()) => {
                self.desk.departures().go_on();
            }
            Stage::Draining => {
                self.desk.shared.advance(Stage::Cutting);
                self.cut_all();
            }
            Stage::Cutting => self.cut_all(),
        }
    }

    /// Begins to drain, if the server drains and this thread does not yet.
    pub(crate) fn notice_drain(&mut self) {
        if self.desk.drain.is_none() && self.desk.shared.stage() == Stage::Draining {
            self.begin_drain();
        }
    }

    /// Accepts the connections in the backlog, closes the listeners, and closes every channel that has no complete
    /// head. [`IoLoop::cut_all`] cuts the rest after `shutdown_timeout`.
    fn begin_drain(&mut self) {
        self.desk.drain = Some(self.desk.now + self.desk.shared.settings.shutdown_timeout);
        if let Some(observer) = self.observer.clone() {
            self.guarded(None, |_| observer.drain_begins());
        }
        self.desk.room.forget_pause();
        self.desk.departures().begin();
        // The siblings accept what a server leaves behind that hands its channels over, unless it has listeners of its
        // own.
        let shares = !self.desk.shared.settings.reuse_port;
        let listeners = match self.desk.shared.hands_over() && shares {
            true => 0,
            false => self.accepting.len(),
        };
        for n in 0..listeners {
            let most = usize::try_from(self.desk.shared.settings.backlog).unwrap_or(usize::MAX);
            // The kernel keeps one more than it is told.
            let most = most.saturating_add(1);
            self.guarded(None, |me| me.accept_from(n, most));
        }
        self.desk.room.forget_pause();
        for mut listener in self.accepting.take_listeners() {
            listener.deregister(self.poll.registry());
        }
        // A pause may have left something in the inbox, and the poll does not report it again.
        self.read_inbox();
        for index in self.desk.channels.indices() {
            let Some(channel) = self.desk.channels.get(index).filter(|c| !c.link.admin) else {
                continue;
            };
            self.guarded(Some(channel.link.token), |me| {
                crate::inject_panic("drain");
                match me.desk.channels[index].phase() {
                    Phase::Idle | Phase::Head if me.desk.departures().hand_over(index) => {}
                    Phase::Idle => me.desk.drain_idle(index),
                    Phase::Head => me.desk.refuse_received(index, Refusal::Draining),
                    _ => {}
                }
            });
        }
    }

    /// Cuts every channel and every waiting task. Counts and logs the lost requests.
    pub(crate) fn cut_all(&mut self) {
        self.hear_the_last();
        // The worker may still run the iterable's `close()`. Then `cut_running` counts this request.
        let cut_reply = |reply: &&Exchange| self.desk.shared.running.cut_reply(&reply.record);
        let clients = self
            .desk
            .channels
            .iter()
            .filter(|channel| !channel.link.admin);
        let replying = clients.filter_map(Channel::replying).filter(cut_reply);
        let lost =
            self.desk.in_flight.outstanding() + self.desk.in_flight.in_batch() + replying.count();
        self.desk
            .shared
            .unfinished
            .fetch_add(lost, Ordering::SeqCst);
        self.guarded(None, Self::cut_running);
        drop(self.accepting.take_listeners());
        self.desk.admin.listeners.clear();
        let batch = self.desk.in_flight.take_batch();
        for mut exchange in batch.into_iter().chain(self.desk.shared.queue.clear()) {
            exchange
                .record
                .stop(self.desk.now, End::Cut, SHUTDOWN_TIMEOUT);
            if let Some(lane) = exchange.lane.clone() {
                self.guarded(None, |me| me.desk.record(&mut exchange, lane.link()));
            }
        }
        for index in self.desk.channels.indices() {
            let channel = &mut self.desk.channels[index];
            channel.link.mark_gone();
            for exchange in channel.replies() {
                exchange
                    .record
                    .stop(self.desk.now, End::Cut, SHUTDOWN_TIMEOUT);
            }
            self.guarded(None, |me| me.desk.close(index));
        }
        self.desk.in_flight.forget_outstanding();
        self.desk.drain = Some(self.desk.now);
        self.desk.flush_records();
    }

    /// Waits briefly for workers that have sent a reply but not reported it, so that it does not count as lost.
    fn hear_the_last(&mut self) {
        for _ in 0..LAST_WORDS {
            if self.desk.in_flight.outstanding() == 0 {
                return;
            }
            crate::sys::sync::thread::park_timeout(Duration::from_millis(1));
            self.read_mail();
        }
    }

    /// Records the requests that are cut while they run: their workers may never return to record them.
    fn cut_running(&mut self) {
        for (nth, request) in self
            .desk
            .shared
            .running
            .cut_all(self.desk.now)
            .into_iter()
            .enumerate()
        {
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
                // The reply has ended, and its own record counts it.
                self.desk.shared.unfinished.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            let mut record = request.record;
            record.stop(self.desk.now, End::Cut, SHUTDOWN_TIMEOUT);
            record.ended = Some(self.desk.now);
            let line = [&request.method[..], b" ", &request.path[..]].concat();
            self.desk.recorder.record(Ended {
                record: &record,
                head: &Head::new(),
                first_line: first_line(&line),
                client: None,
                route: None,
                peer: request.peer.unwrap_or(Peer::Unix),
            });
        }
    }

    /// Whether this thread has nothing left to do. Open channels of the admin endpoint do not count.
    pub(crate) fn is_done(&self) -> bool {
        self.is_drained() && !self.desk.awaits_arrivals()
    }

    /// Whether nothing keeps this thread but connections that siblings have announced. Nobody wakes the loop when such
    /// an announcement is taken back.
    pub(in crate::io) fn is_drained(&self) -> bool {
        self.desk.drain.is_some()
            && self.accepting.len() == 0
            && self.desk.channels.len() == self.desk.admin.open.len()
            && self.desk.in_flight.outstanding() == 0
            && !self.desk.closing.is_under_way()
            && (self.desk.shared.running.closing() == 0
                || self.desk.shared.stage() == Stage::Cutting)
            && self.desk.mailbox.is_empty()
    }
}

impl Desk {
    /// Closes an idle channel or hands it over. If a request has arrived unread, serves this first.
    pub(in crate::io) fn drain_idle(&mut self, index: usize) {
        self.channels[index].readable = true;
        self.receive(index);
    }

    /// Closes an idle channel while the server drains. A new one stays a little: its client has been let in, and is about
    /// to send its request.
    pub(in crate::io) fn close_idle(&mut self, index: usize) {
        let since = self.channels[index].new_since;
        match since.map(|since| since + FIRST_REQUEST) {
            Some(until) if until > self.now => self.channels.arm(index, Some(until)),
            _ => self.close(index),
        }
    }
}

/// How long a new connection may take to send the first byte of a request while the server drains.
const FIRST_REQUEST: Duration = if cfg!(shuttle) {
    Duration::from_millis(20)
} else {
    Duration::from_secs(1)
};

/// How many 1 ms waits to give workers to report finished replies before cutting.
const LAST_WORDS: usize = 10;
/// Most requests that are named in the log when they are cut.
const SHOWN: usize = 20;

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::io::tests::with_idle;

    #[test]
    fn the_first_request_of_a_new_connection_is_served_although_the_drain_comes_before_it() {
        let (shared, mut io, mut clients) = with_idle(3);
        io.desk.channels[2].new_since = None;
        shared.advance(Stage::Draining);
        io.notice_drain();
        // The third has had a request.
        assert_eq!(io.desk.channels.len(), 2);
        clients[0]
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        io.desk.drain_idle(0);
        assert_eq!(io.desk.channels[0].phase(), Phase::Task);
        // The second sends nothing.
        io.desk.expire(io.desk.now + FIRST_REQUEST);
        assert_eq!(io.desk.channels.len(), 1);
    }
}
