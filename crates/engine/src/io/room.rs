//! Whether there is room for new connections, and how the I/O threads ask each other for it.

use crate::sys::instant::Instant;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::exchange::message::{Mailbox, Message};
use crate::shared::Shared;

/// Whether there is room for new connections, as one I/O thread knows it.
///
/// Invariant: during a pause this thread accepts nothing, and every pause has an end.
#[derive(Debug)]
pub(in crate::io) struct Room {
    /// The number of the I/O thread.
    thread: usize,
    /// End of the pause. Accepting pauses when no descriptor is free.
    paused: Option<Instant>,
    /// Why this thread has asked the other I/O threads for room; `None` if it has not.
    asked: Option<String>,
}

impl Room {
    pub(in crate::io) fn of(thread: usize) -> Self {
        Self {
            thread,
            paused: None,
            asked: None,
        }
    }

    /// When the pause ends; `None` without a pause.
    pub(in crate::io) fn paused_until(&self) -> Option<Instant> {
        self.paused
    }

    pub(in crate::io) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// Pauses until `end`. Replaces an earlier pause.
    pub(in crate::io) fn pause(&mut self, end: Instant) {
        self.paused = Some(end);
    }

    /// Pauses until `end`. Keeps an earlier pause.
    pub(in crate::io) fn pause_unless_paused(&mut self, end: Instant) {
        self.paused.get_or_insert(end);
    }

    /// Lets a pause end in this turn.
    pub(in crate::io) fn end_pause(&mut self, now: Instant) {
        if self.is_paused() {
            self.paused = Some(now);
        }
    }

    /// Removes the pause. The drain accepts the whole backlog, even beyond `connection_limit`.
    pub(in crate::io) fn forget_pause(&mut self) {
        self.paused = None;
    }

    /// Removes the pause if it is over, and returns whether it was.
    pub(in crate::io) fn has_pause_ended(&mut self, now: Instant) -> bool {
        let over = self.paused.is_some_and(|end| end <= now);
        if over {
            self.paused = None;
        }
        over
    }

    /// Asks the other I/O threads for room, unless an earlier request is still open.
    pub(in crate::io) fn ask(&mut self, shared: &Shared, why: &str) {
        shared.room_wanted.store(true, Ordering::SeqCst);
        if self.asked.replace(why.to_owned()).is_none() {
            self.pass_on(shared);
        }
    }

    /// Passes the request for room on to the next I/O thread.
    pub(in crate::io) fn pass_on(&self, shared: &Shared) {
        if let Some(all) = others(shared) {
            all[(self.thread + 1) % all.len()].post(Message::MakeRoom, true);
        }
    }

    /// Ends the request for room. Returns its reason; `None` if there was no request.
    pub(in crate::io) fn take_asked(&mut self) -> Option<String> {
        self.asked.take()
    }

    /// Handles [`Message::RoomMade`]: another thread has closed a channel.
    pub(in crate::io) fn made(&mut self, now: Instant) {
        self.asked = None;
        self.end_pause(now);
    }

    /// This thread has closed a channel. Its descriptor is free, unless a worker still holds the link.
    pub(in crate::io) fn note_closed(&mut self, shared: &Shared, now: Instant) {
        self.end_pause(now);
        let wanted = &shared.room_wanted;
        if self.thread != 0
            && wanted.load(Ordering::Relaxed)
            && wanted.swap(false, Ordering::SeqCst)
            && let Some(first) = others(shared).and_then(|all| all.first())
        {
            first.post(Message::RoomMade, true);
        }
    }
}

/// The mailboxes of all I/O threads; `None` if there is only one.
pub(in crate::io) fn others(shared: &Shared) -> Option<&[Arc<Mailbox>]> {
    let all = shared.mailboxes.get()?;
    (all.len() > 1).then_some(all)
}
