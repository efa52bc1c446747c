//! Every deadline of the limits table, by moving the clock.

mod common;

use std::time::Duration;

use common::{Gate, PATIENCE, Site, echo_path, request, settings, stream};
use headwaiter_engine::Settings;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn header_timeout_counts_from_the_first_byte_and_dripping_does_not_help() {
    let site = Site::new(settings(), echo_path);
    let mut client = site.connect();
    client.send("GET / HT");
    site.until("bytes_in", 8);
    site.server.move_clock(29 * SECOND);
    client.send("TP/1.1\r\nHost:");
    site.until("bytes_in", 21);
    site.server.move_clock(2 * SECOND);
    assert_eq!(client.reply().status, 408);
    assert!(client.is_closed());
}

#[test]
fn body_timeout_counts_from_the_last_progress() {
    let site = Site::new(settings(), echo_path);
    let mut client = site.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n1");
    site.until("bytes_in", 49);
    site.server.move_clock(59 * SECOND);
    client.send("2");
    site.until("bytes_in", 50);
    site.server.move_clock(59 * SECOND);
    client.send("3");
    site.until("bytes_in", 51);
    site.server.move_clock(61 * SECOND);
    assert_eq!(client.reply().status, 408);
}

#[test]
fn idle_channels_close_silently_after_channel_timeout() {
    // With a leader there would be no telling when the last reply has been dealt with.
    let site = Site::new(
        Settings {
            lend_loop: false,
            ..settings()
        },
        echo_path,
    );
    let (mut fresh, mut used) = (site.connect(), site.connect());
    used.get("/");
    site.until("idle_workers", 2);
    site.server.move_clock(119 * SECOND);
    used.get("/");
    site.until("idle_workers", 2);
    site.server.move_clock(2 * SECOND);
    assert!(fresh.is_closed());
    assert_eq!(used.get("/").status, 200);
    // Parked: the I/O thread has been told of the reply.
    site.until("idle_workers", 2);
    site.server.move_clock(121 * SECOND);
    assert!(used.is_closed());
}

#[test]
fn a_client_that_takes_nothing_is_cut_and_its_worker_told() {
    let limits = Settings {
        outbuf_high_watermark: 8 << 20,
        outbuf_overflow: 1 << 16,
        ..settings()
    };
    let (tell, told) = std::sync::mpsc::channel();
    let site = Site::new(limits, move |task| {
        common::begin(task, None, &[("Connection", "close")]);
        while stream(task, &[b'x'; 1 << 16]) {}
        tell.send(()).unwrap();
    });
    let mut client = site.connect();
    client.send(request("/endless"));
    // The watermark is reached: the worker waits.
    site.until("spool_bytes", 7 << 20);
    assert_eq!(site.stat("send_timeouts"), 0);
    // The kernel may take a little more after that, which is progress.
    common::wait_for("the client is cut", || {
        site.server.move_clock(61 * SECOND);
        site.stat("send_timeouts") == 1
    });
    told.recv_timeout(PATIENCE).unwrap();
    site.until_is("spool_bytes", 0);
    site.until_is("channels", 0);
}

#[test]
fn queue_timeout_refuses_what_waited_too_long_and_only_that() {
    let gate = Gate::default();
    let door = gate.clone();
    let limits = Settings {
        threads: 1,
        queue_timeout: Some(5 * SECOND),
        ..settings()
    };
    let site = Site::new(limits, move |task| {
        door.wait();
        echo_path(task);
    });
    let (mut runs, mut waits, mut late) = (site.connect(), site.connect(), site.connect());
    runs.send(request("/runs"));
    site.until("busy_workers", 1);
    waits.send(request("/waits"));
    site.until("queue_depth", 1);
    site.server.move_clock(4 * SECOND);
    late.send(request("/late"));
    site.until("queue_depth", 2);
    site.server.move_clock(2 * SECOND);
    let refusal = waits.reply();
    assert_eq!(refusal.status, 503);
    assert!(refusal.head.contains("Retry-After: "), "{}", refusal.head);
    gate.open(2);
    assert_eq!((runs.reply().status, late.reply().status), (200, 200));
    site.until("requests", 2);
}

#[test]
fn shutdown_timeout_cuts_what_is_left_and_counts_it() {
    let (site, gate) = Site::gated(settings());
    let mut client = site.connect();
    client.send(request("/stuck"));
    site.until("busy_workers", 1);
    site.server.stop();
    common::wait_for("the drain has begun", || {
        std::net::TcpStream::connect(site.address).is_err()
    });
    site.server.move_clock(31 * SECOND);
    assert!(client.is_closed());
    gate.open(1);
    assert_eq!(site.join().unfinished(), 1);
}
