//! Requests sent one behind the other: a chain of them is answered in order, and none is lost or
//! served too many however the channel ends.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Gate, Site, answer, begin, echo_path, request, settings, stream, wait_for};
use headwaiter_engine::Settings;

/// Pipelined requests for `/0`, `/1` and so on.
fn pipeline(paths: impl IntoIterator<Item = String>) -> String {
    paths.into_iter().map(|path| request(&path)).collect()
}

fn numbered(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|n| format!("/{n}"))
}

#[test]
fn long_pipelines_of_many_clients_keep_their_order() {
    const LENGTH: usize = 100;
    let several = Settings {
        threads: 4,
        ..settings()
    };
    for settings in [settings(), several] {
        let site = Site::new(settings, echo_path);
        let mut clients: Vec<_> = (0..20).map(|_| site.connect()).collect();
        for client in &mut clients {
            client.send(pipeline(numbered(LENGTH)));
        }
        for client in &mut clients {
            for path in numbered(LENGTH) {
                assert_eq!(client.reply().body, path.as_bytes());
            }
        }
        site.until("requests", 20 * LENGTH as u64);
    }
}

#[test]
fn streams_large_and_small_replies_mix_in_one_pipeline() {
    let site = Site::new(settings(), |task| {
        let body = vec![b'x'; 300_000];
        match task.head().path() {
            b"/stream" => {
                begin(task, Some(body.len()), &[]);
                stream(task, b"");
                body.chunks(10_000)
                    .for_each(|piece| assert!(stream(task, piece)));
                task.finish_reply();
            }
            b"/large" => answer(task, &body),
            _ => echo_path(task),
        }
    });
    let paths = ["/stream", "/a", "/large", "/b", "/stream", "/stream", "/c"];
    let mut client = site.connect();
    client.send(pipeline(paths.iter().map(|path| path.to_string())));
    for path in paths {
        let reply = client.reply();
        if path.len() > 2 {
            assert_eq!(reply.body.len(), 300_000, "{path}");
        } else {
            assert_eq!(reply.body, path.as_bytes());
        }
    }
}

#[test]
fn a_reply_does_not_wait_for_the_request_behind_it() {
    let gate = Gate::default();
    let door = gate.clone();
    let site = Site::new(settings(), move |task| {
        if task.head().path() == b"/slow" {
            door.wait();
        }
        echo_path(task);
    });
    let mut client = site.connect();
    client.send(pipeline(["/first", "/slow", "/last"].map(String::from)));
    assert_eq!(client.reply().body, b"/first");
    gate.open(1);
    assert_eq!(client.reply().body, b"/slow");
    assert_eq!(client.reply().body, b"/last");
}

#[test]
fn a_reply_that_closes_drops_what_came_behind_it() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let site = Site::new(settings(), move |task| {
        count.fetch_add(1, Ordering::SeqCst);
        let path = task.head().path().to_vec();
        let fields: &[_] = match &path[..] {
            b"/2" => &[("Connection", "close")],
            _ => &[],
        };
        begin(task, Some(path.len()), fields);
        task.reply_body_copied(&path).unwrap();
        task.finish_reply();
    });
    let mut client = site.connect();
    client.send(pipeline(numbered(10)));
    for path in numbered(3) {
        assert_eq!(client.reply().body, path.as_bytes());
    }
    assert!(client.is_closed());
    let server = site.stop();
    assert_eq!(served.load(Ordering::SeqCst), 3);
    drop(server);
}

#[test]
fn a_malformed_request_in_a_pipeline_is_refused_in_its_turn() {
    let site = Site::new(settings(), echo_path);
    let mut client = site.connect();
    client.send(pipeline(numbered(3)) + "GET /bad\r\n\r\n" + &request("/never"));
    for path in numbered(3) {
        assert_eq!(client.reply().body, path.as_bytes());
    }
    assert_eq!(client.reply().status, 400);
    assert!(client.is_closed());
    site.until_is("requests", 4);
}

#[test]
fn a_body_in_a_pipeline_belongs_to_its_own_request() {
    let site = Site::new(settings(), |task| {
        let body = task.body().memory().unwrap().to_vec();
        match body.is_empty() {
            true => echo_path(task),
            false => answer(task, &body),
        }
    });
    let post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";
    let mut client = site.connect();
    client.send(format!("{post}{}{post}{}", request("/1"), request("/2")));
    for body in ["body", "/1", "body", "/2"] {
        assert_eq!(client.reply().body, body.as_bytes());
    }
}

