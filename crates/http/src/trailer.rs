//! Trailer sections (RFC 9112 §7.1.2): checked like header fields, then dropped.
//!
//! WSGI has no place for trailers. Servers that merged them into the header fields were attacked by them.
//! They are still read strictly: a trailer that another parser takes for the start of the next request is
//! a smuggled request.

use crate::bytes::{is_forbidden_control, is_tchar};
use crate::refusal::Refusal;

/// Reads a trailer section byte by byte, from after the last chunk's size line.
#[derive(Clone, Debug)]
pub(crate) struct Trailer {
    state: State,
    /// The start of the current field name in lower case, as far as a forbidden name could reach.
    name: [u8; LONGEST_FORBIDDEN],
    length: usize,
}

/// What a byte did to the section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrailerByte {
    /// The section goes on.
    Within,
    /// This was the LF of the empty line that ends the section and the body.
    Last,
}

/// What the next byte is expected to be.
#[derive(Clone, Copy, Debug)]
enum State {
    LineStart,
    Name,
    Value,
    ValueLf,
    LastLf,
}

impl Trailer {
    pub(crate) fn new() -> Self {
        Self {
            state: State::LineStart,
            name: [0; LONGEST_FORBIDDEN],
            length: 0,
        }
    }

    pub(crate) fn step(&mut self, byte: u8) -> Result<TrailerByte, Refusal> {
        self.state = match (self.state, byte) {
            (State::LineStart, b'\r') => State::LastLf,
            (State::LastLf, b'\n') => return Ok(TrailerByte::Last),
            (State::LineStart, b) if is_tchar(b) => {
                self.length = 0;
                self.remember(b);
                State::Name
            }
            (State::Name, b':') if self.is_forbidden() => return Err(Refusal::TrailerForbidden),
            (State::Name, b':') => State::Value,
            (State::Name, b) if is_tchar(b) => {
                self.remember(b);
                State::Name
            }
            (State::Value, b'\r') => State::ValueLf,
            (State::Value, b) if !is_forbidden_control(b) => State::Value,
            (State::ValueLf, b'\n') => State::LineStart,
            _ => return Err(Refusal::Trailer),
        };
        Ok(TrailerByte::Within)
    }

    fn remember(&mut self, byte: u8) {
        if let Some(slot) = self.name.get_mut(self.length) {
            *slot = byte.to_ascii_lowercase();
        }
        self.length += 1;
    }

    fn is_forbidden(&self) -> bool {
        self.name
            .get(..self.length)
            .is_some_and(|name| FORBIDDEN.contains(&name))
    }
}

/// Fields that frame, route or authorise a message. They must be known before the body (RFC 9110 §6.5.1); a
/// client that sends them behind the body wants two readers to disagree. Fields that only describe the content,
/// such as Content-Type, are forbidden here, too; but real clients send them, and to drop them does no harm.
const FORBIDDEN: &[&[u8]] = &[
    b"authorization",
    b"connection",
    b"content-length",
    b"cookie",
    b"forwarded",
    b"host",
    b"keep-alive",
    b"proxy-authorization",
    b"transfer-encoding",
    b"upgrade",
    b"x-forwarded-by",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-proto",
];

const LONGEST_FORBIDDEN: usize = "proxy-authorization".len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_buffer_holds_every_forbidden_name() {
        assert_eq!(
            FORBIDDEN.iter().map(|name| name.len()).max(),
            Some(LONGEST_FORBIDDEN)
        );
        assert!(
            FORBIDDEN
                .iter()
                .all(|name| name.to_ascii_lowercase() == *name)
        );
    }
}
