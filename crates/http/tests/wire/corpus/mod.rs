//! What must be refused and what must be accepted on the wire, as data.
//!
//! The tests try every row whole, cut at every byte, dripped, and with another request behind it; the
//! fuzz targets take the rows as seeds. Most rows are somebody's advisory; the comment says whose.

use headwaiter_http::Refusal;

mod bodies;
mod heads;

pub(crate) use bodies::{CHUNKED_ACCEPTED, CHUNKED_REFUSED};
pub(crate) use heads::{HEADS_ACCEPTED, HEADS_REFUSED};

/// Bytes, and the rule they break.
pub(crate) type Refused = (&'static [u8], Refusal);

/// A request that must never be reached behind a refused one.
pub(crate) const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\nHost: probe\r\n\r\n";
