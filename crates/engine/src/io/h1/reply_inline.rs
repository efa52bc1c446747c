//! Has requests answered by an [`Inline`](crate::io::inline::Inline), at once or when the answer has come.

use crate::exchange::Exchange;
use crate::exchange::answer::Answer;
use crate::io::IoLoop;
use crate::io::h1::State;
use crate::io::inline::{Answered, InlineRequest};

impl IoLoop {
    /// Judges a request by its head. Returns the answer that the admin endpoint refuses it with, if it does.
    pub(crate) fn refused_inline(&self, index: usize, exchange: &Exchange) -> Option<Answer> {
        let link = &self.channels[index].link;
        let inline = self.admin.inline.as_ref().filter(|_| link.admin)?;
        inline.refuse(&exchange.head, link.peer)
    }

    /// Has a complete request answered.
    pub(crate) fn answer_inline(&mut self, index: usize, exchange: Box<Exchange>) {
        let channel = &mut self.channels[index];
        let inline = match channel.link.admin {
            true => &mut self.admin.inline,
            false => &mut self.inline,
        };
        let Some(inline) = inline else {
            return self.close(index);
        };
        let answered = inline.answer(&InlineRequest {
            head: &exchange.head,
            now: self.now,
            mailbox: &self.mailbox,
            token: channel.link.token,
        });
        match answered {
            Answered::Now(answer) => self.reply_here(index, exchange, &answer),
            Answered::Later { due } => {
                channel.protocol.h1().state = State::Pending(exchange);
                self.channels.arm(index, due);
            }
        }
    }

    /// The answer to the request of the channel `token` has come.
    pub(crate) fn answer_came(&mut self, token: usize, answer: &Answer) {
        if let Some(index) = self.find(token) {
            self.answer_pending(index, answer);
        }
    }

    /// The answer to the request of a channel has not come in time.
    pub(crate) fn answer_late(&mut self, index: usize) {
        let link = &self.channels[index].link;
        let inline = match link.admin {
            true => &mut self.admin.inline,
            false => &mut self.inline,
        };
        let (token, now) = (link.token, self.now);
        if let Some(answer) = inline.as_mut().map(|inline| inline.late(token, now)) {
            self.answer_pending(index, &answer);
        }
    }

    fn answer_pending(&mut self, index: usize, answer: &Answer) {
        let channel = &mut self.channels[index];
        let h1 = channel.protocol.h1();
        match std::mem::take(&mut h1.state) {
            State::Pending(exchange) => {
                channel.deadline.disarm();
                self.reply_here(index, exchange, answer);
            }
            // It was answered in between.
            other => h1.state = other,
        }
    }
}
