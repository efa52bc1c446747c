//! New connections: accepts them within `connection_limit`. `evict.rs` makes room
//! when the limit is reached or no descriptor is free.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mio::{Registry, Token};

use crate::exchange::link::Link;
use crate::io::IoLoop;
use crate::io::accepting::{Accepted, Accepting};
use crate::io::channel::Channel;
use crate::io::desk::Desk;
use crate::io::evict::PAUSE;
use crate::io::shares::{ACCEPTS, ADMIN_ACCEPTS};
use crate::net::accept_error::Trouble;
use crate::net::address::Peer;
use crate::net::socket::Stream;
use crate::sys::fd::are_scarce;

impl Accepting {
    /// Accepts at most `most` connections from listener `n`. The poll reports readiness once, so the next turn goes
    /// on without a new report.
    pub(in crate::io) fn accept_from(
        &mut self,
        n: usize,
        most: usize,
        desk: &mut Desk,
        registry: &Registry,
    ) {
        for _ in 0..most {
            if desk.room.is_paused() || n >= self.len() {
                return;
            }
            if desk.at_limit() && !desk.siblings_have_room() {
                if !self.has_waiting(n) {
                    return;
                }
                if !desk.make_room(AT_LIMIT) {
                    return;
                }
            }
            match self.accept(n) {
                Accepted::Connection(stream, _) if desk.departures().place(&stream, n) => {}
                Accepted::Connection(stream, peer) => {
                    // The sibling that had room has just left.
                    let beyond = desk.at_limit();
                    desk.shared.channels.fetch_add(1, Ordering::Relaxed);
                    desk.shared.counters.connections.add(1);
                    desk.adopt(registry, stream, peer, Some(n));
                    if beyond && !desk.make_room(AT_LIMIT) {
                        return;
                    }
                }
                Accepted::Nobody => return,
                Accepted::Failed => {}
                Accepted::NoRoom(why) => {
                    if !desk.make_room(&why) {
                        return;
                    }
                }
                Accepted::Trouble(why) => return desk.pause_accepting(&why),
            }
        }
        self.note_more();
    }
}

impl IoLoop {
    /// Accepts at most `most` connections from listener `n`.
    pub(in crate::io) fn accept_from(&mut self, n: usize, most: usize) {
        self.accepting
            .accept_from(n, most, &mut self.desk, self.poll.registry());
    }

    /// Accepts again when a pause is over, or when the last turn used up its share.
    pub(in crate::io) fn resume_accepting(&mut self) {
        let over = self.desk.room.has_pause_ended(self.desk.now);
        if over || self.accepting.take_more() {
            for n in 0..self.accepting.len() {
                self.guarded(None, |me| me.accept_from(n, ACCEPTS));
            }
            for n in 0..self.desk.admin.listeners.len() {
                self.guarded(None, |me| me.accept_admin(n));
            }
            self.read_inbox();
        }
    }

    /// Accepts connections to the admin endpoint. `connection_limit` does not apply to them.
    pub(in crate::io) fn accept_admin(&mut self, n: usize) {
        for _ in 0..ADMIN_ACCEPTS {
            let Some(listener) = self.desk.admin.listeners.get(n) else {
                return;
            };
            match listener.accept() {
                Ok((stream, peer)) => {
                    if self.desk.admin.open.len() < ADMIN_CHANNELS || self.desk.evict_admin() {
                        self.desk.adopt(self.poll.registry(), stream, peer, None);
                    }
                }
                Err(error) => match Trouble::of(&error) {
                    Trouble::Nobody => return,
                    Trouble::Connection => {}
                    _ if !listener.has_waiting() => return,
                    // Accepts the waiting clients after the pause.
                    Trouble::Room | Trouble::Listener => {
                        self.desk.room.pause_unless_paused(self.desk.now + PAUSE);
                        return;
                    }
                },
            }
        }
        self.accepting.note_more();
    }
}

impl Desk {
    /// Whether no further connection is let in. The drain accepts the whole backlog, since what it leaves is reset; but
    /// requests that run need descriptors, too.
    fn at_limit(&self) -> bool {
        self.shared.channels.load(Ordering::Relaxed) >= self.shared.settings.connection_limit
            && (self.drain.is_none() || are_scarce())
    }

    /// Whether there are more connections than are let in, since siblings have handed some over.
    #[cfg(unix)]
    pub(in crate::io) fn is_beyond_limit(&self) -> bool {
        self.drain.is_none()
            && self.shared.channels.load(Ordering::Relaxed) > self.shared.settings.connection_limit
    }

    /// Makes the connection a channel. `listener` is `None` for the admin endpoint.
    pub(in crate::io) fn adopt(
        &mut self,
        registry: &Registry,
        stream: Stream,
        peer: Peer,
        listener: Option<usize>,
    ) {
        if let Some(index) = self.install(registry, stream, peer, listener)
            && listener.is_some()
            && self.drain.is_some()
            && !self.departures().hand_over(index)
        {
            self.drain_idle(index);
        }
    }

