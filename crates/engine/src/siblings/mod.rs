//! The sibling processes that serve the same listeners: what each of them is doing, and connections that one hands over
//! to another.
//!
//! A parent process makes a [`Page`] of figures and gives every child a slot in it. Each child writes its own line and
//! reads the lines of its siblings. A connection goes by a message with its descriptor (`inbox.rs`) to the sibling that
//! `placement.rs` chooses.
//!
//! Rule, or a connection is lost: a sender adds to `pending` before it reads the state of the receiver; a process that
//! leaves writes its state before it reads `pending`. So a process that leaves either finds the message or is seen to
//! leave.
//!
//! Elsewhere: when the loop hands over and receives (`io/siblings/`).

mod inbox;
mod map;
mod page;
mod placement;
mod running;
mod sibling;

use crate::sys::instant::Instant;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, PoisonError};

use socket2::Socket;

use self::inbox::has_room;
pub(crate) use self::inbox::{Frame, LARGEST, MOST_BYTES, Received, receive};
pub use self::inbox::{forward, inbox_pair};
pub use self::page::{Line, Page, State};
pub(crate) use self::placement::Figures;
use self::placement::choose;
pub use self::running::Running;
use self::sibling::Sibling;
use crate::sys::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sys::sync::{Mutex, MutexGuard};

/// This process among its siblings.
#[derive(Debug)]
pub struct Siblings {
    page: Page,
    slot: usize,
    /// Where the siblings leave their messages.
    inbox: Socket,
    /// The siblings. A change makes a new list, so that nobody holds the lock while he sends.
    others: Mutex<Others>,
    /// This process leaves, and siblings were ready to take its connections.
    hands_over: AtomicBool,
    /// Connections at the end of the last turn.
    settled: AtomicU32,
}

/// What became of a connection that was to be handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is in the inbox of a sibling.
    Sent,
    /// The inboxes of the siblings that are ready are full, or the siblings stand still.
    Full,
    /// No sibling is ready.
    Nobody,
}

