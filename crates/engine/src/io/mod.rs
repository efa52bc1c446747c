//! The loop of the I/O thread: one turn is poll, mail, events, deadlines, hand-over.
//!
//! The I/O thread owns its channels and never attaches to an interpreter, never waits for a worker
//! and never runs application code. [`IoLoop`] turns events into work; the work belongs to other types:
//!
//! - [`Desk`] (`desk.rs`, `close.rs`, `closing.rs`, `evict.rs`, `expire.rs`, `recycle.rs`) has the channels and what their requests
//!   need: the pool, the recorder, tasks in flight, buffers, room for connections.
//! - `h1::Receiver` and `h1::Sender` serve one channel at the desk: bytes in, up to a complete task, and bytes out.
//! - [`Accepting`] (`accept.rs`) has the listeners, [`Governing`] looks at the queue, [`Counting`] counts channels.
//!
//! `drain.rs` ends the loop, `run.rs` is for whoever makes its turns, `guard.rs` catches panics.
//!
//! A bug in handling one channel costs that channel: it is caught here and the channel is closed.

pub(crate) mod accept;
pub(crate) mod accepting;
#[cfg(unix)]
mod admin_only;
#[cfg(not(unix))]
mod alone;
pub(crate) mod brevity;
mod buffers;
pub(crate) mod census;
pub(crate) mod channel;
pub(crate) mod channels;
mod close;
mod closing;
pub(crate) mod deadlines;
mod desk;
pub(crate) mod drain;
mod events;
pub(crate) mod evict;
pub(crate) mod expire;
pub(crate) mod govern;
mod guard;
pub(crate) mod h1;
pub(crate) mod health;
pub(crate) mod idle;
mod in_flight;
pub(crate) mod inline;
#[cfg(unix)]
mod leaving;
mod nap;
pub(crate) mod observer;
mod pace;
pub(crate) mod phase;
pub(crate) mod pool;
mod recycle;
mod room;
mod run;
pub(crate) mod seen;
mod shares;
#[cfg(unix)]
mod siblings;
mod token;

use crate::sys::instant::Instant;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::Events;

use crate::exchange::Exchange;
use crate::exchange::lane::Lane;
use crate::exchange::message::{Mailbox, Message};
use crate::io::accepting::Accepting;
use crate::io::census::Counting;
use crate::io::desk::Desk;
use crate::io::govern::Governing;
use crate::io::inline::Endpoint;
use crate::io::observer::Observer;
use crate::io::pace::Pace;
use crate::io::seen::Seen;
use crate::io::shares::EVENTS;
use crate::io::token::Source;
use crate::net::listener::Listener;
use crate::shared::Shared;
use crate::sys::sync::{Poll, Waker};

/// The loop of the I/O thread: what turns the events of a poll into work at the desk.
///
/// Invariant: between two turns every event that the poll has reported was handled, or its channel or listener is noted
/// for the next turn. So the loop may move to another thread between two turns.
#[derive(Debug)]
pub(crate) struct IoLoop {
    desk: Desk,
    poll: Poll,
    events: Option<Events>,
    inbox: Vec<Message>,
    accepting: Accepting,
    /// It is told what happens.
    observer: Option<Arc<dyn Observer>>,
    counting: Counting,
    governing: Governing,
    pace: Pace,
    seen: Seen,
    /// Turns in a row that have ended by a panic.
    failed_turns: u32,
}

impl IoLoop {
    /// # Errors
    ///
    /// The system has no room for another poll.
    pub(crate) fn new(
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
        let desk = Desk::new(shared, Arc::new(Mailbox::new(waker)), admin);
        let io = Self {
            poll,
            events: Some(Events::with_capacity(EVENTS)),
            inbox: Vec::new(),
            accepting: Accepting::new(listeners),
            observer: None,
            counting: Counting::default(),
            governing: Governing::new(single_core),
            pace: Pace::new(desk.now, single_core),
            seen: Seen::new(desk.now),
            failed_turns: 0,
            desk,
        };
        io.watch_inbox()?;
        Ok(io)
    }

