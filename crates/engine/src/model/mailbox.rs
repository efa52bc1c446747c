//! The mailbox: every message is read, in its sender's order, by an owner that sleeps, or naps first.

use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Token};
use shuttle::thread::spawn;

use super::check;
use super::sync::atomic::{AtomicBool, Ordering};
use super::sync::thread::park_timeout;
use super::sync::{Poll, Waker};
use crate::sys::mailbox::Mailbox;

/// Two senders leave `EACH` messages; the owner's turns are those of `IoLoop::turn`.
fn owner_reads_all(naps: bool, post: fn(&Mailbox<String>, String)) {
    let mut poll = Poll::new().unwrap();
    let waker = Waker::new(poll.registry(), Token(0)).unwrap();
    let mailbox = Arc::new(Mailbox::new(waker));
    let senders: Vec<_> = ["a", "b"]
        .into_iter()
        .map(|name| {
            let mailbox = Arc::clone(&mailbox);
            spawn(move || {
                for n in 0..EACH {
                    post(&mailbox, format!("{name}{n}"));
                }
            })
        })
        .collect();
    let mut events = Events::with_capacity(8);
    let mut got = Vec::new();
    let mut inbox = Vec::new();
    while got.len() < 2 * EACH {
        if naps && mailbox.begin_nap() {
            park_timeout(Duration::from_millis(1));
            mailbox.awake();
        }
        let slept = mailbox.fall_asleep();
        let wait = if slept { None } else { Some(Duration::ZERO) };
        poll.poll(&mut events, wait).unwrap();
        mailbox.awake();
        mailbox.collect(&mut inbox);
        got.append(&mut inbox);
    }
    for sender in senders {
        sender.join().unwrap();
    }
    for name in ["a", "b"] {
        let of_one: Vec<_> = got.iter().filter(|text| text.starts_with(name)).collect();
        let all: Vec<_> = (0..EACH).map(|n| format!("{name}{n}")).collect();
        assert_eq!(of_one, all.iter().collect::<Vec<_>>());
    }
    assert!(mailbox.is_empty());
}

fn urgent(mailbox: &Mailbox<String>, message: String) {
    mailbox.post(message, true);
}

/// As a worker does that has sent its reply itself, and then finds bytes behind the request.
fn woken_for(mailbox: &Mailbox<String>, message: String) {
    mailbox.post(message, false);
    mailbox.wake();
}

#[test]
fn urgent_mail_reaches_an_owner_that_sleeps() {
    check(4000, || owner_reads_all(false, urgent));
}

#[test]
fn mail_whose_sender_wakes_later_reaches_an_owner_that_sleeps() {
    check(3000, || owner_reads_all(false, woken_for));
}

#[test]
fn mail_reaches_an_owner_that_naps() {
    check(3000, || owner_reads_all(true, urgent));
    check(1500, || owner_reads_all(true, woken_for));
}

/// News without a message, as when a drain begins: the owner looks once more before it sleeps.
#[test]
fn a_wake_up_alone_makes_the_owner_look() {
    check(4000, || {
        let mut poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        let mailbox = Arc::new(Mailbox::<()>::new(waker));
        let news = Arc::new(AtomicBool::new(false));
        let teller = {
            let (mailbox, news) = (Arc::clone(&mailbox), Arc::clone(&news));
            spawn(move || {
                news.store(true, Ordering::SeqCst);
                mailbox.wake();
            })
        };
        let mut events = Events::with_capacity(8);
        while !news.load(Ordering::SeqCst) {
            let slept = mailbox.fall_asleep();
            let wait = if slept { None } else { Some(Duration::ZERO) };
            poll.poll(&mut events, wait).unwrap();
            mailbox.awake();
        }
        teller.join().unwrap();
    });
}

/// A nap that is ended from outside, with no time limit to save it.
#[test]
fn the_end_of_a_nap_is_not_lost() {
    check(3000, || {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        let mailbox = Arc::new(Mailbox::<()>::new(waker));
        assert!(mailbox.begin_nap());
        let others: Vec<_> = [Mailbox::end_nap, Mailbox::wake]
            .into_iter()
            .map(|end| {
                let mailbox = Arc::clone(&mailbox);
                spawn(move || end(&mailbox))
            })
            .collect();
        super::sync::thread::park();
        mailbox.awake();
        for other in others {
            other.join().unwrap();
        }
    });
}

/// Messages of each sender.
const EACH: usize = 3;
