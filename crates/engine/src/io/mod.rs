//! The loop of an I/O thread: one turn is poll, mail, events, deadlines, hand-over.
//!
//! An I/O thread owns its channels and never attaches to an interpreter, never waits for a worker
//! and never runs application code. The rest of it lives beside this file by responsibility:
//! `accept.rs` and `evict.rs` (new connections, limits), `receive.rs` (bytes in, up to a complete task),
//! `transmit.rs` (bytes out, the end of a reply, closing), `expire.rs` (deadlines, drain).
//!
//! A bug in handling one channel costs that channel: it is caught here and the channel is closed.

pub(crate) mod accept;
pub(crate) mod census;
pub(crate) mod channel;
pub(crate) mod deadlines;
pub(crate) mod evict;
pub(crate) mod expire;
pub(crate) mod h1;
pub(crate) mod nap;
pub(crate) mod recycle;

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use headwaiter_http::DateLine;
use mio::event::Event;
use mio::{Events, Token};
use slab::Slab;

use crate::exchange::Exchange;
use crate::exchange::link::{FIN, FINISHED, MARKED};
use crate::io::accept::ACCEPTS;
use crate::io::census::Counting;
use crate::io::channel::{Channel, IdleList, State};
use crate::io::deadlines::Deadlines;
use crate::io::h1::receive::BULK_SHARE;
use crate::io::nap::Pace;
use crate::io::recycle::ExchangePool;
use crate::net::listen::Listener;
use crate::observe::admin::Admin;
use crate::record::recorder::Recorder;
use crate::shared::Shared;
use crate::store::disk::DiskTime;
use crate::sys::clock::ThreadClock;
use crate::sys::mailbox::{Mailbox, Message};
use crate::sys::sync::{Poll, Waker};

/// Everything one I/O thread owns.
#[derive(Debug)]
pub(crate) struct IoLoop {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) poll: Poll,
    events: Option<Events>,
    inbox: Vec<Message>,
    pub(crate) channels: Slab<Channel>,
    pub(crate) generation: usize,
    pub(crate) idle: IdleList,
    pub(crate) deadlines: Deadlines,
    /// The first thread listens for all; empty elsewhere, and from drain on.
    pub(crate) listeners: Vec<Listener>,
    /// Accepting rests until this instant, for want of descriptors.
    pub(crate) accept_paused: Option<Instant>,
    /// Connections wait that the share of a turn did not allow.
    pub(crate) accept_more: bool,
    /// Errors in a row that accepting has brought.
    pub(crate) accept_failures: usize,
    /// Why the other I/O threads are being asked for room.
    pub(crate) room_asked: Option<String>,
    pub(crate) next_owner: usize,
    pub(crate) pool: ExchangePool,
    pub(crate) recorder: Recorder,
    pub(crate) admin: Admin,
    pub(crate) counting: Counting,
    /// Tasks complete in this turn, handed over together.
    pub(crate) batch: Vec<Box<Exchange>>,
    /// Channels that used up their share of this turn.
    pub(crate) again: VecDeque<usize>,
    pub(crate) scratch: Vec<u8>,
    /// Body bytes of one read, without the framing between them.
    pub(crate) gathered: Vec<u8>,
    /// Bytes of bodies that may still be read in this turn.
    pub(crate) bulk: usize,
    pub(crate) disk: DiskTime,
    /// Channels with replies that leave when all mail is read.
    pub(crate) corked: Vec<usize>,
    /// Requests chained behind others, of all channels.
    pub(crate) followers: usize,
    date: DateLine,
    /// Tasks handed to the queue and not given back.
    pub(crate) outstanding: usize,
    pub(crate) drain: Option<Instant>,
    /// More tasks have waited too long than a turn refuses.
    pub(crate) expiring: bool,
    /// When the governor was last asked.
    pub(crate) governed: Option<Instant>,
    pub(crate) pace: Pace,
    /// This thread's CPU clock, from `run` on.
    pub(crate) clock: Option<ThreadClock>,
    /// The process has one core for everything.
    pub(crate) single_core: bool,
    pub(crate) now: Instant,
    /// Everything that happened on the sockets before this instant has been dealt with. Deadlines count up to
    /// here: a process that was frozen wakes up late, and finds what came in time only when it polls again.
    pub(crate) seen: Instant,
    /// Polls in a row that brought as many events as fit, and when the first of them began.
    full_polls: usize,
    full_since: Instant,
    /// Turns made.
    pub(crate) turn: u64,
    /// Turns in a row that have ended by a panic.
    pub(crate) failed_turns: u32,
}

