//! HTTP/1.1 on a channel: bytes in up to a complete request, requests that come in one behind the other, bytes out.
//!
//! `steps.rs` has what the loop asks for. A `Receiver` (`read.rs`, `receive.rs`, `body.rs`, `uploads.rs`) reads and a `Sender`
//! (`transmit.rs`, `answer.rs`, `reply_inline.rs`) sends; each borrows the desk for one channel. The state of a
//! connection between two steps is in `connection.rs`.

mod answer;
mod body;
mod connection;
pub(crate) mod pipeline;
mod read;
pub(crate) mod receive;
mod reply_inline;
mod steps;
pub(crate) mod transmit;
pub(crate) mod uploads;

pub(in crate::io) use connection::Connection;
use connection::State;

/// Bytes up to the end of the empty line.
pub(crate) fn head_length(reply: &[u8]) -> u64 {
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n");
    end.map_or(0, |at| at as u64 + 4)
}
