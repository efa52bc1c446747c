//! Bytes in: from a socket to a complete task, or to a refusal.

use std::io;
use std::time::Duration;

use headwaiter_http::{Body, Decoded, Refusal};

use crate::exchange::Exchange;
use crate::exchange::link::{FIN, MARKED};
use crate::io::IoLoop;
use crate::io::channel::State;
use crate::io::shares::{READ, READ_COST, SCRATCH};
use crate::net::socket::SHORT_READ_DRAINS;

impl IoLoop {
    /// Digests what was read before, then what can be read now.
    pub(crate) fn receive(&mut self, index: usize) {
        let token = self.channels[index].link.token;
        if self.channels[index].state == State::Idle && !self.channels[index].inbuf.is_empty() {
            let rest = std::mem::take(&mut self.channels[index].inbuf);
            self.feed(index, &rest);
        }
        if let Some(index) = self.find(token) {
            self.read(index);
        }
        // Once *this thread* drains: a client let go of sooner might still be able to connect again.
        if self.drain.is_some()
            && let Some(index) = self.find(token)
            && self.channels[index].state == State::Idle
            && !self.channels[index].link.admin
        {
            self.close(index);
        }
    }

    /// Reads and digests what the client has sent, until the socket is empty, a request is
    /// complete, or the channel's share of this turn is used up, or that of all bodies.
    fn read(&mut self, index: usize) {
        let mut share = READ;
        let token = self.channels[index].link.token;
        let mut scratch = std::mem::take(&mut self.scratch);
        while share > 0 && self.find(token).is_some() && self.channels[index].readable {
            let bulk = self.channels[index].reads_bulk();
            if bulk && self.bulk == 0 {
                share = 0;
                break;
            }
            let outcome = match self.channels[index].state {
                // Read on when the reply is out: until then the kernel keeps what comes.
                State::Task | State::Pending | State::Replying | State::Refusing => break,
                // A reply made on this thread left bytes behind its request: those come first.
                State::Idle if !self.channels[index].inbuf.is_empty() => {
                    self.later(index);
                    break;
                }
                State::Body => match self.read_body_in_place(index) {
                    Some(outcome) => outcome,
                    None => self.read_through(index, &mut scratch),
                },
                State::Idle | State::Head | State::Lingering => {
                    self.read_through(index, &mut scratch)
                }
            };
            match outcome {
                Ok(got) => {
                    let cost = got.max(READ_COST);
                    share = share.saturating_sub(cost);
                    if bulk {
                        self.bulk = self.bulk.saturating_sub(cost);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.channels[index].readable = false;
                }
                Err(error) => {
                    if self.shared.settings.log_socket_errors {
                        log::info!(target: crate::LOG, "reading from a client failed: {error}");
                    }
                    self.client_gone(index);
                }
            }
        }
        self.scratch = scratch;
        if share == 0 && self.find(token).is_some() && self.channels[index].readable {
            self.later(index);
        }
    }

    /// Reads into the shared buffer and feeds the channel from there.
    fn read_through(&mut self, index: usize, scratch: &mut [u8]) -> io::Result<usize> {
        let (got, marked) = self.channels[index].link.stream.recv(scratch)?;
        if got == 0 {
            self.end_of_input(index);
            return Ok(0);
        }
        let channel = &mut self.channels[index];
        if marked {
            channel.link.set(MARKED);
        }
        // The end of input, once reported, is not reported again: it has to be read.
        channel.readable =
            !SHORT_READ_DRAINS || got == scratch.len() || channel.link.has(FIN | MARKED);
        if self.channels[index].state != State::Lingering && !self.channels[index].link.admin {
            self.shared.counters.bytes_in.add(got as u64);
        }
        self.feed(index, &scratch[..got]);
        Ok(got)
    }

    /// Reads a long run of plain body bytes straight into the spool. `None`: not such a moment.
    fn read_body_in_place(&mut self, index: usize) -> Option<io::Result<usize>> {
        let overflow = self.shared.settings.inbuf_overflow;
        let channel = &mut self.channels[index];
        let exchange = channel.exchange.as_mut()?;
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
                .memory_for(run, SCRATCH, overflow, &self.shared.budget)?;
        let got = match channel.link.stream.recv_append(memory, most) {
            Ok(0) => {
                self.end_of_input(index);
                return Some(Ok(0));
            }
            Ok(got) => got,
            Err(error) => return Some(Err(error)),
        };
        exchange.decoder.advance(got as u64);
        exchange.record.bytes_in += got as u64;
        self.shared.counters.bytes_in.add(got as u64);
        channel.readable = !SHORT_READ_DRAINS
            || got == most
            || channel.link.stream.hides_marks()
            || channel.link.has(FIN | MARKED);
        if exchange.decoder.is_done() {
            self.submit(index, &[]);
        } else {
            self.await_body(index);
        }
        Some(Ok(got))
    }

    /// The client has finished sending.
    fn end_of_input(&mut self, index: usize) {
        self.channels[index].readable = false;
        // Whatever was incomplete will never be complete; nobody waits for an answer to nothing.
        self.close(index);
    }

    /// Digests `data`, which the channel has just received.
    pub(crate) fn feed(&mut self, index: usize, data: &[u8]) {
        crate::inject_panic("receive");
        match self.channels[index].state {
            State::Idle => {
                self.channels.unlist_idle(index);
                let exchange = self.pool.take(self.now);
                let channel = &mut self.channels[index];
                channel.exchange = Some(exchange);
                channel.scanned = 0;
                self.feed_head(index, data);
            }
            State::Head => {
                let token = self.channels[index].link.token;
                let channel = &mut self.channels[index];
                let mut whole = match channel.take_input(data.len(), &self.shared.budget) {
                    Ok(whole) => whole,
                    Err(refusal) => return self.refuse(index, refusal),
                };
                whole.extend_from_slice(data);
                self.feed_head(index, &whole);
                // It may be gone: answered and closed, or refused and unreachable.
                if let Some(index) = self.find(token)
                    && self.channels[index].state == State::Head
                    && self.channels[index].inbuf.is_empty()
                {
                    self.channels[index].inbuf = whole;
                }
            }
            State::Body => self.feed_body(index, data),
            State::Lingering => {}
            State::Task | State::Pending | State::Replying | State::Refusing => {
                unreachable!("not read in this state")
            }
        }
    }

    /// `data` is all that has come of this head so far.
    fn feed_head(&mut self, index: usize, data: &[u8]) {
        let limits = self.shared.settings.head_limits();
        let channel = &mut self.channels[index];
        let Some(exchange) = channel.exchange.as_mut() else {
            return;
        };
        exchange.record.bytes_in = data.len() as u64;
        match exchange.head.parse(data, &mut channel.scanned, limits) {
            Ok(Some(consumed)) => {
                exchange.record.bytes_in = consumed as u64;
                exchange.record.head = Some(self.now);
                self.head_complete(index, &data[consumed..]);
            }
            Ok(None) if channel.state == State::Head => {}
            Ok(None) => {
                channel.state = State::Head;
                if let Err(refusal) = channel.keep_input(data, &self.shared.budget) {
                    return self.refuse(index, refusal);
                }
                let admin = channel.link.admin;
                let most = self.shared.settings.header_timeout;
                self.channels.arm(index, most.map(|most| self.now + most));
                if self.drain.is_some() && !admin {
                    self.refuse(index, Refusal::Draining);
                }
            }
            Err(refusal) => {
                exchange.note_first_line(data);
                self.refuse(index, refusal);
            }
        }
    }

    fn head_complete(&mut self, index: usize, rest: &[u8]) {
        if self.channels[index].link.admin && !self.admit_inline(index) {
            return;
        }
        let settings = &self.shared.settings;
        let channel = &mut self.channels[index];
        let Some(exchange) = channel.exchange.as_mut() else {
            return;
        };
        match Body::new(exchange.head.framing(), settings.max_request_body_size) {
            Ok(decoder) => exchange.decoder = decoder,
            Err(refusal) => return self.refuse(index, refusal),
        }
        if exchange.decoder.is_done() {
            return self.submit(index, rest);
        }
        channel.state = State::Body;
        channel.grant = None;
        if rest.is_empty() && exchange.head.expects_continue() {
            // Nothing is queued on this channel now, and 25 bytes fit any send buffer.
            let _ = channel.link.stream.send(headwaiter_http::CONTINUE);
        }
        self.await_body(index);
        if !rest.is_empty() {
            self.feed_body(index, rest);
        }
    }

    /// Decodes `data` and keeps its body bytes all at once: what goes to disk costs one system call per
    /// read, however small the chunks are.
    fn feed_body(&mut self, index: usize, mut data: &[u8]) {
        let whole = data.len();
        let Some(exchange) = self.channels[index].exchange.as_mut() else {
            return;
        };
        // The only piece need not be copied.
        let (mut first, gathered): (&[u8], _) = (&[], &mut self.gathered);
        gathered.clear();
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
                                return self.refuse(index, Refusal::Internal);
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
        let bytes = if gathered.is_empty() { first } else { gathered };
        let overflow = self.shared.settings.inbuf_overflow;
        if outcome.is_ok()
            && let Err(error) = exchange.body.append(bytes, overflow, &self.shared.budget)
        {
            self.shared.storage_trouble(&error);
            return self.refuse(index, Refusal::SpoolFull);
        }
        match outcome {
            Ok(Decoded::Data { .. }) => unreachable!("taken in the loop"),
            Ok(Decoded::NeedMore { .. }) => {
                exchange.record.bytes_in += whole as u64;
                self.await_body(index);
            }
            Ok(Decoded::Done { consumed }) => {
                let rest = &data[consumed..];
                exchange.record.bytes_in += (whole - rest.len()) as u64;
                self.submit(index, rest);
            }
            Err(refusal) => {
                exchange.record.bytes_in += whole as u64;
                self.refuse(index, refusal);
            }
        }
    }

    /// The body made progress and is not complete.
    fn await_body(&mut self, index: usize) {
        let most = self.shared.settings.body_timeout;
        self.channels.arm(index, most.map(|most| self.now + most));
    }

    /// The request is complete: a task, unless it is answered here. `rest` came in behind it.
    fn submit(&mut self, index: usize, rest: &[u8]) {
        let channel = &mut self.channels[index];
        channel.scanned = 0;
        channel.deadline.disarm();
        let Some(mut exchange) = channel.exchange.take() else {
            return;
        };
        exchange.record.received = Some(self.now);
        let inline = self.inline.as_ref();
        if channel.link.admin || inline.is_some_and(|inline| inline.takes(&exchange.head)) {
            if let Err(refusal) = channel.keep_input(rest, &self.shared.budget) {
                return self.refuse_task(index, exchange, refusal);
            }
            return self.answer_inline(index, exchange);
        }
        if let Some(limit) = self.shared.settings.queue_limit
            && self.shared.queue.is_full(self.batch.len(), limit)
        {
            channel.exchange = Some(exchange);
            return self.refuse(index, Refusal::QueueFull);
        }
        exchange.link = Some(channel.link.clone());
        let rest = self.read_ahead(&mut exchange, rest);
        if let Err(refusal) = self.channels[index].keep_input(rest, &self.shared.budget) {
            self.drop_followers(&mut exchange, false);
            return self.refuse_task(index, exchange, refusal);
        }
        self.hand_in(index, exchange);
    }

    /// What came in behind the request can not be kept, so that its channel could not go on.
    fn refuse_task(&mut self, index: usize, exchange: Box<Exchange>, refusal: Refusal) {
        self.channels[index].exchange = Some(exchange);
        self.refuse(index, refusal);
    }

    /// The channel has a task, which will be in the queue at the end of this turn.
    pub(crate) fn hand_in(&mut self, index: usize, exchange: Box<Exchange>) {
        let channel = &mut self.channels[index];
        channel.state = State::Task;
        let knows_interim = exchange.head.minor() > 0;
        channel
            .link
            .begin_request(!channel.inbuf.is_empty() || channel.readable, knows_interim);
        if knows_interim && channel.link.has(FIN) {
            self.channels.arm(index, Some(self.now + PROBE_AFTER));
        }
        self.batch.push(exchange);
    }
}

/// Shorter runs of body bytes are not worth a read of their own.
const IN_PLACE: u64 = 8 * 1024;
/// A client that has finished sending is asked whether it is still there when its request has
/// waited this long.
pub(in crate::io) const PROBE_AFTER: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;
    use std::sync::Arc;