impl IoLoop {
    /// # Errors
    ///
    /// The system has no room for another poll.
    pub(crate) fn new(
        index: usize,
        shared: &Arc<Shared>,
        mut listeners: Vec<Listener>,
        mut admin: Admin,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), Token(WAKE))?;
        for (n, listener) in listeners.iter_mut().enumerate() {
            listener.register(poll.registry(), Token(LISTEN - n))?;
        }
        for (n, listener) in admin.listeners.iter_mut().enumerate() {
            listener.register(poll.registry(), Token(LISTEN - ADMIN - n))?;
        }
        let single_core = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
        Ok(Self {
            index,
            shared: Arc::clone(shared),
            mailbox: Arc::new(Mailbox::new(waker)),
            poll,
            events: Some(Events::with_capacity(EVENTS)),
            inbox: Vec::new(),
            channels: Slab::new(),
            generation: 0,
            idle: IdleList::default(),
            deadlines: Deadlines::default(),
            listeners,
            accept_paused: None,
            accept_more: false,
            accept_failures: 0,
            room_asked: None,
            next_owner: 0,
            pool: ExchangePool::default(),
            recorder: Recorder::new(shared.shards.add()),
            admin,
            counting: Counting::default(),
            batch: Vec::new(),
            again: VecDeque::new(),
            scratch: vec![0; SCRATCH],
            gathered: Vec::new(),
            bulk: BULK_SHARE,
            disk: DiskTime::default(),
            corked: Vec::new(),
            followers: 0,
            date: DateLine::default(),
            outstanding: 0,
            drain: None,
            expiring: false,
            governed: None,
            pace: Pace::new(shared.now(), single_core),
            clock: None,
            single_core,
            now: shared.now(),
            seen: shared.now(),
            full_polls: 0,
            full_since: shared.now(),
            turn: 0,
            failed_turns: 0,
        })
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
            // The poll began later than that, and left nothing behind.
            Ok(()) if events.iter().count() < EVENTS => {
                self.seen = self.now;
                self.full_polls = 0;
            }
            Ok(()) => {
                // The kernel's list is first in, first out: after as many as all channels take, what was at
                // its end when the first of them began has been dealt with.
                if self.full_polls == 0 {
                    self.full_since = self.now;
                }
                self.full_polls += 1;
                if self.full_polls > 1 + self.channels.len() / EVENTS {
                    self.seen = self.full_since;
                    self.full_polls = 0;
                }
            }
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                self.events = Some(events);
                return Err(error);
            }
            _ => {}
        }
        self.now = self.shared.now();
        self.turn += 1;
        self.bulk = BULK_SHARE;
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
        self.follow_stage();
        self.flush_records();
        self.guarded(None, |me| me.vote());
        Ok(())
    }

    /// How long to sleep: for ever, when nothing is armed.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        if !self.again.is_empty()
            || !self.batch.is_empty()
            || self.accept_more
            || self.counting.is_under_way()
            || self.shared.draining() && self.drain.is_none()
        {
            return Some(Duration::ZERO);
        }
        let at = |due: Instant| due.saturating_duration_since(self.now);
        let mut wait = self.deadlines.next().map(at);
        let mut sooner = |other: Duration| wait = Some(wait.map_or(other, |w| w.min(other)));
        if let Some(until) = self.accept_paused {
            sooner(at(until));
        }
        if let Some(end) = self.drain {
            sooner(at(end));
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
        // The poll rounds up to what the system's clock can tell apart.
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
                Message::Stacks(text) => me.stacks_collected(&text),
                Message::Page(token, answer) => me.page_made(token, answer),
                Message::MakeRoom => me.asked_for_room(),
                Message::RoomMade => me.room_made(),
            });
        }
        self.inbox = inbox;
        self.uncork();
    }

    fn on_event(&mut self, event: &Event) {
        let token = event.token().0;
        if token == WAKE {
            return;
        }
        if token > LISTEN - MOST_LISTENERS {
            let accepted = self.guarded(None, |me| match (LISTEN - token).checked_sub(ADMIN) {
                Some(n) => me.accept_admin(n),
                None => me.accept_from(LISTEN - token, ACCEPTS),
            });
            if !accepted {
                // Those behind are not reported again.
                self.accept_paused.get_or_insert(self.now);
            }
            return;
        }
        let (broken, gone) = (event.is_error(), event.is_write_closed());
        let priority = event.is_priority();
        let (readable, fin, writable) = (
            event.is_readable(),
            event.is_read_closed(),
            event.is_writable(),
        );
        self.guarded(Some(token), |me| {
            let Some(index) = me.find(token) else { return };
            if broken && me.channels[index].state != State::Lingering {
                return me.client_gone(index);
            }
            if priority {
                // A read stops at urgent data, whatever stands behind it (tcp(7)).
                me.channels[index].link.set(MARKED);
            }
            if fin {
                me.client_finished(index);
            }
            if readable || fin {
                me.on_readable(index);
            }
            // A Unix socket tells of the client's last bytes and of its end at once: bytes come first.
            if gone
                && let Some(index) = me.find(token)
                && !me.channels[index].reads_on()
            {
                return me.client_gone(index);
            }
            // Nothing is registered anew for writing: the edge comes with any other event, too.
            if writable
                && let Some(index) = me.find(token)
                && !me.channels[index].sending.is_empty()
            {
                me.transmit_in_order(index);
            }
        });
    }

    fn on_readable(&mut self, index: usize) {
        let channel = &mut self.channels[index];
        channel.readable = true;
        if channel.state == State::Task
            && channel.link.set(crate::exchange::link::PENDING) & FINISHED != 0
        {
            // Its worker has answered already and did not wake us.
            self.read_mail();
            return;
        }
        if channel.reads_bulk() && !self.again.is_empty() {
            // Behind those that could not go on in an earlier turn.
            return self.later(index);
        }
        self.receive(index);
    }

    /// The client will send no more: noted for the application, and a reason to ask again later.
    fn client_finished(&mut self, index: usize) {
        let channel = &mut self.channels[index];
        if channel.link.set(FIN) & FIN == 0
            && channel.state == State::Task
            && channel.sending.is_empty()
        {
            self.deadlines.arm(
                channel.link.token,
                &mut channel.deadline,
                self.now + PROBE_AFTER,
            );
        }
    }

    /// Channels that had more to do than a turn allows.
    pub(crate) fn go_on(&mut self) {
        for _ in 0..self.again.len() {
            let Some(token) = self.again.pop_front() else {
                break;
            };
            self.guarded(Some(token), |me| {
                let Some(index) = me.find(token) else { return };
                me.channels[index].queued_again = false;
                if me.channels[index].sending.is_empty() {
                    me.receive(index);
                } else {
                    me.transmit(index);
                }
            });
        }
    }

    /// Gives the access log the lines of requests that ended here.
    pub(crate) fn flush_records(&mut self) {
        self.guarded(None, |me| me.recorder.flush(&me.shared));
    }

    /// Tasks of this turn that were not handed over yet.
    pub(crate) fn waiting_tasks(&self) -> usize {
        self.batch.len()
    }

    /// A worker that leads is through with `exchange`.
    pub(crate) fn reply_to(&mut self, exchange: Box<Exchange>) {
        let token = exchange.link.as_ref().map(|link| {
            link.begin_reply();
            link.token
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
        let channel = &mut self.channels[index];
        if !channel.queued_again {
            channel.queued_again = true;
            self.again.push_back(channel.link.token);
        }
    }

    /// The channel with this token, unless it is closed.
    pub(crate) fn find(&self, token: usize) -> Option<usize> {
        let index = token & INDEX_MASK;
        (self.channels.get(index)?.link.token == token).then_some(index)
    }

    /// `Date` now.
    pub(crate) fn date(&mut self) -> [u8; 29] {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        *self.date.at(now.as_secs())
    }

    /// Runs `work`; a panic in it closes the channel `token` and is logged. Whether it came to its end.
    pub(crate) fn guarded(&mut self, token: Option<usize>, work: impl FnOnce(&mut Self)) -> bool {
        // What a half-done step leaves behind belongs to the one channel that is closed for it.
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(self))) else {
            return true;
        };
        self.shared.note_panic(&*panic);
        if self.scratch.is_empty() {
            self.scratch = vec![0; SCRATCH];
        }
        if let Some(index) = token.and_then(|token| self.find(token)) {
            self.close(index);
        }
        false
    }

    /// A turn has ended by a panic in its middle: events that it had taken are not reported again.
    pub(crate) fn look_everywhere(&mut self) {
        self.accept_paused.get_or_insert(self.now);
        for index in self.all_channels() {
            self.channels[index].readable = true;
            self.later(index);
        }
    }
}

