//! Reply heads: the status and fields that an application gives, checked, and those that the server adds.
//!
//! The binding calls [`ReplyHead::begin`] and [`ReplyHead::field`] when the application calls
//! `start_response`. It calls [`ReplyHead::finish`] when the first byte of the body is known, or that there is
//! none, because the framing depends on that. In between the application may begin again (`exc_info`, PEP 3333).
//!
//! Rule: every byte of the application is checked. With a CR or LF in a value, an attacker who controls the
//! value could write further fields, or a whole second reply.

use std::collections::TryReserveError;
use std::fmt;

use memchr::memchr;

use crate::bytes::{decimal, is_name, is_text, is_token, trim_ows};

/// The head of one reply. [`clear`](Self::clear) keeps the allocation for the next one.
///
/// Call order: `begin`, any number of `field`, `finish`.
#[derive(Clone, Debug, Default)]
pub struct ReplyHead {
    /// `HTTP/1.1 200 OK CRLF`, then field lines without Content-Length.
    bytes: Vec<u8>,
    /// 0 until `begin`.
    status: u16,
    content_length: Option<u64>,
    has_date: bool,
    has_server: bool,
    close: bool,
}

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The head has it.
    Yes,
    /// The head does not have it: the server decides whether a connection stays open.
    Dropped,
}

/// What the server knows about the exchange.
#[derive(Clone, Copy, Debug)]
pub struct ReplyContext<'a> {
    /// The minor version of the request ([`Head::minor`](crate::Head::minor)). The reply has
    /// the same version, as with Waitress: a client of HTTP/1.0 need not understand 1.1.
    pub minor: u8,
    /// Whether the request was HEAD.
    pub head: bool,
    /// Whether the connection may stay open, as far as the client and the server are concerned.
    pub keep_alive: bool,
    /// The length of the whole body, if the server knows it and the application did not say.
    pub known_length: Option<u64>,
    /// The IMF-fixdate of now, for `Date` unless the application sent one.
    pub date: &'a [u8; 29],
    /// The lines of `Date` and `Server` ([`own_lines`]), unless the application sent such. `finish` writes `date` over
    /// the date they have.
    pub own: &'a [u8],
    /// Further whole field lines of the server's own, each with its CRLF; usually empty.
    pub extra: &'a [u8],
}

/// The lines that the server adds to each reply: `Date`, here of the epoch, and `Server` with `ident`, unless that is
/// empty.
pub fn own_lines(ident: &[u8]) -> Vec<u8> {
    let mut lines = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n".to_vec();
    debug_assert_eq!(lines.len(), DATE_LINE);
    if !ident.is_empty() {
        lines.extend_from_slice(b"Server: ");
        lines.extend_from_slice(ident);
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

/// Appends `own`, which begins with the line of `Date`, and writes `date` over the one it has.
#[inline]
pub(crate) fn write_own_lines(own: &[u8], date: &[u8; 29], out: &mut Vec<u8>) {
    let at = out.len() + b"Date: ".len();
    out.extend_from_slice(own);
    out[at..at + date.len()].copy_from_slice(date);
}

/// How the body follows the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyFraming {
    /// How the client finds the end of the body.
    pub kind: BodyKind,
    /// Whether the connection must close after this reply. The head says so too.
    pub close: bool,
}

/// How the client finds the end of a reply body (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// There is none, whatever the application yields: HEAD, 204, 304.
    None,
    /// Exactly this many bytes.
    Length(u64),
    /// Chunked transfer coding.
    Chunked,
    /// The end of the connection.
    UntilClose,
}

/// What the application got wrong. Its reply becomes a 500, and this goes to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyError {
    /// The status does not start with three digits followed by a space or nothing.
    StatusMalformed,
    /// The status code is not that of a final reply, 200 to 999 (RFC 9110 §15).
    StatusOutOfRange,
    /// The reason phrase holds a control byte.
    ReasonMalformed,
    /// A field came before the status.
    NotBegun,
    /// A field name is not a token.
    NameMalformed,
    /// A field value holds CR, LF, NUL or another control byte.
    ValueMalformed,
    /// The field belongs to the connection, which is the server's (PEP 3333, RFC 9110 §7.6.1).
    HopByHop,
    /// Content-Length is not a plain decimal number of 64 bits.
    ContentLengthMalformed,
    /// Content-Length came twice with different values.
    ContentLengthConflict,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StatusMalformed => "status must be three digits, a space and a reason phrase",
            Self::StatusOutOfRange => "status code must be between 200 and 999",
            Self::ReasonMalformed => "reason phrase must not contain control characters",
            Self::NotBegun => "header given before the status",
            Self::NameMalformed => {
                "header name must be a token (letters, digits and !#$%&'*+-.^_`|~)"
            }
            Self::ValueMalformed => "header value must not contain control characters",
            Self::HopByHop => "hop-by-hop headers belong to the server (PEP 3333)",
            Self::ContentLengthMalformed => "Content-Length must be a decimal number",
            Self::ContentLengthConflict => "Content-Length given twice with different values",
        })
    }
}

impl std::error::Error for ReplyError {}

