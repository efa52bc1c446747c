//! The request-line: method, request-target, version (RFC 9112 §3).
//!
//! Offsets count from the start of the line. This file decides only which form the target has. What its bytes
//! mean (percent-escapes, dot segments) is for the application to decide.

use std::ops::Range;

use memchr::memchr;

use crate::bytes::{is_tchar, token_length};
use crate::host::parse_host_port;
use crate::refusal::Refusal;

/// Where the parts of a request-line are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestLine {
    pub(crate) method: Range<usize>,
    pub(crate) target: Range<usize>,
    /// Empty for an absolute-form target without a path, which means `/`.
    pub(crate) path: Range<usize>,
    pub(crate) query: Range<usize>,
    pub(crate) authority: Option<Range<usize>>,
    /// 0 for HTTP/1.0; 1 for every later 1.x, which a server answers as the highest minor version it
    /// knows (RFC 9110 §2.5).
    pub(crate) minor: u8,
}

/// Parses a request-line without its CRLF. The caller has made sure that it holds no control bytes
/// except perhaps HTAB.
///
/// # Errors
///
/// In this order: [`Refusal::RequestLine`], [`Refusal::Version`], [`Refusal::Method`],
/// [`Refusal::Connect`], [`Refusal::Target`], [`Refusal::Authority`].
pub(crate) fn parse_request_line(line: &[u8]) -> Result<RequestLine, Refusal> {
    // Exactly two spaces divide the line. RFC 9112 §3 lets a server divide at any whitespace; but two
    // parsers that do so differently see two different targets.
    let token = token_length(line);
    let first = if line.get(token) == Some(&b' ') {
        token
    } else {
        memchr(b' ', line).ok_or(Refusal::RequestLine)?
    };
    // A version has eight bytes, so the last space is before them, or there is no version.
    let last = line.len().saturating_sub(VERSION + 1);
    let (method, target) = (&line[..first], line.get(first + 1..last));
    let target = target.unwrap_or_default();
    let is_sound = target.iter().all(|&b| is_target_byte(b));
    let divides = !method.is_empty() && !target.is_empty() && line[last] == b' ';
    if !divides || !is_sound && target.contains(&b' ') {
        return Err(Refusal::RequestLine);
    }
    let minor = parse_version(&line[last + 1..])?;
    let mut parsed = judge(method, target, is_sound)?;
    parsed.shift(first + 1);
    Ok(RequestLine {
        method: 0..first,
        target: first + 1..last,
        path: parsed.path,
        query: parsed.query,
        authority: parsed.authority,
        minor,
    })
}

/// Judges a method and its target, neither of them empty. Offsets count from the start of the target.
///
/// # Errors
///
/// In this order: [`Refusal::Method`], [`Refusal::Connect`], [`Refusal::Target`], [`Refusal::Authority`].
pub(crate) fn parse_request(method: &[u8], target: &[u8]) -> Result<Target, Refusal> {
    judge(method, target, target.iter().all(|&b| is_target_byte(b)))
}

/// As [`parse_request`]. `is_sound`: every byte of the target is one of [`is_target_byte`].
fn judge(method: &[u8], target: &[u8], is_sound: bool) -> Result<Target, Refusal> {
    let is_method =
        |method: &[u8]| method.len() <= MAX_METHOD && method.iter().all(|&b| is_method_byte(b));
    if method != b"GET" && !is_method(method) {
        return Err(Refusal::Method);
    }
    if method == b"CONNECT" {
        return Err(Refusal::Connect);
    }
    if !is_sound {
        return Err(Refusal::Target);
    }
    parse_target(target, method == b"OPTIONS")
}

/// `HTTP-version = "HTTP/" DIGIT "." DIGIT`, case-sensitive (RFC 9112 §2.3). Returns the minor version.
fn parse_version(version: &[u8]) -> Result<u8, Refusal> {
    match version {
        b"HTTP/1.1" => Ok(1),
        [
            b'H',
            b'T',
            b'T',
            b'P',
            b'/',
            major @ b'0'..=b'9',
            b'.',
            minor @ b'0'..=b'9',
        ] => {
            if *major == b'1' {
                Ok((*minor - b'0').min(1))
            } else {
                Err(Refusal::Version)
            }
        }
        _ => Err(Refusal::RequestLine),
    }
}