impl Drop for IoLoop {
    /// However it ends: no worker waits for a client of this thread's, and no message keeps a channel.
    fn drop(&mut self) {
        for (_, channel) in &self.channels {
            channel.link.mark_gone();
        }
        self.shared.ballots.leave(self.index);
        self.mailbox.close();
    }
}

fn message_channel(message: &Message) -> Option<usize> {
    match message {
        Message::Done(exchange) => exchange.link.as_ref().map(|link| link.token),
        Message::Flush(token, _) | Message::Page(token, _) => Some(*token),
        Message::Accepted(..) | Message::Stacks(_) | Message::MakeRoom | Message::RoomMade => None,
    }
}

/// The low half of a token is the channel's place in the slab, the high half tells its successors
/// in that place apart.
pub(crate) const INDEX_MASK: usize = usize::MAX >> (usize::BITS / 2);
const WAKE: usize = usize::MAX;
const LISTEN: usize = usize::MAX - 1;
const MOST_LISTENERS: usize = 4096;
/// Where the listeners of the admin endpoint begin among them.
const ADMIN: usize = 2048;
/// Events taken from the kernel in one turn.
const EVENTS: usize = 1024;
/// Bytes read at once; borrowed by one channel at a time, so an idle one holds none.
pub(crate) const SCRATCH: usize = 128 * 1024;
/// A client that has finished sending is asked whether it is still there when its request has
/// waited this long.
pub(crate) const PROBE_AFTER: Duration = Duration::from_millis(100);

#[cfg(all(test, unix, not(shuttle)))]
pub(crate) mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::net::listen::Peer;
    use crate::net::socket::Stream;
    use crate::settings::Settings;

    /// A loop that nobody runs, with `count` idle channels and their clients.
    pub(crate) fn with_idle(count: usize) -> (Arc<Shared>, IoLoop, Vec<UnixStream>) {
        let settings = Settings {
            channel_timeout: Some(Duration::from_secs(60)),
            ..Settings::default()
        };
        let shared = Arc::new(Shared::new(settings, Vec::new(), None));
        let mut io = IoLoop::new(0, &shared, Vec::new(), Admin::default()).unwrap();
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(connect(&mut io, Some(0)));
        }
        (shared, io, clients)
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
            io.accept_paused = Some(io.now + wait);
            assert_eq!(io.poll_timeout(), Some(wait));
        }
    }
}
