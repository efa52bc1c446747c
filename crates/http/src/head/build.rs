//! Heads of parts, for a protocol that sends them one by one and not as lines of text.
//!
//! The rules are those of HTTP/1 (`parse.rs`), by the same functions, so that an application sees the same
//! requests whatever protocol brought them. Rules about the form of lines have no meaning here.

use super::{Field, Head, HeadLimits, Span};
use crate::bytes::{find_control, is_token, trim_ows};
use crate::framing::Noted;
use crate::refusal::Refusal;
use crate::request_line::parse_request;

/// What stands before the fields of a head.
#[derive(Clone, Copy, Debug)]
pub struct RequestParts<'a> {
    /// The method.
    pub method: &'a [u8],
    /// The request-target.
    pub target: &'a [u8],
    /// 0 for a client of HTTP/1.0, else 1.
    pub minor: u8,
}

impl Head {
    /// Makes a head of its parts, with the verdict of [`parse`](Self::parse) on the same head as text.
    ///
    /// `limits.size` bounds the bytes that the head would have as text.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], and `self` is empty.
    pub fn build<'a>(
        &mut self,
        request: RequestParts<'_>,
        fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        limits: HeadLimits,
    ) -> Result<(), Refusal> {
        self.clear();
        let built = self.collect(request, fields, limits);
        if built.is_err() {
            self.clear();
        }
        built
    }

    fn collect<'a>(
        &mut self,
        request: RequestParts<'_>,
        fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
        limits: HeadLimits,
    ) -> Result<(), Refusal> {
        let mut room = limits.size.min(u32::MAX as usize);
        self.read_request(request, &mut room)?;
        let (mut noted, mut count) = (Noted::default(), 0);
        for (name, value) in fields {
            take(&mut room, &[name, b": ", value, b"\r\n"])?;
            check_controls(name)?;
            check_controls(value)?;
            if !is_token(name) {
                return Err(Refusal::FieldName);
            }
            let (name, value) = (self.append(name)?, self.append(trim_ows(value))?);
            noted.note(&self.bytes, name.of(&self.bytes), value.range());
            count += 1;
            if count <= limits.fields {
                self.fields.push(Field { name, value });
            }
        }
        take(&mut room, &[b"\r\n"])?;
        if count > limits.fields {
            return Err(Refusal::TooManyFields);
        }
        let bytes = std::mem::take(&mut self.bytes);
        let verdict = self.conclude(&noted, &bytes);
        self.bytes = bytes;
        verdict
    }

    fn read_request(&mut self, request: RequestParts<'_>, room: &mut usize) -> Result<(), Refusal> {
        let (method, target) = (request.method, request.target);
        take(room, &[method, b" ", target, b" HTTP/1.1\r\n"])?;
        check_controls(method)?;
        check_controls(target)?;
        if method.is_empty() || target.is_empty() {
            return Err(Refusal::RequestLine);
        }
        let mut parsed = parse_request(method, target)?;
        parsed.shift(method.len());
        self.method = self.append(method)?;
        self.target = self.append(target)?;
        self.path = Span::new(0, &parsed.path);
        self.query = Span::new(0, &parsed.query);
        self.authority = parsed.authority.map(|range| Span::new(0, &range));
        self.minor = request.minor.min(1);
        Ok(())
    }

    /// Copies `part` behind the others.
    fn append(&mut self, part: &[u8]) -> Result<Span, Refusal> {
        let start = self.bytes.len();
        if self.bytes.try_reserve(part.len()).is_err() {
            return Err(Refusal::Internal);
        }
        self.bytes.extend_from_slice(part);
        Ok(Span::new(0, &(start..self.bytes.len())))
    }
}

/// Takes the bytes of a line from those that the head may still have.
fn take(room: &mut usize, line: &[&[u8]]) -> Result<(), Refusal> {
    let size = line.iter().map(|part| part.len()).sum();
    *room = room.checked_sub(size).ok_or(Refusal::HeadTooLarge)?;
    Ok(())
}

/// Refuses the first control byte other than HTAB.
fn check_controls(part: &[u8]) -> Result<(), Refusal> {
    match find_control(part, 0).map(|at| part[at]) {
        None => Ok(()),
        Some(b'\r') => Err(Refusal::BareCr),
        Some(b'\n') => Err(Refusal::BareLf),
        Some(_) => Err(Refusal::ControlByte),
    }
}
