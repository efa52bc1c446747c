//! The way to the end of an I/O thread: from serving to draining to cutting.

use std::sync::atomic::Ordering;
use std::time::Duration;

use headwaiter_http::{Head, Refusal};

use crate::exchange::{Exchange, first_line};
use crate::io::IoLoop;
use crate::io::channel::Channel;
use crate::io::phase::Phase;
use crate::net::address::Peer;
use crate::record::end::SHUTDOWN_TIMEOUT;
use crate::record::{End, Ended};
use crate::shared::Stage;

impl IoLoop {
    /// Follows the server to its end: from serving to draining to cutting.
    pub(crate) fn follow_stage(&mut self) {
        self.notice_drain();
        match self.shared.stage() {
            Stage::Serving => {}
            Stage::Draining if self.drain.is_none_or(|end| end > self.seen.upto()) => {}
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
        if let Some(observer) = self.observer.clone() {
            self.guarded(None, |_| observer.drain_begins());
        }
        self.accepting.forget_pause();
        for n in 0..self.accepting.len() {
            let most = usize::try_from(self.shared.settings.backlog).unwrap_or(usize::MAX);
            self.guarded(None, |me| me.accept_from(n, most));
        }
        self.accepting.forget_pause();
        for mut listener in self.accepting.take_listeners() {
            listener.deregister(self.poll.registry());
        }
        if self.index == 0 {
            self.shared.end_listening();
        }
        for index in self.channels.indices() {
            let Some(channel) = self.channels.get(index).filter(|c| !c.link.admin) else {
                continue;
            };
            self.guarded(Some(channel.link.token), |me| {
                crate::inject_panic("drain");
                match me.channels[index].phase() {
                    Phase::Idle => me.drain_idle(index),
                    Phase::Head => me.refuse_received(index, Refusal::Draining),
                    _ => {}
                }
            });
        }
    }

    /// Closes an idle channel, unless a request has come in that was not read yet.
    pub(crate) fn drain_idle(&mut self, index: usize) {
        self.channels[index].readable = true;
        self.receive(index);
    }

    /// Cuts every channel and every waiting task, and says what was lost.
    pub(crate) fn cut_all(&mut self) {
        self.hear_the_last();
        // The worker of the reply may still be in the iterable's `close()` and is cut, too: as one request.
        let cut_reply = |reply: &&Exchange| self.shared.running.cut_reply(&reply.record);
        let clients = self.channels.iter().filter(|channel| !channel.link.admin);
        let replying = clients.filter_map(Channel::replying).filter(cut_reply);
        let lost = self.outstanding + self.batch.len() + replying.count();
        self.shared.unfinished.fetch_add(lost, Ordering::SeqCst);
        if self.index == 0 {
            self.guarded(None, Self::cut_running);
        }
        drop(self.accepting.take_listeners());
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
        for index in self.channels.indices() {
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
        for (nth, request) in self
            .shared
            .running
            .cut_all(self.now)
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
                // Its reply has an end and a record of its own.
                self.shared.unfinished.fetch_add(1, Ordering::SeqCst);
                continue;
            }
            let mut record = request.record;
            record.stop(self.now, End::Cut, SHUTDOWN_TIMEOUT);
            record.ended = Some(self.now);
            let line = [&request.method[..], b" ", &request.path[..]].concat();
            self.recorder.record(Ended {
                record: &record,
                head: &Head::new(),
                first_line: first_line(&line),
                client: None,
                peer: request.peer.unwrap_or(Peer::Unix),
            });
        }
    }

    /// Whether nothing is left to do. The admin endpoint is there for the rest, and goes with it.
    pub(crate) fn is_done(&self) -> bool {
        self.drain.is_some()
            && self.accepting.len() == 0
            && self.channels.len() == self.admin.open.len()
            && self.outstanding == 0
            && (self.shared.running.closing() == 0
                || self.shared.stage() == Stage::Cutting)
            // Until then the first thread may still give this one a connection.
            && self.shared.is_listening_over()
            && self.mailbox.is_empty()
    }
}

/// Milliseconds for them, before a cut.
const LAST_WORDS: usize = 10;
/// Requests named when they are cut.
const SHOWN: usize = 20;
