//! The application's reply: head, body, end. The binding gives them, and the engine frames them.
//!
//! Call order: [`Task::reply_head`], then body bytes in any of their forms, then [`Task::finish_reply`]. Until bytes
//! were handed over, [`Task::discard`] starts again. [`Task::cut`] ends a reply that cannot be completed.
//! [`Task::refuse`] writes a whole reply.
//!
//! Elsewhere: framing (`exchange/framing.rs`); handing bytes over before the end (`task.rs`).

use crate::sys::instant::Instant;
use std::collections::TryReserveError;
use std::fs::File;
use std::time::Duration;

use headwaiter_http::{Refusal, ReplyContext, ReplyHead};

use crate::exchange::framing::Mismatch;
use crate::record::Record;
use crate::store::outgoing::Held;
use crate::worker::poker::Poker;
use crate::worker::task::Task;

/// What the caller adds to the head of a reply.
#[derive(Clone, Copy, Debug)]
pub struct HeadOptions<'a> {
    /// The IMF-fixdate of now, see [`crate::Tasks::date`].
    pub date: &'a [u8; 29],
    /// The length of the whole body, if it is known and the application did not say.
    pub known_length: Option<u64>,
    /// Whether to add a `Server-Timing` field.
    pub server_timing: bool,
}

impl Task {
    /// Whether the reply has its head, so that the head can no longer change.
    pub fn has_head(&self) -> bool {
        self.exchange().framing.has_head()
    }

    /// Appends the head of the reply, once ([`Task::has_head`]). The head says whether the channel stays open.
    ///
    /// # Errors
    ///
    /// There is no memory for the head; nothing was appended.
    pub fn reply_head(
        &mut self,
        head: &mut ReplyHead,
        options: &HeadOptions<'_>,
    ) -> Result<(), TryReserveError> {
        let keep_alive = self.keep_alive();
        // The application chooses the length of its fields; the server's own fields are short.
        let most = head.len() + SERVER_FIELDS;
        let (exchange, shared) = self.exchange_and_shared();
        exchange.outgoing.tail().try_reserve(most)?;
        let mut timing = Vec::new();
        if options.server_timing {
            write_server_timing(&exchange.record, shared.now(), &mut timing);
        }
        let context = ReplyContext {
            minor: exchange.head.minor(),
            head: exchange.head.is_head(),
            keep_alive,
            known_length: options.known_length,
            date: options.date,
            own: &shared.own_lines,
            extra: &timing,
        };
        let out = exchange.outgoing.tail();
        exchange.record.reply_head = exchange.framing.head(head, &context, out);
        Ok(())
    }

    /// Appends body bytes. Copies a small `data`; for a large one `hold` makes a reference to as many bytes from its
    /// front as its argument says. The poker it gets has a worker release references to bytes that were sent. Bytes
    /// beyond Content-Length are dropped.
    ///
    /// # Errors
    ///
    /// There is no memory for the bytes. The reply is incomplete, and the channel closes after it.
    pub fn reply_body(
        &mut self,
        data: &[u8],
        hold: impl FnOnce(usize, Poker) -> Box<dyn Held>,
    ) -> Result<(), TryReserveError> {
        let (exchange, shared) = self.exchange_and_shared();
        let hold = |length| hold(length, Poker::of(shared));
        let appended = exchange
            .framing
            .copy_or_hold(data, hold, &mut exchange.outgoing);
        self.or_close(appended)
    }

    /// As [`Task::reply_body`], but always as a copy.
    ///
    /// # Errors
    ///
    /// Those of [`Task::reply_body`].
    pub fn reply_body_copied(&mut self, data: &[u8]) -> Result<(), TryReserveError> {
        let exchange = self.exchange_mut();
        let appended = exchange.framing.copy(data, exchange.outgoing.tail());
        self.or_close(appended)
    }

    /// As [`Task::reply_body`], for `len` bytes that `fill` writes. If `fill` fails, the reply must be discarded or
    /// cut.
    ///
    /// # Errors
    ///
    /// Those of [`Task::reply_body`]; inside, those of `fill`.
    pub fn reply_body_filled<E>(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Result<(), E>, TryReserveError> {
        let exchange = self.exchange_mut();
        let out = exchange.outgoing.tail();
        let appended = exchange.framing.fill(len, fill, out);
        self.or_close(appended)
    }

    /// As [`Task::reply_body`], for `len` bytes of `file` from `offset`.
    pub fn reply_body_file(&mut self, file: File, offset: u64, len: u64) {
        let exchange = self.exchange_mut();
        let out = &mut exchange.outgoing;
        exchange.framing.file(file, offset, len, out);
    }

    /// Whether all further body bytes would be dropped: there is no body, or bytes were dropped already.
    pub fn is_reply_full(&self) -> bool {
        self.exchange().framing.is_full()
    }

    /// Ends the reply. The channel closes after it if its head says so, or if bytes are missing.
    pub fn finish_reply(&mut self) -> Mismatch {
        debug_assert!(self.has_head(), "a reply begins with its head");
        let exchange = self.exchange_mut();
        let (mismatch, closes) = exchange.framing.finish(exchange.outgoing.tail());
        if closes {
            exchange.close_after();
        }
        mismatch
    }

    /// Drops what was appended, its head included. Allowed until bytes were handed over.
    pub fn discard(&mut self) {
        debug_assert!(!self.flushed(), "the client may have the head");
        let exchange = self.exchange_mut();
        exchange.outgoing.clear();
        exchange.framing = Default::default();
    }

    /// Drops what was not handed over, and makes the channel close, so that the client cannot take the bytes for a
    /// complete reply.
    pub fn cut(&mut self) {
        let exchange = self.exchange_mut();
        exchange.outgoing.clear();
        exchange.close_after();
    }

    /// Answers with `refusal`, and notes that. The channel closes after it.
    pub fn refuse(&mut self, refusal: Refusal, date: &[u8; 29]) {
        let (exchange, shared) = self.exchange_and_shared();
        let out = exchange.outgoing.tail();
        refusal.write_reply(out, date, &shared.own_lines, exchange.head.is_head());
        exchange.record.refuse(shared.now(), refusal);
        exchange.close_after();
    }

    /// Closes the channel after a reply that lost bytes.
    fn or_close<T>(&mut self, appended: Result<T, TryReserveError>) -> Result<T, TryReserveError> {
        if appended.is_err() {
            self.exchange_mut().close_after();
        }
        appended
    }
}

/// Appends a `Server-Timing` field line (W3C Server Timing), in milliseconds: the wait for a worker, the wait for
/// the interpreter, and the time in the application until `now`.
fn write_server_timing(record: &Record, now: Instant, out: &mut Vec<u8>) {
    let phases = record.phases();
    let taken = record.taken.unwrap_or(record.arrived);
    let millis = |span: Duration| span.as_secs_f64() * 1000.0;
    let line = format!(
        "Server-Timing: queue;dur={:.3}, gil;dur={:.3}, app;dur={:.3}\r\n",
        millis(phases.queue.unwrap_or_default()),
        millis(phases.gil.unwrap_or_default()),
        millis(now.saturating_duration_since(taken)),
    );
    out.extend_from_slice(line.as_bytes());
}

/// How many bytes the server adds to a head, rounded up.
const SERVER_FIELDS: usize = 1024;
