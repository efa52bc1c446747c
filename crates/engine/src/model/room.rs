//! A worker that waits until its client has taken bytes: it goes on with the last of them, or when the
//! client is gone.

use std::sync::Arc;

use mio::Token;
use shuttle::thread::spawn;

use super::check;
use super::sync::{Poll, Waker};
use crate::exchange::link::Link;
use crate::exchange::message::Mailbox;
use crate::net::address::Peer;
use crate::net::socket::Stream;
use crate::store::parts::Size;

fn link() -> Arc<Link> {
    let poll = Poll::new().unwrap();
    let waker = Waker::new(poll.registry(), Token(0)).unwrap();
    let (stream, _) = mio::net::UnixStream::pair().unwrap();
    let mailbox = Arc::new(Mailbox::new(waker));
    Arc::new(Link::new(
        Stream::Unix(stream),
        Peer::Unix,
        Some(0),
        0,
        mailbox,
        Arc::default(),
    ))
}

fn bytes(all: u64) -> Size {
    Size { all, memory: all }
}

/// The worker waits three times; the other side takes two bytes at a time, and then maybe leaves.
fn worker_goes_on(stays: bool) {
    let link = link();
    link.account(bytes(6));
    let io = Arc::clone(&link);
    let io = spawn(move || {
        for _ in 0..if stays { 3 } else { 1 } {
            io.sent(bytes(2));
        }
        if !stays {
            io.mark_gone();
        }
    });
    for most in [4, 2, 0] {
        link.wait_room(|unsent| unsent.all <= most);
        let gone = link.has(crate::exchange::link::GONE);
        assert!(gone || link.unsent().all <= most);
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