    /// Has `observer` told what the loop sees.
    pub(crate) fn observe_by(&mut self, observer: Arc<dyn Observer>) {
        self.observer = Some(observer);
    }

    /// Where others leave messages for this loop.
    pub(crate) fn mailbox(&self) -> &Arc<Mailbox> {
        &self.desk.mailbox
    }

    /// The calling thread is this loop's own.
    pub(crate) fn settle(&mut self) {
        crate::sys::mask::block_signals();
        crate::sys::slice::shorten();
        self.governing.settle();
    }

    /// One turn: sleep until something happens, then deal with all of it. The tasks that the turn brings
    /// stay at the desk until they are handed over.
    pub(crate) fn turn(&mut self) -> io::Result<()> {
        // Gone if a bug has ended the last turn in its middle.
        let mut events = self
            .events
            .take()
            .unwrap_or_else(|| Events::with_capacity(EVENTS));
        // What a leader left behind must not wait until something happens.
        self.flush_records();
        let wait = self.poll_timeout();
        let slept = wait != Some(Duration::ZERO) && self.desk.mailbox.fall_asleep();
        let wait = if slept { wait } else { Some(Duration::ZERO) };
        let polled = self.poll.poll(&mut events, wait);
        self.desk.mailbox.awake();
        match polled {
            // The poll began later than `now`.
            Ok(()) => {
                let (events, open) = (events.iter().count(), self.desk.channels.len());
                self.seen.polled(self.desk.now, events, open);
            }
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.events = Some(events);
                return Err(error);
            }
            Err(_) => {}
        }
        self.desk.begin_turn();
        crate::inject_panic("turn");
        // Before the news below lets anybody go.
        self.notice_drain();
        self.read_mail();
        for event in &events {
            self.on_event(event);
        }
        self.events = Some(events);
        self.desk.go_on();
        self.desk.expire(self.seen.upto());
        self.resume_accepting();
        self.desk.shrink();
        self.look_at_queue();
        self.follow_stage();
        self.flush_records();
        self.count_if_requested();
        if self.desk.shared.has_siblings() {
            self.guarded(None, |me| me.desk.publish_turn());
            self.desk.departures().end(self.poll.registry());
        }
        Ok(())
    }

    /// How long to sleep: for ever, when nothing is armed.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        if self.desk.channels.waiting() > 0
            || self.desk.in_flight.in_batch() > 0
            || self.accepting.has_more()
            || self.counting.is_under_way()
            || self.desk.closing.is_under_way()
            || self.desk.shared.draining() && self.desk.drain.is_none()
        {
            return Some(Duration::ZERO);
        }
        let at = |due: Instant| due.saturating_duration_since(self.desk.now);
        let mut wait = self.desk.channels.next_deadline().map(at);
        let mut sooner = |other: Duration| wait = Some(wait.map_or(other, |w| w.min(other)));
        let (room, pool) = (self.desk.room.paused_until(), self.desk.pool.shrinks());
        for due in [room, self.desk.drain, pool].into_iter().flatten() {
            sooner(at(due));
        }
        if self.desk.is_crowded() || self.is_drained() {
            sooner(LEAVING);
        }
        if self.desk.in_flight.outstanding() > 0
            && let Some(most) = self.desk.shared.settings.channel_timeout
        {
            // A reply sent by its worker leaves mail that does not wake us; its channel's idle
            // deadline is in there.
            sooner(most);
        }
        if let Some(period) = self.governing.period(&self.desk.shared) {
            sooner(period);
        }
        // Timers are rounded here only: the poll rounds up to whole milliseconds. A tick of 1 ms stays 1 ms.
        wait
    }

    pub(crate) fn read_mail(&mut self) {
        self.desk.mailbox.collect(&mut self.inbox);
        if !self.inbox.is_empty() {
            self.open_mail();
        }
        self.desk.uncork();
    }

    fn open_mail(&mut self) {
        let mut inbox = std::mem::take(&mut self.inbox);
        for message in inbox.drain(..) {
            self.guarded(message_channel(&message), |me| match message {
                Message::Done(exchange) => me.desk.done(exchange),
                Message::Flush(token, place) => me.desk.send_more(token, place),
                #[cfg(all(test, shuttle))]
                Message::Accepted(stream, peer, listener) => {
                    let registry = me.poll.registry();
                    me.desk.adopt(registry, stream, peer, Some(listener));
                }
                Message::Answer(token, answer) => me.desk.answer_came(token, &answer),
            });
        }
        self.inbox = inbox;
    }

    /// Counts some of the channels, if somebody has requested a count.
    pub(crate) fn count_if_requested(&mut self) {
        self.guarded(None, |me| {
            me.counting
                .count_if_requested(&me.desk.channels, &me.desk.shared.census);
        });
    }

    /// Gives the access log the lines of requests that ended here.
    pub(crate) fn flush_records(&mut self) {
        self.desk.flush_records();
    }

    /// Tasks of this turn that were not handed over yet.
    pub(crate) fn waiting_tasks(&self) -> usize {
        self.desk.in_flight.in_batch()
    }

    /// A worker that leads is through with `exchange`.
    pub(crate) fn reply_to(&mut self, exchange: Box<Exchange>) {
        let token = exchange.lane.as_ref().map(|lane| {
            exchange.count_parts(lane);
            lane.begin_reply();
            lane.token()
        });
        self.guarded(token, |me| me.desk.done(exchange));
    }

    /// Gives the tasks of this turn to the queue, all at once.
    pub(crate) fn hand_over(&mut self) {
        self.desk.hand_over();
    }
}

