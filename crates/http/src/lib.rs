//! HTTP/1.1 as a server speaks it: bytes in, verdicts and bytes out.
//!
//! Called by the engine, which owns sockets, time and threads, and (for reply heads) by the Python
//! binding. A channel uses it in this order:
//!
//! 1. [`Head::parse`] until it says how many bytes the head took, or refuses;
//! 2. [`Body::new`] with [`Head::framing`], then [`Body::decode`] until it says done;
//! 3. [`ProxyPolicy::apply`], which says what a trusted proxy changes in the environ;
//! 4. [`ReplyHead::begin`], [`ReplyHead::field`], [`ReplyHead::finish`], and [`write_chunk_head`]
//!    where the reply is chunked; or [`Refusal::write_reply`] where the request was refused.
//!
//! **Invariant:** no I/O, no clock, no threads, no Python. Any input can be replayed in a unit test.
//!
//! **Invariant:** bytes from a client cause a result or a [`Refusal`], never a panic.
//!
//! **Invariant:** how the bytes were cut into reads never changes the verdict, nor which rule is
//! named. Rules about one line are judged in the order of lines; rules about the head as a whole are
//! judged when its last line has come.
//!
//! **Invariant:** framing is strict (RFC 9112) and has no leniency switch. Where two readers of the
//! same bytes could disagree on where a request ends, the request is refused and the connection closes.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod body;
mod bytes;
mod chunked;
mod date;
mod fields;
mod framing;
mod head;
mod host;
mod percent;
mod proxy;
mod refusal;
mod reply;
mod request_line;
mod trailer;

pub use body::{Body, Decoded};
pub use date::DateLine;
pub use framing::Framing;
pub use head::{Head, HeadLimits};
pub use percent::percent_decode;
pub use proxy::{FieldChange, ProxyOutcome, ProxyPeer, ProxyPolicy};
pub use refusal::Refusal;
pub use reply::{
    BodyFraming, BodyKind, CHUNK_END, CONTINUE, LAST_CHUNK, ReplyContext, ReplyError, ReplyHead,
    Taken, write_chunk_head,
};
