//! Room for new connections: which channel to close, and when accepting pauses.
//!
//! Every I/O thread has its own idle channels, and only the first thread accepts. If the first thread has no idle
//! channel, it sends [`Message::MakeRoom`] to the next thread. Each thread closes an idle channel or passes the
//! message on. If the message comes back to the first thread, no channel is idle anywhere.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::exchange::message::{Mailbox, Message};
use crate::io::IoLoop;
use crate::io::channel::Channel;
use crate::io::phase::Phase;

impl IoLoop {
    /// Closes an idle channel of this thread, or asks another thread to close one. Returns `false` if there is no
    /// room yet; accepting then pauses. `why` is the reason for the log.
    pub(crate) fn make_room(&mut self, why: &str) -> bool {
        if self.evict() {
            return true;
        }
        if self.channels.longest_idle().is_some() {
            // All idle channels are new. The next turn reads them first.
            self.accepting.pause(self.now + SHORT_PAUSE);
        } else if self.others().is_some() && self.drain.is_none() {
            self.accepting.pause(self.now + PAUSE);
            self.shared.room_wanted.store(true, Ordering::SeqCst);
            if self.accepting.ask_for_room(why) {
                self.pass_on();
            }
        } else {
            self.pause_accepting(why);
        }
        false
    }

    /// Handles [`Message::MakeRoom`]: another thread asks for room, or this thread's own message has come back.
    pub(crate) fn asked_for_room(&mut self) {
        if self.index == 0 {
            if let Some(why) = self.accepting.take_room_asked()
                && self.accepting.is_paused()
            {
                self.pause_accepting(&why);
            }
        } else if !self.evict() {
            if self.channels.longest_idle().is_some() {
                // All idle channels are new. The next turn tries again.
                self.mailbox.post(Message::MakeRoom, true);
            } else {
                self.pass_on();
            }
        }
    }

    /// Handles [`Message::RoomMade`]: another thread has closed a channel.
    pub(crate) fn room_made(&mut self) {
        self.accepting.take_room_asked();
        self.accepting.end_pause(self.now);
    }

    /// This thread has closed a channel. Its descriptor is free, unless a worker still holds the link.
    pub(crate) fn note_room(&mut self) {
        self.accepting.end_pause(self.now);
        let wanted = &self.shared.room_wanted;
        if self.index != 0
            && wanted.load(Ordering::Relaxed)
            && wanted.swap(false, Ordering::SeqCst)
            && let Some(first) = self.others().and_then(|all| all.first())
        {
            first.post(Message::RoomMade, true);
        }
    }

    fn pass_on(&self) {
        if let Some(all) = self.others() {
            all[(self.index + 1) % all.len()].post(Message::MakeRoom, true);
        }
    }

    /// The mailboxes of all I/O threads; `None` if there is only this one.
    fn others(&self) -> Option<&[Arc<Mailbox>]> {
        let all = self.shared.mailboxes.get()?;
        (all.len() > 1).then_some(all)
    }

    /// Closes the channel that has been idle longest. Never closes one accepted in this turn, as its request may
    /// be about to arrive.
    fn evict(&mut self) -> bool {
        for _ in 0..MOST_LOOKS {
            let Some(index) = self.channels.longest_idle() else {
                return false;
            };
            let channel = &mut self.channels[index];
            if channel.accepted_in == self.turn {
                return false;
            }
            if channel.has_request() {
                // A request has arrived; this turn has not handled the event yet.
                channel.readable = true;
                self.receive(index);
                continue;
            }
            self.shared.counters.evicted.add(1);
            self.close(index);
            return true;
        }
        false
    }

