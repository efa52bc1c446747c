//! What workers and other threads tell an I/O thread.

use crate::exchange::Exchange;
use crate::exchange::answer::Answer;
use crate::net::address::Peer;
use crate::net::socket::Stream;
use crate::sys::mailbox;

/// The mailbox of an I/O thread.
pub(crate) type Mailbox = mailbox::Mailbox<Message>;

/// A message to an I/O thread.
#[derive(Debug)]
pub(crate) enum Message {
    /// A worker has finished this exchange. The I/O thread sends what is left of the reply.
    Done(Box<Exchange>),
    /// The channel with this token has new parts in its outbox, of the reply at this place of its chain.
    Flush(usize, u8),
    /// A connection this thread is to own, and the index of its listener.
    Accepted(Stream, Peer, usize),
    /// The answer to the pending request of the channel with this token.
    Answer(usize, Answer),
    /// The first I/O thread has no room for a new connection and no idle channel of its own. The receiver closes
    /// one of its idle channels, or passes the message on.
    MakeRoom,
    /// Another I/O thread has closed a channel while the first one waited for room.
    RoomMade,
}
