//! Servers of one listener that hand connections over to each other.
#![cfg(unix)]

mod common;

use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use common::{Client, Gate, Site, answer, request, settings, wait_for};
use headwaiter_engine::{
    ListenSpec, Listeners, Page, Server, Settings, Siblings, State, forward, inbox_pair,
};
use socket2::Socket;

/// What a parent process holds: the page and the inboxes of its children.
struct Family {
    page: Page,
    inboxes: Vec<(Socket, Socket)>,
    connection_limit: usize,
}

impl Family {
    fn of(members: usize) -> Self {
        Self {
            page: Page::create(members).unwrap(),
            inboxes: (0..members).map(|_| inbox_pair().unwrap()).collect(),
            connection_limit: 100,
        }
    }

    /// What the child in `slot`, which reads `inbox`, knows of the others.
    fn member(&self, slot: usize, inbox: &Socket) -> Arc<Siblings> {
        let page = Page::open(self.page.fd().try_clone_to_owned().unwrap()).unwrap();
        let inbox = inbox.try_clone().unwrap();
        let siblings = Siblings::new(page, slot, inbox).unwrap();
        for (other, (_, inbox)) in self.inboxes.iter().enumerate() {
            siblings.add(other, inbox.try_clone().unwrap());
        }
        Arc::new(siblings)
    }

    /// A server in `slot` that answers with `name` and the path, on a socket of its own or on `listener`.
    fn site(&self, slot: usize, name: &'static str, listener: Option<&TcpListener>) -> Site {
        self.start(slot, &self.inboxes[slot].0, name, listener, None)
    }

    /// Requests for `/slow` wait at the gate.
    fn gated(&self, slot: usize, name: &'static str, gate: &Gate) -> Site {
        let inbox = &self.inboxes[slot].0;
        self.start(slot, inbox, name, None, Some(gate.clone()))
    }

    /// A server that is ready, and whose siblings send to an inbox that it does not read.
    fn deaf(&self, slot: usize) -> Site {
        self.start(slot, &inbox_pair().unwrap().0, "deaf", None, None)
    }

    fn start(
        &self,
        slot: usize,
        inbox: &Socket,
        name: &'static str,
        listener: Option<&TcpListener>,
        gate: Option<Gate>,
    ) -> Site {
        let settings = Settings {
            threads: 1,
            connection_limit: self.connection_limit,
            ..settings()
        };
        let spec = match listener {
            Some(listener) => ListenSpec::Fd(listener.as_raw_fd()),
            None => ListenSpec::Tcp("127.0.0.1:0".parse().unwrap()),
        };
        let listeners = Listeners::bind(&[spec], &[], settings.bind_options()).unwrap();
        let server = Server::among(self.member(slot, inbox), settings, listeners).unwrap();
        let site = Site::of(server, move |task| {
            let path = task.head().path().to_vec();
            if let Some(gate) = gate.as_ref().filter(|_| path == b"/slow") {
                gate.wait();
            }
            answer(task, &[name.as_bytes(), &path].concat());
        });
        self.until(slot, "is ready and idle", |line| {
            line.state == State::Ready && line.idle == 1
        });
        site
    }

    fn until(&self, slot: usize, what: &str, is: impl Fn(headwaiter_engine::Line) -> bool) {
        wait_for(&format!("{slot} {what}"), || is(self.page.line(slot)));
    }
}

/// A client of `site` that waits at its gate.
fn busy(family: &Family, site: &Site) -> Client {
    let mut client = site.connect();
    client.send(request("/slow"));
    family.until(0, "is busy", |line| line.idle == 0 && line.waiting == 0);
    client
}

#[test]
fn a_burst_of_connections_is_spread_evenly() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let family = Family::of(2);
    let sites = [
        family.site(0, "a", Some(&listener)),
        family.site(1, "b", Some(&listener)),
    ];
    let mut clients: Vec<_> = (0..64).map(|_| sites[0].connect()).collect();
    let open = |slot| family.page.line(slot).connections;
    wait_for("all are accepted", || {
        let arrived = (0..2).all(|slot| family.page.line(slot).pending == 0);
        arrived && open(0) + open(1) == 64
    });
    let (most, least) = (open(0).max(open(1)), open(0).min(open(1)));
    assert!(4 * most <= 5 * least, "{most} and {least}");
    for client in &mut clients {
        assert_eq!(&client.get("/").body[1..], b"/");
    }
    drop(clients);
    for site in sites {
        site.stop();
    }
}

