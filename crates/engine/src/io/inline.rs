//! Requests that something other than a worker answers: health checks, the admin endpoint.
//!
//! The I/O thread that owns the channel calls an [`Inline`], which must neither block nor touch the
//! interpreter. Work that takes time goes to another thread, which answers by a message ([`Later`]);
//! meanwhile the channel is in the state `Pending` and is not read.

use crate::sys::instant::Instant;
use std::fmt;
use std::sync::Arc;

use headwaiter_http::Head;

use crate::exchange::answer::Answer;
use crate::exchange::message::{Mailbox, Message};
use crate::net::address::Peer;
use crate::net::listener::Listener;

/// Answers requests in place of the application.
pub(crate) trait Inline: fmt::Debug + Send {
    /// Whether a request with this head is answered here.
    fn takes(&self, head: &Head) -> bool;

    /// Judges a request by its head, before its body is read. An answer refuses the request: neither
    /// its body nor anything behind it is read.
    fn refuse(&self, _head: &Head, _peer: Peer) -> Option<Answer> {
        None
    }

    /// Answers a complete request.
    fn answer(&mut self, request: &InlineRequest<'_>) -> Answered;

    /// The answer to a request that [`Answered::Later`] promised and that has not come in time.
    /// The [`Later`] of the channel `token` must not answer any more.
    fn late(&mut self, token: usize, now: Instant) -> Answer;
}

/// A complete request, as an [`Inline`] sees it.
#[derive(Debug)]
pub(crate) struct InlineRequest<'a> {
    pub(crate) head: &'a Head,
    pub(crate) now: Instant,
    pub(in crate::io) mailbox: &'a Arc<Mailbox>,
    pub(crate) token: usize,
}

impl InlineRequest<'_> {
    /// A request of a channel that there need not be.
    #[cfg(all(test, unix, not(shuttle)))]
    pub(crate) fn for_tests<'a>(
        mailbox: &'a Arc<Mailbox>,
        head: &'a Head,
        token: usize,
        now: Instant,
    ) -> InlineRequest<'a> {
        InlineRequest {
            head,
            now,
            mailbox,
            token,
        }
    }

    /// What another thread needs to answer the request.
    pub(crate) fn later(&self) -> Later {
        Later {
            mailbox: Arc::clone(self.mailbox),
            token: self.token,
        }
    }
}

/// What an [`Inline`] did with a request.
#[derive(Debug)]
pub(crate) enum Answered {
    Now(Answer),
    /// A [`Later`] brings the answer; at `due`, if there is one, [`Inline::late`] answers instead.
    Later {
        due: Option<Instant>,
    },
}

/// Answers a pending request, from any thread.
#[derive(Debug)]
pub(crate) struct Later {
    mailbox: Arc<Mailbox>,
    token: usize,
}

impl Later {
    /// Whether this answers the channel with this token.
    pub(crate) fn is_for(&self, token: usize) -> bool {
        self.token == token
    }

    /// Sends the answer. It is dropped if the channel is closed or was answered already.
    pub(crate) fn answer(self, answer: Answer) {
        self.mailbox.post(Message::Answer(self.token, answer), true);
    }
}

/// Listeners whose requests all go to one [`Inline`]: the admin endpoint.
#[derive(Debug, Default)]
pub(crate) struct Endpoint {
    pub(crate) listeners: Vec<Listener>,
    /// Tokens of its channels, oldest first.
    pub(crate) open: Vec<usize>,
    pub(in crate::io) inline: Option<Box<dyn Inline>>,
}

impl Endpoint {
    pub(crate) fn new(listeners: Vec<Listener>, inline: Box<dyn Inline>) -> Self {
        Self {
            listeners,
            open: Vec::new(),
            inline: Some(inline),
        }
    }
}
