//! Frames a reply for HTTP/1: writes the head, wraps chunks, and counts the body against Content-Length.
//!
//! Workers call this for the application (`worker/reply.rs`), and the I/O thread for its own answers
//! (`io/h1/transmit.rs`). The exchange holds the state, so this file is in the exchange's folder.
//! Elsewhere: the text of the head ([`ReplyHead::finish`]), refusals ([`headwaiter_http::Refusal::write_reply`]).

use std::collections::TryReserveError;
use std::fs::File;
use std::sync::Arc;

use headwaiter_http::{
    BodyFraming, BodyKind, CHUNK_END, LAST_CHUNK, ReplyContext, ReplyHead, write_chunk_head,
};

use crate::store::outgoing::{Held, Outgoing};
use crate::store::parts::Part;

/// The framing of one reply, as far as it is written. Call order: `head`, body bytes in any of their forms, `finish`.
#[derive(Debug, Default)]
pub(crate) struct ReplyFraming {
    /// `None` until the head is written.
    body: Option<BodyFraming>,
    /// Body bytes accepted so far.
    written: u64,
    /// Bytes beyond Content-Length were dropped.
    overlong: bool,
}

/// How a complete body differs from what its head says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// How many bytes Content-Length promised that were not written.
    pub missing: u64,
    /// Whether bytes beyond Content-Length were dropped.
    pub overlong: bool,
}

impl ReplyFraming {
    /// Whether the head is written, so that it can no longer change.
    pub(crate) fn has_head(&self) -> bool {
        self.body.is_some()
    }

    /// Writes the head and returns its length.
    pub(crate) fn head(
        &mut self,
        head: &mut ReplyHead,
        context: &ReplyContext<'_>,
        out: &mut Vec<u8>,
    ) -> u64 {
        debug_assert!(!self.has_head(), "a reply has one head");
        let before = out.len();
        self.body = Some(head.finish(context, out));
        (out.len() - before) as u64
    }

    /// Appends a copy of `data`.
    ///
    /// # Errors
    ///
    /// There is no memory for the bytes, which count as written: the reply is incomplete.
    pub(crate) fn copy(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<(), TryReserveError> {
        match self.room(data.len()) {
            Some(take) => self.append(&data[..take], out),
            None => Ok(()),
        }
    }

    /// Appends `data`. Copies a small one; for a large one `hold` makes a reference to as many bytes from its front as
    /// its argument says.
    ///
    /// # Errors
    ///
    /// Those of [`ReplyFraming::copy`].
    pub(crate) fn copy_or_hold(
        &mut self,
        data: &[u8],
        hold: impl FnOnce(usize) -> Box<dyn Held>,
        out: &mut Outgoing,
    ) -> Result<(), TryReserveError> {
        let Some(take) = self.room(data.len()) else {
            return Ok(());
        };
        if take < BY_REFERENCE {
            return self.append(&data[..take], out.tail());
        }
        self.push(take, out, || Part::Held {
            data: hold(take),
            at: 0,
        });
        Ok(())
    }

    /// Appends `len` bytes that `fill` writes. `fill` gets a buffer of zeros for all of them, even if some are
    /// beyond Content-Length. After an error of `fill` the reply cannot go on.
    ///
    /// # Errors
    ///
    /// Those of [`ReplyFraming::copy`]; inside, those of `fill`.
    pub(crate) fn fill<E>(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
        out: &mut Vec<u8>,
    ) -> Result<Result<(), E>, TryReserveError> {
        let Some(take) = self.room(len) else {
            return Ok(Ok(()));
        };
        out.try_reserve(len + CHUNK_FRAMING)?;
        self.begin_chunk(take, out);
        let at = out.len();
        out.resize(at + len, 0);
        if let Err(error) = fill(&mut out[at..]) {
            return Ok(Err(error));
        }
        out.truncate(at + take);
        self.end_chunk(out);
        Ok(Ok(()))
    }

    /// Appends `len` bytes of `file` from `offset`.
    pub(crate) fn file(&mut self, file: File, offset: u64, len: u64, out: &mut Outgoing) {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if let Some(take) = self.room(len) {
            let left = take as u64;
            self.push(take, out, || Part::File {
                file: Arc::new(file),
                offset,
                left,
            });
        }
    }

    /// Whether all further body bytes would be dropped: there is no body, or bytes were dropped already.
    pub(crate) fn is_full(&self) -> bool {
        self.overlong || self.kind() == Some(BodyKind::None)
    }

    /// Ends the body. Returns how it differs from its head, and whether the connection must close after the reply.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> (Mismatch, bool) {
        let mut missing = 0;
        match self.kind() {
            Some(BodyKind::Chunked) => out.extend_from_slice(LAST_CHUNK),
            Some(BodyKind::Length(promised)) => missing = promised - self.written,
            Some(BodyKind::None | BodyKind::UntilClose) | None => {}
        }
        let closes = self.body.is_none_or(|framing| framing.close) || missing > 0;
        let overlong = self.overlong;
        (Mismatch { missing, overlong }, closes)
    }

    fn kind(&self) -> Option<BodyKind> {
        self.body.map(|framing| framing.kind)
    }

    /// Returns how many of `len` bytes the framing has room for, and counts them as written; `None` if it has no
    /// room.
    fn room(&mut self, len: usize) -> Option<usize> {
        debug_assert!(self.has_head(), "a body follows its head");
        let take = match self.kind()? {
            BodyKind::None => return None,
            BodyKind::Chunked | BodyKind::UntilClose => len,
            BodyKind::Length(promised) => {
                let left = usize::try_from(promised - self.written).unwrap_or(usize::MAX);
                self.overlong |= len > left;
                len.min(left)
            }
        };
        self.written += take as u64;
        (take > 0).then_some(take)
    }

    fn append(&self, data: &[u8], out: &mut Vec<u8>) -> Result<(), TryReserveError> {
        out.try_reserve(data.len() + CHUNK_FRAMING)?;
        self.begin_chunk(data.len(), out);
        out.extend_from_slice(data);
        self.end_chunk(out);
        Ok(())
    }

    /// Appends a part of `len` bytes that is not copied.
    fn push(&self, len: usize, out: &mut Outgoing, part: impl FnOnce() -> Part) {
        self.begin_chunk(len, out.tail());
        out.push(part());
        self.end_chunk(out.tail());
    }

    fn begin_chunk(&self, len: usize, out: &mut Vec<u8>) {
        if self.kind() == Some(BodyKind::Chunked) {
            write_chunk_head(out, len);
        }
    }

    fn end_chunk(&self, out: &mut Vec<u8>) {
        if self.kind() == Some(BodyKind::Chunked) {
            out.extend_from_slice(CHUNK_END);
        }
    }
}

/// From this size on a reference costs less than a copy.
const BY_REFERENCE: usize = 16 * 1024;
/// The most bytes that are written around the data of a chunk.
const CHUNK_FRAMING: usize = 20;

#[cfg(test)]
mod tests;