#[test]
fn a_sibling_with_an_idle_worker_serves_in_place_of_a_busy_process() {
    let (family, gate) = (Family::of(2), Gate::default());
    let a = family.gated(0, "a", &gate);
    let mut slow = busy(&family, &a);
    let b = family.site(1, "b", None);
    let mut quick = a.connect();
    assert_eq!(quick.get("/quick").body, b"b/quick");
    assert_eq!(family.page.running(0)[0].path, b"/slow");
    gate.open(1);
    assert_eq!(slow.reply().body, b"a/slow");
    // The client may have its reply before the sender has counted.
    a.until_is("handed_over", 1);
    b.until_is("taken_over", 1);
    assert_eq!((a.stat("connections"), b.stat("connections")), (2, 0));
    a.until_is("channels", 1);
    b.until_is("channels", 1);
    // Nobody is left to take b's connections over.
    drop(slow);
    a.stop();
    b.server.stop();
    assert!(quick.is_closed());
    b.join();
}

/// Its client has waited behind another one, of which nobody knew that it would take long.
#[test]
fn a_request_that_waits_moves_to_a_sibling_with_an_idle_worker() {
    let (family, gate) = (Family::of(2), Gate::default());
    let a = family.gated(0, "a", &gate);
    let mut clients: Vec<_> = (0..3).map(|_| a.connect()).collect();
    a.until("channels", 3);
    let mut slow = busy(&family, &a);
    clients[0].send(request("/get"));
    clients[1].send("POST /post HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345GET /ne");
    // This one stays: its bytes are not what came.
    let chunked =
        "POST /chunked HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    clients[2].send(chunked);
    a.until("queue_depth", 3);
    let b = family.site(1, "b", None);
    assert_eq!(clients[0].reply().body, b"b/get");
    assert_eq!(clients[1].reply().body, b"b/post");
    clients[1].send("xt HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(clients[1].reply().body, b"b/next");
    gate.open(1);
    assert_eq!(slow.reply().body, b"a/slow");
    assert_eq!(clients[2].reply().body, b"a/chunked");
    for (site, requests) in [(&a, 2), (&b, 3)] {
        site.until_is("requests", requests);
    }
    drop((clients, slow));
    a.stop();
    b.stop();
}

#[test]
fn a_server_that_stops_hands_its_connections_over() {
    let (family, gate) = (Family::of(2), Gate::default());
    let a = family.gated(0, "a", &gate);
    let mut idle = a.connect();
    assert_eq!(idle.get("/first").body, b"a/first");
    let mut fresh = a.connect();
    let mut partial = a.connect();
    partial.send("GET /whole HTT");
    a.until("channels", 3);
    a.until(
        "bytes_in",
        (request("/first").len() + "GET /whole HTT".len()) as u64,
    );
    let mut slow = busy(&family, &a);
    let b = family.site(1, "b", None);
    a.server.stop();
    // The server has work left, and these need not wait for its end.
    for (client, path) in [(&mut idle, "/idle"), (&mut fresh, "/fresh")] {
        let reply = client.get(path);
        assert_eq!(reply.body, [b"b", path.as_bytes()].concat());
    }
    let reply = partial.send("P/1.1\r\nHost: x\r\n\r\n").reply();
    assert_eq!(reply.body, b"b/whole");
    gate.open(1);
    let reply = slow.reply();
    assert_eq!(reply.body, b"a/slow");
    assert!(!reply.head.contains("Connection: close"), "{}", reply.head);
    assert_eq!(slow.get("/after").body, b"b/after");
    let a = a.join();
    assert_eq!(a.unfinished(), 0);
    let stats = a.stats();
    let requests = stats.iter().find(|(name, _)| *name == "requests");
    assert_eq!(requests, Some(&("requests", 2.0)));
    b.until_is("requests", 4);
    assert_eq!(b.stat("taken_over"), 4);
    drop((idle, fresh, partial, slow));
    b.stop();
}

#[test]
fn a_connection_beyond_the_limit_goes_to_a_sibling_with_room_and_ends_no_other() {
    let mut family = Family::of(2);
    family.connection_limit = 2;
    let a = family.site(0, "a", None);
    let mut clients = vec![a.connect(), a.connect()];
    for client in &mut clients {
        assert_eq!(client.get("/").body, b"a/");
    }
    let b = family.site(1, "b", None);
    for _ in 0..2 {
        let mut client = a.connect();
        assert_eq!(client.get("/").body, b"b/");
        clients.push(client);
    }
    assert_eq!(a.stat("evicted"), 0);
    // Now both are full.
    let mut last = a.connect();
    assert_eq!(last.get("/").body, b"a/");
    assert_eq!((a.stat("evicted"), b.stat("evicted")), (1, 0));
    clients.push(last);
    let closed = clients.iter_mut().position(Client::is_closed);
    assert_eq!(closed, Some(0));
    drop(clients);
    a.stop();
    b.stop();
}

/// Neither `Expect` nor the version nor the end of what the client sends gets lost.
#[test]
fn a_request_that_moves_is_answered_as_its_client_wants() {
    let (family, gate) = (Family::of(2), Gate::default());
    let a = family.gated(0, "a", &gate);
    let mut clients: Vec<_> = (0..3).map(|_| a.connect()).collect();
    a.until("channels", 3);
    let slow = busy(&family, &a);
    let [expects, old, half] = &mut clients[..] else {
        unreachable!("there are three")
    };
    expects.send(
        "POST /expects HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(expects.head(), b"HTTP/1.1 100 Continue\r\n\r\n");
    expects.send("12345");
    old.send("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    half.send(request("/half"));
    half.stream.shutdown(std::net::Shutdown::Write).unwrap();
    a.until("queue_depth", 3);
    let b = family.site(1, "b", None);
    assert_eq!(expects.reply().body, b"b/expects");
    assert_eq!(expects.get("/next").body, b"b/next");
    let reply = old.reply();
    assert_eq!(reply.body, b"b/old");
    assert!(
        reply.head.contains("Connection: Keep-Alive"),
        "{}",
        reply.head
    );
    assert_eq!(half.reply().body, b"b/half");
    assert!(half.is_closed());
    gate.open(1);
    drop((clients, slow));
    a.stop();
    b.stop();
}

#[test]
fn while_the_whole_server_stops_nothing_is_handed_over() {
    let family = Family::of(2);
    let a = family.site(0, "a", None);
    let mut idle = a.connect();
    a.until("channels", 1);
    let b = family.site(1, "b", None);
    family.page.set_stopping();
    a.server.stop();
    assert!(idle.is_closed());
    a.join();
    assert_eq!(b.stat("taken_over"), 0);
    b.stop();
}

/// Moves the connection that waits in the inbox of `from` to that of `to`, as a parent does.
fn forward_to(family: &Family, from: usize, to: usize) -> usize {
    let (inbox, to_inbox) = (&family.inboxes[from].0, &family.inboxes[to].1);
    inbox.set_nonblocking(true).unwrap();
    forward(&family.page, inbox, to, to_inbox).unwrap()
}

#[test]
fn a_server_that_leaves_forwards_what_arrives_late() {
    let (family, gate) = (Family::of(3), Gate::default());
    let a = family.gated(0, "a", &gate);
    let idle = a.connect();
    a.until("channels", 1);
    let slow = busy(&family, &a);
    let deaf = family.deaf(2);
    let mut late = a.connect();
    family.until(2, "is to get a connection", |line| line.pending == 1);
    deaf.server.abort();
    deaf.join();
    let b = family.site(1, "b", None);
    a.server.stop();
    // The idle one has left.
    b.until("channels", 1);
    assert_eq!(forward_to(&family, 2, 0), 1);
    assert_eq!(late.get("/late").body, b"b/late");
    assert_eq!((a.stat("taken_over"), b.stat("taken_over")), (1, 2));
    gate.open(1);
    a.join();
    drop((idle, slow, late));
    b.stop();
}

#[test]
fn what_a_dead_process_has_not_read_is_served_by_another() {
    let (family, gate) = (Family::of(3), Gate::default());
    let a = family.gated(0, "a", &gate);
    let slow = busy(&family, &a);
    let deaf = family.deaf(2);
    let mut client = a.connect();
    client.send("GET /part");
    family.until(2, "is to get a connection", |line| line.pending == 1);
    deaf.server.abort();
    deaf.join();
    family.page.clear(2);
    let b = family.site(1, "b", None);
    assert_eq!(forward_to(&family, 2, 1), 1);
    assert_eq!(
        client
            .send("/whole HTTP/1.1\r\nHost: x\r\n\r\n")
            .reply()
            .body,
        b"b/part/whole"
    );
    assert_eq!(family.page.line(1).pending, 0);
    gate.open(1);
    drop((slow, client));
    a.stop();
    b.stop();
}

/// It is stopped or stuck, and what it was sent waits until its parent ends it.
#[test]
fn a_sibling_that_stands_still_gets_no_more() {
    // Who makes a turn does not stand still, and one of its start may come late.
    assert!((0..20).any(|_| nothing_more_is_sent_to_who_stands_still()));
}

/// `false`: it made a turn meanwhile, so that says nothing.
fn nothing_more_is_sent_to_who_stands_still() -> bool {
    let (family, gate) = (Family::of(3), Gate::default());
    let a = family.gated(0, "a", &gate);
    let mut slow = busy(&family, &a);
    let deaf = family.deaf(2);
    let mut own = deaf.connect();
    assert_eq!(own.get("/").status, 200);
    deaf.until_is("channels", 1);
    let sent = || family.page.line(2).pending;
    let turns = || family.page.line(2).turns;
    let mut before = turns();
    let mut clients = Vec::new();
    let stands_still = (0..20).any(|_| {
        let seen = sent();
        before = turns();
        for _ in 0..4 {
            clients.push(a.connect());
        }
        // Not only accepted: each is here or there.
        let all = clients.len() as u64 + 1;
        wait_for("each is placed", || {
            a.stat("channels") + a.stat("handed_over") == all
        });
        a.server.move_clock(Duration::from_millis(250));
        sent() == seen
    });
    assert!(stands_still, "it was sent {}", sent());
    let kept = clients.len() - sent() as usize;
    a.until_is("channels", kept as u64 + 1);
    // Nobody else is there to take them over, so they stay, and are served.
    a.server.stop();
    gate.open(1);
    assert_eq!(slow.reply().body, b"a/slow");
    let last = clients.last_mut().unwrap();
    last.send(request("/"));
    wait_for("it is served, or the sibling has moved", || {
        a.stat("requests") == 2 || turns() != before
    });
    let stood_still = turns() == before;
    if stood_still {
        assert_eq!(last.reply().body, b"a/");
    }
    drop(clients);
    deaf.server.abort();
    deaf.join();
    family.page.clear(2);
    a.join();
    stood_still
}

#[test]
fn connections_stay_when_the_inbox_of_the_sibling_is_full_or_closed() {
    for closed in [false, true] {
        let (mut family, gate) = (Family::of(3), Gate::default());
        if closed {
            family.inboxes[2].0 = inbox_pair().unwrap().0;
        } else {
            // As small as the system allows.
            family.inboxes[2].1.set_send_buffer_size(1).unwrap();
        }
        let a = family.gated(0, "a", &gate);
        let mut slow = busy(&family, &a);
        let deaf = family.deaf(2);
        let mut clients: Vec<_> = (0..50).map(|_| a.connect()).collect();
        a.until("connections", 51);
        let kept = a.stat("channels") as usize - 1;
        gate.open(1);
        assert_eq!(slow.reply().body, b"a/slow");
        let passed = a.stat("handed_over") as usize;
        assert_eq!(passed + kept, 50);
        assert!(kept > 30 && (passed > 0) != closed, "{kept} stayed");
        assert_eq!(family.page.line(2).pending as usize, passed);
        // The deaf process has the inbox of a dead one.
        deaf.server.abort();
        deaf.join();
        family.page.clear(2);
        if passed > 0 {
            assert_eq!(forward_to(&family, 2, 0), passed);
        }
        for client in &mut clients {
            assert_eq!(client.get("/").body, b"a/");
        }
        drop((slow, clients));
        a.stop();
    }
}

#[test]
fn a_server_that_leaves_goes_on_when_the_inbox_of_its_sibling_has_room_again() {
    let family = Family::of(3);
    family.inboxes[1].1.set_send_buffer_size(1).unwrap();
    let a = family.site(0, "a", None);
    let mut clients: Vec<_> = (0..20).map(|_| a.connect()).collect();
    a.until("channels", 20);
    let deaf = family.deaf(1);
    a.server.stop();
    let mut moved = 0;
    wait_for("every connection has left", || {
        moved += forward_to(&family, 1, 2);
        moved == 20
    });
    a.join();
    deaf.server.abort();
    deaf.join();
    let b = family.site(2, "b", None);
    for client in &mut clients {
        assert_eq!(client.get("/").body, b"b/");
    }
    drop(clients);
    b.stop();
}
