//! Request heads: finding their end, splitting their lines, keeping the parts.
//!
//! The engine calls [`Head::parse`] with all bytes that have come for the request. A head that is there
//! whole, which is nearly every head, is read in one pass. One that drips in is surveyed: each call looks
//! at new bytes only, judges the lines that have become complete, and once the blank line is there the
//! head is read as if it had come whole. So the cost is linear however the bytes are cut, a bad line is
//! refused when it ends and not when the head does, and the verdict is the same either way. Nothing but
//! the `scanned` offset is carried between calls.
//!
//! Elsewhere: the grammar of a line (`request_line.rs`, `fields.rs`), what the fields mean together
//! (`framing.rs`).

use std::ops::Range;

use memchr::memrchr;

use crate::bytes::find_control;
use crate::fields::parse_field_line;
use crate::framing::{Framing, Noted};
use crate::refusal::Refusal;
use crate::request_line::parse_request_line;

/// A request head. Owns a copy of its bytes.
///
/// [`clear`](Self::clear) keeps the allocations, so heads can be pooled. Until [`parse`](Self::parse)
/// has succeeded every part is empty.
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

#[derive(Clone, Copy, Debug)]
struct Field {
    name: Span,
    value: Span,
}

/// A range of the head's bytes. 32 bits do, because `parse` never looks further than that.
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

    /// Parses the head at the front of `buf`, which holds all bytes of the request that have come.
    ///
    /// `Ok(Some(n))`: the head is complete, took `n` bytes and fills `self`. `Ok(None)`: more bytes are
    /// needed; call again when `buf` has grown at its end. `scanned` remembers how far `buf` was searched:
    /// give 0 for a new request and hand it back unchanged after `Ok(None)`. It is 0 again after
    /// `Ok(Some(_))`. Any `Head` may be given to any call.
    ///
    /// `limits.size` bounds the head including empty lines before it (RFC 9112 §2.2 asks to skip those).
    ///
    /// # Errors
    ///
    /// A [`Refusal`], and `self` is empty. Control bytes are refused as soon as they come, a malformed
    /// line when it is complete, and what concerns the whole head when that is.
    pub fn parse(
        &mut self,
        buf: &[u8],
        scanned: &mut usize,
        limits: HeadLimits,
    ) -> Result<Option<usize>, Refusal> {
        let limit = limits.size.min(u32::MAX as usize);
        let window = &buf[..buf.len().min(limit)];
        let progress = match *scanned {
            0 => self.read(window, limits.fields),
            from => match survey(window, from.min(window.len())) {
                Ok(Progress::Complete(_)) => self.read(window, limits.fields),
                other => other,
            },
        };
        match progress {
            Ok(Progress::Complete(size)) => {
                if self.bytes.try_reserve(size).is_err() {
                    self.clear();
                    return Err(Refusal::Internal);
                }
                self.bytes.extend_from_slice(&window[..size]);
                *scanned = 0;
                Ok(Some(size))
            }
            Ok(Progress::Searched(to)) => {
                self.clear();
                if window.len() == limit {
                    return Err(Refusal::HeadTooLarge);
                }
                *scanned = to;
                Ok(None)
            }
            Err(refusal) => {
                self.clear();
                Err(refusal)
            }
        }
    }

    /// Reads a head from its first byte, leaving spans into `window`; the caller copies the bytes.
    fn read(&mut self, window: &[u8], max_fields: usize) -> Result<Progress, Refusal> {
        self.clear();
        let mut start = 0;
        // The request-line comes after a few empty lines at most.
        loop {
            let end = match line_end(window, start)? {
                LineEnd::At(end) => end,
                LineEnd::Beyond(to) => return Ok(Progress::Searched(to)),
            };
            if end > start {
                self.read_request_line(window, start..end)?;
                start = end + 2;
                break;
            }
            start = end + 2;
            check_empty_lines(start)?;
        }
        let mut noted = Noted::default();
        let mut count = 0;
        loop {
            let end = match line_end(window, start)? {
                LineEnd::At(end) => end,
                LineEnd::Beyond(to) => return Ok(Progress::Searched(to)),
            };
            if end == start {
                break;
            }
            let field = parse_field_line(&window[start..end])?;
            let (name, value) = (
                Span::new(start, &field.name),
                Span::new(start, &field.value),
            );
            noted.note(window, name.of(window), value.range());
            // Counting goes on past the limit, so that a malformed later line is named first however
            // the bytes were cut; storing does not.
            count += 1;
            if count <= max_fields {
                self.fields.push(Field { name, value });
            }
            start = end + 2;
        }
        if count > max_fields {
            return Err(Refusal::TooManyFields);
        }
        self.framing = noted.framing(window, self.minor)?;
        self.host = noted
            .host(window, self.minor)?
            .map(|range| Span::new(0, &range));
        self.keep_alive = noted.keep_alive(self.minor);
        self.expects_continue = noted.expects_continue(self.minor, self.framing);
        Ok(Progress::Complete(start + 2))
    }

    fn read_request_line(&mut self, window: &[u8], at: Range<usize>) -> Result<(), Refusal> {
        let base = at.start;
        let line = parse_request_line(&window[at])?;
        self.method = Span::new(base, &line.method);
        self.target = Span::new(base, &line.target);
        self.path = Span::new(base, &line.path);
        self.query = Span::new(base, &line.query);
        self.authority = line.authority.map(|range| Span::new(base, &range));
        self.minor = line.minor;
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

/// How far a head has come.
#[derive(Clone, Copy, Debug)]
enum Progress {
    /// The head is complete and has this size.
    Complete(usize),
    /// All lines before this offset are sound, and so are the bytes of an unfinished line before it.
    Searched(usize),
}

/// Judges the lines that end at or after `from`, up to the end of the head.
fn survey(window: &[u8], mut from: usize) -> Result<Progress, Refusal> {
    loop {
        let end = match line_end(window, from)? {
            LineEnd::At(end) => end,
            LineEnd::Beyond(to) => return Ok(Progress::Searched(to)),
        };
        // Looked up once a line, not once a call: else a dripped long line would cost its square.
        let start = memrchr(b'\n', &window[..end]).map_or(0, |newline| newline + 1);
        let only_empty_lines_before = window[..start].iter().all(|&b| b == b'\r' || b == b'\n');
        match (only_empty_lines_before, end == start) {
            (true, true) => check_empty_lines(end + 2)?,
            (true, false) => {
                parse_request_line(&window[start..end])?;
            }
            (false, true) => return Ok(Progress::Complete(end + 2)),
            (false, false) => {
                parse_field_line(&window[start..end])?;
            }
        }
        from = end + 2;
    }
}

/// Where the line ends that goes on at some offset.
enum LineEnd {
    /// Its CR is here, and an LF follows.
    At(usize),
    /// Not in what has come; go on looking here.
    Beyond(usize),
}

/// Finds the CRLF at or after `from`, refusing every other control byte on the way.
#[inline]
fn line_end(window: &[u8], from: usize) -> Result<LineEnd, Refusal> {
    let Some(at) = find_control(window, from) else {
        return Ok(LineEnd::Beyond(window.len()));
    };
    match (window[at], window.get(at + 1)) {
        (b'\r', Some(b'\n')) => Ok(LineEnd::At(at)),
        (b'\r', None) => Ok(LineEnd::Beyond(at)),
        (b'\r', Some(_)) => Err(Refusal::BareCr),
        (b'\n', _) => Err(Refusal::BareLf),
        (TLS_HANDSHAKE, _) if at == 0 => Err(Refusal::TlsHello),
        _ => Err(Refusal::ControlByte),
    }
}

/// Bounds the empty lines before a request-line, which took `size` bytes so far.
fn check_empty_lines(size: usize) -> Result<(), Refusal> {
    if size > 2 * MAX_EMPTY_LINES {
        Err(Refusal::EmptyLines)
    } else {
        Ok(())
    }
}

/// What a head keeps of its allocations: most requests fit.
const KEPT_BYTES: usize = 16 * 1024;
const KEPT_FIELDS: usize = 64;

/// RFC 9112 §2.2 asks to skip at least one; old clients send one or two after a POST body.
const MAX_EMPTY_LINES: usize = 4;

/// The content type of the first record a TLS client sends (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;
