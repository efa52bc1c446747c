//! Bytes in: from what was read to a complete task, or to a refusal.
//!
//! Elsewhere: reading the socket (`read.rs`), bodies (`body.rs`).

use std::time::Duration;

use headwaiter_http::{BodyDecoder, Refusal};

use crate::exchange::Exchange;
use crate::io::channel::Channel;
use crate::io::desk::Desk;
use crate::io::h1::State;
use crate::io::h1::transmit::Sender;
use crate::io::phase::Phase;

/// Receives for one channel: reads its socket and brings its request on.
///
/// Invariant: the channel `index` was open when the receiver was made. A step may close the channel; then
/// [`Receiver::is_open`] is false, and the receiver must not touch it any more.
#[derive(Debug)]
pub(super) struct Receiver<'a> {
    pub(super) desk: &'a mut Desk,
    pub(super) index: usize,
    token: usize,
}

impl<'a> Receiver<'a> {
    pub(super) fn new(desk: &'a mut Desk, index: usize) -> Self {
        let token = desk.channels[index].link.token;
        Self { desk, index, token }
    }

    pub(super) fn is_open(&self) -> bool {
        self.channel().is_some()
    }

    /// The channel, unless a step has closed it.
    pub(super) fn channel(&self) -> Option<&Channel> {
        let channel = self.desk.channels.get(self.index);
        channel.filter(|channel| channel.link.token == self.token)
    }

