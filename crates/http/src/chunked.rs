//! The chunked transfer coding (RFC 9112 §7.1), byte by byte.
//!
//! `body.rs` calls this. Rules: never look past the final CRLF; hold no input back, so that the decoder
//! owns no buffer a client could fill; refuse at the first byte that breaks a rule.
//!
//! Stricter than the RFC: whitespace around chunk extensions (`BWS`, which no sender may generate) is
//! refused, and so is a size of more than 16 digits, leading zeros included.
//!
//! Two budgets bound what is not data. Extensions and trailers, which have no use here, may have 16 KiB
//! together. Size lines and the CRLF after chunks may have 16 KiB plus twice the data: chunks of three
//! bytes and more pass for ever, a client that flushes every byte passes for some five thousand of them,
//! and nobody can make the server chew more than thrice what it keeps.

use crate::body::{Decoded, take_run};
use crate::bytes::{is_forbidden_control, is_tchar};
use crate::percent::hex;
use crate::refusal::Refusal;
use crate::trailer::{Trailer, TrailerByte};

#[derive(Clone, Debug)]
pub(crate) struct Chunked {
    state: State,
    /// Data bytes announced so far; never more than `max`.
    total: u64,
    max: u64,
    /// Bytes of size lines without extensions, and of the CRLF after chunks.
    framing: u64,
    /// Bytes of extensions and trailers.
    extras: u64,
}

/// What the next byte is expected to be.
#[derive(Clone, Debug)]
enum State {
    /// A digit of a chunk size, or what ends it.
    Size {
        size: u64,
        digits: u8,
    },
    /// Inside an extension of the chunk of this size.
    Extension {
        size: u64,
        part: ExtensionPart,
    },
    /// The LF of a size line.
    SizeLf {
        size: u64,
    },
    /// Chunk data.
    Data {
        left: u64,
    },
    /// The CR, then the LF, after chunk data.
    DataCr,
    DataLf,
    /// The trailer section, up to and including the empty line.
    Trailer(Trailer),
    Done,
    Refused(Refusal),
}

/// `chunk-ext = *( ";" chunk-ext-name [ "=" chunk-ext-val ] )`, where a value is a token or a
/// quoted-string.
#[derive(Clone, Copy, Debug)]
enum ExtensionPart {
    NameStart,
    Name,
    ValueStart,
    Token,
    Quoted,
    QuotedPair,
    AfterQuoted,
}

impl Chunked {
    pub(crate) fn new(max: u64) -> Self {
        Self {
            state: State::Size { size: 0, digits: 0 },
            total: 0,
            max,
            framing: 0,
            extras: 0,
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    pub(crate) fn plain_run(&self) -> u64 {
        match self.state {
            State::Data { left } => left,
            _ => 0,
        }
    }

    pub(crate) fn advance(&mut self, n: u64) {
        if let State::Data { left } = &mut self.state {
            *left -= n;
            if *left == 0 {
                self.state = State::DataCr;
            }
        }
    }

    pub(crate) fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<'a>, Refusal> {
        let mut consumed = 0;
        loop {
            match &mut self.state {
                State::Done => return Ok(Decoded::Done { consumed }),
                State::Refused(refusal) => return Err(*refusal),
                _ if consumed == input.len() => return Ok(Decoded::NeedMore { consumed }),
                State::Data { left } => {
                    let data = take_run(&input[consumed..], left);
                    if *left == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Decoded::Data {
                        data,
                        consumed: consumed + data.len(),
                    });
                }
                _ => match self.step(input[consumed]) {
                    Ok(()) => consumed += 1,
                    Err(refusal) => {
                        self.state = State::Refused(refusal);
                        return Err(refusal);
                    }
                },
            }
        }
    }

