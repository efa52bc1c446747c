//! Room for new connections: which channel to close, and when accepting pauses.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::io::channel::Channel;
use crate::io::desk::Desk;
use crate::io::phase::Phase;

impl Desk {
    /// Closes an idle channel. Returns `false` if there is no room yet; accepting then pauses. `why` is the reason for
    /// the log.
    pub(in crate::io) fn make_room(&mut self, why: &str) -> bool {
        if self.evict() {
            return true;
        }
        if self.channels.longest_idle().is_some() {
            // All idle channels are new. The next turn reads them first.
            self.room.pause(self.now + SHORT_PAUSE);
        } else {
            self.pause_accepting(why);
        }
        false
    }

    /// Closes the channel that has been idle longest. Never closes one accepted in this turn, as its request may
    /// be about to arrive.
    pub(in crate::io) fn evict(&mut self) -> bool {
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
    pub(in crate::io) fn evict_admin(&mut self) -> bool {
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
    pub(in crate::io) fn pause_accepting(&mut self, why: &str) {
        self.room.pause(self.now + PAUSE);
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
    use crate::io::tests::{connect, with_idle};

    #[test]
    fn a_channel_that_closes_ends_the_pause() {
        let (shared, mut io, _clients) = with_idle(1);
        io.desk.pause_accepting("no room");
        let pause = io.desk.room.paused_until();
        assert_eq!(pause, Some(io.desk.now + PAUSE));
        assert_eq!(shared.counters.accept_pauses.get(), 1);
        io.desk.close(0);
        assert_eq!(io.desk.room.paused_until(), Some(io.desk.now));
    }

    #[test]
    fn a_channel_that_was_accepted_in_this_turn_is_not_closed_for_another() {
        let (_shared, mut io, _clients) = with_idle(1);
        assert!(!io.desk.make_room("no room"));
        assert_eq!(
            (io.desk.channels.len(), io.desk.room.paused_until()),
            (1, Some(io.desk.now + SHORT_PAUSE))
        );
        io.desk.turn += 1;
        assert!(io.desk.make_room("no room"));
        assert_eq!(
            (
                io.desk.channels.len(),
                io.desk.shared.counters.evicted.get()
            ),
            (0, 1)
        );
    }

    #[test]
    fn a_channel_whose_request_was_not_read_yet_is_not_closed_for_another() {
        let (_shared, mut io, mut clients) = with_idle(2);
        clients[0]
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        io.desk.turn += 1;
        assert!(io.desk.make_room("no room"));
        assert_eq!(io.desk.channels.iter().next().unwrap().phase(), Phase::Task);
        assert_eq!((io.desk.channels.len(), io.waiting_tasks()), (1, 1));
    }

    #[test]
    fn a_channel_of_the_admin_endpoint_whose_request_was_not_read_yet_stays() {
        let (_shared, mut io, _clients) = with_idle(0);
        let mut clients = [connect(&mut io, None), connect(&mut io, None)];
        clients[0].write_all(b"GET ").unwrap();
        let tokens = io.desk.admin.open.clone();
        assert!(io.desk.evict_admin());
        assert_eq!(io.desk.admin.open, tokens[..1]);
    }
}
