//! The loop of an I/O thread: one turn is poll, mail, events, deadlines, hand-over.
//!
//! An I/O thread owns its channels and never attaches to an interpreter, never waits for a worker
//! and never runs application code. The rest of it lives beside this file by responsibility:
//! `accept.rs` and `evict.rs` (new connections, limits), `h1/` (bytes in, up to a complete task, and bytes out),
//! `close.rs` (the end of requests and channels), `expire.rs` and `drain.rs` (deadlines, the end of the loop).
//!
//! A bug in handling one channel costs that channel: it is caught here and the channel is closed.

pub(crate) mod accept;
pub(crate) mod accepting;
#[cfg(not(unix))]
mod alone;
pub(crate) mod census;
pub(crate) mod channel;
pub(crate) mod channels;
mod close;
pub(crate) mod deadlines;
pub(crate) mod drain;
mod events;
pub(crate) mod evict;
pub(crate) mod expire;
pub(crate) mod govern;
mod guard;
pub(crate) mod h1;
pub(crate) mod health;
pub(crate) mod idle;
pub(crate) mod inline;
#[cfg(unix)]
mod leaving;
mod nap;
pub(crate) mod observer;
mod pace;
pub(crate) mod phase;
pub(crate) mod pool;
mod recycle;
mod run;
pub(crate) mod seen;
mod shares;
#[cfg(unix)]
mod siblings;
mod token;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwaiter_http::DateLine;
use mio::Events;

use crate::exchange::Exchange;
use crate::exchange::lane::Lane;
use crate::exchange::message::{Mailbox, Message};
use crate::io::accepting::Accepting;
use crate::io::census::Counting;
use crate::io::channels::Channels;
use crate::io::health::Health;
use crate::io::inline::{Endpoint, Inline};
#[cfg(unix)]
use crate::io::leaving::Leaving;
use crate::io::observer::Observer;
use crate::io::pace::Pace;
use crate::io::pool::ExchangePool;
use crate::io::seen::Seen;
use crate::io::shares::{EVENTS, READ_BODIES, SCRATCH};
use crate::io::token::Source;
use crate::net::listener::Listener;
use crate::record::recorder::Recorder;
use crate::shared::Shared;
use crate::store::disk::DiskTime;
use crate::sys::clock::ThreadClock;
use crate::sys::sync::{Poll, Waker};

/// Everything one I/O thread owns.
#[derive(Debug)]
pub(crate) struct IoLoop {
    index: usize,
    pub(in crate::io) shared: Arc<Shared>,
    pub(in crate::io) mailbox: Arc<Mailbox>,
    pub(in crate::io) poll: Poll,
    events: Option<Events>,
    inbox: Vec<Message>,
    pub(in crate::io) channels: Channels,
    pub(in crate::io) accepting: Accepting,
    pub(in crate::io) pool: ExchangePool,
    pub(in crate::io) recorder: Recorder,
    pub(in crate::io) admin: Endpoint,
    /// Answers some requests of the serving listeners in place of workers.
    pub(in crate::io) inline: Option<Box<dyn Inline>>,
    /// The first I/O thread tells it what happens.
    pub(in crate::io) observer: Option<Arc<dyn Observer>>,
    pub(in crate::io) counting: Counting,
    /// Tasks complete in this turn, handed over together.
    pub(in crate::io) batch: Vec<Box<Exchange>>,
    pub(in crate::io) scratch: Vec<u8>,
    /// Body bytes of one read, without the framing between them.
    pub(in crate::io) gathered: Vec<u8>,
    /// Bytes of bodies that may still be read in this turn.
    pub(in crate::io) bulk: usize,
    pub(in crate::io) disk: DiskTime,
    /// Channels with replies that leave when all mail is read.
    pub(in crate::io) corked: Vec<usize>,
    date: DateLine,
    /// Tasks handed to the queue and not given back.
    pub(in crate::io) outstanding: usize,
    pub(in crate::io) drain: Option<Instant>,
    #[cfg(unix)]
    pub(in crate::io) leaving: Leaving,
    /// The message of a sibling that is being digested.
    #[cfg(unix)]
    pub(in crate::io) arrivals: Vec<u8>,
    /// More tasks have waited too long than a turn refuses.
    pub(in crate::io) expiring: bool,
    /// When the governor was last asked.
    pub(in crate::io) governed: Option<Instant>,
    pub(in crate::io) pace: Pace,
    /// This thread's CPU clock, from `run` on.
    pub(in crate::io) clock: Option<ThreadClock>,
    /// The process has one core for everything.
    pub(in crate::io) single_core: bool,
    pub(in crate::io) now: Instant,
    pub(in crate::io) seen: Seen,
    /// Turns made.
    pub(in crate::io) turn: u64,
    /// Turns in a row that have ended by a panic.
    pub(in crate::io) failed_turns: u32,
}