impl Drop for IoLoop {
    /// However it ends: no worker waits for a client of this thread's, and no message keeps a channel.
    fn drop(&mut self) {
        for channel in self.desk.channels.iter() {
            channel.link.mark_gone();
        }
        self.desk.shared.census.leave();
        self.desk.mailbox.close();
    }
}

/// How often to look at what sibling processes do without waking this loop.
const LEAVING: Duration = Duration::from_millis(1);

fn message_channel(message: &Message) -> Option<usize> {
    match message {
        Message::Done(exchange) => exchange.lane.as_ref().map(Lane::token),
        Message::Flush(token, _) | Message::Answer(token, _) => Some(*token),
        #[cfg(all(test, shuttle))]
        Message::Accepted(..) => None,
    }
}

#[cfg(all(test, unix, not(shuttle)))]
pub(crate) mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::io::channel::Channel;
    use crate::io::inline::Inline;
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
        let mut io = IoLoop::new(&shared, Vec::new(), Endpoint::default()).unwrap();
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(connect(&mut io, Some(0)));
        }
        (shared, io, clients)
    }

    /// Has `admin` answer the requests of the admin endpoint.
    pub(crate) fn answer_by(io: &mut IoLoop, admin: Box<dyn Inline>) {
        io.desk.admin = Endpoint::new(Vec::new(), admin);
    }

    /// How many channels wait for an answer from another thread.
    pub(crate) fn pending(io: &IoLoop) -> usize {
        let is_pending = |channel: &&Channel| channel.phase() == Phase::Pending;
        io.desk.channels.iter().filter(is_pending).count()
    }

    /// A client of `listener`, or of the admin endpoint.
    pub(crate) fn connect(io: &mut IoLoop, listener: Option<usize>) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let stream = Stream::Unix(mio::net::UnixStream::from_std(ours));
        io.desk
            .shared
            .channels
            .fetch_add(1, crate::sys::sync::atomic::Ordering::Relaxed);
        io.desk
            .adopt(io.poll.registry(), stream, Peer::Unix, listener);
        theirs
    }

    #[test]
    fn the_loop_sleeps_until_something_is_due_and_no_longer() {
        let (_shared, mut io, _clients) = with_idle(0);
        assert_eq!(io.poll_timeout(), None);
        for wait in [Duration::from_micros(1), Duration::from_millis(1)] {
            io.desk.room.pause(io.desk.now + wait);
            assert_eq!(io.poll_timeout(), Some(wait));
        }
    }
}
