//! What the fields of a head decide together: where the body ends, which host is meant, whether the
//! connection stays open (RFC 9112 §3.2, §6, §9.3).
//!
//! `head/` gives every field to [`Noted::note`] and asks for the verdict after the last one, so that the verdict
//! cannot depend on how the bytes were divided into reads.

use std::ops::Range;

use crate::bytes::{decimal, is_name, is_token, list_elements, trim_ows};
use crate::host::parse_host_port;
use crate::refusal::Refusal;

/// How the end of a request body is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body: neither Content-Length nor Transfer-Encoding.
    None,
    /// Exactly this many bytes follow the head. May be 0.
    Length(u64),
    /// The chunked transfer coding (RFC 9112 §7.1).
    Chunked,
}

/// What the fields read so far say. Values are spans into the buffer of the head.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noted {
    host: Seen,
    content_type: Seen,
    content_length: Seen,
    transfer_encoding: Seen,
    close: bool,
    keep_alive: bool,
    continue_expected: bool,
}

/// A field that may come once.
#[derive(Clone, Debug, Default)]
enum Seen {
    #[default]
    Never,
    Once(Range<usize>),
    Often,
}

impl Seen {
    fn add(&mut self, value: Range<usize>) {
        *self = match self {
            Seen::Never => Seen::Once(value),
            Seen::Once(_) | Seen::Often => Seen::Often,
        };
    }

    /// The span of the value, if any. Refuses with `repeated` if the field came more than once.
    fn once(&self, repeated: Refusal) -> Result<Option<Range<usize>>, Refusal> {
        match self {
            Seen::Never => Ok(None),
            Seen::Once(value) => Ok(Some(value.clone())),
            Seen::Often => Err(repeated),
        }
    }
}

impl Noted {
    /// Remembers what matters of one field. `value` is a span into `buf`.
    #[inline]
    pub(crate) fn note(&mut self, buf: &[u8], name: &[u8], value: Range<usize>) {
        // The length tells nearly all other names apart before a byte is compared.
        match name.len() {
            4 if is_name(name, b"host") => self.host.add(value),
            6 if is_name(name, b"expect") => {
                self.continue_expected |= buf[value].eq_ignore_ascii_case(b"100-continue");
            }
            10 if is_name(name, b"connection") => self.note_connection(&buf[value]),
            12 if is_name(name, b"content-type") => self.content_type.add(value),
            14 if is_name(name, b"content-length") => self.content_length.add(value),
            17 if is_name(name, b"transfer-encoding") => {
                self.transfer_encoding.add(value);
            }
            _ => {}
        }
    }

    /// Connection options are a case-insensitive list, possibly over several lines (RFC 9110 §7.6.1).
    fn note_connection(&mut self, value: &[u8]) {
        for option in list_elements(value) {
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
    }

    /// The span of the one valid Host, if there is one (RFC 9112 §3.2).
    ///
    /// HTTP/1.1 must have it, even beside a target in absolute-form, which overrides it. HTTP/1.0 may have it, in
    /// the same grammar.
    pub(crate) fn host(&self, buf: &[u8], minor: u8) -> Result<Option<Range<usize>>, Refusal> {
        match self.host.once(Refusal::HostRepeated)? {
            None if minor >= 1 => Err(Refusal::HostMissing),
            None => Ok(None),
            Some(host) if parse_host_port(&buf[host.clone()]).is_some() => Ok(Some(host)),
            Some(_) => Err(Refusal::HostInvalid),
        }
    }

    /// The framing of the body (RFC 9112 §6.3), stricter where the RFC leaves a choice:
    ///
    /// 1. Content-Type, Content-Length and Transfer-Encoding come at most once each. The RFC lets equal
    ///    Content-Lengths be merged and Transfer-Encoding be a list over several lines.
    /// 2. Both lengths together are refused. The RFC lets Transfer-Encoding win.
    /// 3. Transfer-Encoding needs HTTP/1.1 (§6.1) and is `chunked` and nothing else.
    pub(crate) fn framing(&self, buf: &[u8], minor: u8) -> Result<Framing, Refusal> {
        self.content_type.once(Refusal::ContentTypeRepeated)?;
        let length = self.content_length.once(Refusal::ContentLengthRepeated)?;
        let coding = self
            .transfer_encoding
            .once(Refusal::TransferEncodingRepeated)?;
        match (length, coding) {
            (None, None) => Ok(Framing::None),
            (Some(_), Some(_)) => Err(Refusal::LengthAndCoding),
            (Some(length), None) => parse_content_length(&buf[length]).map(Framing::Length),
            (None, Some(_)) if minor == 0 => Err(Refusal::TransferEncodingOnHttp10),
            (None, Some(coding)) if buf[coding.clone()].eq_ignore_ascii_case(b"chunked") => {
                Ok(Framing::Chunked)
            }
            (None, Some(coding)) => Err(coding_refusal(&buf[coding])),
        }
    }

    /// Whether the client wants the connection to stay open (RFC 9112 §9.3): not with `close`; else HTTP/1.1 by
    /// default, HTTP/1.0 with `keep-alive`.
    pub(crate) fn keep_alive(&self, minor: u8) -> bool {
        !self.close && (minor >= 1 || self.keep_alive)
    }

    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1). Never
    /// on HTTP/1.0, never without a body; other expectations are ignored, as the RFC allows.
    pub(crate) fn expects_continue(&self, minor: u8, framing: Framing) -> bool {
        let has_body = !matches!(framing, Framing::None | Framing::Length(0));
        self.continue_expected && minor >= 1 && has_body
    }
}

/// Names the rule that a Transfer-Encoding other than `chunked` breaks (RFC 9112 §6.1).
///
/// A list with a coding that this server does not have is answered with 501, whether or not `chunked` comes
/// last: it is well-formed. `chunked` that is repeated, has a
/// parameter (§7.1) or is followed by another coding (§6.3) is malformed.
#[cold]
fn coding_refusal(value: &[u8]) -> Refusal {
    let mut members = value.split(|&b| b == b',').map(trim_ows).peekable();
    while let Some(member) = members.next() {
        let name = member.split(|&b| b == b';').next().unwrap_or_default();
        let chunked = trim_ows(name).eq_ignore_ascii_case(b"chunked");
        let last = members.peek().is_none();
        if !is_token(trim_ows(name)) || chunked && (!last || name.len() < member.len()) {
            return Refusal::TransferEncodingInvalid;
        }
    }
    Refusal::TransferEncodingUnknown
}

/// `Content-Length = 1*DIGIT` (RFC 9110 §8.6).
///
/// 64 bits need at most 20 digits: more digits are an attack on a parser. Up to 20 digits that exceed 2^63-1
/// are well-formed and too large.
fn parse_content_length(value: &[u8]) -> Result<u64, Refusal> {
    if !(1..=20).contains(&value.len()) || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::ContentLengthInvalid);
    }
    decimal(value)
        .filter(|&length| i64::try_from(length).is_ok())
        .ok_or(Refusal::BodyTooLarge)
}
