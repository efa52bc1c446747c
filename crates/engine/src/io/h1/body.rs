//! Bodies in: from a socket to the request's spool.

use std::io;

use headwaiter_http::{Decoded, Refusal};

use crate::exchange::Exchange;
use crate::exchange::link::{FIN, MARKED};
use crate::io::h1::State;
use crate::io::h1::receive::Receiver;
use crate::io::shares::SCRATCH;
use crate::net::socket::SHORT_READ_DRAINS;
use crate::store::spool::FREE;

impl Receiver<'_> {
    /// Reads a long run of plain body bytes straight into the spool. `None`: not such a moment.
    pub(super) fn read_body_in_place(&mut self) -> Option<io::Result<usize>> {
        let overflow = self.desk.shared.settings.inbuf_overflow;
        let channel = &mut self.desk.channels[self.index];
        let State::Body(exchange) = &mut channel.protocol.h1().state else {
            return None;
        };
        let run = exchange.decoder.plain_run();
        if run < IN_PLACE {
            return None;
        }
        if exchange.body.is_empty() {
            // Not before some of it has come.
            return None;
        }
        let (memory, most) =
            exchange
                .body
                .memory_for(run, SCRATCH, overflow, &self.desk.shared.budget)?;
        let got = match channel.link.stream.recv_append(memory, most) {
            Ok(0) => {
                self.end_of_input();
                return Some(Ok(0));
            }
            Ok(got) => got,
            Err(error) => return Some(Err(error)),
        };
        exchange.decoder.advance(got as u64);
        exchange.record.bytes_in += got as u64;
        self.desk.shared.counters.bytes_in.add(got as u64);
        channel.readable = !SHORT_READ_DRAINS
            || got == most
            || channel.link.stream.hides_marks()
            || channel.link.has(FIN | MARKED);
        if exchange.decoder.is_done()
            && let Some(exchange) = channel.protocol.h1().take_received()
        {
            self.submit(exchange, &[]);
        } else {
            self.arm_body_timeout();
        }
        Some(Ok(got))
    }

    /// A body begins at `start` of `data`. If all bytes from there on are its own, their buffer is kept as it is, for
    /// another one, instead of copying them. Returns the exchange if not.
    pub(super) fn keep_buffer(
        &mut self,
        mut exchange: Box<Exchange>,
        data: &mut Vec<u8>,
        start: usize,
    ) -> Option<Box<Exchange>> {
        let overflow = self.desk.shared.settings.inbuf_overflow;
        let length = (data.len() - start) as u64;
        if length < WORTH_KEEPING
            || exchange.decoder.plain_run() < length
            || !exchange.body.adopt(data, start, overflow)
        {
            return Some(exchange);
        }
        exchange.decoder.advance(length);
        exchange.record.bytes_in += length;
        if exchange.decoder.is_done() {
            self.submit(exchange, &[]);
        } else {
            self.await_body(exchange);
        }
        None
    }

    /// Decodes `data` and keeps its body bytes all at once: what goes to disk costs one system call per
    /// read, however small the chunks are.
    pub(super) fn feed_body(&mut self, mut exchange: Box<Exchange>, mut data: &[u8]) {
        let whole = data.len();
        // The only piece need not be copied.
        let (mut first, mut gathered): (&[u8], _) = (&[], self.desk.buffers.take_gathered());
        let outcome = loop {
            match exchange.decoder.decode(data) {
                Ok(Decoded::Data {
                    data: piece,
                    consumed,
                }) => {
                    if first.is_empty() {
                        first = piece;
                    } else {
                        if gathered.is_empty() {
                            if gathered.try_reserve(first.len() + data.len()).is_err() {
                                return self.refuse(exchange, Refusal::Internal);
                            }
                            gathered.extend_from_slice(first);
                        }
                        gathered.extend_from_slice(piece);
                    }
                    data = &data[consumed..];
                }
                end => break end,
            }
        };
        let bytes = if gathered.is_empty() {
            first
        } else {
            &gathered
        };
        if outcome.is_ok()
            && let Err(error) = self.keep_body(&mut exchange, bytes)
        {
            self.desk.shared.storage_trouble(&error);
            return self.refuse(exchange, Refusal::SpoolFull);
        }
        self.desk.buffers.put_gathered(gathered);
        match outcome {
            Ok(Decoded::Data { .. }) => unreachable!("taken in the loop"),
            Ok(Decoded::NeedMore { .. }) => {
                exchange.record.bytes_in += whole as u64;
                self.await_body(exchange);
            }
            Ok(Decoded::Done { consumed }) => {
                let rest = &data[consumed..];
                exchange.record.bytes_in += (whole - rest.len()) as u64;
                self.submit(exchange, rest);
            }
            Err(refusal) => {
                exchange.record.bytes_in += whole as u64;
                self.refuse(exchange, refusal);
            }
        }
    }

    /// Keeps `bytes` of a body. If they need a file and all are in use, a slower upload gives its file up.
    fn keep_body(&mut self, upload: &mut Exchange, bytes: &[u8]) -> io::Result<()> {
        let overflow = self.desk.shared.settings.inbuf_overflow;
        loop {
            let (body, budget) = (&mut upload.body, &self.desk.shared.budget);
            let kept = if body.has_file() {
                self.desk
                    .disk
                    .measure(|| body.append(bytes, overflow, budget))
            } else {
                let kept = body.append(bytes, overflow, budget);
                if body.has_file() {
                    // Making a file takes several calls, of which each may be slow.
                    self.desk.disk.use_up();
                }
                kept
            };
            let lacks_file = kept.is_err() && !body.has_file();
            if !lacks_file
                || !self.desk.shared.budget.is_out_of_files()
                || !self.slowest_gives_way_to(upload)
            {
                return kept;
            }
        }
    }

    /// The body made progress and is not complete.
    pub(super) fn await_body(&mut self, exchange: Box<Exchange>) {
        self.desk.channels[self.index].protocol.h1().state = State::Body(exchange);
        self.arm_body_timeout();
    }

    /// More of the body has to come within `body_timeout`.
    fn arm_body_timeout(&mut self) {
        let most = self.desk.shared.settings.body_timeout;
        self.desk
            .channels
            .arm(self.index, most.map(|most| self.desk.now + most));
    }
}

/// Shorter runs of body bytes are not worth a read of their own.
const IN_PLACE: u64 = 8 * 1024;
/// Fewer bytes are copied: a buffer is at most twice as large as what it has.
const WORTH_KEEPING: u64 = FREE as u64 / 2;
