//! The end of requests and of channels: what is over is recorded, and its memory is kept or given back.

use crate::sys::instant::Instant;
use std::sync::Arc;

use crate::exchange::Exchange;
use crate::exchange::link::{Link, TIMED_OUT};
use crate::io::desk::Desk;
use crate::io::phase::Phase;
use crate::record::End;
use crate::record::end::SEND_TIMEOUT;
use crate::settings::Abandoned;

impl Desk {
    /// The channel waits for its next request.
    pub(crate) fn become_idle(&mut self, index: usize, since: Instant) {
        let channel = &mut self.channels[index];
        debug_assert_eq!(channel.phase(), Phase::Idle, "the last request is over");
        let listed = !channel.link.admin;
        let most = self.shared.settings.channel_timeout;
        self.channels.arm(index, most.map(|most| since + most));
        if listed {
            self.channels.list_idle(index);
        }
    }

    /// Records what is over and keeps its buffers for the next request.
    pub(crate) fn finish(&mut self, index: usize, mut exchange: Box<Exchange>) {
        if let Some(ended) = exchange.end(&self.channels[index].link, || self.shared.now()) {
            self.recorder.record(ended);
        }
        self.keep(exchange);
    }

    /// Ends a request whose client left, or was cut, while the application ran.
    pub(in crate::io) fn done_after_close(&mut self, mut exchange: Box<Exchange>, link: &Link) {
        if link.has(TIMED_OUT) {
            // The application was told that the client has left.
            exchange.record.end = End::Cut;
            exchange.record.rule = SEND_TIMEOUT;
        } else {
            exchange.record.fail(End::Disconnected, "");
        }
        self.record(&mut exchange, link);
        self.drop_followers(&mut exchange, true);
        self.keep(exchange);
    }

    /// Records a request that ends now without its channel.
    pub(crate) fn record(&mut self, exchange: &mut Exchange, link: &Link) {
        if let Some(ended) = exchange.end(link, || self.shared.now()) {
            self.recorder.record(ended);
        }
    }

    pub(crate) fn keep(&mut self, exchange: Box<Exchange>) {
        self.pool.put(exchange, self.now);
    }

    /// The client can no longer be reached.
    pub(crate) fn client_gone(&mut self, index: usize) {
        let channel = &mut self.channels[index];
        channel.link.mark_gone();
        if channel.phase() == Phase::Task {
            self.abandon(index);
        }
        self.close(index);
    }

    /// Drops the channel's task if it still waits and nobody needs it to run.
    fn abandon(&mut self, index: usize) {
        let policy = self.shared.settings.abandoned_requests;
        let lane = &self.channels[index].lane;
        let place = lane.place();
        let wanted = |exchange: &Exchange| {
            let drop = policy == Abandoned::Drop
                || policy == Abandoned::DropSafe && exchange.head.is_safe();
            drop && exchange.lane.as_ref().is_some_and(|own| own.is(lane))
        };
        let dropped = self.in_flight.take_back(&self.shared.queue, place, wanted);
        if let Some(mut exchange) = dropped {
            exchange.record.stop(self.now, End::Abandoned, "");
            self.drop_followers(&mut exchange, true);
            self.finish(index, exchange);
        }
    }

    /// Forgets the channel. A request that was being received or answered ends with it. Its connection ends, too, now or
    /// in a later turn ([`Closing`](crate::io::closing::Closing)); its descriptor closes when no worker holds it any more.
    pub(crate) fn close(&mut self, index: usize) {
        let mut channel = self.channels.remove(index);
        if channel.link.admin {
            self.admin.open.retain(|token| *token != channel.link.token);
        }
        for mut exchange in channel.take_requests() {
            exchange.note_first_line(channel.input());
            exchange.record.stop(self.now, End::Disconnected, "");
            self.record(&mut exchange, &channel.link);
            self.drop_followers(&mut exchange, true);
            self.keep(exchange);
        }
        channel.link.mark_gone();
        if channel.sends() {
            self.pool.note_burst(self.now);
        }
        let link = Arc::clone(&channel.link);
        drop(channel);
        self.note_fewer_channels();
        self.closing
            .end(link, &self.shared, &mut self.room, self.now);
    }
}
