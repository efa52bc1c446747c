//! What the I/O thread needs to serve the requests of its channels, whatever protocol they speak.
//!
//! Elsewhere: the poll, the listeners and the end (`mod.rs`, `accept.rs`, `drain.rs`); what a channel's protocol does
//! with bytes (`h1/`). `close.rs`, `closing.rs`, `evict.rs`, `expire.rs`, `recycle.rs` and `guard.rs` hold more steps of the desk.

use crate::sys::instant::Instant;
use std::sync::Arc;

use headwaiter_http::DateLine;

use crate::exchange::message::Mailbox;
use crate::io::brevity::Brevity;
use crate::io::buffers::Buffers;
use crate::io::channels::Channels;
use crate::io::closing::Closing;
use crate::io::health::Health;
use crate::io::in_flight::InFlight;
use crate::io::inline::{Endpoint, Inline};
#[cfg(unix)]
use crate::io::leaving::Leaving;
use crate::io::pool::ExchangePool;
use crate::io::room::Room;
use crate::record::recorder::Recorder;
use crate::shared::Shared;
use crate::store::disk::DiskTime;

/// The channels of one I/O thread and all that their requests need on the way.
///
/// Invariant: an exchange is at one place: in its channel, in the batch of `in_flight`, with the queue or a worker,
/// behind another exchange, or in the pool. A step that takes an exchange out of one of these puts it into another one before it returns.
#[derive(Debug)]
pub(in crate::io) struct Desk {
    pub(in crate::io) shared: Arc<Shared>,
    pub(in crate::io) mailbox: Arc<Mailbox>,
    pub(in crate::io) channels: Channels,
    pub(in crate::io) in_flight: InFlight,
    pub(in crate::io) brevity: Brevity,
    pub(in crate::io) pool: ExchangePool,
    pub(in crate::io) recorder: Recorder,
    pub(in crate::io) admin: Endpoint,
    /// Answers some requests of the serving listeners in place of workers.
    pub(in crate::io) inline: Option<Box<dyn Inline>>,
    pub(in crate::io) room: Room,
    pub(in crate::io) buffers: Buffers,
    pub(in crate::io) disk: DiskTime,
    pub(in crate::io) closing: Closing,
    /// Channels with replies that leave when all mail is read.
    pub(in crate::io) corked: Vec<usize>,
    date: DateLine,
    /// When the drain ends; `None` before it begins.
    pub(in crate::io) drain: Option<Instant>,
    #[cfg(unix)]
    pub(in crate::io) leaving: Leaving,
    /// When this turn began.
    pub(in crate::io) now: Instant,
    /// Turns made.
    pub(in crate::io) turn: u64,
}

impl Desk {
    pub(in crate::io) fn new(shared: &Arc<Shared>, mailbox: Arc<Mailbox>, admin: Endpoint) -> Self {
        Self {
            shared: Arc::clone(shared),
            mailbox,
            channels: Channels::default(),
            in_flight: InFlight::default(),
            brevity: Brevity::new(shared.settings.gil),
            pool: ExchangePool::default(),
            recorder: Recorder::new(shared.shards.add(), shared.access_log.clone()),
            admin,
            inline: Health::configured(shared),
            room: Room::default(),
            buffers: Buffers::new(),
            disk: DiskTime::default(),
            closing: Closing::default(),
            corked: Vec::new(),
            date: DateLine::default(),
            drain: None,
            #[cfg(unix)]
            leaving: Leaving::default(),
            now: shared.now(),
            turn: 0,
        }
    }

    /// A turn begins: it has the present, and its shares are unused.
    pub(in crate::io) fn begin_turn(&mut self) {
        self.now = self.shared.now();
        self.turn += 1;
        self.buffers.begin_turn();
        self.disk.begin_turn();
        self.closing.begin_turn();
    }

    /// Comes back to the channel in the next turn.
    pub(in crate::io) fn later(&mut self, index: usize) {
        self.channels.later(index);
    }

    /// The channel with this token, unless it is closed.
    pub(in crate::io) fn find(&self, token: usize) -> Option<usize> {
        self.channels.find(token)
    }

    /// `Date` now.
    pub(in crate::io) fn date(&mut self) -> [u8; 29] {
        let now = crate::sys::sync::unix_time();
        *self.date.at(now.as_secs())
    }

    /// Gives the tasks of this turn to the queue, all at once.
    pub(in crate::io) fn hand_over(&mut self) {
        self.in_flight.hand_over(&self.shared.queue);
    }

    /// Gives the access log the lines of requests that ended here.
    pub(in crate::io) fn flush_records(&mut self) {
        self.guarded(None, |me| me.recorder.flush());
    }
}