    use super::*;
    use crate::io::inline::Endpoint;
    use crate::io::shares::READ_BODIES;
    use crate::net::address::{ListenSpec, Listening};
    use crate::net::listener::bind_all;
    use crate::settings::Settings;
    use crate::shared::Shared;

    /// An I/O thread whose turns the test makes.
    fn io_thread(settings: Settings) -> (IoLoop, Arc<Shared>, std::net::SocketAddr) {
        let any = ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
        let listeners = bind_all(&[any], settings.bind_options()).unwrap();
        let listening: Vec<_> = listeners.iter().map(|l| l.listening().clone()).collect();
        let Listening::Tcp(address) = listening[0] else {
            unreachable!("it was bound to TCP")
        };
        let shared = Arc::new(Shared::new(settings, listening, None));
        let io = IoLoop::new(0, &shared, listeners, Endpoint::default()).unwrap();
        (io, shared, address)
    }

    /// A client that has sent the beginning of a long body, as much as the kernel keeps.
    fn upload(address: std::net::SocketAddr, chunk: &[u8]) -> TcpStream {
        let mut client = TcpStream::connect(address).unwrap();
        client
            .write_all(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        client.set_nonblocking(true).unwrap();
        while let Ok(1..) = client.write(&chunk.repeat(8192)) {}
        client.set_nonblocking(false).unwrap();
        client
    }

    #[test]
    fn uploads_share_what_a_turn_may_read_and_no_request_waits_behind_them() {
        let settings = Settings {
            health_path: Some(b"/health".to_vec()),
            inbuf_overflow: 1000,
            spool_memory: 0,
            ..Settings::for_tests()
        };
        let (mut io, shared, address) = io_thread(settings);
        let clients: Vec<_> = (0..30).map(|_| upload(address, b"3\r\nabc\r\n")).collect();
        while io.channels.len() < clients.len() {
            io.turn().unwrap();
        }
        while io.channels.waiting() == 0 {
            io.turn().unwrap();
        }
        let mut asking = TcpStream::connect(address).unwrap();
        asking
            .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        while shared.counters.health_checks.get() == 0 {
            assert!(io.channels.waiting() > 0, "it waited for all uploads");
            let before = shared.counters.bytes_in.get();
            io.turn().unwrap();
            let read = shared.counters.bytes_in.get() - before;
            assert!(read <= (READ_BODIES + 2 * SCRATCH) as u64, "{read} bytes");
        }
        assert!(shared.budget.used() > 0, "nothing went to disk");
    }
}
