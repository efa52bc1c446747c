//! Bytes in: from a socket to a complete task, or to a refusal. Bodies have a file of their own (`body.rs`).

use std::io;
use std::time::Duration;

use headwaiter_http::{BodyDecoder, Refusal};

use crate::exchange::Exchange;
use crate::exchange::link::{FIN, MARKED};
use crate::io::IoLoop;
use crate::io::h1::State;
use crate::io::phase::Phase;
use crate::io::shares::{READ, READ_COST};
use crate::net::socket::SHORT_READ_DRAINS;

impl IoLoop {
    /// Digests what was read before, then what can be read now.
    pub(crate) fn receive(&mut self, index: usize) {
        let channel = &mut self.channels[index];
        let (token, held) = (channel.link.token, channel.has_input());
        if held && channel.phase() == Phase::Body && self.disk.is_used_up() {
            return self.later(index);
        }
        if held && matches!(channel.phase(), Phase::Idle | Phase::Body) {
            let rest = channel.protocol.h1().take_kept();
            self.feed(index, &rest);
        }
        if let Some(index) = self.find(token) {
            self.read(index);
        }
        // Once *this thread* drains: a client let go of sooner might still be able to connect again.
        if self.drain.is_some()
            && let Some(index) = self.find(token)
            && !self.channels[index].link.admin
        {
            self.part_with(index);
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
            if bulk && (self.bulk == 0 || self.disk.is_used_up()) {
                share = 0;
                break;
            }
            let outcome = match self.channels[index].phase() {
                // Read on when the reply is out: until then the kernel keeps what comes.
                Phase::Task | Phase::Pending | Phase::Replying | Phase::Refusing => break,
                // A reply made on this thread left bytes behind its request: those come first.
                Phase::Idle if self.channels[index].has_input() => {
                    self.later(index);
                    break;
                }
                Phase::Body => match self.read_body_in_place(index) {
                    Some(outcome) => outcome,
                    None => self.read_through(index, &mut scratch),
                },
                Phase::Idle | Phase::Head | Phase::Lingering => {
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
        if channel.phase() != Phase::Lingering && !channel.link.admin {
            self.shared.counters.bytes_in.add(got as u64);
        }
        self.feed(index, &scratch[..got]);
        Ok(got)
    }

    /// The client has finished sending.
    pub(super) fn end_of_input(&mut self, index: usize) {
        self.channels[index].readable = false;
        // Whatever was incomplete will never be complete; nobody waits for an answer to nothing.
        self.close(index);
    }

    /// Digests `data`, which the channel has just received.
    pub(crate) fn feed(&mut self, index: usize, data: &[u8]) {
        crate::inject_panic("receive");
        let h1 = self.channels[index].protocol.h1();
        match std::mem::take(&mut h1.state) {
            State::Idle => {
                self.channels.unlist_idle(index);
                let exchange = self.pool.take(self.now);
                if let Some(exchange) = self.feed_head(index, exchange, data) {
                    self.begin_head(index, exchange, data);
                }
            }
            State::Head(exchange) => {
                let mut whole = match h1.take_input(data.len(), &self.shared.budget) {
                    Ok(whole) => whole,
                    Err(refusal) => return self.refuse(index, exchange, refusal),
                };
                whole.extend_from_slice(data);
                if let Some(exchange) = self.feed_head(index, exchange, &whole) {
                    let h1 = self.channels[index].protocol.h1();
                    h1.state = State::Head(exchange);
                    h1.put_back(whole);
                }
            }
            State::Body(exchange) => self.feed_body(index, exchange, data),
            State::Lingering => h1.state = State::Lingering,
            State::Task | State::Pending(_) | State::Replying(_) | State::Refusing(_) => {
                unreachable!("not read in this state")
            }
        }
    }

    /// `data` is all that has come of this head so far. Returns the exchange while the head is incomplete.
    fn feed_head(
        &mut self,
        index: usize,
        mut exchange: Box<Exchange>,
        data: &[u8],
    ) -> Option<Box<Exchange>> {
        let limits = self.shared.settings.head_limits();
        let h1 = self.channels[index].protocol.h1();
        match h1.parse_head(&mut exchange, data, limits) {
            Ok(Some(consumed)) => {
                exchange.record.head = Some(self.now);
                self.head_complete(index, exchange, &data[consumed..]);
            }
            Ok(None) => return Some(exchange),
            Err(refusal) => self.refuse(index, exchange, refusal),
        }
        None
    }

    /// `data` is the first part of a head, which has to be complete within `header_timeout`.
    fn begin_head(&mut self, index: usize, exchange: Box<Exchange>, data: &[u8]) {
        let channel = &mut self.channels[index];
        let h1 = channel.protocol.h1();
        if let Err(refusal) = h1.keep_input(data, &self.shared.budget) {
            return self.refuse(index, exchange, refusal);
        }
        if self.drain.is_some() && !channel.link.admin && !self.shared.hands_over() {
            return self.refuse(index, exchange, Refusal::Draining);
        }
        h1.state = State::Head(exchange);
        let most = self.shared.settings.header_timeout;
        self.channels.arm(index, most.map(|most| self.now + most));
    }

    fn head_complete(&mut self, index: usize, mut exchange: Box<Exchange>, rest: &[u8]) {
        if let Some(answer) = self.refused_inline(index, &exchange) {
            return self.refuse_with(index, exchange, &answer);
        }
        let settings = &self.shared.settings;
        match BodyDecoder::new(exchange.head.framing(), settings.max_request_body_size) {
            Ok(decoder) => exchange.decoder = decoder,
            Err(refusal) => return self.refuse(index, exchange, refusal),
        }
        if exchange.decoder.is_done() {
            return self.submit(index, exchange, rest);
        }
        let channel = &mut self.channels[index];
        let h1 = channel.protocol.h1();
        h1.drop_grant();
        if rest.is_empty() && exchange.head.expects_continue() {
            // Nothing is queued on this channel now, and 25 bytes fit any send buffer.
            let _ = channel.link.stream.send(headwaiter_http::CONTINUE);
        }
        if rest.is_empty() {
            return self.await_body(index, exchange);
        }
        if self.disk.is_used_up() && h1.keep_input(rest, &self.shared.budget).is_ok() {
            // The body may need a file, and this turn has no time left for the disk.
            self.await_body(index, exchange);
            return self.later(index);
        }
        self.feed_body(index, exchange, rest);
    }

    /// The request is complete: a task, unless it is answered here. `rest` came in behind it.
    pub(super) fn submit(&mut self, index: usize, mut exchange: Box<Exchange>, rest: &[u8]) {
        let channel = &mut self.channels[index];
        channel.deadline.disarm();
        let h1 = channel.protocol.h1();
        exchange.record.received = Some(self.now);
        let inline = self.inline.as_ref();
        if channel.link.admin || inline.is_some_and(|inline| inline.takes(&exchange.head)) {
            if let Err(refusal) = h1.keep_input(rest, &self.shared.budget) {
                return self.refuse(index, exchange, refusal);
            }
            return self.answer_inline(index, exchange);
        }
        if let Some(limit) = self.shared.settings.queue_limit
            && self.shared.queue.is_full(self.batch.len(), limit)
        {
            return self.refuse(index, exchange, Refusal::QueueFull);
        }
        exchange.lane = Some(channel.lane.clone());
        let rest = self.read_ahead(&mut exchange, rest);
        let h1 = self.channels[index].protocol.h1();
        if let Err(refusal) = h1.keep_input(rest, &self.shared.budget) {
            self.drop_followers(&mut exchange, false);
            return self.refuse(index, exchange, refusal);
        }
        self.hand_in(index, exchange);
    }

    /// The channel has a task, which will be in the queue at the end of this turn.
    pub(crate) fn hand_in(&mut self, index: usize, exchange: Box<Exchange>) {
        let channel = &mut self.channels[index];
        channel.protocol.h1().state = State::Task;
        let knows_interim = exchange.head.minor() > 0;
        channel
            .lane
            .begin_request(channel.has_input() || channel.readable, knows_interim);
        if knows_interim && channel.link.has(FIN) {
            self.channels.arm(index, Some(self.now + PROBE_AFTER));
        }
        self.batch.push(exchange);
    }
}

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
    use crate::io::shares::{READ_BODIES, SCRATCH};
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
