//! The loop among the sibling processes of its server: connections come and go with their descriptors.
//!
//! `leave.rs` hands over the connections of a server that stops, `task.rs` requests that wait for a worker.
//!
//! Without siblings each function here costs a look at an empty `Option`.

mod arrive;
mod leave;
mod task;

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::Interest;
use mio::event::Source as _;
use mio::unix::SourceFd;

use self::arrive::Arrivals;
use crate::io::IoLoop;
use crate::io::desk::Desk;
use crate::io::token::Source;

impl IoLoop {
    /// Has the poll report connections in the inbox, if there is one.
    pub(in crate::io) fn watch_inbox(&self) -> io::Result<()> {
        if let Some(siblings) = &self.desk.shared.siblings {
            let inbox = siblings.inbox().as_raw_fd();
            let (registry, token) = (self.poll.registry(), Source::Inbox.token());
            SourceFd(&inbox).register(registry, token, Interest::READABLE)?;
            // The first turn makes this process ready: it must not sleep.
            self.desk.mailbox.wake();
        }
        Ok(())
    }

    /// Takes over every connection in the inbox.
    pub(in crate::io) fn read_inbox(&mut self) {
        Arrivals::new(&mut self.desk, &mut self.accepting, self.poll.registry()).read();
    }
}

impl Desk {
    /// Tells the siblings, at the end of a turn, how this process is doing, and gives them tasks that wait.
    pub(in crate::io) fn publish_turn(&mut self) {
        self.write_off_overdue();
        self.shared.publish(self.in_flight.in_batch(), true);
        self.departures().move_tasks();
    }

    /// A sibling that died may have announced a connection that it has not sent. For ever counted as on its way, it would
    /// keep others from this process.
    fn write_off_overdue(&mut self) {
        if let Some(siblings) = &self.shared.siblings {
            let pending = siblings.own().pending;
            for _ in 0..self.leaving.overdue.look(pending, self.now) {
                siblings.received();
            }
        }
    }

    /// Whether new connections are left to a sibling, which has an idle worker while this process has none. If the
    /// sibling has not accepted them after [`DEFERENCE`], this process does.
    pub(in crate::io) fn defers_accepting(&mut self) -> bool {
        let limit = self.shared.settings.connection_limit;
        let defers = self.shared.siblings.as_ref();
        let defers =
            self.drain.is_none() && defers.is_some_and(|siblings| siblings.defers(limit, self.now));
        if defers {
            self.room.pause_unless_paused(self.now + DEFERENCE);
        }
        defers
    }

    /// Whether a sibling takes new connections while this process has `connection_limit`.
    pub(in crate::io) fn siblings_have_room(&self) -> bool {
        let limit = self.shared.settings.connection_limit;
        let siblings = self.shared.siblings.as_ref();
        siblings.is_some_and(|siblings| siblings.have_room(limit, self.now))
    }
}

/// How long new connections are left to a sibling.
const DEFERENCE: Duration = Duration::from_millis(2);

#[cfg(all(test, not(shuttle)))]
mod tests {
    use crate::sys::instant::Instant;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::*;
    use crate::exchange::link::MARKED;
    use crate::io::inline::Endpoint;
    use crate::io::leaving::LATE;
    use crate::io::tests::connect;
    use crate::net::address::Listening;
    use crate::settings::Settings;
    use crate::shared::{Shared, Stage};
    use crate::siblings::{Frame, Outcome, Page, Siblings, inbox_pair};

    /// A loop that nobody runs and that is ready, and a sibling that sends to it.
    fn pair() -> (Arc<Shared>, IoLoop, Siblings) {
        pair_with(Settings::for_tests())
    }

    fn pair_with(settings: Settings) -> (Arc<Shared>, IoLoop, Siblings) {
        let page = Page::create(2).unwrap();
        let same = || Page::open(page.fd().try_clone_to_owned().unwrap()).unwrap();
        let (inbox, send) = inbox_pair().unwrap();
        let sibling = Siblings::new(same(), 1, inbox_pair().unwrap().0).unwrap();
        sibling.add(0, send);
        let listening = vec![Listening::Unix("test".into())];
        let mut shared = Shared::new(settings, listening, None);
        shared.siblings = Some(Arc::new(Siblings::new(same(), 0, inbox).unwrap()));
        let shared = Arc::new(shared);
        let mut io = IoLoop::new(&shared, Vec::new(), Endpoint::default()).unwrap();
        io.turn().unwrap();
        (shared, io, sibling)
    }

    fn send(sibling: &Siblings) -> UnixStream {
        send_as(sibling, 0, false)
    }

    fn send_as(sibling: &Siblings, listener: u32, marked: bool) -> UnixStream {
        let (client, connection) = UnixStream::pair().unwrap();
        let frame = Frame {
            connection: connection.as_fd(),
            listener,
            marked,
            bytes: b"",
        };
        let outcome = sibling.hand_over(usize::MAX, &frame, Instant::now());
        assert_eq!(outcome, Outcome::Sent);
        client
    }

