//! A whole server: the loop, workers, leaders and clients on real sockets, down to the drain.
//!
//! Each client gets every reply once, in order, and not a byte more; each request runs once; the drain
//! ends. Applications answer at once, hold the interpreter for a while (so that the loop is taken back
//! from a leader), block without it, or stream.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use mio::net::UnixStream;
use shuttle::sync::Mutex;
use shuttle::thread::{JoinHandle, spawn};

use super::check;
use super::client::{Client, reply_to};
use super::sync::thread::park_timeout;
use crate::exchange::message::{Mailbox, Message};
use crate::io::IoLoop;
use crate::io::inline::Endpoint;
use crate::net::address::Peer;
use crate::net::socket::Stream;
use crate::settings::Settings;
use crate::shared::{Shared, Stage};
use crate::worker::Tasks;
use crate::worker::leader::conduct;
use crate::worker::seat::Seat;
use crate::worker::task::Task;

/// The server, and the interpreter around its workers.
#[derive(Clone)]
struct Site {
    shared: Arc<Shared>,
    seat: Arc<Seat<IoLoop>>,
    mailbox: Arc<Mailbox>,
    lock: Arc<Mutex<()>>,
    /// How often each path was run.
    ran: Arc<Mutex<HashMap<String, u32>>>,
    /// How often a worker had something to do after its reply, and came to its end.
    lingered: Arc<Mutex<u32>>,
    /// What a path with `gate` in it waits for: nothing that the loop has a part in.
    open: Arc<Mutex<bool>>,
}

impl Site {
    fn start(settings: Settings) -> (Self, Vec<JoinHandle<()>>) {
        let threads = settings.threads;
        let shared = Arc::new(Shared::new(settings, Vec::new(), None));
        let io = IoLoop::new(&shared, Vec::new(), Endpoint::default()).unwrap();
        let mailbox = Arc::clone(io.mailbox());
        shared.mailbox.set(Arc::clone(&mailbox)).unwrap();
        let site = Self {
            shared,
            seat: Arc::default(),
            mailbox,
            lock: Arc::default(),
            ran: Arc::default(),
            lingered: Arc::default(),
            open: Arc::default(),
        };
        let workers = (0..threads).map(|_| {
            let site = site.clone();
            spawn(move || site.work())
        });
        let mut all: Vec<_> = workers.collect();
        let (shared, seat) = (Arc::clone(&site.shared), Arc::clone(&site.seat));
        all.push(spawn(move || {
            conduct(Box::new(io), &shared, &seat);
            // The drain has waited for what workers had to do after their replies.
            assert_eq!(shared.running.closing(), 0);
            shared.queue.close();
        }));
        (site, all)
    }

    fn work(&self) {
        let mut tasks = Tasks::new(&self.shared, &self.seat);
        loop {
            let mut attached = Some(self.lock.lock().unwrap());
            while let Some(mut task) = tasks.next() {
                let path = String::from_utf8(task.head().path().to_vec()).unwrap();
                *self.ran.lock().unwrap().entry(path.clone()).or_default() += 1;
                if path.ends_with("long") {
                    (0..8).for_each(|_| shuttle::thread::yield_now());
                } else if path.ends_with("block") {
                    drop(attached.take());
                    park_timeout(Duration::from_millis(3));
                    attached = Some(self.lock.lock().unwrap());
                } else if path.contains("gate") {
                    drop(attached.take());
                    while !*self.open.lock().unwrap() {
                        shuttle::thread::yield_now();
                    }
                    attached = Some(self.lock.lock().unwrap());
                } else if path.ends_with("wait") {
                    drop(attached.take());
                    while !self.ran.lock().unwrap().contains_key("/go") {
                        shuttle::thread::yield_now();
                    }
                    attached = Some(self.lock.lock().unwrap());
                }
                respond(&mut task, &path);
                if !path.ends_with("linger") {
                    tasks.complete(task);
                    continue;
                }
                if tasks.answer(task) {
                    drop(attached.take());
                    tasks.send();
                    attached = Some(self.lock.lock().unwrap());
                }
                if path.contains("hold") {
                    drop(attached.take());
                    while !self.ran.lock().unwrap().contains_key("/go") {
                        shuttle::thread::yield_now();
                    }
                    attached = Some(self.lock.lock().unwrap());
                }
                (0..8).for_each(|_| shuttle::thread::yield_now());
                *self.lingered.lock().unwrap() += 1;
                tasks.finish();
            }
            drop(attached);
            if !tasks.park() {
                return;
            }
        }
    }

