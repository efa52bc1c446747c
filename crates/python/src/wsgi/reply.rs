//! The reply to one request as the application builds it: status, headers, then body bytes.
//!
//! `start_response.rs` fills the head; `respond.rs` and the `write` callable append the body. Nothing is sent
//! here: the bytes go to the engine's [`Task`]. Framing follows PEP 3333 and Waitress: bytes beyond a
//! Content-Length are dropped with a warning, and missing bytes close the connection. Applications decide how
//! much memory a reply takes, so lack of memory fails one reply and not the process.

use std::collections::TryReserveError;

use headwaiter_engine::{ClientGone, Flushed, Poker, Task};
use headwaiter_http::{
    BodyFraming, BodyKind, CHUNK_END, LAST_CHUNK, ReplyContext, ReplyHead, write_chunk_head,
};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::process::fork::ForkCheck;
use crate::wsgi::held::HeldBytes;

/// A reply that the application is building.
pub(crate) struct Reply {
    pub(crate) task: Task,
    pub(crate) head: ReplyHead,
    pub(crate) fork: ForkCheck,
    /// How the body is framed; set when the head is written to the task.
    framing: Option<BodyFraming>,
    written: u64,
    overlong: bool,
    /// The body is a file, and Content-Length may be smaller than the file.
    pub(crate) of_file: bool,
    date: [u8; 29],
    ident: std::sync::Arc<str>,
    server_timing: bool,
    poker: Poker,
}

/// A complete or cut reply.
pub(crate) struct Finished {
    pub(crate) task: Task,
    /// The buffer for the next head.
    pub(crate) head: ReplyHead,
    /// How many bytes Content-Length promised that were not written.
    pub(crate) missing: u64,
    /// Whether bytes beyond Content-Length were dropped.
    pub(crate) overlong: bool,
}

/// There was no memory for the bytes of a reply.
pub(crate) struct NoMemory;

impl From<TryReserveError> for NoMemory {
    fn from(_: TryReserveError) -> Self {
        Self
    }
}

impl From<NoMemory> for PyErr {
    fn from(_: NoMemory) -> Self {
        PyMemoryError::new_err("no memory for the reply")
    }
}

impl Reply {
    pub(crate) fn new(
        task: Task,
        head: ReplyHead,
        date: [u8; 29],
        ident: std::sync::Arc<str>,
        server_timing: bool,
        poker: Poker,
    ) -> Self {
        Self {
            task,
            head,
            fork: ForkCheck::new(),
            framing: None,
            written: 0,
            overlong: false,
            of_file: false,
            date,
            ident,
            server_timing,
            poker,
        }
    }

    /// Whether the engine has bytes of this reply, so that its head can no longer change.
    pub(crate) fn is_out(&self) -> bool {
        self.task.flushed()
    }

    /// Discards a reply of which the engine has no byte yet.
    pub(crate) fn forget(&mut self) {
        self.task.discard();
        self.head.clear();
        self.framing = None;
        self.written = 0;
    }

    /// Writes the head unless it is written already. `known` is the length of the whole body, if known.
    pub(crate) fn frame(&mut self, known: Option<u64>) -> Result<BodyFraming, NoMemory> {
        if let Some(framing) = self.framing {
            return Ok(framing);
        }
        // The application chooses the length of its fields; the server's own fields are short.
        let own = self.head.len();
        self.task.buffer().try_reserve(own + SERVER_FIELDS)?;
        let mut timing = Vec::new();
        if self.server_timing {
            self.task.write_server_timing(&mut timing);
        }
        let context = ReplyContext {
            minor: self.task.head().minor(),
            head: self.task.head().is_head(),
            keep_alive: self.task.keep_alive(),
            known_length: known,
            date: &self.date,
            ident: self.ident.as_bytes(),
            extra: &timing,
        };
        let before = self.task.buffer().len();
        let framing = self.head.finish(&context, self.task.buffer());
        let length = self.task.buffer().len() - before;
        self.task.record().reply_head = length as u64;
        self.framing = Some(framing);
        Ok(framing)
    }

    /// The body will have `length` bytes. Corrects a larger Content-Length while the head can change, except in a
    /// reply to HEAD, where it is the length of another body.
    pub(crate) fn will_have(&mut self, length: u64) {
        if self.framing.is_none() && !self.task.head().is_head() {
            self.head.shorten(length);
        }
    }

    /// Appends body bytes; many bytes go by reference.
    pub(crate) fn append(
        &mut self,
        bytes: &Bound<'_, PyBytes>,
        known: Option<u64>,
    ) -> Result<(), NoMemory> {
        self.append_from(bytes, 0, known)
    }

    /// Appends the bytes from `start` on; many bytes go by reference.
    pub(crate) fn append_from(
        &mut self,
        bytes: &Bound<'_, PyBytes>,
        start: usize,
        known: Option<u64>,
    ) -> Result<(), NoMemory> {
        headwaiter_engine::inject_panic("append");
        let data = &bytes.as_bytes()[start..];
        if data.is_empty() {
            return Ok(());
        }
        let framing = self.frame(known)?;
        let Some(take) = self.room(framing.kind, data.len()) else {
            return Ok(());
        };
        if take < BY_REFERENCE {
            return self.copy(framing.kind, &data[..take]);
        }
        if framing.kind == BodyKind::Chunked {
            write_chunk_head(self.task.buffer(), take);
        }
        let held = HeldBytes::new(bytes, start..start + take, &self.poker);
        self.task.hold(Box::new(held));
        if framing.kind == BodyKind::Chunked {
            self.task.buffer().extend_from_slice(CHUNK_END);
        }
        Ok(())
    }

