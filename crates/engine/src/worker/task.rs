//! A request in the hands of the worker that runs it, and what its application may ask about the client.
//!
//! `worker/mod.rs` makes a [`Task`] of an [`Exchange`] that it takes from the queue; the binding reads the request
//! and appends the reply. Elsewhere: sending the reply, and the end of the task.

use std::fs::File;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use headwaiter_http::{Head, Refusal};

use crate::exchange::Exchange;
use crate::exchange::link::{FIN, GONE, Link};
use crate::exchange::message::Message;
use crate::net::address::{Listening, Peer};
use crate::record::{End, Record};
use crate::shared::Shared;
use crate::store::outgoing::Held;
use crate::store::parts::{Part, Size};
use crate::store::spool::Spool;

/// The client has left, or was cut by `send_timeout`: nothing can be sent to it any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientGone;

/// What [`Task::flush`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// The bytes are the I/O thread's now.
    HandedOver,
    /// Too many bytes are unsent: call [`Task::make_room`] where blocking is allowed.
    Full,
}

/// A complete request in a worker's hands, and the way back for its reply.
///
/// Reply bytes are appended with [`Task::buffer`], [`Task::hold`] and [`Task::send_file`], handed
/// over early with [`Task::flush`] where the application streams, and for good with
/// [`crate::Tasks::complete`].
#[derive(Debug)]
pub struct Task {
    /// Present until the task is completed.
    exchange: Option<Box<Exchange>>,
    shared: Arc<Shared>,
    link: Arc<Link>,
}

impl Drop for Task {
    /// A task lost to a bug must not leave its client waiting: the channel is cut.
    fn drop(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.outgoing.clear();
            exchange.close_after();
            exchange.record.stop(self.shared.now(), End::AppError, "");
            self.shared.note_free(&mut exchange);
            self.link.io.post(Message::Done(exchange), true);
        }
    }
}

impl Task {
    pub(crate) fn new(exchange: Box<Exchange>, shared: &Arc<Shared>) -> Option<Self> {
        let link = Arc::clone(exchange.link.as_ref()?);
        Some(Self {
            exchange: Some(exchange),
            shared: Arc::clone(shared),
            link,
        })
    }

    /// Ends the task: what is left to do is the I/O side's.
    pub(crate) fn into_exchange(mut self) -> Option<Box<Exchange>> {
        self.exchange.take()
    }

    fn exchange(&self) -> &Exchange {
        let Some(exchange) = &self.exchange else {
            unreachable!("taken only by value")
        };
        exchange
    }

    pub(crate) fn exchange_mut(&mut self) -> &mut Exchange {
        let Some(exchange) = &mut self.exchange else {
            unreachable!("taken only by value")
        };
        exchange
    }

    /// The request's head.
    pub fn head(&self) -> &Head {
        &self.exchange().head
    }

    /// The request's body, complete.
    pub fn body(&mut self) -> &mut Spool {
        &mut self.exchange_mut().body
    }

    /// Takes the body out, for a holder that may outlive the task.
    pub fn take_body(&mut self) -> Spool {
        std::mem::take(&mut self.exchange_mut().body)
    }

    /// Who sent it.
    pub fn peer(&self) -> Peer {
        self.link.peer
    }

    /// The listener it came in by.
    pub fn listening(&self) -> &Listening {
        &self.shared.listening[self.link.listener as usize]
    }

    /// Index of that listener, in the order given to [`crate::Server::bind`].
    pub fn listener(&self) -> usize {
        self.link.listener as usize
    }

    /// Whether the channel may stay open behind the reply: the client's wish and ours. A drain still
    /// serves what came in behind it.
    pub fn keep_alive(&self) -> bool {
        let exchange = self.exchange();
        exchange.head.keep_alive() && (exchange.behind.is_some() || !self.shared.draining())
    }

    /// A handle that tells whether the client is gone, also after the task is complete.
    pub fn client(&self) -> Client {
        Client {
            link: Arc::downgrade(&self.link),
            probe: self.exchange().head.minor() > 0,
        }
    }