impl IoLoop {
    /// # Errors
    ///
    /// The system has no room for another poll.
    pub(crate) fn new(
        index: usize,
        shared: &Arc<Shared>,
        mut listeners: Vec<Listener>,
        mut admin: Endpoint,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), Source::Mailbox.token())?;
        for (n, listener) in listeners.iter_mut().enumerate() {
            listener.register(poll.registry(), Source::Listener(n).token())?;
        }
        for (n, listener) in admin.listeners.iter_mut().enumerate() {
            listener.register(poll.registry(), Source::AdminListener(n).token())?;
        }
        let single_core = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
        let io = Self {
            index,
            shared: Arc::clone(shared),
            mailbox: Arc::new(Mailbox::new(waker)),
            poll,
            events: Some(Events::with_capacity(EVENTS)),
            inbox: Vec::new(),
            channels: Channels::default(),
            accepting: Accepting::new(listeners),
            pool: ExchangePool::default(),
            recorder: Recorder::new(shared.shards.add(), shared.access_log.clone()),
            admin,
            inline: Health::configured(shared),
            observer: None,
            counting: Counting::default(),
            batch: Vec::new(),
            scratch: vec![0; SCRATCH],
            gathered: Vec::new(),
            bulk: READ_BODIES,
            disk: DiskTime::default(),
            corked: Vec::new(),
            date: DateLine::default(),
            outstanding: 0,
            drain: None,
            #[cfg(unix)]
            leaving: Leaving::default(),
            #[cfg(unix)]
            arrivals: Vec::new(),
            expiring: false,
            governed: None,
            pace: Pace::new(shared.now(), single_core),
            clock: None,
            single_core,
            now: shared.now(),
            seen: Seen::new(shared.now()),
            turn: 0,
            failed_turns: 0,
        };
        io.watch_inbox()?;
        Ok(io)
    }

    /// Has `observer` told what the loop sees.
    pub(crate) fn observe_by(&mut self, observer: Arc<dyn Observer>) {
        self.observer = Some(observer);
    }

    /// The number of this loop's I/O thread; the first is 0.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Where others leave messages for this loop.
    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// The calling thread is this loop's own.
    pub(crate) fn settle(&mut self) {
        crate::sys::mask::block_signals();
        self.clock = ThreadClock::of_this_thread();
    }

    /// One turn: sleep until something happens, then deal with all of it. The tasks it brings are in
    /// `batch`.
    pub(crate) fn turn(&mut self) -> io::Result<()> {
        // Gone if a bug has ended the last turn in its middle.
        let mut events = self
            .events
            .take()
            .unwrap_or_else(|| Events::with_capacity(EVENTS));
        // What a leader left behind must not wait until something happens.
        self.flush_records();
        let wait = self.poll_timeout();
        let slept = wait != Some(Duration::ZERO) && self.mailbox.fall_asleep();
        let polled = self
            .poll
            .poll(&mut events, if slept { wait } else { Some(Duration::ZERO) });
        self.mailbox.awake();
        match polled {
            // The poll began later than `now`.
            Ok(()) => {
                let events = events.iter().count();
                self.seen.polled(self.now, events, self.channels.len());
            }
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.events = Some(events);
                return Err(error);
            }
            Err(_) => {}
        }
        self.now = self.shared.now();
        self.turn += 1;
        self.bulk = READ_BODIES;
        self.disk.begin_turn();
        crate::inject_panic("turn");
        // Before the news below lets anybody go.
        self.notice_drain();
        self.read_mail();
        for event in &events {
            self.on_event(event);
        }
        self.events = Some(events);
        self.go_on();
        self.expire();
        self.resume_accepting();
        self.shrink();
        self.look_at_queue();
        self.follow_stage();
        self.flush_records();
        self.guarded(None, |me| me.count_if_requested());
        self.publish_turn();
        Ok(())
    }

    /// How long to sleep: for ever, when nothing is armed.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        if self.channels.waiting() > 0
            || !self.batch.is_empty()
            || self.accepting.has_more()
            || self.counting.is_under_way()
            || self.shared.draining() && self.drain.is_none()
        {
            return Some(Duration::ZERO);
        }
        let at = |due: Instant| due.saturating_duration_since(self.now);
        let mut wait = self.channels.next_deadline().map(at);
        let mut sooner = |other: Duration| wait = Some(wait.map_or(other, |w| w.min(other)));
        if let Some(until) = self.accepting.paused_until() {
            sooner(at(until));
        }
        if let Some(end) = self.drain {
            sooner(at(end));
        }
        if let Some(period) = self.leaving_period() {
            sooner(period);
        }
        if let Some(due) = self.pool.shrinks() {
            sooner(at(due));
        }
        if self.outstanding > 0
            && let Some(most) = self.shared.settings.channel_timeout
        {
            // A reply sent by its worker leaves mail that does not wake us; its channel's idle
            // deadline is in there.
            sooner(most);
        }
        if self.shared.queue.waiting() > 0 {
            sooner(if self.expiring {
                Duration::ZERO
            } else {
                self.tick_period()
            });
        }
        // Timers are rounded here only: the poll rounds up to whole milliseconds. A tick of 1 ms stays 1 ms.
        wait
    }

    pub(crate) fn read_mail(&mut self) {
        let mut inbox = std::mem::take(&mut self.inbox);
        self.mailbox.collect(&mut inbox);
        for message in inbox.drain(..) {
            self.guarded(message_channel(&message), |me| match message {
                Message::Done(exchange) => me.done(exchange),
                Message::Flush(token, place) => me.send_more(token, place),
                Message::Accepted(stream, peer, listener) => me.adopt(stream, peer, Some(listener)),
                Message::Answer(token, answer) => me.answer_came(token, &answer),
                Message::MakeRoom => me.asked_for_room(),
                Message::RoomMade => me.room_made(),
            });
        }
        self.inbox = inbox;
        self.uncork();
    }

    /// Gives the access log the lines of requests that ended here.
    pub(crate) fn flush_records(&mut self) {
        self.guarded(None, |me| me.recorder.flush());
    }

    /// Tasks of this turn that were not handed over yet.
    pub(crate) fn waiting_tasks(&self) -> usize {
        self.batch.len()
    }

    /// A worker that leads is through with `exchange`.
    pub(crate) fn reply_to(&mut self, exchange: Box<Exchange>) {
        let token = exchange.lane.as_ref().map(|lane| {
            exchange.count_parts(lane);
            lane.begin_reply();
            lane.token()
        });
        self.guarded(token, |me| me.done(exchange));
    }

    /// Gives the tasks of this turn to the queue, all at once.
    pub(crate) fn hand_over(&mut self) {
        if !self.batch.is_empty() {
            self.outstanding += self.batch.len();
            self.shared.queue.push(&mut self.batch);
        }
    }

    /// Comes back to the channel in the next turn.
    pub(crate) fn later(&mut self, index: usize) {
        self.channels.later(index);
    }

    /// The channel with this token, unless it is closed.
    pub(crate) fn find(&self, token: usize) -> Option<usize> {
        self.channels.find(token)
    }

    /// `Date` now.
    pub(crate) fn date(&mut self) -> [u8; 29] {
        let now = crate::sys::sync::unix_time();
        *self.date.at(now.as_secs())
    }
}

