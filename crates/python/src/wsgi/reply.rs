//! The reply to one request as the application builds it: status, headers, then body bytes.
//!
//! `start_response.rs` fills the head; `respond.rs` and the `write` callable append the body. The engine's
//! [`Task`] frames and sends the reply. As PEP 3333 and Waitress have it, bytes beyond a Content-Length are
//! dropped with a warning, and missing bytes close the connection. Applications decide how much memory a reply
//! takes, so lack of memory fails one reply and not the process.

use std::collections::TryReserveError;

use headwaiter_engine::{ClientGone, Flushed, HeadOptions, Mismatch, Task};
use headwaiter_http::ReplyHead;
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
    /// The body is a file, and Content-Length may be smaller than the file.
    pub(crate) of_file: bool,
    date: [u8; 29],
    server_timing: bool,
}

/// A complete or cut reply.
pub(crate) struct Finished {
    pub(crate) task: Task,
    /// The buffer for the next head.
    pub(crate) head: ReplyHead,
    /// How the body differs from its Content-Length.
    pub(crate) mismatch: Mismatch,
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
    pub(crate) fn new(task: Task, head: ReplyHead, date: [u8; 29], server_timing: bool) -> Self {
        Self {
            task,
            head,
            fork: ForkCheck::new(),
            of_file: false,
            date,
            server_timing,
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
    }

    /// Writes the head unless it is written already. `known` is the length of the whole body, if known.
    pub(crate) fn begin(&mut self, known: Option<u64>) -> Result<(), NoMemory> {
        if self.task.has_head() {
            return Ok(());
        }
        let options = HeadOptions {
            date: &self.date,
            known_length: known,
            server_timing: self.server_timing,
        };
        Ok(self.task.reply_head(&mut self.head, &options)?)
    }

    /// The body will have `length` bytes. Corrects a larger Content-Length while the head can change, except in a
    /// reply to HEAD, where it is the length of another body.
    pub(crate) fn will_have(&mut self, length: u64) {
        if !self.task.has_head() && !self.task.head().is_head() {
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
        self.begin(known)?;
        let hold =
            |len, poker| Box::new(HeldBytes::new(bytes, start..start + len, poker)) as Box<_>;
        Ok(self.task.reply_body(data, hold)?)
    }

    /// Appends a copy of a buffer, which the application may change later.
    pub(crate) fn append_copy(
        &mut self,
        py: Python<'_>,
        data: &PyBuffer<u8>,
        known: Option<u64>,
    ) -> PyResult<()> {
        self.begin(known)?;
        let fill = |to: &mut [u8]| data.copy_to_slice(py, to);
        let filled = self.task.reply_body_filled(data.len_bytes(), fill);
        filled.map_err(NoMemory::from)?
    }

    /// Appends part of a file, as much as Content-Length has room for.
    pub(crate) fn append_file(
        &mut self,
        file: std::fs::File,
        offset: u64,
        size: u64,
    ) -> Result<(), NoMemory> {
        self.will_have(size);
        self.begin(Some(size))?;
        self.task.reply_body_file(file, offset, size);
        Ok(())
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
        if self.begin(Some(0)).is_err() {
            return self.cut();
        }
        let mut mismatch = self.task.finish_reply();
        mismatch.overlong &= !self.of_file;
        self.end(mismatch)
    }

    /// Cuts the reply of an application that failed after bytes had been sent. The connection closes, so that the
    /// client cannot take the bytes for a complete reply.
    pub(crate) fn cut(mut self) -> Finished {
        self.task.cut();
        self.end(Mismatch::default())
    }

    fn end(mut self, mismatch: Mismatch) -> Finished {
        self.task.record().status = self.head.status();
        Finished {
            task: self.task,
            head: self.head,
            mismatch,
        }
    }
}