impl ReplyHead {
    /// A head that has not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything and keeps the allocation.
    pub fn clear(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        bytes.shrink_to(KEPT_BYTES);
        *self = Self {
            bytes,
            ..Self::default()
        };
    }

    /// Starts the head with a status such as `200 OK`, dropping what an earlier call had started.
    ///
    /// A bare `200` has an empty reason, as with Waitress; `wsgiref.validate` only warns of it. Client and
    /// application may agree on codes from 600 on; other clients treat them as 5xx (RFC 9110 §15). Codes below
    /// 200 are refused: they announce a final reply, and an application can give only one reply.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]; the head has then not begun.
    pub fn begin(&mut self, status: &[u8]) -> Result<(), ReplyError> {
        if self.started() {
            self.clear();
        }
        let (digits, reason) = match status {
            b"200 OK" => {
                self.bytes.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
                self.status = 200;
                return Ok(());
            }
            [_, _, _] => (status, &b""[..]),
            [_, _, _, b' ', reason @ ..] => (&status[..3], reason),
            _ => return Err(ReplyError::StatusMalformed),
        };
        let code = digits.iter().try_fold(0, |code, digit| {
            digit
                .is_ascii_digit()
                .then(|| code * 10 + u16::from(digit - b'0'))
        });
        let code = code.ok_or(ReplyError::StatusMalformed)?;
        if !(200..=999).contains(&code) {
            return Err(ReplyError::StatusOutOfRange);
        }
        if !is_text(reason) {
            return Err(ReplyError::ReasonMalformed);
        }
        let mut line = *b"HTTP/1.1 999 "; // the last space even before an empty reason (RFC 9112 §4)
        line[STATUS..STATUS + 3].copy_from_slice(digits);
        self.bytes.extend_from_slice(&line);
        self.bytes.extend_from_slice(reason);
        self.bytes.extend_from_slice(b"\r\n");
        self.status = code;
        Ok(())
    }

    /// Adds a header field.
    ///
    /// PEP 3333 forbids an application all fields about the connection. Here the harmless ones are dropped
    /// (`Connection`, `Keep-Alive`, `Proxy-Connection`), and `Connection: close` closes the connection. Those
    /// that change what the bytes of the reply mean are errors.
    ///
    /// # Errors
    ///
    /// [`ReplyError`]; the head is then as it was before.
    pub fn field(&mut self, name: &[u8], value: &[u8]) -> Result<Taken, ReplyError> {
        if !self.started() {
            return Err(ReplyError::NotBegun);
        }
        // Nearly every reply has these two names. They need no look at each byte.
        if !matches!(name, b"Content-Type" | b"Content-Length") && !is_token(name) {
            return Err(ReplyError::NameMalformed);
        }
        if !is_text(value) {
            return Err(ReplyError::ValueMalformed);
        }
        match classify(name) {
            Known::HopByHop => return Err(ReplyError::HopByHop),
            Known::Connection => return Ok(self.connection(value)),
            Known::KeepAlive => return Ok(Taken::Dropped),
            Known::ContentLength => return self.set_content_length(trim_ows(value)),
            Known::Date => self.has_date = true,
            Known::Server => self.has_server = true,
            Known::No => {}
        }
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(b": ");
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
        Ok(Taken::Yes)
    }

    fn connection(&mut self, value: &[u8]) -> Taken {
        let close = |option: &[u8]| trim_ows(option).eq_ignore_ascii_case(b"close");
        let mut options = value.split(|byte| *byte == b',');
        self.close |= options.clone().any(close);
        if options.all(close) {
            Taken::Yes
        } else {
            Taken::Dropped
        }
    }

    fn set_content_length(&mut self, value: &[u8]) -> Result<Taken, ReplyError> {
        let length = decimal(value).ok_or(ReplyError::ContentLengthMalformed)?;
        match self.content_length {
            Some(earlier) if earlier != length => Err(ReplyError::ContentLengthConflict),
            _ => {
                self.content_length = Some(length);
                Ok(Taken::Yes)
            }
        }
    }

    /// The Content-Length the application gave.
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// Lowers a Content-Length that is greater than `most`, the bytes there are. The Content-Length of a 304 is
    /// that of another reply (RFC 9110 §8.6) and stays.
    pub fn shorten(&mut self, most: u64) {
        if self.status != 304 {
            self.content_length = self.content_length.map(|length| length.min(most));
        }
    }

    /// Bytes of the head so far.
    #[expect(clippy::len_without_is_empty, reason = "of no use here")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Makes room for `more` bytes of a field.
    ///
    /// # Errors
    ///
    /// Where there is no memory for them.
    pub fn try_reserve(&mut self, more: usize) -> Result<(), TryReserveError> {
        self.bytes.try_reserve(more)
    }

