//! The access log: one line per request, whatever its end.
//!
//! Lines are made by the thread that ends the request, off the interpreter, and written by a thread of
//! their own. Making a usual line takes under a microsecond and any line under twenty, so it is not
//! worth a copy of every head for the writer. Rules: a line is bounded whatever the request
//! (`escape.rs`), and short while the writer does not keep up; nobody but the writer ever waits for a disk
//! or a pipe; a line that there is no room for is dropped by itself, counted, and said in the log.

mod escape;
mod format;
mod line;
mod writer;

pub use format::{AccessLogFormat, FormatError};
pub use writer::AccessLogTarget;

use std::io;
use std::sync::Arc;

use crate::exchange::Exchange;
use crate::net::address::Peer;
use crate::record::access_log::escape::Room;
use crate::record::access_log::writer::Writer;

/// Where lines go, and what they look like.
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
        self.writer.expect(true);
        let started = std::thread::Builder::new()
            .name("headwaiter-access".into())
            .spawn(move || writer.run());
        if started.is_err() {
            self.writer.expect(false);
        }
        started.map(drop)
    }

    /// Appends the line of a request that is over to `lines`.
    pub(crate) fn format(
        &self,
        exchange: &Exchange,
        peer: Peer,
        date: &[u8; 29],
        lines: &mut Vec<u8>,
    ) {
        let room = if self.writer.is_behind() {
            Room::SHORT
        } else {
            Room::FULL
        };
        line::append(lines, &self.format, exchange, peer, date, room);
    }

    /// Gives `count` lines to the writer and empties `lines`. Never waits for the disk.
    pub(crate) fn push(&self, lines: &mut Vec<u8>, count: u64) {
        self.writer.push(lines, count);
    }

    /// Opens the file anew, as after it was renamed.
    pub(crate) fn reopen(&self) {
        self.writer.reopen();
    }

    /// Lines dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.writer.dropped()
    }

    /// Writes what is left; a target that takes nothing is given up after a moment.
    pub(crate) fn close(&self) {
        self.writer.close();
    }
}