    /// Times and sizes so far.
    pub fn record(&mut self) -> &mut Record {
        &mut self.exchange_mut().record
    }

    /// The buffer for reply bytes that are copied.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.exchange_mut().outgoing.tail()
    }

    /// Appends bytes by reference.
    pub fn hold(&mut self, data: Box<dyn Held>) {
        self.exchange_mut()
            .outgoing
            .push(Part::Held { data, at: 0 });
    }

    /// Appends `len` bytes of `file` from `offset`.
    pub fn send_file(&mut self, file: Arc<File>, offset: u64, len: u64) {
        if len > 0 {
            self.exchange_mut().outgoing.push(Part::File {
                file,
                offset,
                left: len,
            });
        }
    }

    /// Whether any reply byte was handed over already.
    pub fn flushed(&self) -> bool {
        self.exchange().is_streamed()
    }

    /// Drops reply bytes that were not handed over.
    pub fn discard(&mut self) {
        self.exchange_mut().outgoing.clear();
    }

    /// Closes the channel behind this reply.
    pub fn close_after(&mut self) {
        self.exchange_mut().close_after();
    }

    /// Hands the bytes appended so far to the I/O thread. Never blocks.
    ///
    /// # Errors
    ///
    /// [`ClientGone`]; the bytes are dropped.
    pub fn flush(&mut self) -> Result<Flushed, ClientGone> {
        if self.link.has(GONE) {
            self.discard();
            return Err(ClientGone);
        }
        if self.exchange_mut().outgoing.is_empty() {
            return Ok(Flushed::HandedOver);
        }
        let size = self.exchange_mut().outgoing.size();
        let unsent = self.link.unsent();
        let room =
            unsent.all == 0 || unsent.memory + size.memory <= self.shared.settings.outbuf_overflow;
        if !room || self.is_crowded_beside(unsent) {
            return Ok(Flushed::Full);
        }
        self.hand_over();
        Ok(Flushed::HandedOver)
    }

    /// Whether what is written would take more memory than all replies together may have (`outbuf_total`): call
    /// [`Task::make_room`] before the task is given back.
    pub fn is_crowded(&self) -> bool {
        self.is_crowded_beside(Size::default())
    }

    /// The same of a reply of which some is `unsent` already. A small piece with nothing before it may always
    /// go: as likely as not the kernel takes it.
    fn is_crowded_beside(&self, unsent: Size) -> bool {
        let outgoing = &self.exchange().outgoing;
        if !outgoing.is_large() && unsent.all == 0 {
            return false;
        }
        let more = outgoing.size().memory;
        let total = self.shared.unsent.load(Ordering::Relaxed);
        more > 0 && total.saturating_add(more) > self.shared.settings.outbuf_total
    }

    /// As [`Task::flush`] when it said `Full`: spills to disk, or waits for the client to take bytes
    /// where neither disk nor `outbuf_high_watermark` has room. Blocks.
    ///
    /// # Errors
    ///
    /// [`ClientGone`], also when the client made no progress for `send_timeout`.
    pub fn make_room(&mut self) -> Result<(), ClientGone> {
        let settings = &self.shared.settings;
        let (watermark, low) = (settings.outbuf_high_watermark, settings.outbuf_overflow / 2);
        let worker = self.exchange().record.worker;
        self.shared.running.note_sending(worker, true);
        self.link
            .wait_room(|unsent| unsent.all == 0 || unsent.all < watermark);
        // A disk is for slow clients: what only waits for the I/O thread will be gone in a moment.
        self.link.wait_turn(|unsent| {
            unsent.memory <= low && (unsent.all == 0 || !self.is_crowded_beside(unsent))
        });
        let (unsent, mut crowded) = (self.link.unsent(), false);
        if (unsent.memory > low || self.is_crowded_beside(unsent))
            && let Err(error) = self.spill()
        {
            self.shared.storage_trouble(&error);
            self.link.wait_room(|unsent| unsent.memory <= low);
            crowded = self.is_crowded_beside(self.link.unsent());
        }
        let gone = self.link.has(GONE);
        if gone {
            self.discard();
        } else {
            self.hand_over();
        }
        if crowded {
            // As many such replies as there are workers are in memory, beside the others.
            self.link.wait_room(|unsent| unsent.memory <= low);
        }
        self.shared.running.note_sending(worker, false);
        if gone { Err(ClientGone) } else { Ok(()) }
    }

    /// Moves what is in memory to disk, in order. On an error what is left stays in memory.
    fn spill(&mut self) -> io::Result<()> {
        let shelf = Arc::clone(&self.shared.shelf);
        let exchange = self.exchange_mut();
        let mut result = Ok(());
        for mut part in exchange.outgoing.take_parts() {
            while result.is_ok()
                && let Some(bytes) = part.memory().filter(|bytes| !bytes.is_empty())
            {
                match exchange.spill.append(bytes, &shelf) {
                    Ok(spilled) => {
                        part.advance(spilled.left());
                        exchange.outgoing.push(spilled);
                    }
                    Err(error) => result = Err(error),
                }
            }
            exchange.outgoing.push(part);
        }
        result
    }

    fn hand_over(&mut self) {
        let size = self.exchange_mut().outgoing.size();
        self.exchange_mut().stream();
        let parts = self.exchange_mut().outgoing.take_parts();
        self.link.hand_over(parts, size, self.exchange().place);
    }

    /// Notes how the request ended, unless that is known already: what comes first is the cause.
    pub fn spoil(&mut self, end: End) {
        self.exchange_mut().record.fail(end, "");
    }

    /// Notes how the request ended.
    pub fn set_end(&mut self, end: End) {
        self.exchange_mut().record.end = end;
    }

    /// Notes that `refusal` is the answer.
    pub fn set_refused(&mut self, refusal: Refusal) {
        let now = self.shared.now();
        self.exchange_mut().record.refuse(now, refusal);
    }

    /// Appends a `Server-Timing` field line of what is known by now, in milliseconds (W3C Server
    /// Timing): the wait for a worker, for the interpreter, and the time in the application so far.
    pub fn write_server_timing(&self, out: &mut Vec<u8>) {
        let record = &self.exchange().record;
        let phases = record.phases();
        let taken = record.taken.unwrap_or(record.arrived);
        let millis = |span: Duration| span.as_secs_f64() * 1000.0;
        let line = format!(
            "Server-Timing: queue;dur={:.3}, gil;dur={:.3}, app;dur={:.3}\r\n",
            millis(phases.queue.unwrap_or_default()),
            millis(phases.gil.unwrap_or_default()),
            millis(self.shared.now().saturating_duration_since(taken)),
        );
        out.extend_from_slice(line.as_bytes());
    }

    /// Notes the client that a trusted proxy has named, for the access log.
    pub fn set_client(&mut self, client: &str) {
        self.exchange_mut().client = Some(client.into());
    }
}

/// Tells whether a client is gone.
#[derive(Clone, Debug)]
pub struct Client {
    /// Weak: applications keep environs, and these must not keep descriptors.
    link: Weak<Link>,
    probe: bool,
}

impl Client {
    /// Whether the client can no longer be reached.
    ///
    /// Of a client that has finished sending this is not known yet: an HTTP/1.1 one is probed (see
    /// [`Link::probe`]) and the next call tells; an older one counts as gone.
    pub fn is_gone(&self) -> bool {
        let Some(link) = self.link.upgrade() else {
            return true;
        };
        if !link.has(GONE) && link.has(FIN) {
            if !self.probe {
                return true;
            }
            link.probe();
        }
        link.has(GONE)
    }

    /// Whether the client is known to be gone, without finding out: takes no lock and sends nothing.
    pub fn was_gone(&self) -> bool {
        self.link.upgrade().is_none_or(|link| link.has(GONE))
    }
}
