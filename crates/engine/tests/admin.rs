//! The admin endpoint: what it shows, to whom, and that it answers whatever the rest is doing.

mod common;

use std::time::Duration;

use common::{Gate, Site, echo_path, request, settings};
use headwaiter_engine::{ListenSpec, Settings};
use serde_json::Value;

fn admin() -> Settings {
    Settings {
        admin: vec![ListenSpec::Tcp("127.0.0.1:0".parse().unwrap())],
        ..settings()
    }
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap()
}

/// A request by an address, as monitors make it.
fn get(site: &Site, path: &str) -> common::Reply {
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:9090\r\n\r\n");
    site.admin().send(request).reply()
}

#[test]
fn everything_is_answered_while_all_workers_are_stuck() {
    let (site, gate) = Site::gated(admin());
    let mut stuck: Vec<_> = (0..2).map(|_| site.connect()).collect();
    for (n, client) in stuck.iter_mut().enumerate() {
        client.send(request("/stuck"));
        site.until("busy_workers", n as u64 + 1);
    }
    let mut waiting = site.connect();
    waiting.send(request("/waiting\u{7f}").replace('\u{7f}', "%7F"));
    site.until("queue_depth", 1);

    for path in [
        "/",
        "/live",
        "/ready",
        "/metrics",
        "/advice",
        "/status.json",
        "/requests",
    ] {
        assert_eq!(get(&site, path).status, 200, "{path}");
    }
    let requests = json(&get(&site, "/requests").body);
    assert_eq!(requests["running"].as_array().unwrap().len(), 2);
    assert_eq!(requests["running"][0]["path"], "/stuck");
    assert_eq!(requests["running"][0]["phase"], "app");
    assert_eq!(requests["waiting"][0]["path"], "/waiting%7F");
    let status = json(&get(&site, "/status.json").body);
    assert_eq!(status["now"]["queue_depth"], 1);
    assert_eq!(status["now"]["workers_busy"], 2);
    assert_eq!(status["workers"].as_array().unwrap().len(), 2);
    let channels = &status["now"]["channels"];
    assert_eq!(
        (&channels["running"], &channels["waiting"]),
        (&2.into(), &1.into())
    );
    // Nobody collects stacks here, so at least who is stuck.
    let stacks = String::from_utf8(get(&site, "/stacks").body).unwrap();
    assert_eq!(stacks.matches("GET /stuck for ").count(), 2, "{stacks}");
    gate.open(3);
    site.stop();
}

#[test]
fn its_own_requests_are_in_no_figure() {
    let site = Site::new(admin(), echo_path);
    site.connect().get("/counted");
    site.until("requests", 1);
    for _ in 0..5 {
        get(&site, "/metrics");
        site.admin().send("nonsense\r\n\r\n").reply();
    }
    let totals = &site.status()["totals"];
    assert_eq!(totals["requests"]["2xx"], 1);
    assert_eq!(
        (&totals["connections"], &totals["refusals"]),
        (&1.into(), &Value::Object(Default::default()))
    );
}

#[test]
fn readiness_follows_the_oldest_wait_and_the_drain() {
    let gate = Gate::default();
    let door = gate.clone();
    let site = Site::new(
        Settings {
            threads: 1,
            health_max_wait: Some(Duration::from_secs(5)),
            ..admin()
        },
        move |task| {
            door.wait();
            echo_path(task);
        },
    );
    let (mut runs, mut waits) = (site.connect(), site.connect());
    runs.send(request("/runs"));
    site.until("busy_workers", 1);
    waits.send(request("/waits"));
    site.until("queue_depth", 1);
    assert_eq!(get(&site, "/ready").status, 200);
    site.server.move_clock(Duration::from_secs(6));
    assert_eq!(get(&site, "/ready").status, 503);
    assert_eq!(get(&site, "/live").status, 200);
    gate.open(1);
    waits_for_queue(&site);
    assert_eq!(get(&site, "/ready").status, 200);
    // The endpoint stays until everything else has gone.
    site.server.stop();
    common::wait_for("the drain has begun", || get(&site, "/ready").status == 503);
    let status = json(&get(&site, "/status.json").body);
    assert_eq!(status["server"]["draining"], true);
    gate.open(1);
    assert_eq!(waits.reply().status, 200);
    site.join();
}

