//! A request in the hands of the worker that runs it, and what its application may ask about the client.
//!
//! `worker/mod.rs` makes a [`Task`] of an [`Exchange`] that it takes from the queue; the binding reads the request
//! and appends the reply. Elsewhere: what a reply is made of (`reply.rs`), sending the reply, and the end of the task.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use headwaiter_http::Head;

use crate::exchange::Exchange;
use crate::exchange::lane::{Lane, WeakLane};
use crate::exchange::link::{FIN, GONE};
use crate::exchange::message::Message;
use crate::net::address::{Listening, Peer};
use crate::record::{End, Record};
use crate::shared::Shared;
use crate::store::parts::Size;
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
/// The reply is appended as head, body and end ([`Task::reply_head`] and those below it), handed over early with
/// [`Task::flush`] where the application streams, and for good with [`crate::Tasks::complete`].
#[derive(Debug)]
pub struct Task {
    /// Present until the task is completed. Its `lane` is always `Some` here.
    exchange: Option<Box<Exchange>>,
    shared: Arc<Shared>,
}

impl Drop for Task {
    /// A bug has lost the task. Its channel is cut, so that its client does not wait for ever.
    fn drop(&mut self) {
        if let Some(mut exchange) = self.exchange.take() {
            exchange.outgoing.clear();
            exchange.close_after();
            exchange.record.stop(self.shared.now(), End::AppError, "");
            self.shared.note_free(&mut exchange);
            if let Some(lane) = exchange.lane.clone() {
                lane.link().io.post(Message::Done(exchange), true);
            }
        }
    }
}

impl Task {
    pub(crate) fn new(exchange: Box<Exchange>, shared: &Arc<Shared>) -> Option<Self> {
        exchange.lane.as_ref()?;
        Some(Self {
            exchange: Some(exchange),
            shared: Arc::clone(shared),
        })
    }

    /// Ends the task. Its reply is in the exchange.
    pub(crate) fn into_exchange(mut self) -> Option<Box<Exchange>> {
        self.exchange.take()
    }

