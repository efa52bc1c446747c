//! Request bodies: the bytes between a head and the next request.
//!
//! The engine makes one [`BodyDecoder`] per request and gives it what it reads. It may receive a long run of plain
//! bytes directly into the buffer of the body: [`BodyDecoder::plain_run`] says how many bytes the run has.
//!
//! Elsewhere: the chunked coding (`chunked.rs`), the choice of framing (`framing.rs`).

use crate::chunked::Chunked;
use crate::framing::Framing;
use crate::refusal::Refusal;

/// Decodes one request body and knows where it ends.
#[derive(Clone, Debug)]
pub struct BodyDecoder(Coding);

#[derive(Clone, Debug)]
enum Coding {
    Plain { left: u64 },
    Chunked(Chunked),
}

/// What [`BodyDecoder::decode`] made of its input. `consumed` counts from the front of that input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// `data` belongs to the body and lies at the end of the bytes consumed. Call again.
    Data {
        /// A non-empty part of the input.
        data: &'a [u8],
        /// Bytes used up, framing included.
        consumed: usize,
    },
    /// All input is used up and the body is not complete.
    NeedMore {
        /// The length of the input.
        consumed: usize,
    },
    /// The body is complete; what follows belongs to the next request.
    Done {
        /// Bytes used up, framing included.
        consumed: usize,
    },
}

impl BodyDecoder {
    /// A decoder for a body framed by `framing` that may decode to `max` bytes.
    ///
    /// # Errors
    ///
    /// [`Refusal::BodyTooLarge`] if the framing says that there are more.
    pub fn new(framing: Framing, max: u64) -> Result<Self, Refusal> {
        match framing {
            Framing::None => Ok(Self(Coding::Plain { left: 0 })),
            Framing::Length(length) if length > max => Err(Refusal::BodyTooLarge),
            Framing::Length(length) => Ok(Self(Coding::Plain { left: length })),
            Framing::Chunked => Ok(Self(Coding::Chunked(Chunked::new(max)))),
        }
    }

    /// Decodes from the front of `input`. Call it in a loop, each time with what the last call left,
    /// until it says [`Decoded::NeedMore`] or [`Decoded::Done`].
    ///
    /// # Errors
    ///
    /// A [`Refusal`] at the first byte that breaks a rule, and again at every later call.
    pub fn decode<'a>(&mut self, input: &'a [u8]) -> Result<Decoded<'a>, Refusal> {
        match &mut self.0 {
            Coding::Plain { left: 0 } => Ok(Decoded::Done { consumed: 0 }),
            Coding::Plain { .. } if input.is_empty() => Ok(Decoded::NeedMore { consumed: 0 }),
            Coding::Plain { left } => {
                let data = take_run(input, left);
                Ok(Decoded::Data {
                    data,
                    consumed: data.len(),
                })
            }
            Coding::Chunked(chunked) => chunked.decode(input),
        }
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        match &self.0 {
            Coding::Plain { left } => *left == 0,
            Coding::Chunked(chunked) => chunked.is_done(),
        }
    }

    /// How many bytes of the body come next on the connection without framing between them. A caller that
    /// receives some of them without [`decode`](Self::decode) calls [`advance`](Self::advance) afterwards.
    pub fn plain_run(&self) -> u64 {
        match &self.0 {
            Coding::Plain { left } => *left,
            Coding::Chunked(chunked) => chunked.plain_run(),
        }
    }

    /// Reports `n` bytes of the [`plain_run`](Self::plain_run) as received.
    ///
    /// # Panics
    ///
    /// If `n` is more than the run has.
    pub fn advance(&mut self, n: u64) {
        assert!(n <= self.plain_run(), "advanced past the plain run");
        match &mut self.0 {
            Coding::Plain { left } => *left -= n,
            Coding::Chunked(chunked) => chunked.advance(n),
        }
    }
}

/// Takes as much of `input` as a run of `left` bytes still has, and counts it.
pub(crate) fn take_run<'a>(input: &'a [u8], left: &mut u64) -> &'a [u8] {
    let length = usize::try_from(*left)
        .unwrap_or(usize::MAX)
        .min(input.len());
    *left -= length as u64;
    &input[..length]
}
