//! Sibling processes, played by threads: each connection that is handed over to a process that leaves ends up at one
//! place, and the process ends.
//!
//! The page, its protocol, the messages and the loop of the process that leaves are the real ones.

use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use shuttle::thread::spawn;

use super::check;
use super::sync::World;
use crate::io::IoLoop;
use crate::io::inline::Endpoint;
use crate::net::address::Listening;
use crate::settings::Settings;
use crate::shared::{Shared, Stage};
use crate::siblings::{Figures, Frame, LARGEST, Outcome, Page, Siblings, inbox_pair, receive};

/// The process in a slot of a page.
fn member(page: &Page, slot: usize, inbox: &socket2::Socket) -> Siblings {
    let page = Page::open(page.fd().try_clone_to_owned().unwrap()).unwrap();
    Siblings::new(page, slot, inbox.try_clone().unwrap()).unwrap()
}

/// What became of the connections of one sender.
#[derive(Default)]
struct Sent {
    /// The clients of connections that it has sent, and of those that it has kept.
    gone: Vec<UnixStream>,
    kept: Vec<(UnixStream, UnixStream)>,
}

/// Hands over a few connections.
fn send(sender: &Siblings) -> Sent {
    let mut sent = Sent::default();
    for _ in 0..EACH {
        let (client, connection) = UnixStream::pair().unwrap();
        let frame = Frame {
            connection: connection.as_fd(),
            listener: 0,
            marked: false,
            bytes: b"",
        };
        match sender.hand_over(usize::MAX, &frame, crate::sys::sync::now()) {
            Outcome::Sent => sent.gone.push(client),
            Outcome::Full | Outcome::Nobody => sent.kept.push((client, connection)),
        }
        World::get().stir();
    }
    sent
}

/// How many connections wait in an inbox.
fn waiting(sibling: &Siblings) -> usize {
    let mut buffer = vec![0; LARGEST];
    let mut messages = 0;
    while let Some(message) = receive(sibling.inbox(), &mut buffer).unwrap() {
        assert!(message.connection.is_some());
        messages += 1;
    }
    messages
}

/// Slot 0 leaves while the others hand over to it. With `heirs` it hands its own over to them, else it closes them. With
/// `death` another sender dies between its announcement and its message.
fn one_leaves(heirs: bool, death: bool) {
    let page = Page::create(4).unwrap();
    let inboxes: Vec<_> = (0..4).map(|_| inbox_pair().unwrap()).collect();
    let leaver = member(&page, 0, &inboxes[0].0);
    let senders = [1, 2].map(|slot| {
        let sender = member(&page, slot, &inboxes[slot].0);
        sender.add(0, inboxes[0].1.try_clone().unwrap());
        if heirs {
            leaver.add(slot, inboxes[slot].1.try_clone().unwrap());
        }
        sender.publish(Figures {
            idle: 1,
            waiting: 0,
            connections: 0,
            turn: true,
        });
        Arc::new(sender)
    });
    let settings = Settings {
        channel_timeout: None,
        ..Settings::for_tests()
    };
    let mut shared = Shared::new(settings, vec![Listening::Unix("model".into())], None);
    shared.siblings = Some(Arc::new(leaver));
    let shared = Arc::new(shared);
    let mut io = IoLoop::new(&shared, Vec::new(), Endpoint::default()).unwrap();
    let mailbox = Arc::clone(io.mailbox());
    assert!(shared.mailbox.set(mailbox).is_ok());
    // It is ready from here on.
    io.turn().unwrap();
    let threads = senders.clone().map(|sender| spawn(move || send(&sender)));
    let victim = death.then(|| member(&page, 3, &inboxes[3].0));
    let dying = spawn(move || victim.iter().for_each(|victim| victim.announce(0)));
    let looping = spawn(move || Box::new(io).run());
    shuttle::thread::yield_now();
    shared.advance(Stage::Draining);
    let sent = threads.map(|thread| thread.join().unwrap());
    dying.join().unwrap();
    looping.join().unwrap();
    let (mut gone, mut open) = (0, 0);
    for mut client in sent.into_iter().flat_map(|sent| sent.gone) {
        client.set_nonblocking(true).unwrap();
        gone += 1;
        match client.read(&mut [0]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => open += 1,
            other => panic!("{other:?}"),
        }
    }
    let inherited: usize = senders.iter().map(|sender| waiting(sender)).sum();
    // The parent forwards these.
    let late = waiting(shared.siblings.as_ref().unwrap()) as u64;
    assert!(late == 0 || death);
    open -= late;
    gone -= late;
    let counters = &shared.counters;
    assert_eq!(counters.taken_over.get(), gone);
    assert_eq!(counters.not_taken_over.get() + counters.panics.get(), 0);
    assert_eq!(counters.handed_over.get(), if heirs { gone } else { 0 });
    assert_eq!(
        (inherited as u64, open),
        if heirs { (gone, gone) } else { (0, 0) }
    );
    // The announcement of the dead may have been written off.
    assert!(u64::from(page.line(0).pending) <= late + u64::from(death));
    assert_eq!(
        shared.channels.load(std::sync::atomic::Ordering::Relaxed),
        0
    );
}

#[test]
fn a_process_leaves_while_siblings_hand_over_to_it() {
    for heirs in [true, false] {
        check(1500, move || one_leaves(heirs, false));
    }
}

#[test]
fn a_sender_that_dies_does_not_hold_up_a_process_that_leaves() {
    check(300, || one_leaves(true, true));
}

/// Connections of each sender.
const EACH: usize = 3;