    fn connect(&self) -> Client {
        let (stream, ours) = UnixStream::pair().unwrap();
        let accepted = Message::Accepted(Stream::Unix(ours), Peer::Unix, 0);
        self.shared
            .channels
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.mailbox.post(accepted, true);
        Client::new(stream)
    }

    /// Drains and waits for every thread; then each client must be at its end.
    fn stop(self, threads: Vec<JoinHandle<()>>, requests: u32) {
        self.shared.advance(Stage::Draining);
        for thread in threads {
            thread.join().unwrap();
        }
        let ran = self.ran.lock().unwrap();
        assert!(ran.values().all(|times| *times == 1), "{ran:?}");
        assert_eq!(ran.len(), requests as usize);
        let count = |name: &str| {
            let all = self.shared.counters.all();
            let found = all.into_iter().find(|(n, _)| *n == name);
            found.expect("a counter of that name").1
        };
        assert_eq!(count("panics"), 0);
        assert_eq!(self.shared.shards.figures().requests(), u64::from(requests));
        let look = self.shared.queue.look(super::sync::now());
        assert_eq!((look.waiting, look.running), (0, 0));
    }
}

fn respond(task: &mut Task, path: &str) {
    // The clients of the model expect the bytes of `reply_to`, without the fields that the server adds.
    let append = |task: &mut Task, text: &str| {
        let buffer = task.exchange_mut().outgoing.tail();
        buffer.extend_from_slice(text.as_bytes());
    };
    append(task, &reply_to(path));
    if path.ends_with("stream") {
        // The head is sent, and the rest with the end of the task.
        task.flush().unwrap();
    }
    append(task, path);
    if path.ends_with("close") {
        task.exchange_mut().close_after();
    }
}

fn settings(threads: usize, lend_loop: bool) -> Settings {
    Settings {
        threads,
        lend_loop,
        ..Settings::for_tests()
    }
}

/// One channel, one request after the other: the loop is lent, left, taken back.
fn one_client(workers: usize, lend_loop: bool, paths: &'static [&'static str]) {
    let (site, threads) = Site::start(settings(workers, lend_loop));
    let mut client = site.connect();
    for path in paths {
        client.send(&[path]);
        client.expect(&[path]);
    }
    site.stop(threads, paths.len() as u32);
    client.expect_end();
}