    pub(super) fn exchange(&self) -> &Exchange {
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

    fn lane(&self) -> &Lane {
        let Some(lane) = &self.exchange().lane else {
            unreachable!("there was one in `new`, and the I/O thread takes it")
        };
        lane
    }

    pub(super) fn exchange_and_shared(&mut self) -> (&mut Exchange, &Arc<Shared>) {
        let Some(exchange) = &mut self.exchange else {
            unreachable!("taken only by value")
        };
        (exchange, &self.shared)
    }

    /// The request's head.
    pub fn head(&self) -> &Head {
        &self.exchange().head
    }

    /// The request's body, complete.
    pub fn body(&mut self) -> &mut Spool {
        &mut self.exchange_mut().body
    }

    /// Takes the body out of the task, for a holder that may outlive it.
    pub fn take_body(&mut self) -> Spool {
        std::mem::take(&mut self.exchange_mut().body)
    }

    /// Who sent the request.
    pub fn peer(&self) -> Peer {
        self.lane().link().peer
    }

    /// The listener that the request came in by.
    pub fn listening(&self) -> &Listening {
        &self.shared.listening[self.lane().link().listener as usize]
    }

    /// Index of that listener, in the order given to [`crate::Listeners::bind`].
    pub fn listener(&self) -> usize {
        self.lane().link().listener as usize
    }

    /// Whether the channel may stay open after the reply: the client allows it, and the server does not drain
    /// or hands the connection over then. A drain still serves requests chained behind this one.
    pub fn keep_alive(&self) -> bool {
        let exchange = self.exchange();
        exchange.head.keep_alive() && (exchange.behind.is_some() || !self.shared.ends_connections())
    }

    /// A handle that tells whether the client is gone, also after the task is complete.
    pub fn client(&self) -> Client {
        Client {
            lane: self.lane().downgrade(),
            probe: self.exchange().head.minor() > 0,
        }
    }

    /// Times and sizes so far.
    pub fn record(&mut self) -> &mut Record {
        &mut self.exchange_mut().record
    }

    /// Whether any reply byte was handed over already.
    pub fn flushed(&self) -> bool {
        self.exchange().is_streamed()
    }

    /// Hands the bytes appended so far to the I/O thread. Never blocks.
    ///
    /// # Errors
    ///
    /// [`ClientGone`]; the bytes are dropped.
    pub fn flush(&mut self) -> Result<Flushed, ClientGone> {
        if self.lane().link().has(GONE) {
            self.exchange_mut().outgoing.clear();
            return Err(ClientGone);
        }
        if self.exchange_mut().outgoing.is_empty() {
            return Ok(Flushed::HandedOver);
        }
        let size = self.exchange_mut().outgoing.size();
        let unsent = self.lane().unsent();
        let room =
            unsent.all == 0 || unsent.memory + size.memory <= self.shared.settings.outbuf_overflow;
        if !room || self.is_crowded_beside(unsent) {
            return Ok(Flushed::Full);
        }
        self.hand_over();
        Ok(Flushed::HandedOver)
    }

    /// Whether the bytes appended so far would take more memory than all replies together may have
    /// (`outbuf_total`). If so, call [`Task::make_room`] before the task is given back.
    pub fn is_crowded(&self) -> bool {
        self.is_crowded_beside(Size::default())
    }

    /// As [`Task::is_crowded`], where `unsent` bytes of the reply come first. A small piece with nothing before it is
    /// always allowed, since the kernel probably takes it at once.
    fn is_crowded_beside(&self, unsent: Size) -> bool {
        let outgoing = &self.exchange().outgoing;
        if !outgoing.is_large() && unsent.all == 0 {
            return false;
        }
        let more = outgoing.size().memory;
        let total = self.shared.unsent.load(Ordering::Relaxed);
        more > 0 && total.saturating_add(more) > self.shared.settings.outbuf_total
    }

    /// Hands the bytes over when [`Task::flush`] said `Full`, or before the task is given back. Blocks.
    ///
    /// Bytes that may not stay in memory go to disk. Beyond `outbuf_high_watermark`, or without room on disk, the
    /// worker waits until the client has taken bytes.
    ///
    /// # Errors
    ///
    /// [`ClientGone`], also when the client made no progress for `send_timeout`.
    pub fn make_room(&mut self) -> Result<(), ClientGone> {
        let settings = &self.shared.settings;
        let (watermark, low) = (settings.outbuf_high_watermark, settings.outbuf_overflow / 2);
        let worker = self.exchange().record.worker;
        self.shared.running.note_sending(worker, true);
        self.lane()
            .wait_room(|unsent| unsent.all == 0 || unsent.all < watermark);
        // Only a slow client is worth a disk. Bytes that only wait for the I/O thread are sent in a moment.
        self.lane().wait_turn(|unsent| {
            unsent.memory <= low && (unsent.all == 0 || !self.is_crowded_beside(unsent))
        });
        let (unsent, mut crowded) = (self.lane().unsent(), false);
        if (unsent.memory > low || self.is_crowded_beside(unsent))
            && let Err(error) = self.spill()
        {
            self.shared.storage_trouble(&error);
            self.lane().wait_room(|unsent| unsent.memory <= low);
            crowded = self.is_crowded_beside(self.lane().unsent());
        }
        let gone = self.lane().link().has(GONE);
        if gone {
            self.exchange_mut().outgoing.clear();
        } else {
            self.hand_over();
        }
        if crowded {
            // The worker waits with its reply, so there are no more such replies in memory than workers.
            self.lane().wait_room(|unsent| unsent.memory <= low);
        }
        self.shared.running.note_sending(worker, false);
        if gone { Err(ClientGone) } else { Ok(()) }
    }

    /// Moves the bytes in memory to disk, in order. After an error the rest stays in memory.
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
        self.lane().hand_over(parts, size, self.exchange().place);
    }

    /// Notes how the request ended, unless that is known already: the first end noted is the cause.
    pub fn spoil(&mut self, end: End) {
        self.exchange_mut().record.fail(end, "");
    }

    /// Notes how the request ended.
    pub fn set_end(&mut self, end: End) {
        self.exchange_mut().record.end = end;
    }

    /// Notes the client that a trusted proxy has named, for the access log.
    pub fn set_client(&mut self, client: &str) {
        self.exchange_mut().client = Some(client.into());
    }

    /// Notes what the framework calls the route of a request that has failed.
    pub fn set_route(&mut self, route: &str) {
        self.exchange_mut().route = Some(route.into());
    }
}

/// Tells the application whether its client is gone.
#[derive(Clone, Debug)]
pub struct Client {
    /// Weak, since applications keep environs, and an environ must not keep a descriptor open.
    lane: WeakLane,
    /// The client speaks HTTP/1.1, so that it may be probed.
    probe: bool,
}

impl Client {
    /// Whether the client can no longer be reached.
    ///
    /// A client that has finished sending may still read. If it speaks HTTP/1.1, it is probed (see [`Lane::probe`]),
    /// and a later call knows; else it counts as gone.
    pub fn is_gone(&self) -> bool {
        let Some(lane) = self.lane.upgrade() else {
            return true;
        };
        let link = lane.link();
        if !link.has(GONE) && link.has(FIN) {
            if !self.probe {
                return true;
            }
            lane.probe();
        }
        link.has(GONE)
    }

    /// Whether the client is known to be gone. Does not probe: takes no lock and sends nothing.
    pub fn was_gone(&self) -> bool {
        let lane = self.lane.upgrade();
        lane.is_none_or(|lane| lane.link().has(GONE))
    }
}