impl Siblings {
    /// This process has the slot `slot` of `page`, and reads `inbox`.
    ///
    /// # Errors
    ///
    /// The page has no such slot, or the system refuses to make the inbox non-blocking.
    pub fn new(page: Page, slot: usize, inbox: Socket) -> io::Result<Self> {
        if slot >= page.slots() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "the page has no such slot",
            ));
        }
        inbox.set_nonblocking(true)?;
        page.set_state(slot, State::Starting);
        Ok(Self {
            page,
            slot,
            inbox,
            others: Mutex::new(Others::default()),
            hands_over: AtomicBool::new(false),
            settled: AtomicU32::new(0),
        })
    }

    /// The page of figures.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// The slot of this process.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// The sibling in `slot` reads what is sent to `inbox`.
    pub fn add(&self, slot: usize, inbox: Socket) {
        if slot == self.slot || slot >= self.page.slots() {
            return;
        }
        self.replace(slot, Some(inbox));
    }

    /// The sibling in `slot` has ended.
    pub fn remove(&self, slot: usize) {
        self.replace(slot, None);
    }

    fn replace(&self, slot: usize, inbox: Option<Socket>) {
        let mut others = self.lock();
        let rest = others.iter().filter(|other| other.slot != slot).cloned();
        let new = inbox.map(|inbox| Arc::new(Sibling::new(slot, inbox)));
        *others = rest.chain(new).collect();
    }

    pub(crate) fn inbox(&self) -> BorrowedFd<'_> {
        self.inbox.as_fd()
    }

    /// Writes the figures of this process. The first call makes it ready.
    pub(crate) fn publish(&self, figures: Figures) {
        if figures.turn {
            self.settled.store(figures.connections, Ordering::Relaxed);
        }
        self.page.publish(self.slot, figures);
    }

    /// The figures of this process, as last written.
    pub(crate) fn own(&self) -> Line {
        self.page.line(self.slot)
    }

    /// The worker `worker` runs a request.
    pub(crate) fn note_running(&self, worker: usize, method: &[u8], path: &[u8]) {
        self.page.note_running(self.slot, worker, method, path);
    }

    /// The worker `worker` is free.
    pub(crate) fn note_free(&self, worker: usize) {
        self.page.note_free(self.slot, worker);
    }

    /// From now on this process takes no connections. It hands its own over if a sibling is ready now.
    pub(crate) fn leave(&self) {
        self.page.set_state(self.slot, State::Leaving);
        if self.ready(&self.others()).next().is_some() {
            self.hands_over.store(true, Ordering::SeqCst);
        }
    }

    /// Whether this process leaves and hands its connections over.
    pub(crate) fn hands_over(&self) -> bool {
        self.hands_over.load(Ordering::SeqCst) && !self.page.is_stopping()
    }

    /// Whether a sibling is about to leave a message for this process, which has not received it.
    pub(crate) fn is_awaited(&self) -> bool {
        self.page.line(self.slot).pending > 0
    }

    /// Counts a message of a sibling as received.
    pub(crate) fn received(&self) {
        self.page.withdraw(self.slot);
    }

    /// Whether this process should leave new connections to a sibling: it has no idle worker, and a sibling has.
    pub(crate) fn defers(&self, limit: usize, now: Instant) -> bool {
        let others = self.others();
        self.own().idle == 0
            && self
                .with_room(&others, limit, now)
                .any(|(_, line)| line.is_free())
    }

    /// Whether a sibling has fewer than `limit` connections, and takes another one.
    pub(crate) fn have_room(&self, limit: usize, now: Instant) -> bool {
        let others = self.others();
        self.with_room(&others, limit, now)
            .any(|(other, _)| has_room(&other.inbox))
    }

    /// Hands a new connection over if a sibling can serve it sooner, or has room while this process has none. This
    /// process has `connections` now, and each may have `limit`.
    pub(crate) fn place(
        &self,
        connections: usize,
        limit: usize,
        frame: &Frame<'_>,
        now: Instant,
    ) -> bool {
        let others = self.others();
        let is_full = connections >= limit;
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        let line = self.own();
        // Each connection that has come since the last turn may bring a request.
        let new = connections.saturating_sub(self.settled.load(Ordering::Relaxed));
        let own = Line {
            idle: line.idle.saturating_sub(new + line.pending),
            connections,
            ..line
        };
        let candidates = self.with_room(&others, limit, now);
        let placed = if is_full {
            self.send_to_best(candidates, limit, frame, now) == Outcome::Sent
        } else {
            let lines: Vec<_> = candidates.map(|(to, line)| (to.slot, line)).collect();
            let chosen = choose(own, &lines);
            let to = chosen.and_then(|slot| others.iter().find(|other| other.slot == slot));
            to.is_some_and(|to| self.send(to, frame) == Outcome::Sent)
        };
        self.show_connections(own.connections.saturating_add(u32::from(!placed)));
        placed
    }

    /// Tells the siblings how many connections this process has. They accept at the same time, and must not wait for the
    /// end of this turn.
    pub(crate) fn show_connections(&self, connections: u32) {
        self.page.set_connections(self.slot, connections);
    }

    /// What a process does that dies before it sends.
    #[cfg(test)]
    pub(crate) fn announce(&self, slot: usize) {
        self.page.announce(slot);
    }

    /// Hands a connection over to a sibling with an idle worker and fewer than `limit` connections, if there is one.
    pub(crate) fn hand_over_to_idle(&self, limit: usize, frame: &Frame<'_>, now: Instant) -> bool {
        let others = self.others();
        let candidates = self.with_room(&others, limit, now);
        let idle = candidates.filter(|(_, line)| line.is_free());
        let best = idle.min_by_key(|(_, line)| line.load());
        best.is_some_and(|(to, _)| self.send(to, frame) == Outcome::Sent)
    }

    /// Hands a connection over to the sibling with the fewest, whatever this process could do with it. Siblings that
    /// have `limit` connections come last.
    pub(crate) fn hand_over(&self, limit: usize, frame: &Frame<'_>, now: Instant) -> Outcome {
        let others = self.others();
        self.send_to_best(self.ready(&others), limit, frame, now)
    }

    /// Sends to the first of `those` that takes the connection. Those with room come first, then those that serve it
    /// soonest.
    fn send_to_best<'a>(
        &self,
        those: impl Iterator<Item = (&'a Sibling, Line)>,
        limit: usize,
        frame: &Frame<'_>,
        now: Instant,
    ) -> Outcome {
        let mut those: Vec<_> = those.collect();
        let is_full = |line: &Line| line.load() as usize >= limit;
        those.sort_by_key(|(_, line)| (is_full(line), !line.is_free(), line.load()));
        let mut outcome = Outcome::Nobody;
        for (to, line) in those {
            let sent = match to.stands_still(&line, now) {
                true => Outcome::Full,
                false => self.send(to, frame),
            };
            match sent {
                Outcome::Sent => return Outcome::Sent,
                Outcome::Full => outcome = Outcome::Full,
                Outcome::Nobody => {}
            }
        }
        outcome
    }

    /// The siblings that are ready, and their lines; none while the whole server stops.
    fn ready<'a>(
        &'a self,
        others: &'a [Arc<Sibling>],
    ) -> impl Iterator<Item = (&'a Sibling, Line)> {
        let stopping = self.page.is_stopping();
        let others = others.iter().filter(move |_| !stopping);
        let lines = others.map(|other| (&**other, self.page.line(other.slot)));
        lines.filter(|(_, line)| line.state == State::Ready)
    }

    /// Those of them that take what is sent to them.
    fn candidates<'a>(
        &'a self,
        others: &'a [Arc<Sibling>],
        now: Instant,
    ) -> impl Iterator<Item = (&'a Sibling, Line)> {
        let ready = self.ready(others);
        ready.filter(move |(other, line)| !other.stands_still(line, now))
    }

    /// Those of them that have fewer than `limit` connections.
    fn with_room<'a>(
        &'a self,
        others: &'a [Arc<Sibling>],
        limit: usize,
        now: Instant,
    ) -> impl Iterator<Item = (&'a Sibling, Line)> {
        let candidates = self.candidates(others, now);
        candidates.filter(move |(_, line)| (line.load() as usize) < limit)
    }

    fn send(&self, to: &Sibling, frame: &Frame<'_>) -> Outcome {
        // The receiver may leave at any moment: see the rule at the head of this file.
        self.page.announce(to.slot);
        let sent = match self.page.line(to.slot).state {
            State::Ready => frame.send(&to.inbox),
            _ => Err(io::ErrorKind::NotConnected.into()),
        };
        match sent {
            Ok(()) => Outcome::Sent,
            Err(error) => {
                self.page.withdraw(to.slot);
                match error.kind() {
                    // It has ended. Its parent will say so.
                    io::ErrorKind::BrokenPipe
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::NotConnected => Outcome::Nobody,
                    _ => Outcome::Full,
                }
            }
        }
    }

    fn others(&self) -> Others {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Others> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The siblings at one moment.
type Others = Arc<[Arc<Sibling>]>;

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn member(page: &Page, slot: usize, inbox: Socket) -> Siblings {
        let page = Page::open(page.fd().try_clone_to_owned().unwrap()).unwrap();
        let siblings = Siblings::new(page, slot, inbox).unwrap();
        siblings.publish(Figures {
            idle: 1,
            waiting: 0,
            connections: 0,
            turn: true,
        });
        siblings
    }

    #[test]
    fn who_sends_keeps_nobody_from_telling_of_siblings() {
        let page = Page::create(2).unwrap();
        let sender = member(&page, 0, inbox_pair().unwrap().0);
        sender.add(1, inbox_pair().unwrap().1);
        let used_by_sender = sender.others();
        sender.remove(1);
        assert_eq!((used_by_sender.len(), sender.others().len()), (1, 0));
    }

    #[test]
    fn who_leaves_hands_over_to_siblings_with_room_first() {
        let page = Page::create(3).unwrap();
        let leaver = member(&page, 0, inbox_pair().unwrap().0);
        let mut siblings = Vec::new();
        for (slot, idle, connections) in [(1, 1, 2), (2, 0, 1)] {
            let (inbox, send) = inbox_pair().unwrap();
            let figures = Figures {
                idle,
                waiting: 0,
                connections,
                turn: true,
            };
            let sibling = member(&page, slot, inbox);
            sibling.publish(figures);
            leaver.add(slot, send);
            siblings.push(sibling);
        }
        let connection = tempfile::tempfile().unwrap();
        let frame = Frame {
            connection: connection.as_fd(),
            listener: 0,
            marked: false,
            bytes: b"",
        };
        for (limit, chosen) in [(2, 2), (3, 1)] {
            let pending = page.line(chosen).pending;
            let outcome = leaver.hand_over(limit, &frame, Instant::now());
            assert_eq!(outcome, Outcome::Sent);
            assert_eq!(page.line(chosen).pending, pending + 1);
        }
    }

    #[test]
    fn what_an_inbox_has_no_room_for_stays_where_it_is() {
        let page = Page::create(2).unwrap();
        let (dead, to_dead) = inbox_pair().unwrap();
        let (read, send) = inbox_pair().unwrap();
        let connection = tempfile::tempfile().unwrap();
        let frame = Frame {
            connection: connection.as_fd(),
            listener: 7,
            marked: false,
            bytes: &[0; MOST_BYTES],
        };
        frame.send(&to_dead).unwrap();
        while frame.send(&send).is_ok() {}
        assert_eq!(forward(&page, &dead, 1, &send).unwrap(), 0);
        let mut buffer = vec![0; LARGEST];
        while receive(read.as_fd(), &mut buffer).unwrap().is_some() {}
        assert_eq!(forward(&page, &dead, 1, &send).unwrap(), 1);
        assert_eq!(page.line(1).pending, 1);
    }

    #[test]
    fn who_has_no_idle_worker_leaves_connections_to_who_has() {
        let page = Page::create(2).unwrap();
        let [one, other] = [0, 1].map(|slot| member(&page, slot, inbox_pair().unwrap().0));
        let (_read, send) = inbox_pair().unwrap();
        let now = Instant::now();
        one.add(1, send);
        for (idle, siblings_idle, defers) in [(0, 1, true), (0, 0, false), (1, 1, false)] {
            for (member, idle) in [(&one, idle), (&other, siblings_idle)] {
                member.publish(Figures {
                    idle,
                    waiting: 0,
                    connections: 0,
                    turn: true,
                });
            }
            assert_eq!(one.defers(9, now), defers);
        }
    }

    /// Siblings hand connections over while the receiver leaves: it gets each of them.
    #[test]
    fn a_process_that_leaves_gets_all_that_was_sent() {
        for _ in 0..100 {
            let page = Page::create(3).unwrap();
            let (read, send) = inbox_pair().unwrap();
            let leaver = member(&page, 0, read);
            let senders = [1, 2].map(|slot| {
                let sender = member(&page, slot, inbox_pair().unwrap().0);
                sender.add(0, send.try_clone().unwrap());
                Arc::new(sender)
            });
            let threads = senders.map(|sender| {
                std::thread::spawn(move || {
                    let connection = tempfile::tempfile().unwrap();
                    let frame = Frame {
                        connection: connection.as_fd(),
                        listener: 7,
                        marked: true,
                        bytes: b"GET /",
                    };
                    let mut sent = 0;
                    loop {
                        match sender.hand_over(usize::MAX, &frame, Instant::now()) {
                            Outcome::Sent => sent += 1,
                            Outcome::Full => std::thread::yield_now(),
                            Outcome::Nobody => return sent,
                        }
                    }
                })
            });
            let mut buffer = vec![0; LARGEST];
            let mut received = 0;
            let mut take = || {
                if let Some(message) = receive(leaver.inbox(), &mut buffer).unwrap() {
                    assert!(message.connection.is_some() && message.marked);
                    assert_eq!((message.listener, message.bytes), (7, &b"GET /"[..]));
                    leaver.received();
                    received += 1;
                }
                received
            };
            while take() < 10 {}
            leaver.leave();
            while leaver.is_awaited() {
                take();
            }
            // It has ended: whatever is sent now is lost.
            let sent: usize = threads.map(|thread| thread.join().unwrap()).iter().sum();
            assert_eq!(received, sent);
        }
    }
}
