//! Replies that the I/O thread makes itself: refusals, and the answers of an [`Inline`](crate::io::inline::Inline).

use headwaiter_http::{Refusal, ReplyContext};

use crate::exchange::Exchange;
use crate::exchange::answer::Answer;
use crate::io::h1::transmit::Sender;
use crate::io::h1::{State, head_length};
use crate::store::parts::{Part, Size};

impl Sender<'_> {
    /// Refuses a request of the channel. Nothing that comes behind the request is read.
    pub(super) fn refuse(&mut self, mut exchange: Box<Exchange>, refusal: Refusal) {
        let date = self.desk.date();
        let channel = &mut self.desk.channels[self.index];
        exchange.note_first_line(channel.protocol.h1().input());
        // Of a head that is itself refused, the exchange has the first line only.
        let head_only = exchange.head.is_head() || exchange.first_line.starts_with(b"HEAD ");
        log::info!(
            target: crate::LOG,
            "refused a request of {}: {} {} ({})",
            channel.link.peer,
            refusal.status(),
            refusal.reason(),
            refusal.rule(),
        );
        let mut reply = Vec::new();
        refusal.write_reply(&mut reply, &date, &self.desk.shared.own_lines, head_only);
        exchange.record.refuse(self.desk.now, refusal);
        exchange.record.reply_head = head_length(&reply);
        exchange.body.clear();
        self.send_refusal(exchange, reply);
    }

    /// Refuses a request of the channel with `answer`. Nothing that comes behind the request is read.
    pub(super) fn refuse_with(&mut self, mut exchange: Box<Exchange>, answer: &Answer) {
        let reply = self.write_answer(&mut exchange, answer, false);
        self.send_refusal(exchange, reply);
    }

    /// Answers a request on the I/O thread itself.
    pub(super) fn reply_here(&mut self, mut exchange: Box<Exchange>, answer: &Answer) {
        let admin = self.desk.channels[self.index].link.admin;
        let stays = admin || !self.desk.shared.ends_connections();
        let keep_alive = exchange.head.keep_alive() && stays;
        let reply = self.write_answer(&mut exchange, answer, keep_alive);
        self.send_here(State::Replying(exchange), reply);
    }

    fn write_answer(
        &mut self,
        exchange: &mut Exchange,
        answer: &Answer,
        keep_alive: bool,
    ) -> Vec<u8> {
        let mut reply = Vec::new();
        let date = self.desk.date();
        let context = ReplyContext {
            minor: exchange.head.minor(),
            head: exchange.head.is_head(),
            keep_alive,
            known_length: Some(answer.body.len() as u64),
            date: &date,
            own: &self.desk.shared.own_lines,
            extra: answer.fields,
        };
        let framing = &mut exchange.framing;
        exchange.record.reply_head = framing.head(&mut answer.head(), &context, &mut reply);
        exchange.record.status = answer.status;
        let copied = framing.copy(&answer.body, &mut reply);
        let (_, closes) = framing.finish(&mut reply);
        if closes || copied.is_err() {
            exchange.close_after();
        }
        reply
    }

    fn send_refusal(&mut self, exchange: Box<Exchange>, reply: Vec<u8>) {
        let channel = &mut self.desk.channels[self.index];
        debug_assert!(
            !channel.is_listed_idle(),
            "a channel with a request is not idle"
        );
        channel.protocol.h1().drop_input();
        channel.deadline.disarm();
        self.send_here(State::Refusing(exchange), reply);
    }

    fn send_here(&mut self, state: State, reply: Vec<u8>) {
        let channel = &mut self.desk.channels[self.index];
        let h1 = channel.protocol.h1();
        h1.state = state;
        let part = Part::Copied { data: reply, at: 0 };
        channel.lane.account(Size {
            all: part.left(),
            memory: part.left(),
        });
        h1.sending.push(part);
        self.transmit();
    }
}
