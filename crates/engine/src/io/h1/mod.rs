//! HTTP/1.1 on a channel: bytes in up to a complete request, requests that come in one behind the other, bytes out.

pub(crate) mod pipeline;
pub(crate) mod receive;
pub(crate) mod transmit;
pub(crate) mod uploads;
