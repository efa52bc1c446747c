//! The end of a server: drain, abort, sockets.

mod common;

use std::net::TcpStream;

use common::{Site, bind, echo_path, request, settings};
use headwaiter_engine::{ListenSpec, Listening};

#[test]
fn drain_answers_what_was_received_and_closes_the_idle() {
    let (site, gate) = Site::gated(settings());
    let mut idle = site.connect();
    let mut busy: Vec<_> = (0..5).map(|_| site.connect()).collect();
    for client in &mut busy {
        client.send(request("/busy"));
    }
    site.until("queue_depth", 3);
    let mut partial = site.connect();
    partial.send("GET / HT");
    site.until("channels", 7);
    let address = site.address;
    site.server.stop();
    assert!(idle.is_closed());
    let refused = partial.rest();
    assert!(
        refused.starts_with(b"HTTP/1.1 503 "),
        "{}",
        refused.escape_ascii()
    );
    common::wait_for("new connections are refused", || {
        TcpStream::connect(address).is_err()
    });
    gate.open(5);
    for client in &mut busy {
        assert_eq!(client.reply().body, b"/busy");
        assert!(client.is_closed());
    }
    let server = site.join();
    assert!(server.finished());
    assert_eq!(server.unfinished(), 0);
}

#[test]
fn a_request_waiting_in_the_kernel_when_the_drain_begins_is_served() {
    for _ in 0..20 {
        let site = Site::new(settings(), echo_path);
        let mut client = site.connect();
        client.send(request("/late"));
        site.server.stop();
        assert_eq!(client.reply().body, b"/late");
        // Until it leaves, or a second has passed, the server lets it read.
        drop(client);
        site.join();
    }
}

#[test]
fn whoever_is_let_go_of_cannot_connect_again() {
    for _ in 0..50 {
        let site = Site::new(settings(), echo_path);
        let mut idle = site.connect();
        // Its worker sends this reply, and the I/O thread may learn of it only with the stop.
        idle.send(request("/"));
        assert_eq!(idle.reply().body, b"/");
        site.server.stop();
        assert!(idle.is_closed());
        assert!(std::net::TcpStream::connect(site.address).is_err());
        site.join();
    }
}

#[test]
fn abort_ends_at_once() {
    let (site, gate) = Site::gated(settings());
    let mut client = site.connect();
    client.send(request("/"));
    site.until("busy_workers", 1);
    site.server.abort();
    assert!(client.is_closed());
    gate.open(1);
    assert_eq!(site.join().unfinished(), 1);
}

#[test]
fn stopping_before_the_start_closes_the_sockets() {
    let any = ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
    let server = bind(settings(), &[any]).unwrap();
    let Listening::Tcp(address) = server.listening()[0] else {
        panic!("a TCP address")
    };
    assert!(TcpStream::connect(address).is_ok());
    server.stop();
    assert!(TcpStream::connect(address).is_err());
    assert!(server.finished());
}

#[test]
fn all_addresses_or_none() {
    let any = || ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
    let taken = bind(settings(), &[any()]).unwrap();
    let Listening::Tcp(address) = taken.listening()[0] else {
        panic!("a TCP address")
    };
    let error = bind(settings(), &[any(), ListenSpec::Tcp(address)]).unwrap_err();
    assert_eq!(error.place, address.to_string());
    assert_eq!(error.error.kind(), std::io::ErrorKind::AddrInUse);
}

#[cfg(unix)]
#[test]
fn unix_sockets_replace_stale_files_only_and_clean_up() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let spec = || ListenSpec::Unix(path.clone());
    // A file that nobody listens on any more.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let server = bind(settings(), &[spec()]).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let second = bind(settings(), &[spec()]).unwrap_err();
    assert_eq!(second.error.kind(), std::io::ErrorKind::AddrInUse);
    drop(server);
    assert!(!path.exists());
    std::fs::write(&path, "somebody's data").unwrap();
    assert!(bind(settings(), &[spec()]).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"somebody's data");
}