impl Drop for IoLoop {
    /// However it ends: no worker waits for a client of this thread's, and no message keeps a channel.
    fn drop(&mut self) {
        for channel in self.channels.iter() {
            channel.link.mark_gone();
        }
        self.shared.census.leave(self.index);
        self.mailbox.close();
    }
}

fn message_channel(message: &Message) -> Option<usize> {
    match message {
        Message::Done(exchange) => exchange.lane.as_ref().map(Lane::token),
        Message::Flush(token, _) | Message::Answer(token, _) => Some(*token),
        Message::Accepted(..) | Message::MakeRoom | Message::RoomMade => None,
    }
}

#[cfg(all(test, unix, not(shuttle)))]
pub(crate) mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::io::channel::Channel;
    use crate::io::phase::Phase;
    use crate::net::address::Peer;
    use crate::net::socket::Stream;
    use crate::settings::Settings;

    /// A loop that nobody runs, with `count` idle channels and their clients.
    pub(crate) fn with_idle(count: usize) -> (Arc<Shared>, IoLoop, Vec<UnixStream>) {
        let settings = Settings {
            channel_timeout: Some(Duration::from_secs(60)),
            ..Settings::for_tests()
        };
        let shared = Arc::new(Shared::new(settings, Vec::new(), None));
        let mut io = IoLoop::new(0, &shared, Vec::new(), Endpoint::default()).unwrap();
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(connect(&mut io, Some(0)));
        }
        (shared, io, clients)
    }

    /// Has `admin` answer the requests of the admin endpoint.
    pub(crate) fn answer_by(io: &mut IoLoop, admin: Box<dyn Inline>) {
        io.admin = Endpoint::new(Vec::new(), admin);
    }

    /// How many channels wait for an answer from another thread.
    pub(crate) fn pending(io: &IoLoop) -> usize {
        let is_pending = |channel: &&Channel| channel.phase() == Phase::Pending;
        io.channels.iter().filter(is_pending).count()
    }

    /// A client of `listener`, or of the admin endpoint.
    pub(crate) fn connect(io: &mut IoLoop, listener: Option<usize>) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let stream = Stream::Unix(mio::net::UnixStream::from_std(ours));
        io.shared
            .channels
            .fetch_add(1, crate::sys::sync::atomic::Ordering::Relaxed);
        io.adopt(stream, Peer::Unix, listener);
        theirs
    }

    #[test]
    fn the_loop_sleeps_until_something_is_due_and_no_longer() {
        let (_shared, mut io, _clients) = with_idle(0);
        assert_eq!(io.poll_timeout(), None);
        for wait in [Duration::from_micros(1), Duration::from_millis(1)] {
            io.accepting.pause(io.now + wait);
            assert_eq!(io.poll_timeout(), Some(wait));
        }
    }
}
