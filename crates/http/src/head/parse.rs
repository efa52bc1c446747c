//! Heads of HTTP/1, as text.
//!
//! `Head::parse` gets all bytes that have come for the request. A head that has come whole, as nearly every head
//! does, is read in one pass. A head that comes in pieces is surveyed: each call looks only at new bytes and
//! judges the lines that they complete. When the blank line has come, the head is read as if it had come
//! whole. So the cost is linear however the bytes are cut, a bad line is refused when the line ends, and the
//! verdict is the same either way. Nothing but the `scanned` offset is carried between calls.

use std::ops::Range;

use memchr::memrchr;

use super::{Field, Head, HeadLimits, Span};
use crate::bytes::find_control;
use crate::fields::parse_field_line;
use crate::framing::Noted;
use crate::refusal::Refusal;
use crate::request_line::parse_request_line;

impl Head {
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

    /// Reads a head from its first byte, leaving spans into `window`; the caller copies the bytes. A complete head has
    /// nothing of what the head was before.
    fn read(&mut self, window: &[u8], max_fields: usize) -> Result<Progress, Refusal> {
        self.bytes.clear();
        self.fields.clear();
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
            // Fields beyond the limit are counted and not stored. A malformed line behind them is still named
            // first, however the bytes are divided into reads.
            count += 1;
            if count <= max_fields {
                self.fields.push(Field { name, value });
            }
            start = end + 2;
        }
        if count > max_fields {
            return Err(Refusal::TooManyFields);
        }
        self.conclude(&noted, window)?;
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
        // Searched once for each line and not once for each call: a long line that comes byte by byte would
        // cost the square of its length.
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

/// Where a line ends.
enum LineEnd {
    /// Its CR is here, and an LF follows.
    At(usize),
    /// Its end has not come yet; search on from here.
    Beyond(usize),
}

/// Finds the CRLF at or after `from`, refusing every other control byte on the way.
#[inline]
fn line_end(window: &[u8], from: usize) -> Result<LineEnd, Refusal> {
    // The last line of a head is empty.
    let at = match window.get(from) {
        Some(b'\r') => from,
        _ => match find_control(window, from) {
            Some(at) => at,
            None => return Ok(LineEnd::Beyond(window.len())),
        },
    };
    if window[at..].starts_with(b"\r\n") {
        return Ok(LineEnd::At(at));
    }
    match (window[at], window.get(at + 1)) {
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

/// RFC 9112 §2.2 asks to skip at least one; old clients send one or two after a POST body.
const MAX_EMPTY_LINES: usize = 4;

/// The content type of the first record a TLS client sends (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 0x16;