    #[test]
    fn a_connection_keeps_its_mark_and_needs_a_listener() {
        let (shared, mut io, sibling) = pair();
        let _clients = [(0, true), (0, false), (1, true)]
            .map(|(listener, marked)| send_as(&sibling, listener, marked));
        io.read_inbox();
        let marks: Vec<_> = io
            .desk
            .channels
            .iter()
            .map(|c| c.link.has(MARKED))
            .collect();
        assert_eq!(marks, [true, false]);
        let counters = &shared.counters;
        assert_eq!(
            (counters.taken_over.get(), counters.not_taken_over.get()),
            (2, 1)
        );
    }

    #[test]
    fn an_announcement_that_is_taken_back_does_not_hold_up_the_end() {
        let (shared, mut io, sibling) = pair();
        sibling.announce(0);
        shared.advance(Stage::Draining);
        io.turn().unwrap();
        assert!(!io.is_done());
        // Just now the sender sees that this process leaves.
        shared.siblings.as_ref().unwrap().received();
        assert_eq!(io.poll_timeout(), Some(Duration::from_millis(1)));
        assert!(io.is_done());
    }

    #[test]
    fn what_a_pause_has_left_in_the_inbox_is_served_by_a_server_that_stops() {
        let (shared, mut io, sibling) = pair();
        let mut client = send(&sibling);
        client
            .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            .unwrap();
        shared.siblings.as_ref().unwrap().page().set_stopping();
        shared.advance(Stage::Draining);
        // Without the report of the poll.
        io.notice_drain();
        assert_eq!(shared.counters.taken_over.get(), 1);
        assert_eq!(io.waiting_tasks(), 1);
    }

    #[test]
    fn arrivals_beyond_connection_limit_close_what_has_been_idle_for_longest() {
        let (_shared, mut io, sibling) = pair_with(Settings {
            connection_limit: 1,
            ..Settings::for_tests()
        });
        for _ in 0..3 {
            let _client = send(&sibling);
            io.desk.begin_turn();
            io.read_inbox();
            assert_eq!(io.desk.channels.len(), 1);
        }
    }

    #[test]
    fn what_a_dead_sibling_has_announced_is_written_off() {
        let (shared, mut io, sibling) = pair();
        let pending = || shared.siblings.as_ref().unwrap().own().pending;
        sibling.announce(0);
        for lost in [false, true] {
            shared.move_clock(LATE);
            io.desk.mailbox.wake();
            io.turn().unwrap();
            assert_eq!(pending(), u32::from(!lost));
        }
    }

    #[test]
    fn replies_end_their_connections_when_the_whole_server_stops_meanwhile() {
        let (shared, _io, sibling) = pair();
        let siblings = shared.siblings.as_ref().unwrap();
        siblings.add(1, inbox_pair().unwrap().1);
        sibling.publish(crate::siblings::Figures {
            idle: 1,
            waiting: 0,
            connections: 0,
            turn: true,
        });
        shared.advance(Stage::Draining);
        assert!(!shared.ends_connections());
        siblings.page().set_stopping();
        assert!(shared.ends_connections());
    }

    #[test]
    fn a_client_of_the_admin_endpoint_is_not_handed_over() {
        let (shared, mut io, sibling) = pair();
        let (_read, send) = inbox_pair().unwrap();
        shared.siblings.as_ref().unwrap().add(1, send);
        sibling.publish(crate::siblings::Figures {
            idle: 1,
            waiting: 0,
            connections: 0,
            turn: true,
        });
        let _clients = [connect(&mut io, None), connect(&mut io, Some(0))];
        shared.advance(Stage::Draining);
        io.desk.drain = Some(io.desk.now);
        let leaves = [0, 1].map(|index| io.desk.departures().leaves_now(index));
        assert_eq!(leaves, [false, true]);
    }

    /// As often as the system has no descriptor left.
    #[test]
    fn without_a_descriptor_left_a_connection_stays_in_the_inbox() {
        // The limit is that of the process. Here each test has one of its own only under cargo-nextest.
        if std::env::var_os("NEXTEST").is_none() {
            return;
        }
        let (shared, mut io, sibling) = pair();
        let _clients = [send(&sibling), send(&sibling)];
        let _idle = connect(&mut io, Some(0));
        io.desk.begin_turn();
        let limit = getrlimit(Resource::Nofile);
        let first_free = inbox_pair().unwrap().0.as_raw_fd() as u64;
        let none_left = Rlimit {
            current: Some(first_free),
            ..limit
        };
        setrlimit(Resource::Nofile, none_left).unwrap();
        io.read_inbox();
        let counts = |name| {
            let all = shared.counters.all();
            all.into_iter().find(|(n, _)| *n == name).unwrap().1
        };
        let taken = ["evicted", "taken_over", "not_taken_over"].map(counts);
        setrlimit(Resource::Nofile, limit).unwrap();
        // The idle one made room for the first. The second waits: the first is new.
        assert_eq!(taken, [1, 1, 0]);
        let pause = io.desk.room.paused_until().unwrap();
        shared.move_clock(pause.saturating_duration_since(shared.now()));
        io.turn().unwrap();
        assert_eq!(
            ["evicted", "taken_over", "not_taken_over"].map(counts),
            [1, 2, 0]
        );
    }
}
