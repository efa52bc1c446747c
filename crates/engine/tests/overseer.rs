//! Requests that run long, workers that stand in for stuck ones, and a pool that sizes itself; the clock
//! is moved, and this thread is the overseer.

mod common;

use std::time::Duration;

use common::{Gate, Site, echo_path, request, settings, wait_for};
use headwaiter_engine::{Orders, Oversight, Settings};

const SECOND: Duration = Duration::from_secs(1);

/// A site whose requests for `/wait` wait at the gate.
fn site(settings: Settings) -> (Site, Gate) {
    let gate = Gate::default();
    let door = gate.clone();
    let site = Site::new(settings, move |task| {
        if task.head().path() == b"/wait" {
            door.wait();
        }
        echo_path(task);
    });
    (site, gate)
}

fn next(oversight: &Oversight) -> Orders {
    oversight.wait().expect("the server runs")
}

#[test]
fn a_slow_request_is_reported_at_each_doubling() {
    let (site, gate) = site(Settings {
        slow_request_log: Some(SECOND * 10),
        ..settings()
    });
    let oversight = site.server.oversight();
    let mut client = site.connect();
    client.send(request("/wait"));
    site.until("busy_workers", 1);
    for (ahead, looks) in [(11, 1), (10, 1), (19, 0), (1, 1), (400, 1)] {
        site.server.move_clock(SECOND * ahead);
        if looks > 0 {
            let orders = next(&oversight);
            assert_eq!((orders.slow.len(), orders.start), (1, 0), "{ahead}");
        }
    }
    gate.open(1);
    assert_eq!(client.reply().body, b"/wait");
    // A quick one is nothing to write down.
    assert_eq!(client.get("/quick").status, 200);
    site.stop();
    assert!(oversight.wait().is_none());
}

#[test]
fn a_stuck_worker_is_replaced_until_its_request_ends() {
    let (mut site, gate) = site(Settings {
        threads: 1,
        stuck_after: Some(SECOND * 10),
        stuck_replacements: 2,
        ..settings()
    });
    let oversight = site.server.oversight();
    let mut clients = [site.connect(), site.connect(), site.connect()];
    for (nth, client) in clients.iter_mut().enumerate().take(2) {
        client.send(request("/wait"));
        site.until("busy_workers", nth as u64 + 1);
        site.server.move_clock(SECOND * 11);
        let orders = next(&oversight);
        assert_eq!((orders.slow.len(), orders.start), (0, 1));
        site.another_worker();
        site.until_is("workers", nth as u64 + 2);
        assert_eq!(site.connect().get("/other").status, 200, "capacity is kept");
    }
    // No third one: what is asked for is bounded.
    clients[2].send(request("/wait"));
    site.until_is("busy_workers", 3);
    site.server.move_clock(SECOND * 11);
    let mut waiting = site.connect();
    waiting.send(request("/other"));
    site.until_is("queue_depth", 1);
    gate.open(3);
    for client in &mut clients {
        assert_eq!(client.reply().body, b"/wait");
    }
    assert_eq!(waiting.reply().body, b"/other");
    site.until_is("workers", 1);
    assert_eq!(site.connect().get("/after").status, 200);
    site.stop();
    assert!(oversight.wait().is_none());
}

#[test]
fn a_replacement_that_could_not_be_started_costs_nobody() {
    let (site, gate) = site(Settings {
        threads: 1,
        stuck_after: Some(SECOND * 10),
        ..settings()
    });
    let oversight = site.server.oversight();
    let mut client = site.connect();
    client.send(request("/wait"));
    site.until("busy_workers", 1);
    site.server.move_clock(SECOND * 11);
    let orders = next(&oversight);
    assert_eq!(orders.start, 1);
    oversight.cannot_start(&orders, 0, "no more threads");
    gate.open(1);
    assert_eq!(client.reply().body, b"/wait");
    assert_eq!(client.get("/quick").status, 200);
    site.until_is("workers", 1);
    site.stop();
}

#[test]
fn a_pool_grows_while_requests_wait_and_workers_do_not_compute() {
    let (mut site, gate) = site(Settings {
        threads: 1,
        threads_max: 3,
        ..settings()
    });
    let oversight = site.server.oversight();
    let mut clients: Vec<_> = (0..4).map(|_| site.connect()).collect();
    for client in &mut clients {
        client.send(request("/wait"));
    }
    site.until_is("queue_depth", 3);
    let orders = next(&oversight);
    assert_eq!(orders.start, 1, "twice as many");
    site.another_worker();
    site.until_is("queue_depth", 2);
    gate.open(4);
    for client in &mut clients {
        assert_eq!(client.reply().body, b"/wait");
    }
    assert_eq!(site.status()["server"]["threads_max"], 3);
    site.stop();
    assert!(oversight.wait().is_none());
}

#[test]
fn numbers_of_workers_that_left_are_used_again() {
    let (mut site, gate) = site(Settings {
        threads: 1,
        stuck_after: Some(SECOND),
        stuck_replacements: 1,
        ..settings()
    });
    let oversight = site.server.oversight();
    for _ in 0..10 {
        let mut client = site.connect();
        client.send(request("/wait"));
        site.until("busy_workers", 1);
        site.server.move_clock(SECOND * 2);
        assert_eq!(next(&oversight).start, 1);
        site.another_worker();
        site.until_is("workers", 2);
        gate.open(1);
        assert_eq!(client.reply().body, b"/wait");
        site.until_is("workers", 1);
    }
    wait_for("two numbers", || {
        site.status()["workers"].as_array().unwrap().len() <= 2
    });
    site.until_is("requests", 10);
    site.stop();
}
