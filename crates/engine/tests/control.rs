//! The control socket: what a child does when its parent says so, and when its parent is gone.

#![cfg(unix)]

mod common;

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use common::{Gate, Site, echo_path, request, settings};
use headwaiter_engine::{Control, Page, Settings, Siblings, inbox_pair};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde_json::{Value, json};
use socket2::Socket;

/// The parent's end of a control socket, and the statuses with which the child would have left.
struct Parent {
    socket: UnixStream,
    left: Receiver<i32>,
}

impl Parent {
    fn new() -> (Self, Control) {
        Self::among(None)
    }

    fn among(siblings: Option<Arc<Siblings>>) -> (Self, Control) {
        let (socket, child) = UnixStream::pair().unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let (leave, left) = channel();
        let leave = move |status| leave.send(status).unwrap();
        let control = Control::start(Socket::from(child), siblings, Box::new(leave)).unwrap();
        (Self { socket, left }, control)
    }

    /// A parent of a site that serves, and that has said so.
    fn of(
        settings: Settings,
        app: impl Fn(&mut headwaiter_engine::Task) + Send + Sync + 'static,
    ) -> (Self, Control, Site) {
        let (mut parent, control) = Self::new();
        let site = Site::prepared(
            settings,
            |server| {
                server.obey(&control).unwrap();
                control.starts();
            },
            app,
        );
        control.ready();
        assert_eq!(parent.hear()["did"], "ready");
        (parent, control, site)
    }