    /// Makes the connection an idle channel; returns its index, unless the system refuses to watch it.
    pub(in crate::io) fn install(
        &mut self,
        registry: &Registry,
        mut stream: Stream,
        peer: Peer,
        listener: Option<usize>,
    ) -> Option<usize> {
        let token = self.channels.next_token();
        if let Err(error) = stream.register(registry, Token(token)) {
            if listener.is_some() {
                self.shared.channels.fetch_sub(1, Ordering::Relaxed);
            }
            if self.shared.accept_log.pass(self.now) {
                log::warn!(target: crate::LOG, "a connection could not be watched: {error}");
            }
            return None;
        }
        let link = Link::new(
            stream,
            peer,
            listener.map(|n| n as u32),
            token,
            Arc::clone(&self.mailbox),
            Arc::clone(&self.shared.unsent),
        );
        let channel = Channel::new(Arc::new(link), self.turn, self.now);
        let index = self.channels.insert(channel);
        if listener.is_none() {
            self.admin.open.push(token);
        }
        self.become_idle(index, self.now);
        crate::inject_panic("adopt");
        Some(index)
    }
}

/// Why there is no room for another connection.
const AT_LIMIT: &str = "connection_limit is reached and no channel is idle";
/// Most open connections to the admin endpoint.
const ADMIN_CHANNELS: usize = 64;

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::io::inline::Endpoint;
    use crate::net::address::{ListenSpec, Listening};
    use crate::net::listener::bind_all;
    use crate::settings::Settings;
    use crate::shared::{Shared, Stage};

    const BACKLOG: i32 = 2 * ACCEPTS as i32;

    /// A loop with a listener, and the listener's address.
    fn listening(connection_limit: usize) -> (Arc<Shared>, IoLoop, std::net::SocketAddr) {
        let settings = Settings {
            connection_limit,
            backlog: BACKLOG,
            ..Settings::for_tests()
        };
        let any = ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
        let listeners = bind_all(&[any], settings.bind_options()).unwrap();
        let Listening::Tcp(address) = *listeners[0].listening() else {
            unreachable!("it was bound to TCP")
        };
        let shared = Arc::new(Shared::new(settings, Vec::new(), None));
        let io = IoLoop::new(&shared, listeners, Endpoint::default()).unwrap();
        (shared, io, address)
    }

    /// Clients that have sent a request, and wait in the backlog.
    fn crowd(address: std::net::SocketAddr, count: usize) -> Vec<std::net::TcpStream> {
        let client = |_| {
            let mut client = std::net::TcpStream::connect(address).unwrap();
            client
                .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                .unwrap();
            client
        };
        (0..count).map(client).collect()
    }

    #[test]
    fn the_whole_backlog_is_accepted_before_the_listener_closes() {
        let (shared, mut io, address) = listening(1);
        let full = BACKLOG as usize + usize::from(cfg!(target_os = "linux"));
        let _clients = crowd(address, full);
        shared.advance(Stage::Draining);
        io.notice_drain();
        assert_eq!(io.waiting_tasks(), full);
    }

    /// As often as the application needs a file.
    #[cfg(unix)]
    #[test]
    fn the_backlog_beyond_the_limit_leaves_descriptors_free() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        // The limit is that of the process. Here each test has one of its own only under cargo-nextest.
        if std::env::var_os("NEXTEST").is_none() {
            return;
        }
        let (shared, mut io, address) = listening(2);
        let _clients = crowd(address, 5);
        let limit = getrlimit(Resource::Nofile);
        let used: [_; 64] = std::array::from_fn(|_| std::fs::File::open("/dev/null").unwrap());
        // An eighth of it is left.
        let few = std::os::fd::AsRawFd::as_raw_fd(&used[63]) as u64 * 8 / 7;
        let scarce = Rlimit {
            current: Some(few),
            ..limit
        };
        setrlimit(Resource::Nofile, scarce).unwrap();
        shared.advance(Stage::Draining);
        io.notice_drain();
        setrlimit(Resource::Nofile, limit).unwrap();
        assert_eq!(io.waiting_tasks(), 2);
    }

    #[test]
    fn a_crowd_is_let_in_in_shares() {
        let (_shared, mut io, address) = listening(2 * ACCEPTS);
        let crowd: Vec<_> = (0..ACCEPTS + 3)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        io.accept_from(0, ACCEPTS);
        assert_eq!(
            (io.desk.channels.len(), io.accepting.has_more()),
            (ACCEPTS, true)
        );
        io.resume_accepting();
        assert_eq!(
            (io.desk.channels.len(), io.accepting.has_more()),
            (crowd.len(), false)
        );
    }
}
