//! The chunked transfer coding (RFC 9112 §7.1), byte by byte.
//!
//! `body.rs` calls this. Rules: never look past the final CRLF; keep no input, so that no client can fill a
//! buffer of the decoder; refuse at the first byte that breaks a rule.
//!
//! Stricter than the RFC: a size has at most 16 digits, leading zeros included. White space is accepted only
//! where the grammar has it (`BWS`, around the `;` and the `=` of an extension), not at the end of a line.
//!
//! One budget bounds all bytes that are not data, as in Go's `net/http`. Each chunk pays for 16 bytes and for
//! twice its data. What size lines, extensions, chunk ends and trailers have beyond that is excess, of which a
//! body may have 16 KiB. So plain chunks of any size are accepted without an end, also those of one byte, and no
//! client makes the server read more than 18 bytes of framing for each byte of data. A large chunk pays for
//! earlier excess, but not for later one.

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
    /// Bytes that are not data and that no chunk has paid for yet.
    excess: u64,
}

/// What the next byte is expected to be.
#[derive(Clone, Debug)]
enum State {
    /// A digit of a chunk size, or what ends it.
    Size {
        size: u64,
        digits: u8,
    },
    /// White space behind a chunk size, which only an extension may follow.
    Extensions {
        size: u64,
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

/// `chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )`, where a value is a token
/// or a quoted-string. White space leads to an `After` part, which no line may end in.
#[derive(Clone, Copy, Debug)]
enum ExtensionPart {
    NameStart,
    Name,
    AfterName,
    ValueStart,
    Token,
    Quoted,
    QuotedPair,
    QuotedEnd,
    AfterValue,
}

impl Chunked {
    pub(crate) fn new(max: u64) -> Self {
        Self {
            state: State::Size { size: 0, digits: 0 },
            total: 0,
            max,
            excess: 0,
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
        self.excess += 1;
        match &mut self.state {
            State::Size { size, digits } => {
                if let Some(value) = hex(byte) {
                    // 16 digits fill 64 bits, so the shift never loses one.
                    if *digits == 16 {
                        return Err(Refusal::ChunkSize);
                    }
                    *size = *size << 4 | u64::from(value);
                    *digits += 1;
                    return Ok(());
                }
                if *digits == 0 {
                    return Err(Refusal::ChunkSize);
                }
                self.state = State::after_size(*size, byte)?;
            }
            State::Extensions { size } => match byte {
                b' ' | b'\t' => {}
                b';' => self.state = State::extension(*size),
                _ => return Err(Refusal::ChunkSize),
            },
            State::Extension { size, part } => {
                if byte == b'\r' && part.may_end() {
                    self.state = State::SizeLf { size: *size };
                } else {
                    *part = part.next(byte).ok_or(Refusal::ChunkExtension)?;
                }
            }
            State::SizeLf { size } => {
                let size = *size;
                if byte != b'\n' {
                    return Err(Refusal::ChunkSize);
                }
                self.start_chunk(size)?;
            }
            State::DataCr => {
                expect(byte, b'\r')?;
                self.state = State::DataLf;
            }
            State::DataLf => {
                expect(byte, b'\n')?;
                self.state = State::Size { size: 0, digits: 0 };
            }
            State::Trailer(trailer) => {
                if let TrailerByte::Last = trailer.step(byte)? {
                    self.state = State::Done;
                    return Ok(());
                }
            }
            State::Data { .. } | State::Done | State::Refused(_) => {
                unreachable!("decode handles the states that take no framing byte")
            }
        }
        if self.excess > MAX_EXCESS {
            return Err(Refusal::ChunkOverhead);
        }
        Ok(())
    }

    /// Acts on a complete size line. The size is judged here and not at each digit: the line may still turn
    /// out to be malformed, and the verdict must not depend on how the bytes are divided into reads.
    fn start_chunk(&mut self, size: u64) -> Result<(), Refusal> {
        if size == 0 {
            self.state = State::Trailer(Trailer::new());
            return Ok(());
        }
        if size > self.max - self.total {
            return Err(Refusal::BodyTooLarge);
        }
        self.total += size;
        let paid = PAID_PER_CHUNK.saturating_add(size.saturating_mul(PAID_PER_BYTE));
        self.excess = self.excess.saturating_sub(paid);
        self.state = State::Data { left: size };
        Ok(())
    }
}

impl State {
    /// `byte` is the first one behind the digits of a chunk size.
    fn after_size(size: u64, byte: u8) -> Result<Self, Refusal> {
        match byte {
            b'\r' => Ok(Self::SizeLf { size }),
            b' ' | b'\t' => Ok(Self::Extensions { size }),
            b';' => Ok(Self::extension(size)),
            _ => Err(Refusal::ChunkSize),
        }
    }

    /// Behind the `;` that starts an extension of a chunk of `size` bytes.
    fn extension(size: u64) -> Self {
        Self::Extension {
            size,
            part: ExtensionPart::NameStart,
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
        matches!(self, Self::Name | Self::Token | Self::QuotedEnd)
    }

    /// The part after `byte`; `None` if `byte` must not come here.
    fn next(self, byte: u8) -> Option<Self> {
        let space = matches!(byte, b' ' | b'\t');
        match (self, byte) {
            (Self::NameStart | Self::AfterName | Self::ValueStart | Self::AfterValue, _)
                if space =>
            {
                Some(self)
            }
            (Self::Name, _) if space => Some(Self::AfterName),
            (Self::Token | Self::QuotedEnd, _) if space => Some(Self::AfterValue),
            (
                Self::Name | Self::AfterName | Self::Token | Self::QuotedEnd | Self::AfterValue,
                b';',
            ) => Some(Self::NameStart),
            (Self::Name | Self::AfterName, b'=') => Some(Self::ValueStart),
            (Self::NameStart | Self::Name, b) if is_tchar(b) => Some(Self::Name),
            (Self::ValueStart, b'"') => Some(Self::Quoted),
            (Self::ValueStart | Self::Token, b) if is_tchar(b) => Some(Self::Token),
            (Self::Quoted, b'"') => Some(Self::QuotedEnd),
            (Self::Quoted, b'\\') => Some(Self::QuotedPair),
            (Self::Quoted | Self::QuotedPair, b) if !is_forbidden_control(b) => Some(Self::Quoted),
            _ => None,
        }
    }
}

/// The most [`excess`](Chunked::excess) of a body.
const MAX_EXCESS: u64 = 16 * 1024;
/// What a chunk pays for: a size line padded to 8 digits and its ends are 12 bytes.
const PAID_PER_CHUNK: u64 = 16;
const PAID_PER_BYTE: u64 = 2;
