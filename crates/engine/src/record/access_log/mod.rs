//! The access log: one line per request, however the request ended.
//!
//! The thread that ends a request formats its line, detached from the interpreter; the writer's thread writes
//! lines. Formatting takes less than 1 µs for a usual line and less than 20 µs for any line: too little to hand
//! the writer a copy of every head instead.
//!
//! Rules:
//! - The length of a line is bounded (`escape.rs`), more tightly while the writer is behind.
//! - Only the writer's thread waits for a disk or a pipe.
//! - A line that the buffer has no room for is dropped and counted, and a log record says so.

mod escape;
mod format;
mod line;
mod sink;
mod user;
mod writer;

pub use format::{AccessLogFormat, FormatError};
pub use sink::AccessLogTarget;

use std::io;
use std::sync::Arc;

use crate::record::Ended;
use crate::record::access_log::escape::Room;
use crate::record::access_log::writer::Writer;

/// The format of lines, and their writer.
#[derive(Debug)]
pub(crate) struct AccessLog {
    format: AccessLogFormat,
    writer: Arc<Writer>,
}

impl AccessLog {
    /// # Errors
    ///
    /// The file cannot be opened for appending.
    pub(crate) fn open(target: &AccessLogTarget, format: &AccessLogFormat) -> io::Result<Self> {
        Ok(Self {
            format: format.clone(),
            writer: Arc::new(Writer::open(target)?),
        })
    }

    /// Starts the writer's thread.
    ///
    /// # Errors
    ///
    /// The system refuses a thread.
    pub(crate) fn start(&self) -> io::Result<()> {
        let writer = Arc::clone(&self.writer);
        self.writer.set_running(true);
        let started = std::thread::Builder::new()
            .name("headwaiter-access".into())
            .spawn(move || writer.run());
        if started.is_err() {
            self.writer.set_running(false);
        }
        started.map(drop)
    }

    /// Appends the line of `ended` to `lines`.
    pub(crate) fn format(&self, ended: Ended<'_>, date: &[u8; 29], lines: &mut Vec<u8>) {
        let room = if self.writer.is_behind() {
            Room::SHORT
        } else {
            Room::FULL
        };
        line::append(lines, &self.format, ended, date, room);
    }

    /// Gives the `count` lines in `lines` to the writer and empties `lines`. Never waits for the disk.
    pub(crate) fn push(&self, lines: &mut Vec<u8>, count: u64) {
        self.writer.push(lines, count);
    }

    /// Reopens the file, for example after log rotation renamed it.
    pub(crate) fn reopen(&self) {
        self.writer.reopen();
    }

    /// Number of lines dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.writer.dropped()
    }

    /// Waits until the writer has written all lines, or for two seconds at most.
    pub(crate) fn close(&self) {
        self.writer.close();
    }
}
