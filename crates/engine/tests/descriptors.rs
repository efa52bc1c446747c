//! A server that has ended leaves no descriptor behind, and no I/O thread that would hold one.

#![cfg(target_os = "linux")]

mod common;

use std::sync::{Mutex, PoisonError};

use common::{Gate, Site, echo_path, request, settings};

/// One test at a time: they count what the whole process has open.
static ALONE: Mutex<()> = Mutex::new(());

/// Asserts that `round`, done again and again, opens nothing that stays open.
fn leaves_nothing_open(mut round: impl FnMut()) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    round(); // what is opened once for good
    let before = open();
    for _ in 0..50 {
        round();
    }
    assert_eq!(open(), before);
}

#[test]
fn an_idle_server_that_stops_leaves_nothing_open() {
    leaves_nothing_open(|| {
        let site = Site::new(settings(), echo_path);
        site.connect().get("/");
        site.stop().join();
    });
}

#[test]
fn a_reply_that_comes_after_the_end_leaves_nothing_open() {
    leaves_nothing_open(|| {
        let gate = Gate::default();
        let door = gate.clone();
        let site = Site::new(settings(), move |task| {
            door.wait();
            echo_path(task);
        });
        let mut client = site.connect();
        client.send(request("/"));
        site.until("busy_workers", 1);
        site.server.abort();
        assert!(client.is_closed());
        common::wait_for("the end", || site.server.finished());
        gate.open(1);
        site.join().join();
    });
}