/// Channels beside each other, so that tasks wait, leaders give the loop back, and the I/O thread naps.
fn many_clients(settings: Settings, clients: &'static [&'static [&'static str]]) {
    let (site, threads) = Site::start(settings);
    let all: Vec<_> = clients
        .iter()
        .map(|paths| {
            let mut client = site.connect();
            spawn(move || {
                for path in *paths {
                    client.send(&[path]);
                    client.expect(&[path]);
                }
                client
            })
        })
        .collect();
    let ended: Vec<_> = all
        .into_iter()
        .map(|client| client.join().unwrap())
        .collect();
    let requests: usize = clients.iter().map(|paths| paths.len()).sum();
    site.stop(threads, requests as u32);
    for mut client in ended {
        client.expect_end();
    }
}

/// A request that ends only when another channel's has been run: a worker that leads must not keep the
/// loop to itself meanwhile.
fn one_waits_for_another() {
    let (site, threads) = Site::start(settings(2, true));
    let (mut first, mut second) = (site.connect(), site.connect());
    for paths in [["/1"], ["/2"]] {
        first.send(&paths);
        first.expect(&paths);
    }
    first.send(&["/wait"]);
    shuttle::thread::yield_now();
    second.send(&["/go"]);
    second.expect(&["/go"]);
    first.expect(&["/wait"]);
    site.stop(threads, 4);
    first.expect_end();
    second.expect_end();
}

/// Requests that come in while the one before is run: whoever finishes that one must see them.
fn pipeline(settings: Settings, bursts: &'static [&'static [&'static str]]) {
    let (site, threads) = Site::start(settings);
    let mut client = site.connect();
    for burst in bursts {
        client.send(burst);
        shuttle::thread::yield_now();
    }
    let all = bursts.concat();
    client.expect(&all);
    site.stop(threads, all.len() as u32);
    client.expect_end();
}

/// A worker retires while a chain is served and another worker leads, which sleeps in the poll and counts
/// as one that is up: what the first one may not take any more must not wait for the next event. There
/// is none: no deadline is armed.
fn retired_in_between() {
    let (site, threads) = Site::start(Settings {
        channel_timeout: None,
        ..settings(2, true)
    });
    let mut client = site.connect();
    client.send(&["/1"]);
    client.expect(&["/1"]);
    client.send(&["/2", "/3", "/4"]);
    shuttle::thread::yield_now();
    site.shared.queue.retire(1);
    client.expect(&["/2", "/3", "/4"]);
    site.stop(threads, 4);
    client.expect_end();
}

/// A drain that begins while requests are on their way: what was begun is finished, and it ends.
fn drain_in_between() {
    let (site, threads) = Site::start(settings(2, true));
    let mut client = site.connect();
    client.send(&["/1"]);
    client.expect(&["/1"]);
    client.send(&["/2", "/3-block"]);
    site.shared.advance(Stage::Draining);
    for thread in threads {
        thread.join().unwrap();
    }
    while client.read() > 0 {}
    // What was not answered was not run, either; nothing was answered twice.
    let got = String::from_utf8(client.got).unwrap();
    let ran = site.ran.lock().unwrap();
    let mut want = String::new();
    for path in ["/2", "/3-block"] {
        match ran.get(path) {
            Some(1) => want += &(reply_to(path) + path),
            Some(n) => panic!("{path} ran {n} times"),
            None => {}
        }
    }
    assert_eq!(got, want, "{ran:?}");
}

#[test]
fn one_channel_with_a_leader() {
    check(1000, || one_client(2, true, &["/1", "/2", "/3", "/4"]));
}

#[test]
fn one_channel_without_a_leader() {
    check(2000, || one_client(1, false, &["/1", "/2"]));
    check(1000, || one_client(2, false, &["/1", "/2", "/3"]));
}

#[test]
fn a_leader_that_stays_away_loses_the_loop() {
    check(1000, || {
        one_client(2, true, &["/1", "/2-long", "/3", "/4-block"])
    });
}

#[test]
fn a_leader_that_blocks_holds_up_nobody() {
    check(1500, one_waits_for_another);
}

#[test]
fn streamed_replies() {
    check(1000, || one_client(2, true, &["/1", "/2-stream", "/3"]));
    check(1000, || one_client(2, false, &["/1-stream", "/2"]));
}

#[test]
fn channels_beside_each_other() {
    const PATHS: &[&[&str]] = &[&["/a1", "/a2"], &["/b1", "/b2-block"], &["/c1-long", "/c2"]];
    for lend_loop in [true, false] {
        check(1000, move || many_clients(settings(2, lend_loop), PATHS));
    }
}

#[test]
fn channels_beside_each_other_without_an_interpreter_lock() {
    const PATHS: &[&[&str]] = &[&["/a1", "/a2"], &["/b1-block", "/b2"], &["/c1", "/c2"]];
    let settings = Settings {
        gil: false,
        ..settings(3, true)
    };
    check(1000, move || many_clients(settings.clone(), PATHS));
}

#[test]
fn pipelines() {
    for lend_loop in [true, false] {
        check(1000, move || {
            pipeline(settings(2, lend_loop), &[&["/1"], &["/2"], &["/3"]])
        });
        check(1000, move || {
            pipeline(settings(2, lend_loop), &[&["/1", "/2-post"], &["/3-post"]])
        });
        check(1000, move || {
            pipeline(
                settings(2, lend_loop),
                &[&["/1", "/2-stream", "/3"], &["/4", "/5"]],
            )
        });
    }
}

/// The next request comes in just as the worker says that it has sent the reply to the last one: each
/// side's flag is seen by the other. Few steps, so that few schedules miss the moment.
#[test]
fn bytes_that_come_in_as_a_reply_is_finished() {
    check(10_000, || {
        let (site, threads) = Site::start(settings(1, false));
        let mut client = site.connect();
        client.send(&["/1"]);
        while !site.ran.lock().unwrap().contains_key("/1") {
            shuttle::thread::yield_now();
        }
        client.send(&["/2"]);
        client.expect(&["/1", "/2"]);
        site.stop(threads, 2);
        client.expect_end();
    });
}

/// Followers are taken by a worker that is up for another channel, while their predecessors' replies
/// are still on the way.
#[test]
fn pipelines_beside_each_other() {
    check(3000, || {
        let settings = Settings {
            gil: false,
            ..settings(2, false)
        };
        let (site, threads) = Site::start(settings);
        let bursts: [&[&str]; 2] = [&["/a1", "/a2"], &["/b1", "/b2"]];
        let mut clients = bursts.map(|paths| (site.connect(), paths));
        for (client, paths) in &mut clients {
            client.send(paths);
        }
        for (client, paths) in &mut clients {
            client.expect(paths);
        }
        site.stop(threads, 4);
    });
}

/// The reply that ends a connection, and bytes that came in behind its request: a reset would take the reply
/// from the client. That they came may be news of the very turn that sends the reply.
fn bytes_behind_the_last_request(lend_loop: bool) {
    let (site, threads) = Site::start(settings(1, lend_loop));
    let mut client = site.connect();
    client.send(&["/1-gate-close"]);
    while !site.ran.lock().unwrap().contains_key("/1-gate-close") {
        shuttle::thread::yield_now();
    }
    client.send(&["/2"]);
    *site.open.lock().unwrap() = true;
    client.expect(&["/1-gate-close"]);
    client.expect_end();
    assert!(!client.reset);
    drop(client);
    site.stop(threads, 1);
}

#[test]
fn the_last_reply_is_not_taken_back() {
    for lend_loop in [true, false] {
        check(1000, move || bytes_behind_the_last_request(lend_loop));
    }
}

/// A worker that answers and has something to do afterwards: the reply and the channel's next request need
/// not wait for it, and the drain does.
fn more_to_do_after_the_reply(workers: usize, lend_loop: bool) {
    let (site, threads) = Site::start(settings(workers, lend_loop));
    let (mut first, mut second) = (site.connect(), site.connect());
    first.send(&["/1-linger"]);
    first.expect(&["/1-linger"]);
    second.send(&["/2"]);
    first.send(&["/3-linger"]);
    second.expect(&["/2"]);
    first.expect(&["/3-linger"]);
    site.shared.advance(Stage::Draining);
    let lingered = Arc::clone(&site.lingered);
    site.stop(threads, 3);
    assert_eq!(*lingered.lock().unwrap(), 2);
    first.expect_end();
    second.expect_end();
}

/// A request that came in behind another, whose worker is not through before the second one was run: that one
/// needs a worker of its own, though a leader sleeps in the poll.
fn more_to_do_before_the_next_one(lend_loop: bool) {
    let (site, threads) = Site::start(Settings {
        channel_timeout: None,
        ..settings(2, lend_loop)
    });
    let mut client = site.connect();
    client.send(&["/1"]);
    client.expect(&["/1"]);
    client.send(&["/2-hold-linger", "/go"]);
    client.expect(&["/2-hold-linger", "/go"]);
    site.stop(threads, 3);
    client.expect_end();
}

#[test]
fn what_came_in_behind_is_served_meanwhile() {
    for lend_loop in [true, false] {
        check(300, move || more_to_do_before_the_next_one(lend_loop));
    }
}

#[test]
fn replies_that_leave_before_their_worker_is_through() {
    for lend_loop in [true, false] {
        check(150, move || more_to_do_after_the_reply(1, lend_loop));
        check(150, move || more_to_do_after_the_reply(2, lend_loop));
    }
}

#[test]
fn a_worker_that_retires_in_between() {
    check(5000, retired_in_between);
}

#[test]
fn a_drain_in_between() {
    check(1500, drain_in_between);
}
