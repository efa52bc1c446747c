//! What the loop asks of a channel that speaks HTTP/1.1. Each step looks the channel up and has a [`Receiver`] or a
//! [`Sender`] do the work.

use headwaiter_http::Refusal;

use crate::exchange::Exchange;
use crate::exchange::answer::Answer;
use crate::io::desk::Desk;
use crate::io::h1::receive::Receiver;
use crate::io::h1::transmit::Sender;

impl Desk {
    /// Digests what was read before, then what can be read now.
    pub(in crate::io) fn receive(&mut self, index: usize) {
        Receiver::new(self, index).receive();
    }

    /// Digests `data`, which was read before the connection came here, then what can be read now.
    #[cfg(unix)]
    pub(in crate::io) fn receive_behind(&mut self, index: usize, data: &[u8]) {
        Receiver::new(self, index).receive_behind(data);
    }

    /// Refuses the request that the channel is receiving, if there is one.
    pub(in crate::io) fn refuse_received(&mut self, index: usize, refusal: Refusal) {
        if let Some(exchange) = self.channels[index].protocol.h1().take_received() {
            self.refuse(index, exchange, refusal);
        }
    }

    /// Refuses a request of the channel. Nothing that comes behind the request is read.
    pub(in crate::io) fn refuse(
        &mut self,
        index: usize,
        exchange: Box<Exchange>,
        refusal: Refusal,
    ) {
        Sender::new(self, index).refuse(exchange, refusal);
    }

    /// A worker is through with `exchange`.
    pub(in crate::io) fn done(&mut self, mut exchange: Box<Exchange>) {
        if !exchange.has_follower() {
            self.in_flight.note_back();
        }
        self.brevity
            .note(exchange.record.in_application(), self.now);
        crate::inject_panic("done");
        let Some(lane) = exchange.lane.take() else {
            return self.keep(exchange);
        };
        exchange.record.bytes_out += lane.take_early();
        match self.find(lane.token()) {
            Some(index) => Sender::new(self, index).reply(exchange, &lane),
            None => self.done_after_close(exchange, lane.link()),
        }
    }

    /// The worker of the channel `token` goes on and has handed over more of the reply at `place`.
    pub(in crate::io) fn send_more(&mut self, token: usize, place: u8) {
        if let Some(index) = self.find(token) {
            Sender::new(self, index).reply_more(place);
        }
    }

    /// Sends now, or, from a file, behind the channels that could not go on in an earlier turn.
    pub(in crate::io) fn transmit_in_order(&mut self, index: usize) {
        Sender::new(self, index).transmit_in_order();
    }

    /// Sends what the kernel takes of a channel's parts.
    pub(in crate::io) fn transmit(&mut self, index: usize) {
        Sender::new(self, index).transmit();
    }

    /// The answer to the request of the channel `token` has come.
    pub(in crate::io) fn answer_came(&mut self, token: usize, answer: &Answer) {
        if let Some(index) = self.find(token) {
            Sender::new(self, index).answer_pending(answer);
        }
    }

    /// The answer to the request of a channel has not come in time.
    pub(in crate::io) fn answer_late(&mut self, index: usize) {
        Sender::new(self, index).answer_late();
    }
}
