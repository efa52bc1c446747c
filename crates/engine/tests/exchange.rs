//! Requests and replies over real sockets: framing, order, keep-alive, pipelines.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::{Site, answer, begin, echo_path, request, settings, stream};
use headwaiter_engine::Settings;
use headwaiter_http::Refusal;

#[test]
fn keep_alive_serves_one_request_after_the_other() {
    let site = Site::new(settings(), echo_path);
    let mut client = site.connect();
    for n in 0..100 {
        assert_eq!(
            client.get(&format!("/{n}")).body,
            format!("/{n}").into_bytes()
        );
    }
    assert_eq!(site.stat("connections"), 1);
    site.until("requests", 100);
}

#[test]
fn a_pipeline_is_answered_in_order_one_at_a_time() {
    let running = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&running);
    let site = Site::new(
        Settings {
            threads: 4,
            ..settings()
        },
        move |task| {
            assert_eq!(
                seen.fetch_add(1, Ordering::SeqCst),
                0,
                "two of one channel at once"
            );
            echo_path(task);
            seen.fetch_sub(1, Ordering::SeqCst);
        },
    );
    let mut client = site.connect();
    let all: String = (0..500).map(|n| request(&format!("/{n}"))).collect();
    client.send(all);
    for n in 0..500 {
        assert_eq!(client.reply().body, format!("/{n}").into_bytes());
    }
}

#[test]
fn bodies_of_every_size_around_a_read_arrive_whole_with_what_follows_them() {
    let site = Site::new(settings(), |task| {
        let body = task.body().memory().unwrap().to_vec();
        let path = task.head().path().to_vec();
        answer(task, &[path, body].concat());
    });
    let mut client = site.connect();
    // The first read takes 16 KiB, and a body that fills half of that keeps its buffer.
    for size in [
        1, 8191, 8192, 10_000, 16_300, 16_384, 20_000, 100_000, 300_000, 8192,
    ] {
        let body: Vec<u8> = (0..size).map(|at| (at * 7 % 251) as u8).collect();
        for follower in [false, true] {
            let head =
                format!("POST /{size} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n");
            let mut sent = [head.as_bytes(), &body].concat();
            if follower {
                sent.extend_from_slice(request("/next").as_bytes());
            }
            client.send(sent);
            let want = [format!("/{size}").as_bytes(), &body].concat();
            assert!(client.reply().body == want, "{size} {follower}");
            if follower {
                assert_eq!(client.reply().body, b"/next");
            }
        }
    }
}

#[test]
fn bytes_that_come_while_a_task_runs_are_its_successor() {
    // A reply sent by its worker must not lose the wake-up for what came in meanwhile.
    let (site, gate) = Site::gated(settings());
    let mut client = site.connect();
    for round in 0..200 {
        client.send(request("/first"));
        site.until("busy_workers", 1);
        client.send(request("/second"));
        gate.open(2);
        assert_eq!(
            (client.reply().body, client.reply().body),
            (b"/first".to_vec(), b"/second".to_vec()),
            "{round}"
        );
    }
}

#[test]
fn bodies_of_every_framing_arrive_whole() {
    let site = Site::new(
        Settings {
            inbuf_overflow: 1000,
            spool_memory: 0,
            ..settings()
        },
        |task| {
            let mut body = vec![0; task.body().len() as usize];
            assert_eq!(task.body().read_at(0, &mut body).unwrap(), body.len());
            answer(task, &body);
        },
    );
    let mut client = site.connect();
    // In memory, at the border, on disk; short and long ones.
    for size in [0, 1, 999, 1000, 1001, 70_000, 3_000_000] {
        let body: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let head = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n");
        assert!(
            client.send(head).send(&body).reply().body == body,
            "Content-Length {size}"
        );
        client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        for piece in body.chunks(30_000) {
            client
                .send(format!("{:x}\r\n", piece.len()))
                .send(piece)
                .send("\r\n");
        }
        assert!(
            client.send("0\r\n\r\n").reply().body == body,
            "chunked {size}"
        );
    }
    site.until_is("spool_bytes", 0);
}

#[test]
fn a_request_cut_at_every_byte_is_the_same_request() {
    let site = Site::new(settings(), |task| {
        let body = task.body().memory().unwrap().to_vec();
        answer(task, &body);
    });
    let whole =
        b"POST /p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let mut client = site.connect();
    for cut in 1..whole.len() {
        client.send(&whole[..cut]);
        // A round trip on another connection: the first part has been read by then.
        site.connect().get("/");
        client.send(&whole[cut..]);
        assert_eq!(client.reply().body, b"abc", "cut at {cut}");
    }
}

#[test]
fn continue_is_sent_only_to_those_who_wait_for_it() {
    let site = Site::new(settings(), |task| {
        let body = task.body().memory().unwrap().to_vec();
        answer(task, &body);
    });
    let mut client = site.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(client.reply().status, 100);
    client.send("ok");
    assert_eq!(client.reply().body, b"ok");
    client
        .send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.reply().status, 200);
}

#[test]
fn nothing_behind_a_refused_request_is_served() {
    let paths = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&paths);
    let site = Site::new(settings(), move |task| {
        seen.lock().unwrap().push(task.head().path().to_vec());
        echo_path(task);
    });
    let mut client = site.connect();
    client.send(format!(
        "{}GET / HTTP/1.1\r\nHost : x\r\n\r\n{}",
        request("/before"),
        request("/behind")
    ));
    assert_eq!(client.reply().status, 200);
    let refusal = client.reply();
    assert_eq!(refusal.status, 400);
    assert!(
        refusal.head.contains("Connection: close\r\n"),
        "{}",
        refusal.head
    );
    assert!(client.is_closed());
    assert_eq!(*paths.lock().unwrap(), [b"/before".to_vec()]);
}

