//! A lane between its two threads: a worker that waits for room goes on when there is room or the client is gone; a
//! probe never gets into a reply; bytes behind a request are seen by one of the two.

use std::io::Read;
use std::sync::Arc;

use mio::Token;
use mio::net::UnixStream;
use shuttle::thread::spawn;

use super::check;
use super::sync::atomic::{AtomicU32, Ordering};
use super::sync::{Poll, Waker};
use crate::exchange::lane::Lane;
use crate::exchange::link::{FIN, GONE, Link};
use crate::exchange::message::Mailbox;
use crate::net::address::Peer;
use crate::net::socket::Stream;
use crate::store::parts::Size;

fn lane() -> (Lane, UnixStream) {
    let poll = Poll::new().unwrap();
    let waker = Waker::new(poll.registry(), Token(0)).unwrap();
    let (stream, client) = UnixStream::pair().unwrap();
    let mailbox = Arc::new(Mailbox::new(waker));
    let link = Link::new(
        Stream::Unix(stream),
        Peer::Unix,
        Some(0),
        0,
        mailbox,
        Arc::default(),
    );
    (Lane::of(&Arc::new(link)), client)
}

fn bytes(all: u64) -> Size {
    Size { all, memory: all }
}

/// The worker waits three times; the other side takes two bytes at a time, and then maybe leaves.
fn worker_goes_on(stays: bool) {
    let (lane, _client) = lane();
    lane.account(bytes(6));
    let io = lane.clone();
    let io = spawn(move || {
        for _ in 0..if stays { 3 } else { 1 } {
            io.sent(bytes(2));
        }
        if !stays {
            io.link().mark_gone();
        }
    });
    for most in [4, 2, 0] {
        lane.wait_room(|unsent| unsent.all <= most);
        let gone = lane.link().has(GONE);
        assert!(gone || lane.unsent().all <= most);
    }
    io.join().unwrap();
}

#[test]
fn room_is_told() {
    check(6000, || worker_goes_on(true));
}

#[test]
fn a_client_that_leaves_is_told() {
    check(6000, || worker_goes_on(false));
}

/// The I/O thread probes a client that has finished sending, while the worker begins its reply.
fn probe_meets_reply() {
    let (lane, mut client) = lane();
    lane.begin_request(false, true);
    let io = lane.clone();
    let io = spawn(move || {
        io.link().set(FIN);
        io.probe();
        io.probe();
    });
    lane.begin_reply();
    lane.link().stream.send(b"reply").unwrap();
    io.join().unwrap();
    let mut buf = [0; 64];
    let got = client.read(&mut buf).unwrap();
    let got = &buf[..got];
    let before = got.strip_suffix(b"reply").unwrap();
    assert!(before.is_empty() || before == headwaiter_http::CONTINUE);
}

#[test]
fn a_probe_comes_before_the_reply_or_never() {
    check(6000, probe_meets_reply);
}

/// Bytes come in behind a request while its worker finishes: whichever comes second knows of the first.
fn bytes_meet_finish() {
    let (lane, _client) = lane();
    lane.begin_request(false, true);
    let told = Arc::new(AtomicU32::new(0));
    let (io, by_io) = (lane.clone(), Arc::clone(&told));
    let io = spawn(move || by_io.fetch_add(u32::from(io.set_pending()), Ordering::SeqCst));
    told.fetch_add(u32::from(lane.set_finished()), Ordering::SeqCst);
    io.join().unwrap();
    assert_eq!(told.load(Ordering::SeqCst), 1);
}

#[test]
fn bytes_behind_a_request_are_seen_by_one_of_the_two() {
    check(2000, bytes_meet_finish);
}