    /// Closes a channel of the admin endpoint, so that a new client gets in. Takes the oldest idle one; else one
    /// whose client is slow to send its request or to leave, then one whose client is slow to read, then one that
    /// waits for its answer.
    pub(crate) fn evict_admin(&mut self) -> bool {
        let is = |wanted: fn(&Channel) -> bool| {
            let open = self.admin.open.iter().filter_map(|token| self.find(*token));
            let mut fit = open.filter(|index| wanted(&self.channels[*index]));
            fit.next()
        };
        let oldest = is(|channel| channel.phase() == Phase::Idle && !channel.has_request())
            .or_else(|| is(|channel| matches!(channel.phase(), Phase::Head | Phase::Lingering)))
            .or_else(|| is(|channel| matches!(channel.phase(), Phase::Replying | Phase::Refusing)))
            .or_else(|| is(|channel| channel.phase() == Phase::Pending));
        if let Some(index) = oldest {
            self.close(index);
        }
        oldest.is_some()
    }

    /// Pauses accepting. New connections wait in the kernel's backlog.
    pub(crate) fn pause_accepting(&mut self, why: &str) {
        self.accepting.pause(self.now + PAUSE);
        self.shared.counters.accept_pauses.add(1);
        if self.shared.accept_log.pass(self.now) {
            log::warn!(
                target: crate::LOG,
                "accepting pauses: {why}; {} channels are open (connection_limit={})",
                self.shared.channels.load(Ordering::Relaxed),
                self.shared.settings.connection_limit,
            );
        }
    }
}

/// Most channels examined to find one to close. Each costs a system call.
const MOST_LOOKS: usize = 16;
/// How long accepting pauses.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);
/// How long accepting pauses when the next turn may find room.
const SHORT_PAUSE: Duration = Duration::from_millis(1);

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::io::inline::Endpoint;
    use crate::io::tests::{connect, with_idle};
    use crate::settings::Settings;
    use crate::shared::Shared;

    #[test]
    fn a_channel_that_another_thread_closes_ends_the_pause() {
        let settings = Settings {
            io_threads: 2,
            ..Settings::for_tests()
        };
        let shared = Arc::new(Shared::new(settings, Vec::new(), None));
        let mut threads = [0, 1]
            .map(|index| IoLoop::new(index, &shared, Vec::new(), Endpoint::default()).unwrap());
        let mailboxes = threads.iter().map(|io| Arc::clone(&io.mailbox)).collect();
        shared.mailboxes.set(mailboxes).unwrap();
        let [first, second] = &mut threads;
        let _client = connect(second, Some(0));
        // Now the channel does not count as idle.
        second.channels.unlist_idle(0);

        assert!(!first.make_room("no room"));
        // The message goes to the other thread and comes back.
        second.read_mail();
        assert_eq!(shared.counters.accept_pauses.get(), 0);
        first.read_mail();
        assert_eq!(shared.counters.accept_pauses.get(), 1);
        assert_eq!(first.accepting.paused_until(), Some(first.now + PAUSE));

        second.close(0);
        first.read_mail();
        assert_eq!(first.accepting.paused_until(), Some(first.now));
    }

    #[test]
    fn a_channel_that_was_accepted_in_this_turn_is_not_closed_for_another() {
        let (_shared, mut io, _clients) = with_idle(1);
        assert!(!io.make_room("no room"));
        assert_eq!(
            (io.channels.len(), io.accepting.paused_until()),
            (1, Some(io.now + SHORT_PAUSE))
        );
        io.turn += 1;
        assert!(io.make_room("no room"));
        assert_eq!(
            (io.channels.len(), io.shared.counters.evicted.get()),
            (0, 1)
        );
    }

    #[test]
    fn a_channel_whose_request_was_not_read_yet_is_not_closed_for_another() {
        let (_shared, mut io, mut clients) = with_idle(2);
        clients[0]
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        io.turn += 1;
        assert!(io.make_room("no room"));
        assert_eq!(io.channels.iter().next().unwrap().phase(), Phase::Task);
        assert_eq!((io.channels.len(), io.waiting_tasks()), (1, 1));
    }

    #[test]
    fn a_channel_of_the_admin_endpoint_whose_request_was_not_read_yet_stays() {
        let (_shared, mut io, _clients) = with_idle(0);
        let mut clients = [connect(&mut io, None), connect(&mut io, None)];
        clients[0].write_all(b"GET ").unwrap();
        let tokens = io.admin.open.clone();
        assert!(io.evict_admin());
        assert_eq!(io.admin.open, tokens[..1]);
    }
}
