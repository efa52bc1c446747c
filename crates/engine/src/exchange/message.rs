//! What workers and other threads tell the I/O thread.

use crate::exchange::Exchange;
use crate::exchange::answer::Answer;
#[cfg(all(test, shuttle))]
use crate::net::{address::Peer, socket::Stream};
use crate::sys::mailbox;

/// The mailbox of the I/O thread.
pub(crate) type Mailbox = mailbox::Mailbox<Message>;

/// A message to the I/O thread.
#[derive(Debug)]
pub(crate) enum Message {
    /// A worker has finished this exchange. The I/O thread sends what is left of the reply.
    Done(Box<Exchange>),
    /// The channel with this token has new parts in its outbox, of the reply at this place of its chain.
    Flush(usize, u8),
    /// A connection from a model's client, and the index of its listener.
    #[cfg(all(test, shuttle))]
    Accepted(Stream, Peer, usize),
    /// The answer to the pending request of the channel with this token.
    Answer(usize, Answer),
}
