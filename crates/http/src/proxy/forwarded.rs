//! `Forwarded` (RFC 7239).
//!
//! Unlike the lists of `X-Forwarded-*` this one has quoted strings, which may hold commas, so it is read from
//! the left. A malformed element refuses the header only if a trusted hop wrote it, or if there is a quote in
//! it: behind a malformed quote nobody can tell where the elements of the trusted proxies begin.
//!
//! Laxer than the RFC in one point, as Waitress is: an unquoted value may hold `:`, `[` and `]`, which many
//! proxies forget to quote and which delimit nothing. Whitespace around `;` and `=` is refused, as the RFC and
//! Waitress do.

use std::borrow::Cow;

use super::node::{Claims, ForwardedHost, Node, Scheme};
use crate::bytes::{is_forbidden_control, is_tchar, trim_ows};
use crate::refusal::Refusal;

/// One `forwarded-element`: what one proxy wrote. All parts are empty for an empty element.
#[derive(Debug, Default)]
struct Element<'v> {
    /// Where it starts in the header.
    start: usize,
    client: Option<Cow<'v, [u8]>>,
    host: Option<Cow<'v, [u8]>>,
    proto: Option<Cow<'v, [u8]>>,
    by: Option<Cow<'v, [u8]>>,
    /// The first parameter that is none of these.
    unknown: Option<&'v [u8]>,
    /// It does not follow the grammar, and nothing of it is known.
    malformed: bool,
}

/// Reads the header into `claims` and returns the part of it that trusted proxies wrote.
///
/// Each parameter is taken from the first trusted hop that has it. So a proxy that only adds `for` does not
/// hide the `host` of the next one.
pub(super) fn read<'v>(
    value: &'v [u8],
    count: usize,
    claims: &mut Claims,
) -> Result<&'v [u8], Refusal> {
    let elements = parse(value).ok_or(Refusal::Forwarded)?;
    let trusted = &elements[elements.len().saturating_sub(count)..];
    if trusted.iter().any(|element| element.malformed) {
        return Err(Refusal::Forwarded);
    }
    if let Some(node) = trusted.iter().find_map(|element| element.client.as_deref()) {
        claims.client = Some(Node::parse(node).ok_or(Refusal::Forwarded)?);
    }
    if let Some(host) = trusted.iter().find_map(|element| element.host.as_deref()) {
        claims.host = Some(ForwardedHost::parse(host).ok_or(Refusal::Forwarded)?);
    }
    if let Some(proto) = trusted.iter().find_map(|element| element.proto.as_deref()) {
        claims.scheme = Some(Scheme::parse(proto).ok_or(Refusal::Forwarded)?);
    }
    claims.unknown = trusted
        .iter()
        .find_map(|element| element.unknown)
        .map(|name| String::from_utf8_lossy(name).into_owned());
    Ok(trim_ows(
        &value[trusted.first().map_or(0, |element| element.start)..],
    ))
}

/// `Forwarded = 1#forwarded-element` (RFC 7239 §4), at least one element, which may be empty.
fn parse(value: &[u8]) -> Option<Vec<Element<'_>>> {
    let mut elements = Vec::new();
    let mut reader = Reader { value, at: 0 };
    loop {
        elements.push(reader.element());
        if reader.at == value.len() {
            return Some(elements);
        }
        reader.take(b',')?;
    }
}

struct Reader<'v> {
    value: &'v [u8],
    at: usize,
}

impl<'v> Reader<'v> {
    fn peek(&self) -> Option<u8> {
        self.value.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    /// Takes the longest run of bytes that satisfy `allowed`; `None` if there is none.
    fn run(&mut self, allowed: impl Fn(u8) -> bool) -> Option<&'v [u8]> {
        let rest = &self.value[self.at..];
        let length = rest.iter().position(|&b| !allowed(b)).unwrap_or(rest.len());
        self.at += length;
        (length > 0).then(|| &rest[..length])
    }

    fn skip_ows(&mut self) {
        let _ = self.run(|b| b == b' ' || b == b'\t');
    }

    /// An element up to its comma. A malformed one ends before its first quote instead, where no comma is.
    fn element(&mut self) -> Element<'v> {
        self.skip_ows();
        let start = self.at;
        if let Some(element) = self.pairs(start)
            && matches!(self.peek(), None | Some(b','))
        {
            return element;
        }
        self.at = start;
        let _ = self.run(|b| b != b',' && b != b'"');
        Element {
            start,
            malformed: true,
            ..Element::default()
        }
    }

    /// `[ forwarded-pair ] *( ";" [ forwarded-pair ] )` with whitespace behind it.
    fn pairs(&mut self, start: usize) -> Option<Element<'v>> {
        let mut element = Element {
            start,
            ..Element::default()
        };
        loop {
            if self.peek().is_some_and(is_tchar) {
                self.pair(&mut element)?;
            }
            if self.take(b';').is_none() {
                break;
            }
        }
        self.skip_ows();
        Some(element)
    }

    /// `token "=" value`. Each parameter comes at most once an element (RFC 7239 §4); unknown ones are
    /// extensions.
    fn pair(&mut self, element: &mut Element<'v>) -> Option<()> {
        let name = self.run(is_tchar)?;
        self.take(b'=')?;
        let value = self.value()?;
        let slot = match name.to_ascii_lowercase().as_slice() {
            b"for" => &mut element.client,
            b"host" => &mut element.host,
            b"proto" => &mut element.proto,
            b"by" => &mut element.by,
            _ => {
                element.unknown.get_or_insert(name);
                return Some(());
            }
        };
        slot.replace(value).is_none().then_some(())
    }

    fn value(&mut self) -> Option<Cow<'v, [u8]>> {
        if self.peek() == Some(b'"') {
            return self.quoted_string();
        }
        self.run(|b| is_tchar(b) || matches!(b, b':' | b'[' | b']'))
            .map(Cow::Borrowed)
    }

    /// `quoted-string` (RFC 9110 §5.6.4), unescaped.
    fn quoted_string(&mut self) -> Option<Cow<'v, [u8]>> {
        self.take(b'"')?;
        let mut text = Vec::new();
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(Cow::Owned(text));
                }
                b'\\' => self.at += 1,
                _ => {}
            }
            let byte = self.peek().filter(|&b| !is_forbidden_control(b))?;
            text.push(byte);
            self.at += 1;
        }
    }
}
