//! Request heads: the parts of a request before its body.
//!
//! A [`Head`] is read from the text of HTTP/1 by [`Head::parse`] (`parse.rs`) or made of its parts by
//! [`Head::build`] (`build.rs`). Both judge the parts by the same functions.
//!
//! Elsewhere: the grammar of a line (`request_line.rs`, `fields.rs`), and what the fields mean together
//! (`framing.rs`).

mod build;
mod parse;

use std::ops::Range;

pub use build::RequestParts;

use crate::framing::{Framing, Noted};
use crate::refusal::Refusal;

/// A request head. Owns a copy of its bytes.
///
/// [`clear`](Self::clear) keeps the allocations, so heads can be pooled. Every part is empty until
/// [`parse`](Self::parse) or [`build`](Self::build) has succeeded.
#[derive(Clone, Debug)]
pub struct Head {
    bytes: Vec<u8>,
    fields: Vec<Field>,
    method: Span,
    target: Span,
    path: Span,
    query: Span,
    authority: Option<Span>,
    host: Option<Span>,
    minor: u8,
    framing: Framing,
    keep_alive: bool,
    expects_continue: bool,
}

/// What a head may have.
#[derive(Clone, Copy, Debug)]
pub struct HeadLimits {
    /// Bytes, those of empty lines before it included.
    pub size: usize,
    /// Header fields.
    pub fields: usize,
}

impl Default for HeadLimits {
    /// The defaults of `max_request_header_size` and `max_request_header_fields`. Browsers send 15 to 25
    /// fields and proxies add a few; gunicorn stops at 100, Waitress has no limit.
    fn default() -> Self {
        Self {
            size: 262_144,
            fields: 512,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Field {
    name: Span,
    value: Span,
}

/// A range of the head's bytes. 32 bits are enough, because no head may be longer.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The span of `range`, which counts from `base`.
    #[inline]
    fn new(base: usize, range: &Range<usize>) -> Self {
        Self {
            start: (base + range.start) as u32,
            end: (base + range.end) as u32,
        }
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    #[inline]
    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.range()]
    }
}

impl Head {
    /// An empty head.
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            fields: Vec::new(),
            method: Span::default(),
            target: Span::default(),
            path: Span::default(),
            query: Span::default(),
            authority: None,
            host: None,
            minor: 1,
            framing: Framing::None,
            keep_alive: false,
            expects_continue: false,
        }
    }

    /// The bytes of a head that was parsed, as they came.
    pub fn text(&self) -> &[u8] {
        &self.bytes
    }

    /// Empties the head and keeps its allocations, unless they are unusually large.
    pub fn clear(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        let mut fields = std::mem::take(&mut self.fields);
        bytes.clear();
        bytes.shrink_to(KEPT_BYTES);
        fields.clear();
        fields.shrink_to(KEPT_FIELDS);
        *self = Self {
            bytes,
            fields,
            ..Self::new()
        };
    }

    /// Judges the head as a whole, after its last field. `noted` and the spans are offsets in `bytes`.
    fn conclude(&mut self, noted: &Noted, bytes: &[u8]) -> Result<(), Refusal> {
        self.framing = noted.framing(bytes, self.minor)?;
        self.host = noted
            .host(bytes, self.minor)?
            .map(|range| Span::new(0, &range));
        self.keep_alive = noted.keep_alive(self.minor);
        self.expects_continue = noted.expects_continue(self.minor, self.framing);
        Ok(())
    }

    /// The method, a token without lower-case letters.
    pub fn method(&self) -> &[u8] {
        self.method.of(&self.bytes)
    }

    /// The request-target, byte for byte as sent.
    pub fn target(&self) -> &[u8] {
        self.target.of(&self.bytes)
    }

    /// 0 for HTTP/1.0, 1 for HTTP/1.1 and any later 1.x.
    pub fn minor(&self) -> u8 {
        self.minor
    }

    /// The path of the target as sent, not decoded. For an absolute-form target what follows the
    /// authority, and `/` if nothing does (RFC 9110 §4.2.3). For `OPTIONS *` it is `*`.
    pub fn path(&self) -> &[u8] {
        match self.path.of(&self.bytes) {
            b"" if self.authority.is_some() => b"/",
            path => path,
        }
    }

    /// What follows the first `?` of the target, as sent; empty if there is none.
    pub fn query(&self) -> &[u8] {
        self.query.of(&self.bytes)
    }

    /// The authority of an absolute-form target: a valid, non-empty host and perhaps a port.
    pub fn authority(&self) -> Option<&[u8]> {
        self.authority.map(|span| span.of(&self.bytes))
    }

    /// The host that is meant: the authority of an absolute-form target, else the Host header
    /// (RFC 9112 §3.2.2: a server must ignore Host if there is an authority).
    ///
    /// Follows the grammar of `uri-host [":" port]`; may be empty if Host was. `None` only on HTTP/1.0.
    pub fn host(&self) -> Option<&[u8]> {
        self.authority
            .or(self.host)
            .map(|span| span.of(&self.bytes))
    }

    /// The header fields in order: the name as sent, the value without surrounding whitespace.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|field| (field.name.of(&self.bytes), field.value.of(&self.bytes)))
    }

    /// How many header fields there are.
    pub fn field_count(&self) -> usize {
        self.fields.len()
    }

    /// The value of the first field called `name`, in any case.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields()
            .find(|(given, _)| given.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// How the end of the body is found.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the client wants the connection to stay open (RFC 9112 §9.3).
    pub fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the client waits for `100 Continue` before it sends the body.
    pub fn expects_continue(&self) -> bool {
        self.expects_continue
    }

    /// Whether the method is HEAD, whose reply has no body.
    pub fn is_head(&self) -> bool {
        self.method() == b"HEAD"
    }

    /// Whether the method is safe (RFC 9110 §9.2.1), so that the request may be dropped unserved.
    pub fn is_safe(&self) -> bool {
        matches!(self.method(), b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE")
    }
}

impl Default for Head {
    fn default() -> Self {
        Self::new()
    }
}

/// What a cleared head keeps allocated: enough for most requests.
const KEPT_BYTES: usize = 16 * 1024;
const KEPT_FIELDS: usize = 64;