    /// The status code; 0 if the head has not begun.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The fields of the application in order, for a protocol that does not send them as text. Not among them
    /// are [`content_length`](Self::content_length) and what [`finish`](Self::finish) adds.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        // No value holds a CR, and no name a colon. Only the status line does not begin with LF.
        let lines = self.bytes.split(|byte| *byte == b'\r');
        lines.filter_map(|line| {
            let line = line.strip_prefix(b"\n")?;
            let colon = memchr(b':', line)?;
            Some((&line[..colon], &line[colon + 2..]))
        })
    }

    /// Whether `begin` has succeeded.
    pub fn started(&self) -> bool {
        self.status != 0
    }

    /// Appends the complete head to `out` and says how the body is framed.
    ///
    /// 1. HEAD, 204 and 304 have no body (RFC 9112 §6.3). 204 has no Content-Length either (RFC 9110 §8.6).
    ///    HEAD and 304 have one only if the application gave it: what the application yields for them is not
    ///    what it would yield for GET.
    /// 2. Else the length that the application gave, or that the server knows; without one the body is chunked,
    ///    or on HTTP/1.0 ends with the connection.
    /// 3. The connection closes if the client, the server or the application wants that, and if only its
    ///    end marks the end of the body.
    pub fn finish(&mut self, ctx: &ReplyContext<'_>, out: &mut Vec<u8>) -> BodyFraming {
        debug_assert!(self.started(), "finish without begin");
        let bodyless = ctx.head || matches!(self.status, 204 | 304);
        let length = match self.content_length {
            _ if self.status == 204 => None,
            Some(length) => Some(length),
            None if bodyless => None,
            None => ctx.known_length,
        };
        let kind = match length {
            _ if bodyless => BodyKind::None,
            Some(length) => BodyKind::Length(length),
            None if ctx.minor >= 1 => BodyKind::Chunked,
            None => BodyKind::UntilClose,
        };
        let close = !ctx.keep_alive || self.close || kind == BodyKind::UntilClose;

        let minor = out.len() + b"HTTP/1.".len();
        out.extend_from_slice(&self.bytes);
        if ctx.minor == 0 {
            out[minor] = b'0';
        }
        if let Some(length) = length {
            out.extend_from_slice(b"Content-Length: ");
            out.extend_from_slice(itoa::Buffer::new().format(length).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if kind == BodyKind::Chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        match (self.has_date, self.has_server) {
            (false, false) => write_own_lines(ctx.own, ctx.date, out),
            (false, true) => write_own_lines(&ctx.own[..DATE_LINE], ctx.date, out),
            (true, false) => out.extend_from_slice(&ctx.own[DATE_LINE..]),
            (true, true) => {}
        }
        match (close, ctx.minor) {
            (true, _) => out.extend_from_slice(b"Connection: close\r\n"),
            // Old clients compare it byte for byte with the spelling of RFC 2068 §19.7.1.
            (false, 0) => out.extend_from_slice(b"Connection: Keep-Alive\r\n"),
            (false, _) => {} // the default of HTTP/1.1
        }
        if !ctx.extra.is_empty() {
            out.extend_from_slice(ctx.extra);
        }
        out.extend_from_slice(b"\r\n");
        BodyFraming { kind, close }
    }
}

/// What a field name means to the server.
enum Known {
    No,
    ContentLength,
    Date,
    Server,
    Connection,
    /// A wish that the connection stays open.
    KeepAlive,
    HopByHop,
}

/// The field's name is `Trailer`; PEP 3333 and `wsgiref` list `Trailers`.
fn classify(name: &[u8]) -> Known {
    match name.len() {
        2 if is_name(name, b"te") => Known::HopByHop,
        4 if is_name(name, b"date") => Known::Date,
        6 if is_name(name, b"server") => Known::Server,
        7 if is_name(name, b"upgrade") || is_name(name, b"trailer") => Known::HopByHop,
        8 if is_name(name, b"trailers") => Known::HopByHop,
        10 if is_name(name, b"connection") => Known::Connection,
        10 if is_name(name, b"keep-alive") => Known::KeepAlive,
        14 if is_name(name, b"content-length") => Known::ContentLength,
        16 if is_name(name, b"proxy-connection") => Known::KeepAlive,
        17 if is_name(name, b"transfer-encoding") => Known::HopByHop,
        18 if is_name(name, b"proxy-authenticate") => Known::HopByHop,
        19 if is_name(name, b"proxy-authorization") => Known::HopByHop,
        _ => Known::No,
    }
}

/// Appends what comes before the data of a chunk (RFC 9112 §7.1). After the data comes [`CHUNK_END`].
///
/// An empty chunk would end the body: do not write one.
pub fn write_chunk_head(out: &mut Vec<u8>, len: usize) {
    debug_assert!(len > 0, "an empty chunk ends the body");
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4);
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[len >> (4 * digit) & 0xf]);
    }
    out.extend_from_slice(b"\r\n");
}

/// What follows the data of a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";

/// What ends a chunked body: the last chunk and an empty trailer section.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// The interim reply to `Expect: 100-continue` (RFC 9110 §15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Where the status is in a status line.
const STATUS: usize = b"HTTP/1.1 ".len();
/// Bytes of the line of `Date`.
const DATE_LINE: usize = b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n".len();
/// What a cleared head keeps allocated: enough for most replies.
const KEPT_BYTES: usize = 16 * 1024;
