//! Has requests answered by an [`Inline`](crate::io::inline::Inline), at once or when the answer has come.

use crate::exchange::Exchange;
use crate::exchange::answer::Answer;
use crate::io::h1::State;
use crate::io::h1::transmit::Sender;
use crate::io::inline::{Answered, InlineRequest};

impl Sender<'_> {
    /// Judges a request by its head. Returns the answer that the admin endpoint refuses it with, if it does.
    pub(super) fn refused_inline(&self, exchange: &Exchange) -> Option<Answer> {
        let link = &self.desk.channels[self.index].link;
        let inline = self.desk.admin.inline.as_ref().filter(|_| link.admin)?;
        inline.refuse(&exchange.head, link.peer)
    }

    /// Has a complete request answered.
    pub(super) fn answer_inline(&mut self, exchange: Box<Exchange>) {
        let channel = &mut self.desk.channels[self.index];
        let inline = match channel.link.admin {
            true => &mut self.desk.admin.inline,
            false => &mut self.desk.inline,
        };
        let Some(inline) = inline else {
            return self.desk.close(self.index);
        };
        let answered = inline.answer(&InlineRequest {
            head: &exchange.head,
            now: self.desk.now,
            mailbox: &self.desk.mailbox,
            token: channel.link.token,
        });
        match answered {
            Answered::Now(answer) => self.reply_here(exchange, &answer),
            Answered::Later { due } => {
                channel.protocol.h1().state = State::Pending(exchange);
                self.desk.channels.arm(self.index, due);
            }
        }
    }

    /// The answer to the request of a channel has not come in time.
    pub(super) fn answer_late(&mut self) {
        let link = &self.desk.channels[self.index].link;
        let inline = match link.admin {
            true => &mut self.desk.admin.inline,
            false => &mut self.desk.inline,
        };
        let (token, now) = (link.token, self.desk.now);
        if let Some(answer) = inline.as_mut().map(|inline| inline.late(token, now)) {
            self.answer_pending(&answer);
        }
    }

    /// Sends the answer to the request that waits for it, if the channel still has one.
    pub(super) fn answer_pending(&mut self, answer: &Answer) {
        let channel = &mut self.desk.channels[self.index];
        let h1 = channel.protocol.h1();
        match std::mem::take(&mut h1.state) {
            State::Pending(exchange) => {
                channel.deadline.disarm();
                self.reply_here(exchange, answer);
            }
            // It was answered in between.
            other => h1.state = other,
        }
    }
}