    fn say(&mut self, frame: &Value) {
        let text = frame.to_string();
        let length = (text.len() as u32).to_be_bytes();
        self.socket.write_all(&length).unwrap();
        self.socket.write_all(text.as_bytes()).unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut length = [0; 4];
        self.socket.read_exact(&mut length).unwrap();
        let mut text = vec![0; u32::from_be_bytes(length) as usize];
        self.socket.read_exact(&mut text).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    fn ask(&mut self, what: &str, number: u64) -> Value {
        self.say(&json!({"do": what, "n": number}));
        let answer = self.hear();
        assert_eq!(answer["n"], number);
        answer
    }
}

#[test]
fn a_ping_is_answered_while_no_worker_returns() {
    let gate = Gate::default();
    let door = gate.clone();
    let (mut parent, _control, site) = Parent::of(settings(), move |task| {
        door.wait();
        echo_path(task);
    });
    let mut clients = [0, 1, 2].map(|_| site.connect());
    for client in &mut clients {
        client.send(request("/"));
    }
    site.until("busy_workers", 2);
    for number in [7, 8] {
        assert_eq!(parent.ask("ping", number)["did"], "pong");
    }
    gate.open(3);
    for client in &mut clients {
        assert_eq!(client.reply().status, 200);
    }
    site.stop();
}

#[test]
fn a_ping_is_answered_before_there_is_a_server() {
    let (mut parent, _control) = Parent::new();
    assert_eq!(parent.ask("ping", 1)["did"], "pong");
}

#[test]
fn without_its_parent_a_child_drains() {
    let gate = Gate::default();
    let door = gate.clone();
    let (parent, control, site) = Parent::of(settings(), move |task| {
        door.wait();
        echo_path(task);
    });
    let (mut busy, mut idle) = (site.connect(), site.connect());
    busy.send(request("/busy"));
    site.until("busy_workers", 1);
    assert!(!control.is_orphaned());
    drop(parent.socket);
    assert!(idle.is_closed());
    assert!(control.is_orphaned());
    gate.open(1);
    assert_eq!(busy.reply().body, b"/busy");
    assert_eq!(site.join().unfinished(), 0);
    assert!(parent.left.try_recv().is_err());
}

#[test]
fn before_it_serves_a_child_without_a_parent_leaves_at_once() {
    for order in [None, Some("drain"), Some("cut")] {
        let (mut parent, _control) = Parent::new();
        if let Some(order) = order {
            parent.say(&json!({ "do": order }));
        } else {
            drop(parent.socket);
        }
        assert_eq!(parent.left.recv_timeout(PATIENCE), Ok(0), "{order:?}");
    }
}

#[test]
fn the_parent_drains_and_cuts() {
    let door = Gate::default();
    let closed = door.clone();
    let (mut parent, control, site) = Parent::of(settings(), move |task| {
        closed.wait();
        echo_path(task);
    });
    let (onwards, mut python) = UnixStream::pair().unwrap();
    control.watch_signals(Socket::from(onwards), vec![(15, "SIGTERM".into())], None);
    let (mut busy, mut idle) = (site.connect(), site.connect());
    busy.send(request("/busy"));
    site.until("busy_workers", 1);
    parent.say(&json!({"do": "drain"}));
    let mut number = [0];
    python.read_exact(&mut number).unwrap();
    assert_eq!(number, [15]);
    assert!(idle.is_closed());
    parent.say(&json!({"do": "cut"}));
    assert!(busy.is_closed());
    door.open(1);
    control.close();
    assert_eq!(site.join().unfinished(), 1);
    control.last();
    assert_eq!(parent.hear()["did"], "last");
}

#[test]
fn if_nobody_ends_the_process_after_a_stop_the_thread_does() {
    let settings = Settings {
        shutdown_timeout: Duration::ZERO,
        ..settings()
    };
    let (mut parent, _control, site) = Parent::of(settings, echo_path);
    parent.say(&json!({"do": "drain"}));
    assert_eq!(parent.hear()["did"], "last");
    assert_eq!(parent.left.recv_timeout(PATIENCE), Ok(3));
    site.join();
}

#[test]
fn a_child_that_is_unready_serves_on() {
    let (mut parent, _control, site) = Parent::of(
        Settings {
            health_path: Some(b"/health".to_vec()),
            ..settings()
        },
        echo_path,
    );
    let mut client = site.connect();
    assert_eq!(client.get("/health").status, 200);
    parent.say(&json!({"do": "unready"}));
    parent.ask("ping", 1);
    let reply = client.get("/health");
    assert_eq!(
        (reply.status, &reply.body[..]),
        (503, &b"about to stop\n"[..])
    );
    assert_eq!(client.get("/").status, 200);
    site.stop();
}

#[test]
fn a_signal_is_a_question_and_is_asked_once() {
    let (mut parent, control, site) = Parent::of(settings(), echo_path);
    let stopping = vec![(15, "SIGTERM".into()), (2, "SIGINT".into())];
    // The first signal comes before anybody has said what it means.
    let mut handler = handler_of(&control);
    handler.write_all(&[15]).unwrap();
    parent.ask("ping", 1);
    let (onwards, _python) = UnixStream::pair().unwrap();
    control.watch_signals(Socket::from(onwards), stopping, None);
    assert_eq!(parent.hear(), json!({"did": "asks", "why": "SIGTERM"}));
    handler.write_all(&[15, 10, 2]).unwrap();
    assert_eq!(parent.hear(), json!({"did": "asks", "why": "SIGINT"}));
    assert_eq!(site.connect().get("/").status, 200);
    site.stop();
}

#[test]
fn a_child_asks_to_be_replaced_after_its_last_request_and_serves_on() {
    let settings = Settings {
        max_requests: Some(3),
        ..settings()
    };
    let (mut parent, _control, site) = Parent::of(settings, echo_path);
    let mut client = site.connect();
    for path in ["/1", "/2"] {
        assert_eq!(client.get(path).status, 200);
    }
    assert_eq!(parent.ask("ping", 1)["did"], "pong");
    for path in ["/3", "/4", "/5"] {
        assert_eq!(client.get(path).status, 200);
    }
    assert_eq!(parent.hear(), json!({"did": "asks", "why": "max_requests"}));
    for (what, n) in [("figures", 2), ("counts", 3)] {
        let figures = parent.ask(what, n);
        assert_eq!(figures["did"], "figures");
        let text = figures["text"].as_str().unwrap();
        assert!(serde_json::from_str::<Value>(text).unwrap().is_object());
    }
    site.stop();
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_that_has_grown_asks_at_a_ping() {
    let settings = Settings {
        max_rss: Some(1),
        ..settings()
    };
    let (mut parent, _control, site) = Parent::of(settings, echo_path);
    parent.say(&json!({"do": "ping", "n": 1}));
    assert_eq!(parent.hear(), json!({"did": "asks", "why": "max_rss"}));
    assert_eq!(parent.hear()["did"], "pong");
    assert_eq!(parent.ask("ping", 2)["did"], "pong");
    site.stop();
}

#[test]
fn stacks_come_from_the_interpreter_or_are_replaced() {
    let (mut parent, _control, site) = Parent::of(settings(), echo_path);
    // Nobody collects them.
    let text = parent.ask("stacks", 1)["text"].to_string();
    assert!(text.contains("could not be had"), "{text}");
    let watcher = site.server.watcher();
    for number in [2, 3] {
        parent.say(&json!({"do": "stacks", "n": number}));
    }
    parent.ask("ping", 4);
    let probe = loop {
        let mut probe = watcher.wait().unwrap();
        watcher.attached(&mut probe);
        if probe.wants_stacks() {
            break probe;
        }
    };
    watcher.stacks(probe, "the stacks".into());
    for number in [2, 3] {
        let stacks = json!({"did": "stacks", "n": number, "text": "the stacks"});
        assert_eq!(parent.hear(), stacks);
    }
    site.stop();
}

#[test]
fn a_sibling_is_known_until_the_parent_says_that_it_is_gone() {
    let page = Page::create(2).unwrap();
    let (inbox, _) = inbox_pair().unwrap();
    let siblings = Arc::new(Siblings::new(page, 0, inbox).unwrap());
    let (mut parent, _control) = Parent::among(Some(siblings));
    let (other, sender) = inbox_pair().unwrap();
    other.set_nonblocking(true).unwrap();
    let frame = br#"{"do":"sibling","slot":1}"#;
    let frame = [&(frame.len() as u32).to_be_bytes()[..], frame].concat();
    send_with(&parent.socket, &frame, sender.as_fd());
    drop(sender);
    parent.ask("ping", 1);
    let mut byte = [MaybeUninit::uninit()];
    // Somebody can send, but has not.
    let nothing = other.recv(&mut byte).unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::WouldBlock);
    parent.say(&json!({"do": "forget", "slot": 1}));
    parent.ask("ping", 2);
    // Nobody can send any more. Where messages keep no connection there is no end to read.
    if cfg!(target_os = "linux") {
        assert_eq!(other.recv(&mut byte).unwrap(), 0);
    }
}

fn send_with(socket: &UnixStream, bytes: &[u8], descriptor: BorrowedFd<'_>) {
    let descriptors = [descriptor];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let bytes = [IoSlice::new(bytes)];
    sendmsg(socket, &bytes, &mut ancillary, SendFlags::empty()).unwrap();
}

/// What the handler of signals writes to.
fn handler_of(control: &Control) -> UnixStream {
    UnixStream::from(control.signals().try_clone_to_owned().unwrap())
}

const PATIENCE: Duration = Duration::from_secs(60);