/// A method is a token, here without lower-case letters. Methods are case-sensitive, and every registered one
/// is upper case (RFC 9110 §9.1). A `get` would pass a filter that looks for `GET`, and then reach a framework
/// that ignores case. Waitress refuses it as well.
fn is_method_byte(byte: u8) -> bool {
    is_tchar(byte) && !byte.is_ascii_lowercase()
}

/// Where the parts of a request-target are; see [`RequestLine`].
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) path: Range<usize>,
    pub(crate) query: Range<usize>,
    pub(crate) authority: Option<Range<usize>>,
}

impl Target {
    /// Counts the offsets from `by` bytes before the target.
    pub(crate) fn shift(&mut self, by: usize) {
        let shifted = |range: &Range<usize>| range.start + by..range.end + by;
        self.path = shifted(&self.path);
        self.query = shifted(&self.query);
        self.authority = self.authority.as_ref().map(shifted);
    }
}

/// Sorts a request-target of sound bytes into its form (RFC 9112 §3.2).
///
/// 1. Origin-form starts with a slash (§3.2.1).
/// 2. `*` is for OPTIONS alone (§3.2.4).
/// 3. Anything else must be absolute-form, which every server has to take (§3.2.2). Only `http` and
///    `https` have an authority with a meaning here.
///
/// Authority-form is for CONNECT, which was refused before.
///
/// Stricter than Waitress in one point: `#` is refused. A fragment is never sent (RFC 9110 §4.2.5), and
/// servers that cut it off serve another resource than the one a proxy in front has judged.
fn parse_target(target: &[u8], options: bool) -> Result<Target, Refusal> {
    if target[0] == b'/' {
        let (path, query) = split_query(target, 0);
        return Ok(Target {
            path,
            query,
            authority: None,
        });
    }
    if target == b"*" {
        let end = target.len();
        return if options {
            Ok(Target {
                path: 0..end,
                query: end..end,
                authority: None,
            })
        } else {
            Err(Refusal::Target)
        };
    }
    let start = authority_start(target).ok_or(Refusal::Target)?;
    let end = target[start..]
        .iter()
        .position(|&b| b == b'/' || b == b'?')
        .map_or(target.len(), |length| start + length);
    match parse_host_port(&target[start..end]) {
        // An http URI with an empty host is invalid (RFC 9110 §4.2.1).
        Some(host_port) if !host_port.host.is_empty() => {}
        _ => return Err(Refusal::Authority),
    }
    let (path, query) = split_query(target, end);
    Ok(Target {
        path,
        query,
        authority: Some(start..end),
    })
}

/// Where the authority of an `http://` or `https://` URI starts. Schemes are case-insensitive
/// (RFC 3986 §3.1).
fn authority_start(target: &[u8]) -> Option<usize> {
    [&b"http://"[..], b"https://"]
        .into_iter()
        .find_map(|scheme| {
            let given = target.get(..scheme.len())?;
            given.eq_ignore_ascii_case(scheme).then_some(scheme.len())
        })
}

/// Splits `target[from..]` at its first question mark, which belongs to neither part.
fn split_query(target: &[u8], from: usize) -> (Range<usize>, Range<usize>) {
    let end = target.len();
    let rest = &target[from..];
    let mark = if rest.len() < SHORT {
        rest.iter().position(|&b| b == b'?')
    } else {
        memchr(b'?', rest)
    };
    match mark {
        Some(at) => (from..from + at, from + at + 1..end),
        None => (from..end, end..end),
    }
}

/// Visible ASCII except `#`. RFC 3986 allows fewer, but `|`, `^`, `{` and the like are sent by real
/// clients and delimit nothing. Bytes from 0x80 are refused, as Waitress does: a URI is ASCII, and what
/// a raw byte means would be a guess.
fn is_target_byte(byte: u8) -> bool {
    (0x21..=0x7e).contains(&byte) && byte != b'#'
}

/// In fewer bytes than this, to look at one after another is faster than to call a function that uses vectors.
const SHORT: usize = 16;
/// Bytes of a version.
const VERSION: usize = "HTTP/1.1".len();
/// The longest registered method has 17 bytes (UPDATEREDIRECTREF).
const MAX_METHOD: usize = 32;
