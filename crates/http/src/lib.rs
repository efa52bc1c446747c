//! The server's side of HTTP/1.1: bytes come in, verdicts and bytes go out.
//!
//! The engine calls this crate; it owns sockets, time and threads. The Python binding calls it for reply heads.
//! A channel uses it in this order:
//!
//! 1. [`Head::parse`] until it says how many bytes the head took, or refuses ([`Head::build`] for a protocol
//!    whose heads are no text);
//! 2. [`BodyDecoder::new`] with [`Head::framing`], then [`BodyDecoder::decode`] until it says done;
//! 3. [`ProxyPolicy::apply`], which says what a trusted proxy changes in the environ;
//! 4. [`ReplyHead::begin`], [`ReplyHead::field`], [`ReplyHead::finish`], and [`write_chunk_head`]
//!    where the reply is chunked; or [`Refusal::write_reply`] where the request was refused.
//!
//! **Invariant:** no I/O, no clock, no threads, no Python. Any input can be replayed in a unit test.
//!
//! **Invariant:** bytes from a client cause a result or a [`Refusal`], never a panic.
//!
//! **Invariant:** how bytes are divided into reads changes neither the verdict nor the rule that it names. Rules
//! about one line are judged in the order of lines; rules about the whole head are judged when its last line
//! has come.
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

pub use body::{BodyDecoder, Decoded};
pub use date::DateLine;
pub use framing::Framing;
pub use head::{Head, HeadLimits, RequestParts};
pub use percent::percent_decode;
pub use proxy::{FieldChange, ProxyOutcome, ProxyPeer, ProxyPolicy};
pub use refusal::Refusal;
pub use reply::{
    BodyFraming, BodyKind, CHUNK_END, CONTINUE, LAST_CHUNK, ReplyContext, ReplyError, ReplyHead,
    Taken, own_lines, write_chunk_head,
};