    /// What sends on this channel.
    pub(super) fn sender(&mut self) -> Sender<'_> {
        Sender::new(self.desk, self.index)
    }

    /// Refuses `exchange`. The receiver takes nothing more of the channel.
    pub(super) fn refuse(&mut self, exchange: Box<Exchange>, refusal: Refusal) {
        self.sender().refuse(exchange, refusal);
    }

    /// Digests what was read before, then what can be read now.
    pub(super) fn receive(&mut self) {
        let channel = &mut self.desk.channels[self.index];
        let held = channel.has_input();
        if held && channel.phase() == Phase::Body && self.desk.disk.is_used_up() {
            return self.desk.later(self.index);
        }
        if held && matches!(channel.phase(), Phase::Idle | Phase::Body) {
            let mut rest = channel.protocol.h1().take_kept();
            self.feed(&mut rest);
        }
        self.read();
        // Once *this thread* drains: a client let go of sooner might still be able to connect again.
        if self.desk.drain.is_some() && self.is_open() && !self.desk.channels[self.index].link.admin
        {
            self.desk.departures().part_with(self.index);
        }
    }

    /// The client has finished sending.
    pub(super) fn end_of_input(&mut self) {
        self.desk.channels[self.index].readable = false;
        // Whatever was incomplete will never be complete; nobody waits for an answer to nothing.
        self.desk.close(self.index);
    }

    /// Digests `data`, which was read before the connection came here, then what can be read now.
    #[cfg(unix)]
    pub(super) fn receive_behind(&mut self, data: &[u8]) {
        if !data.is_empty() {
            self.feed(&mut data.to_vec());
        }
        if self.is_open() {
            self.receive();
        }
    }

    /// Digests `data`, which the channel has just received, and may keep the buffer for one as good.
    pub(super) fn feed(&mut self, data: &mut Vec<u8>) {
        crate::inject_panic("receive");
        let channel = &mut self.desk.channels[self.index];
        let h1 = channel.protocol.h1();
        match std::mem::take(&mut h1.state) {
            State::Idle => {
                channel.new_since = None;
                self.desk.channels.unlist_idle(self.index);
                let exchange = self.desk.pool.take(self.desk.now);
                if let Some(exchange) = self.feed_head(exchange, data) {
                    self.begin_head(exchange, data);
                }
            }
            State::Head(exchange) => {
                let mut whole = match h1.take_input(data.len(), &self.desk.shared.budget) {
                    Ok(whole) => whole,
                    Err(refusal) => return self.refuse(exchange, refusal),
                };
                whole.extend_from_slice(data);
                if let Some(exchange) = self.feed_head(exchange, &mut whole) {
                    let h1 = self.desk.channels[self.index].protocol.h1();
                    h1.state = State::Head(exchange);
                    h1.put_back(whole);
                }
            }
            other => {
                h1.state = other;
                self.feed_more(data);
            }
        }
    }

    /// Digests `data`, which the channel has just received behind a head.
    pub(super) fn feed_more(&mut self, data: &[u8]) {
        let h1 = self.desk.channels[self.index].protocol.h1();
        match std::mem::take(&mut h1.state) {
            State::Body(exchange) => self.feed_body(exchange, data),
            State::Lingering => h1.state = State::Lingering,
            _ => unreachable!("not read in this state"),
        }
    }

    /// `data` is all that has come of this head so far. Returns the exchange while the head is incomplete.
    fn feed_head(
        &mut self,
        mut exchange: Box<Exchange>,
        data: &mut Vec<u8>,
    ) -> Option<Box<Exchange>> {
        let limits = self.desk.shared.settings.head_limits();
        let h1 = self.desk.channels[self.index].protocol.h1();
        match h1.parse_head(&mut exchange, data, limits) {
            Ok(Some(consumed)) => {
                exchange.record.head = Some(self.desk.now);
                self.head_complete(exchange, data, consumed);
            }
            Ok(None) => return Some(exchange),
            Err(refusal) => self.refuse(exchange, refusal),
        }
        None
    }

    /// `data` is the first part of a head, which has to be complete within `header_timeout`.
    fn begin_head(&mut self, exchange: Box<Exchange>, data: &[u8]) {
        let channel = &mut self.desk.channels[self.index];
        let h1 = channel.protocol.h1();
        if let Err(refusal) = h1.keep_input(data, &self.desk.shared.budget) {
            return self.refuse(exchange, refusal);
        }
        if self.desk.drain.is_some() && !channel.link.admin && !self.desk.shared.hands_over() {
            return self.refuse(exchange, Refusal::Draining);
        }
        h1.state = State::Head(exchange);
        let most = self.desk.shared.settings.header_timeout;
        self.desk
            .channels
            .arm(self.index, most.map(|most| self.desk.now + most));
    }

    /// The first `length` bytes of `data` were the head.
    fn head_complete(&mut self, mut exchange: Box<Exchange>, data: &mut Vec<u8>, length: usize) {
        if let Some(answer) = self.sender().refused_inline(&exchange) {
            return self.sender().refuse_with(exchange, &answer);
        }
        let settings = &self.desk.shared.settings;
        match BodyDecoder::new(exchange.head.framing(), settings.max_request_body_size) {
            Ok(decoder) => exchange.decoder = decoder,
            Err(refusal) => return self.refuse(exchange, refusal),
        }
        let rest = &data[length..];
        if exchange.decoder.is_done() {
            return self.submit(exchange, rest);
        }
        let channel = &mut self.desk.channels[self.index];
        let h1 = channel.protocol.h1();
        h1.drop_grant();
        if rest.is_empty() && exchange.head.expects_continue() {
            // Nothing is queued on this channel now, and 25 bytes fit any send buffer.
            let _ = channel.link.stream.send(headwaiter_http::CONTINUE);
        }
        if rest.is_empty() {
            return self.await_body(exchange);
        }
        if self.desk.disk.is_used_up() && h1.keep_input(rest, &self.desk.shared.budget).is_ok() {
            // The body may need a file, and this turn has no time left for the disk.
            self.await_body(exchange);
            return self.desk.later(self.index);
        }
        if let Some(exchange) = self.keep_buffer(exchange, data, length) {
            self.feed_body(exchange, &data[length..]);
        }
    }

    /// The request is complete: a task, unless it is answered here. `rest` came in behind it.
    pub(super) fn submit(&mut self, mut exchange: Box<Exchange>, rest: &[u8]) {
        let channel = &mut self.desk.channels[self.index];
        channel.deadline.disarm();
        let h1 = channel.protocol.h1();
        exchange.record.received = Some(self.desk.now);
        let inline = self.desk.inline.as_ref();
        if channel.link.admin || inline.is_some_and(|inline| inline.takes(&exchange.head)) {
            if let Err(refusal) = h1.keep_input(rest, &self.desk.shared.budget) {
                return self.refuse(exchange, refusal);
            }
            return self.sender().answer_inline(exchange);
        }
        if let Some(limit) = self.desk.shared.settings.queue_limit
            && self
                .desk
                .shared
                .queue
                .is_full(self.desk.in_flight.in_batch(), limit)
        {
            return self.refuse(exchange, Refusal::QueueFull);
        }
        exchange.lane = Some(channel.lane.clone());
        let rest = self.read_ahead(&mut exchange, rest);
        let h1 = self.desk.channels[self.index].protocol.h1();
        if let Err(refusal) = h1.keep_input(rest, &self.desk.shared.budget) {
            self.desk.drop_followers(&mut exchange, false);
            return self.refuse(exchange, refusal);
        }
        self.desk.hand_in(self.index, exchange);
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

    use crate::io::IoLoop;
    use crate::io::inline::Endpoint;
    use crate::io::shares::{READ_BODIES, SCRATCH};
    use crate::net::address::{ListenSpec, Listening};
    use crate::net::listener::bind_all;
    use crate::settings::Settings;
    use crate::shared::Shared;

    /// The I/O thread whose turns the test makes.
    fn io_thread(settings: Settings) -> (IoLoop, Arc<Shared>, std::net::SocketAddr) {
        let any = ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
        let listeners = bind_all(&[any], settings.bind_options()).unwrap();
        let listening: Vec<_> = listeners.iter().map(|l| l.listening().clone()).collect();
        let Listening::Tcp(address) = listening[0] else {
            unreachable!("it was bound to TCP")
        };
        let shared = Arc::new(Shared::new(settings, listening, None));
        let io = IoLoop::new(&shared, listeners, Endpoint::default()).unwrap();
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
        while io.desk.channels.len() < clients.len() {
            io.turn().unwrap();
        }
        while io.desk.channels.waiting() == 0 {
            io.turn().unwrap();
        }
        let mut asking = TcpStream::connect(address).unwrap();
        asking
            .write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        while shared.counters.health_checks.get() == 0 {
            assert!(io.desk.channels.waiting() > 0, "it waited for all uploads");
            let before = shared.counters.bytes_in.get();
            io.turn().unwrap();
            let read = shared.counters.bytes_in.get() - before;
            assert!(read <= (READ_BODIES + 2 * SCRATCH) as u64, "{read} bytes");
        }
        assert!(shared.budget.used() > 0, "nothing went to disk");
    }
}