    /// Appends a copy of a buffer, which the application may change later.
    pub(crate) fn append_copy(
        &mut self,
        py: Python<'_>,
        data: &PyBuffer<u8>,
        known: Option<u64>,
    ) -> PyResult<()> {
        let framing = self.frame(known)?;
        let len = data.len_bytes();
        let Some(take) = self.room(framing.kind, len) else {
            return Ok(());
        };
        let buffer = self.reserve(len)?;
        if framing.kind == BodyKind::Chunked {
            write_chunk_head(buffer, take);
        }
        let at = buffer.len();
        buffer.resize(at + len, 0);
        data.copy_to_slice(py, &mut buffer[at..])?;
        buffer.truncate(at + take);
        if framing.kind == BodyKind::Chunked {
            buffer.extend_from_slice(CHUNK_END);
        }
        Ok(())
    }

    /// Reserves memory for `len` body bytes that were counted as written. If there is none, the reply is
    /// incomplete and the connection closes.
    fn reserve(&mut self, len: usize) -> Result<&mut Vec<u8>, NoMemory> {
        if let Err(error) = self.task.buffer().try_reserve(len + CHUNK_FRAMING) {
            self.task.close_after();
            return Err(error.into());
        }
        Ok(self.task.buffer())
    }

    fn copy(&mut self, kind: BodyKind, data: &[u8]) -> Result<(), NoMemory> {
        let buffer = self.reserve(data.len())?;
        if kind == BodyKind::Chunked {
            write_chunk_head(buffer, data.len());
            buffer.extend_from_slice(data);
            buffer.extend_from_slice(CHUNK_END);
        } else {
            buffer.extend_from_slice(data);
        }
        Ok(())
    }

    /// Appends part of a file, as much as Content-Length has room for.
    pub(crate) fn append_file(
        &mut self,
        file: std::fs::File,
        offset: u64,
        size: u64,
    ) -> Result<(), NoMemory> {
        self.will_have(size);
        let framing = self.frame(Some(size))?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let Some(take) = self.room(framing.kind, size) else {
            return Ok(());
        };
        // The body is chunked only if the application has called `write` before.
        if framing.kind == BodyKind::Chunked {
            write_chunk_head(self.task.buffer(), take);
        }
        self.task
            .send_file(std::sync::Arc::new(file), offset, take as u64);
        if framing.kind == BodyKind::Chunked {
            self.task.buffer().extend_from_slice(CHUNK_END);
        }
        Ok(())
    }

    /// Returns how many of `len` bytes the framing has room for, and counts them as written; `None` if it has no
    /// room.
    fn room(&mut self, kind: BodyKind, len: usize) -> Option<usize> {
        let take = match kind {
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

    /// Whether all further body bytes would be dropped: there is no body, or it has its full length.
    pub(crate) fn is_full(&self) -> bool {
        self.overlong
            || self
                .framing
                .is_some_and(|framing| framing.kind == BodyKind::None)
    }

    /// Hands the bytes written so far to the engine, without blocking. Fails in a forked child: the client
    /// belongs to the parent.
    pub(crate) fn flush(&mut self) -> Result<Flushed, ClientGone> {
        if self.fork.in_child() {
            return Err(ClientGone);
        }
        self.task.flush()
    }

    /// Completes the reply of an application that returned without an error.
    pub(crate) fn finish(mut self) -> Finished {
        headwaiter_engine::inject_panic("finish");
        let Ok(framing) = self.frame(Some(0)) else {
            return self.cut();
        };
        let mut missing = 0;
        match framing.kind {
            BodyKind::Chunked => self.task.buffer().extend_from_slice(LAST_CHUNK),
            BodyKind::Length(promised) => missing = promised - self.written,
            BodyKind::None | BodyKind::UntilClose => {}
        }
        if framing.close || missing > 0 {
            self.task.close_after();
        }
        self.task.record().status = self.head.status();
        Finished {
            task: self.task,
            head: self.head,
            missing,
            overlong: self.overlong && !self.of_file,
        }
    }

    /// Cuts the reply of an application that failed after bytes had been sent. The connection closes, so that the
    /// client cannot take the bytes for a complete reply.
    pub(crate) fn cut(mut self) -> Finished {
        self.task.discard();
        self.task.close_after();
        self.task.record().status = self.head.status();
        Finished {
            task: self.task,
            head: self.head,
            missing: 0,
            overlong: false,
        }
    }
}

/// From this size on a reference costs less than a copy.
const BY_REFERENCE: usize = 16 * 1024;
/// The most bytes that are written around the data of a chunk.
const CHUNK_FRAMING: usize = 20;
/// How many bytes the server adds to a head, rounded up.
const SERVER_FIELDS: usize = 1024;