    /// Takes one byte that is not chunk data.
    fn step(&mut self, byte: u8) -> Result<(), Refusal> {
        match &mut self.state {
            State::Size { size, digits } => {
                self.framing += 1;
                if let Some(value) = hex(byte) {
                    // 16 digits fill 64 bits, so the shift never loses one.
                    if *digits == 16 {
                        return Err(Refusal::ChunkSize);
                    }
                    *size = *size << 4 | u64::from(value);
                    *digits += 1;
                    return Ok(());
                }
                let size = *size;
                self.state = match byte {
                    _ if *digits == 0 => return Err(Refusal::ChunkSize),
                    b'\r' => State::SizeLf { size },
                    b';' => State::Extension {
                        size,
                        part: ExtensionPart::NameStart,
                    },
                    _ => return Err(Refusal::ChunkSize),
                };
            }
            State::Extension { size, part } => {
                self.extras += 1;
                if byte == b'\r' && part.may_end() {
                    self.state = State::SizeLf { size: *size };
                } else {
                    *part = part.next(byte).ok_or(Refusal::ChunkExtension)?;
                }
                return self.check_extras();
            }
            State::SizeLf { size } => {
                let size = *size;
                if byte != b'\n' {
                    return Err(Refusal::ChunkSize);
                }
                self.framing += 1;
                self.start_chunk(size)?;
            }
            State::DataCr => {
                expect(byte, b'\r')?;
                self.framing += 1;
                self.state = State::DataLf;
            }
            State::DataLf => {
                expect(byte, b'\n')?;
                self.framing += 1;
                self.state = State::Size { size: 0, digits: 0 };
            }
            State::Trailer(trailer) => {
                self.extras += 1;
                if let TrailerByte::Last = trailer.step(byte)? {
                    self.state = State::Done;
                    return Ok(());
                }
                return self.check_extras();
            }
            State::Data { .. } | State::Done | State::Refused(_) => {
                unreachable!("decode handles the states that take no framing byte")
            }
        }
        Ok(())
    }

    /// Acts on a complete size line. The size is judged here and not at its last digit, because a longer
    /// number may still turn out to be malformed, and that verdict must not depend on the cut.
    fn start_chunk(&mut self, size: u64) -> Result<(), Refusal> {
        if size == 0 {
            self.state = State::Trailer(Trailer::new());
            return Ok(());
        }
        if size > self.max - self.total {
            return Err(Refusal::BodyTooLarge);
        }
        self.total += size;
        if self.framing > self.framing_allowed() {
            return Err(Refusal::ChunkOverhead);
        }
        self.state = State::Data { left: size };
        Ok(())
    }

    fn framing_allowed(&self) -> u64 {
        FRAMING_ALLOWANCE.saturating_add(self.total.saturating_mul(FRAMING_PER_DATA))
    }

    fn check_extras(&self) -> Result<(), Refusal> {
        if self.extras > MAX_EXTRAS {
            Err(Refusal::ChunkExtras)
        } else {
            Ok(())
        }
    }
}

fn expect(byte: u8, wanted: u8) -> Result<(), Refusal> {
    if byte == wanted {
        Ok(())
    } else {
        Err(Refusal::ChunkEnd)
    }
}

impl ExtensionPart {
    /// Whether the size line may end here.
    fn may_end(self) -> bool {
        matches!(self, Self::Name | Self::Token | Self::AfterQuoted)
    }

    /// The part that follows once `byte` is taken; `None` if it does not belong here.
    fn next(self, byte: u8) -> Option<Self> {
        match (self, byte) {
            (Self::Name | Self::Token | Self::AfterQuoted, b';') => Some(Self::NameStart),
            (Self::Name, b'=') => Some(Self::ValueStart),
            (Self::NameStart | Self::Name, b) if is_tchar(b) => Some(Self::Name),
            (Self::ValueStart, b'"') => Some(Self::Quoted),
            (Self::ValueStart | Self::Token, b) if is_tchar(b) => Some(Self::Token),
            (Self::Quoted, b'"') => Some(Self::AfterQuoted),
            (Self::Quoted, b'\\') => Some(Self::QuotedPair),
            (Self::Quoted | Self::QuotedPair, b) if !is_forbidden_control(b) => Some(Self::Quoted),
            _ => None,
        }
    }
}

const MAX_EXTRAS: u64 = 16 * 1024;
const FRAMING_ALLOWANCE: u64 = 16 * 1024;
const FRAMING_PER_DATA: u64 = 2;