fn waits_for_queue(site: &Site) {
    site.until_is("queue_depth", 0);
}

#[test]
fn only_reading_by_a_name_that_is_its_own() {
    let site = Site::new(admin(), echo_path);
    for (sent, status) in [
        (
            "POST /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
            405,
        ),
        ("HEAD /live HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        ("GET /live HTTP/1.1\r\nHost: [::1]:9090\r\n\r\n", 200),
        ("GET /live HTTP/1.0\r\n\r\n", 200),
        ("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        // DNS rebinding: somebody else's page, by a name that resolves to this machine.
        (
            "GET /requests HTTP/1.1\r\nHost: evil.example:9090\r\n\r\n",
            403,
        ),
        ("GET /live HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ] {
        let mut client = site.admin();
        client.send(sent);
        let reply = String::from_utf8(client.head()).unwrap();
        assert!(reply.contains(&format!(" {status} ")), "{sent}: {reply}");
    }
    let public = Settings {
        admin_public: true,
        ..admin()
    };
    let site = Site::new(public, echo_path);
    let named = "GET /live HTTP/1.1\r\nHost: monitor.example\r\n\r\n";
    assert_eq!(site.admin().send(named).reply().status, 200);
}

#[test]
fn limits_and_lending_do_not_shut_it_out() {
    let gate = Gate::default();
    let door = gate.clone();
    let full = Settings {
        connection_limit: 1,
        ..admin()
    };
    let site = Site::new(full, move |task| {
        if task.head().path() == b"/stuck" {
            door.wait();
        }
        echo_path(task);
    });
    let mut client = site.connect();
    // So many quiet turns lend the loop to a worker, which then does not come back for long.
    for _ in 0..20 {
        client.get("/");
    }
    client.send(request("/stuck"));
    site.until("busy_workers", 1);
    assert_eq!(get(&site, "/live").status, 200);
    gate.open(1);
    assert_eq!(client.reply().status, 200);
}

#[test]
fn connections_are_kept_alive_for_those_who_poll() {
    let site = Site::new(admin(), echo_path);
    let mut poller = site.admin();
    for _ in 0..3 {
        assert_eq!(poller.get_as("/live", "localhost").body, b"ok\n");
    }
}

#[test]
fn a_request_is_judged_by_its_head() {
    let site = Site::new(admin(), echo_path);
    for (head, status) in [
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9",
            405,
        ),
        (
            "GET / HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 9",
            403,
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9",
            413,
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked",
            413,
        ),
        (
            "GET / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9",
            413,
        ),
    ] {
        let mut client = site.admin();
        // Nothing of the body comes, so the answer can only be about the head.
        let reply = client.send(format!("{head}\r\n\r\n")).reply();
        assert_eq!(reply.status, status, "{head}");
        assert!(reply.head.contains("\r\nConnection: close\r\n"), "{head}");
        assert!(client.is_closed());
    }
    let none = "GET /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(site.admin().send(none).reply().status, 200);
}

#[test]
fn whoever_comes_gets_in_whoever_else_takes_time() {
    let site = Site::new(admin(), echo_path);
    let slow: Vec<_> = (0..200)
        .map(|n| {
            let mut client = site.admin();
            // Some have begun a request, some have asked nothing, and some let others collect stacks.
            match n % 3 {
                0 => client.send("GET /live HTTP/1.1\r\nHo"),
                1 => client.send("GET /stacks HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                _ => &mut client,
            };
            client
        })
        .collect();
    for _ in 0..3 {
        assert_eq!(get(&site, "/metrics").status, 200);
    }
    drop(slow);
}
