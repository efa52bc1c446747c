//! Bytes in: from a socket to the step of the channel that digests them.
//!
//! The beginning of a request is read into a small buffer that its body can keep, what follows into the memory of the
//! body (`body.rs`), and all else into the scratch buffer of the thread.

use std::io;

use crate::exchange::link::{FIN, MARKED};
use crate::io::h1::receive::Receiver;
use crate::io::phase::Phase;
use crate::io::shares::{READ, READ_COST, READ_FIRST};
use crate::net::socket::SHORT_READ_DRAINS;

impl Receiver<'_> {
    /// Reads and digests what the client has sent, until the socket is empty, a request is
    /// complete, or the channel's share of this turn is used up, or that of all bodies.
    pub(super) fn read(&mut self) {
        let mut share = READ;
        let (mut scratch, mut first) = self.desk.buffers.take();
        while share > 0
            && let Some(channel) = self.channel()
            && channel.readable
        {
            let (phase, held, bulk) = (channel.phase(), channel.has_input(), channel.reads_bulk());
            if bulk && (self.desk.buffers.is_bulk_used_up() || self.desk.disk.is_used_up()) {
                share = 0;
                break;
            }
            let outcome = match phase {
                // Read on when the reply is out: until then the kernel keeps what comes.
                Phase::Task | Phase::Pending | Phase::Replying | Phase::Refusing => break,
                // A reply made on this thread left bytes behind its request: those come first.
                Phase::Idle if held => {
                    self.desk.later(self.index);
                    break;
                }
                Phase::Body => match self.read_body_in_place() {
                    Some(outcome) => outcome,
                    None => self.read_more(&mut scratch),
                },
                Phase::Idle | Phase::Head => self.read_first(&mut first, &mut scratch),
                Phase::Lingering => self.read_more(&mut scratch),
            };
            match outcome {
                Ok(got) => {
                    let cost = got.max(READ_COST);
                    share = share.saturating_sub(cost);
                    if bulk {
                        self.desk.buffers.count_bulk(cost);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.desk.channels[self.index].readable = false;
                }
                Err(error) => {
                    if self.desk.shared.settings.log_socket_errors {
                        log::info!(target: crate::LOG, "reading from a client failed: {error}");
                    }
                    self.desk.client_gone(self.index);
                }
            }
        }
        self.desk.buffers.put(scratch, first);
        if share == 0 && self.channel().is_some_and(|channel| channel.readable) {
            self.desk.later(self.index);
        }
    }

    /// Reads what may be the beginning of a request into `first`, and feeds the channel from there.
    fn read_first(&mut self, first: &mut Vec<u8>, scratch: &mut [u8]) -> io::Result<usize> {
        first.clear();
        first.try_reserve_exact(READ_FIRST)?;
        let stream = &self.desk.channels[self.index].link.stream;
        let (got, marked) = if stream.hides_marks() {
            let (got, marked) = stream.recv(&mut scratch[..READ_FIRST])?;
            first.extend_from_slice(&scratch[..got]);
            (got, marked)
        } else {
            (stream.recv_append(first, READ_FIRST)?, false)
        };
        if self.note_read(got, marked, READ_FIRST) {
            self.feed(first);
        }
        Ok(got)
    }

    /// Reads into the shared buffer and feeds the channel from there.
    fn read_more(&mut self, scratch: &mut [u8]) -> io::Result<usize> {
        let stream = &self.desk.channels[self.index].link.stream;
        let (got, marked) = stream.recv(scratch)?;
        if self.note_read(got, marked, scratch.len()) {
            self.feed_more(&scratch[..got]);
        }
        Ok(got)
    }

    /// A read with room for `most` bytes got `got`. `false`: that was the end of the input.
    fn note_read(&mut self, got: usize, marked: bool, most: usize) -> bool {
        if got == 0 {
            self.end_of_input();
            return false;
        }
        let channel = &mut self.desk.channels[self.index];
        if marked {
            channel.link.set(MARKED);
        }
        // The end of input, once reported, is not reported again: it has to be read.
        channel.readable = !SHORT_READ_DRAINS || got == most || channel.link.has(FIN | MARKED);
        if channel.phase() != Phase::Lingering && !channel.link.admin {
            self.desk.shared.counters.bytes_in.add(got as u64);
        }
        true
    }
}