#[test]
fn followers_of_a_client_that_left_are_dropped_and_counted() {
    let (site, gate) = Site::gated(settings());
    let mut client = site.connect();
    client.send(pipeline(numbered(5)));
    site.until("busy_workers", 1);
    // A reset, which the server notices at once.
    socket2::SockRef::from(&client.stream)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    drop(client);
    site.until_is("channels", 0);
    gate.open(1);
    wait_for("four abandoned", || {
        site.status()["totals"]["ends"]["abandoned"] == 4
    });
    site.until_is("busy_workers", 0);
    site.until_is("requests", 5);
}

#[test]
fn replies_that_nobody_reads_do_not_pile_up() {
    let body = vec![b'x'; 8 << 20];
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let site = Site::new(settings(), move |task| {
        counted.fetch_add(1, Ordering::SeqCst);
        answer(task, &body);
    });
    let mut lazy = site.connect();
    // Else the kernel may make room for a whole reply.
    socket2::SockRef::from(&lazy.stream)
        .set_recv_buffer_size(1 << 16)
        .unwrap();
    lazy.send(pipeline(numbered(6)));
    // More than the kernel and outbuf_overflow take: the next one waits for the client.
    wait_for("the first reply", || runs.load(Ordering::SeqCst) == 1);
    for _ in 0..20 {
        assert_eq!(site.connect().get("/other").status, 200);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1 + 20);
    for _ in 0..6 {
        assert_eq!(lazy.reply().body.len(), 8 << 20);
    }
    site.until_is("requests", 6 + 20);
    // What was held back is dropped with its channel, and counted.
    lazy.send(pipeline(numbered(3)));
    wait_for("the first reply", || runs.load(Ordering::SeqCst) == 7 + 20);
    drop(lazy);
    wait_for("the others are abandoned", || {
        site.status()["totals"]["ends"]["abandoned"] == 2
    });
    site.until_is("requests", 9 + 20);
}

#[test]
fn streams_of_small_pieces_keep_their_order_and_their_sizes() {
    const PIECES: usize = 20_000;
    let site = Site::new(settings(), |task| {
        let path = task.head().path().to_vec();
        begin(task, Some(PIECES * path.len()), &[]);
        assert!(stream(task, b""));
        for _ in 0..PIECES {
            assert!(stream(task, &path));
        }
        task.finish_reply();
    });
    let mut client = site.connect();
    for _ in 0..3 {
        client.send(pipeline(numbered(10)));
        for path in numbered(10) {
            assert!(client.reply().body == path.as_bytes().repeat(PIECES));
        }
    }
    site.until_is("requests", 30);
    site.until_is("spool_bytes", 0);
}

#[test]
fn a_streamed_reply_that_is_out_is_complete_whatever_comes_of_the_next() {
    let gate = Gate::default();
    let door = gate.clone();
    let site = Site::new(settings(), move |task| {
        if task.head().path() == b"/stream" {
            begin(task, Some(4), &[]);
            stream(task, b"whol");
            door.wait();
            task.finish_reply();
        } else {
            door.wait();
            echo_path(task);
        }
    });
    let mut client = site.connect();
    client.send(pipeline(["/stream".to_owned(), "/next".to_owned()]));
    assert_eq!(client.reply().body, b"whol");
    gate.open(1);
    wait_for("it is recorded", || {
        site.status()["totals"]["ends"]["complete"] == 1
    });
    gate.open(1);
    site.until_is("busy_workers", 0);
}

#[test]
fn a_drain_serves_what_came_in_behind_a_running_request() {
    let (site, gate) = Site::gated(settings());
    let mut client = site.connect();
    client.send(pipeline(numbered(4)));
    site.until("busy_workers", 1);
    site.server.stop();
    wait_for("the drain", || site.status()["server"]["draining"] == true);
    gate.open(4);
    for path in numbered(4) {
        assert_eq!(client.reply().body, path.as_bytes());
    }
    site.join();
}

#[test]
fn pipelines_do_not_hold_up_others() {
    let (site, gate) = Site::gated(Settings {
        threads: 1,
        ..settings()
    });
    let mut greedy = site.connect();
    greedy.send(pipeline(numbered(10)));
    site.until("busy_workers", 1);
    let mut modest = site.connect();
    modest.send(request("/modest"));
    site.until("queue_depth", 1);
    // The running one, then the modest one; the greedy client's second comes behind it.
    gate.open(2);
    assert_eq!(modest.reply().body, b"/modest");
    gate.open(9);
    for path in numbered(10) {
        assert_eq!(greedy.reply().body, path.as_bytes());
    }
}