#[test]
fn a_pipeline_behind_a_health_answer_keeps_its_order() {
    // Bytes left behind a request that was answered on the I/O thread come before newer ones.
    let health = Settings {
        health_path: Some(b"/health".to_vec()),
        ..settings()
    };
    let site = Site::new(health, echo_path);
    let mut half_closed = site.connect();
    half_closed.send(format!("{}{}", request("/health"), request("/x")));
    half_closed
        .stream
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    assert_eq!(half_closed.reply().body, b"ok\n");
    assert_eq!(half_closed.reply().body, b"/x");
    assert!(half_closed.is_closed());

    let mut long = site.connect();
    let mut writer = long.stream.try_clone().unwrap();
    let sender = std::thread::spawn(move || {
        let all: String = (0..8000)
            .map(|n| request("/health") + &request(&format!("/{n}")))
            .collect();
        std::io::Write::write_all(&mut writer, all.as_bytes()).unwrap();
    });
    for n in 0..8000 {
        assert_eq!(long.reply().body, b"ok\n");
        assert_eq!(long.reply().body, format!("/{n}").into_bytes());
    }
    sender.join().unwrap();
}

#[test]
fn a_health_check_in_two_parts_that_closes_is_no_bug() {
    let health = Settings {
        health_path: Some(b"/health".to_vec()),
        ..settings()
    };
    let site = Site::new(health, echo_path);
    let mut client = site.connect();
    client.send("GET /health HTTP/1.0\r\n");
    site.connect().get("/");
    assert!(client.send("\r\n").rest().ends_with(b"ok\n"));
    assert_eq!(site.stat("panics"), 0);
}

#[test]
fn a_refused_head_request_gets_a_head_only() {
    let site = Site::new(settings(), echo_path);
    for cut in [9, 40] {
        let mut client = site.connect();
        let (first, rest) = "HEAD / HTTP/1.1\r\nHost: x\r\nBad header\r\n\r\n".split_at(cut);
        client.send(first);
        site.connect().get("/");
        let reply = client.send(rest).rest();
        assert!(reply.starts_with(b"HTTP/1.1 400 "));
        assert!(reply.ends_with(b"\r\n\r\n"), "{}", reply.escape_ascii());
    }
}

#[test]
fn a_body_too_large_is_refused_readably_while_the_client_still_sends() {
    let site = Site::new(
        Settings {
            max_request_body_size: 1000,
            ..settings()
        },
        echo_path,
    );
    for framing in ["Content-Length: 5000000", "Transfer-Encoding: chunked"] {
        let mut client = site.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n"));
        let mut writer = client.stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            use std::io::Write;
            let piece = format!("{:x}\r\n{}\r\n", 5000, "x".repeat(5000));
            // The server stops reading some time; that is its right.
            (0..1000).all(|_| writer.write_all(piece.as_bytes()).is_ok());
        });
        assert_eq!(client.reply().status, 413, "{framing}");
        drop(client);
        sender.join().unwrap();
    }
}

#[test]
fn a_half_closed_client_gets_its_reply() {
    let (site, gate) = Site::gated(settings());
    let mut client = site.connect();
    client.send(request("/half"));
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    site.until("busy_workers", 1);
    gate.open(1);
    assert_eq!(client.reply().body, b"/half");
    assert!(client.is_closed());
}

#[test]
fn a_task_completed_without_a_byte_closes_its_channel() {
    let site = Site::new(settings(), |task| {
        if task.head().path() == b"/nothing" {
            return task.cut();
        }
        echo_path(task);
    });
    let mut client = site.connect();
    client.send(request("/nothing"));
    assert!(client.is_closed());
    assert_eq!(site.connect().get("/next").status, 200);
}

#[test]
fn many_clients_at_once() {
    for gil in [true, false] {
        let site = Site::new(
            Settings {
                gil,
                threads: 4,
                ..settings()
            },
            echo_path,
        );
        std::thread::scope(|scope| {
            for client in 0..16 {
                let mut connection = site.connect();
                scope.spawn(move || {
                    for n in 0..200 {
                        let path = format!("/{client}/{n}");
                        assert_eq!(connection.get(&path).body, path.into_bytes());
                    }
                });
            }
        });
        let server = site.stop();
        assert_eq!(server.unfinished(), 0);
    }
}

#[test]
fn a_reply_begins_again_until_it_is_out_and_closes_where_it_is_incomplete() {
    let site = Site::new(settings(), |task| match task.head().path() {
        b"/again" => {
            begin(task, Some(9), &[]);
            task.reply_body_copied(b"wrong").unwrap();
            task.discard();
            assert!(!task.has_head());
            answer(task, b"right");
        }
        b"/short" => {
            begin(task, Some(9), &[]);
            assert!(stream(task, b"short"));
            assert_eq!(task.finish_reply().missing, 4);
        }
        b"/cut" => {
            begin(task, Some(9), &[]);
            assert!(stream(task, b"cut"));
            task.reply_body_copied(b"never").unwrap();
            task.cut();
        }
        _ => task.refuse(Refusal::Forwarded, common::DATE),
    });
    let mut client = site.connect();
    assert_eq!(client.get("/again").body, b"right");
    assert_eq!(client.get("/again").body, b"right");
    for (path, line, end) in [
        ("/short", "HTTP/1.1 200 OK", "\r\n\r\nshort"),
        ("/cut", "HTTP/1.1 200 OK", "\r\n\r\ncut"),
        ("/refused", "HTTP/1.1 400 Bad Request", "malformed.\n"),
    ] {
        let reply = site.connect().send(request(path)).rest();
        let text = String::from_utf8(reply).unwrap();
        assert!(text.starts_with(line) && text.ends_with(end), "{text}");
    }
}
