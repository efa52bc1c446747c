//! Limits: queue, connections, spools, slow readers, clients that leave.

#![allow(clippy::disallowed_methods, reason = "it measures or burns time")]

mod common;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Gate, Site, answer, echo_path, request, settings, stream, wait_for};
use headwaiter_engine::{Abandoned, Settings};

#[test]
fn queue_limit_refuses_at_once_and_counts_free_workers() {
    let gate = Gate::default();
    let door = gate.clone();
    let site = Site::new(
        Settings {
            threads: 2,
            queue_limit: Some(1),
            ..settings()
        },
        move |task| {
            door.wait();
            echo_path(task);
        },
    );
    let mut running: Vec<_> = (0..2).map(|_| site.connect()).collect();
    for (n, client) in running.iter_mut().enumerate() {
        client.send(request("/run"));
        site.until("busy_workers", n as u64 + 1);
    }
    let mut waiting = site.connect();
    waiting.send(request("/wait"));
    site.until("queue_depth", 1);
    let mut refused = site.connect();
    assert_eq!(refused.get("/refused").status, 503);
    gate.open(3);
    assert_eq!(waiting.reply().status, 200);
}

#[test]
fn at_the_connection_limit_the_longest_idle_goes_first() {
    let site = Site::new(
        Settings {
            connection_limit: 3,
            ..settings()
        },
        echo_path,
    );
    let mut clients: Vec<_> = (0..3).map(|_| site.connect()).collect();
    for client in &mut clients {
        client.get("/");
    }
    // The first is used again, so the second is the one.
    clients[0].get("/");
    let mut newcomer = site.connect();
    assert_eq!(newcomer.get("/new").status, 200);
    assert!(clients[1].is_closed());
    assert_eq!(
        (clients[0].get("/").status, clients[2].get("/").status),
        (200, 200)
    );
    assert_eq!(site.stat("evicted"), 1);
}

#[test]
fn with_no_idle_channel_newcomers_wait_until_one_ends() {
    let gate = Gate::default();
    let door = gate.clone();
    let site = Site::new(
        Settings {
            connection_limit: 1,
            ..settings()
        },
        move |task| {
            door.wait();
            echo_path(task);
        },
    );
    let mut busy = site.connect();
    busy.send(request("/busy"));
    site.until("busy_workers", 1);
    let mut waiting = site.connect();
    waiting.send(request("/waiting"));
    site.until("accept_pauses", 1);
    gate.open(2);
    assert_eq!(busy.reply().status, 200);
    assert_eq!(waiting.reply().body, b"/waiting");
}

#[test]
fn an_idle_channel_makes_room_beside_busy_ones() {
    let gate = Gate::default();
    let door = gate.clone();
    let site = Site::new(
        Settings {
            connection_limit: 3,
            ..settings()
        },
        move |task| {
            if task.head().path() == b"/busy" {
                door.wait();
            }
            echo_path(task);
        },
    );
    let mut busy: Vec<_> = (0..2).map(|_| site.connect()).collect();
    for (n, client) in busy.iter_mut().enumerate() {
        client.send(request("/busy"));
        site.until("busy_workers", n as u64 + 1);
    }
    let mut idle = site.connect();
    site.until("channels", 3);
    let mut newcomer = site.connect();
    assert!(idle.is_closed());
    site.until("evicted", 1);
    newcomer.send(request("/new"));
    gate.open(2);
    assert_eq!(newcomer.reply().body, b"/new");
    for client in &mut busy {
        assert_eq!(client.reply().body, b"/busy");
    }
    assert_eq!((site.stat("evicted"), site.stat("accept_pauses")), (1, 0));
}

#[test]
fn an_upload_without_room_on_disk_gets_503_and_leaves_nothing() {
    let limits = Settings {
        inbuf_overflow: 1000,
        spool_memory: 0,
        spool_limit: 100_000,
        ..settings()
    };
    let site = Site::new(limits, echo_path);
    let mut client = site.connect();
    client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n");
    // The server may stop reading before all of it is sent.
    let _ = client.stream.write_all(&[b'x'; 200_000]);
    assert_eq!(client.reply().status, 503);
    site.until_is("spool_bytes", 0);
    assert_eq!(site.connect().get("/").status, 200);
}

#[test]
fn unfinished_heads_and_bodies_share_a_total_of_memory() {
    let limits = Settings {
        inbuf_total: 60_000,
        spool_memory: 0,
        ..settings()
    };
    let site = Site::new(limits, echo_path);
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(60_000));
    let mut first = site.connect();
    first.send(&head);
    site.until("bytes_in", 60_000);
    // The next one finds no room, and what a small request needs is there.
    let mut second = site.connect();
    second.send(&head);
    assert_eq!(second.reply().status, 503);
    assert_eq!(site.connect().get("/small").status, 200);
    // A body goes to disk instead.
    let mut upload = site.connect();
    upload.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    upload.send([b'x'; 60_000]);
    site.until("spool_bytes", 60_000 - (16 << 10));
    upload.send([b'x'; 40_000]);
    assert_eq!(upload.reply().status, 200);
    first.send("\r\n\r\n");
    assert_eq!(first.reply().status, 200);
    // All of it is given back.
    let mut third = site.connect();
    third.send(&head).send("\r\n\r\n");
    assert_eq!(third.reply().status, 200);
}

#[test]
fn uploads_beyond_their_files_get_503_and_files_come_back() {
    let limits = Settings {
        inbuf_overflow: 1000,
        spool_memory: 0,
        spool_files: 2,
        ..settings()
    };
    let site = Site::new(limits, echo_path);
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n";
    let half = [b'x'; 300_000];
    let mut uploads: Vec<_> = (0..2).map(|_| site.connect()).collect();
    for (n, upload) in uploads.iter_mut().enumerate() {
        upload.send(head).send(half);
        site.until("spool_bytes", (n as u64 + 1) * 299_000);
    }
    let mut refused = site.connect();
    refused.send(head);
    // The server may stop reading before all of it is sent.
    let _ = refused.stream.write_all(&half);
    assert_eq!(refused.reply().status, 503);
    for upload in &mut uploads {
        upload.send(half);
        assert_eq!(upload.reply().status, 200);
    }
    common::wait_for("a file is free again", || {
        let mut again = site.connect();
        again.send(head);
        let _ = again.stream.write_all(&[b'x'; 600_000]);
        again.reply().status == 200
    });
}

#[test]
fn slow_readers_cost_no_worker() {
    const SIZE: usize = 16 << 20;
    let site = Site::new(settings(), |task| {
        if task.head().path() == b"/quick" {
            return echo_path(task);
        }
        common::begin(task, Some(SIZE), &[]);
        for n in 0..SIZE / 65536 {
            assert!(stream(task, &[n as u8; 65536]));
        }
        task.finish_reply();
    });
    let mut slow: Vec<_> = (0..4).map(|_| site.connect()).collect();
    for client in &mut slow {
        client.send(request("/big"));
    }
    assert_eq!(site.connect().get("/quick").status, 200);
    site.until_is("busy_workers", 0);
    for client in &mut slow {
        let body = client.reply().body;
        assert_eq!(body.len(), SIZE);
        assert!(
            body.chunks(65536)
                .enumerate()
                .all(|(n, piece)| piece.iter().all(|byte| *byte == n as u8))
        );
    }
    site.until_is("spool_bytes", 0);
}

#[test]
fn without_room_on_disk_the_worker_waits_for_its_client_and_loses_nothing() {
    const SIZE: usize = 16 << 20;
    let limits = Settings {
        outbuf_overflow: 1 << 17,
        spool_limit: 1 << 20,
        ..settings()
    };
    let site = Site::new(limits, |task| {
        common::begin(task, Some(SIZE), &[]);
        for n in 0..SIZE / 65536 {
            assert!(stream(task, &[n as u8; 65536]));
        }
        task.finish_reply();
    });
    let mut client = site.connect();
    let body = client.get("/big").body;
    assert!(
        body.chunks(65536)
            .enumerate()
            .all(|(n, piece)| piece.iter().all(|byte| *byte == n as u8))
    );
    site.until_is("spool_bytes", 0);
}

/// Answers with 8 MiB of the path's last byte, as a whole.
fn large_site(limits: Settings) -> (Site, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let site = Site::new(limits, move |task| {
        let byte = *task.head().path().last().unwrap();
        answer(task, &vec![byte; LARGE]);
        counted.fetch_add(1, Ordering::SeqCst);
    });
    (site, runs)
}

const LARGE: usize = 8 << 20;

#[test]
fn whole_replies_that_nobody_reads_go_to_disk_beyond_outbuf_total() {
    let (site, runs) = large_site(Settings {
        outbuf_total: 2 * LARGE as u64,
        ..settings()
    });
    let mut slow: Vec<_> = (0..10_u8).map(|n| (n + b'a', site.connect())).collect();
    for (byte, client) in &mut slow {
        client.send(request(&format!("/{}", char::from(*byte))));
    }
    // None holds a worker; socket buffers take less than half of each.
    wait_for("the answers", || runs.load(Ordering::SeqCst) == 10);
    site.until_is("busy_workers", 0);
    assert!(site.stat("spool_bytes") >= LARGE as u64);
    assert_eq!(site.connect().get("/x").body, vec![b'x'; LARGE]);
    for (byte, client) in &mut slow {
        assert!(client.reply().body == vec![*byte; LARGE]);
    }
    site.until_is("spool_bytes", 0);
    // What is dropped with its channel does not count any more.
    site.until_is("channels", 10);
    for _ in 0..12 {
        let mut client = site.connect();
        client.send(request("/x")).head();
        assert_eq!(site.stat("spool_bytes"), 0);
        drop(client);
        site.until_is("channels", 10);
    }
}

#[test]
fn without_room_on_disk_no_more_whole_replies_wait_than_there_are_workers() {
    let (site, runs) = large_site(Settings {
        outbuf_total: LARGE as u64 / 2,
        spool_limit: 0,
        ..settings()
    });
    let mut slow: Vec<_> = (0..6_u8).map(|n| (n + b'a', site.connect())).collect();
    for (byte, client) in &mut slow {
        client.send(request(&format!("/{}", char::from(*byte))));
    }
    site.until("queue_depth", 4);
    wait_for("the answers", || runs.load(Ordering::SeqCst) == 2);
    site.until_is("busy_workers", 2);
    std::thread::scope(|scope| {
        for (byte, client) in &mut slow {
            scope.spawn(|| assert!(client.reply().body == vec![*byte; LARGE]));
        }
    });
}

#[test]
fn files_are_sent_from_their_offset() {
    let mut file = tempfile::tempfile().unwrap();
    let content: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 253) as u8).collect();
    file.write_all(&content).unwrap();
    let site = Site::new(settings(), move |task| {
        common::begin(task, Some(4_999_990), &[]);
        task.reply_body_file(file.try_clone().unwrap(), 10, 4_999_990);
        task.finish_reply();
    });
    let mut client = site.connect();
    for _ in 0..2 {
        assert!(client.get("/file").body == content[10..]);
    }
}

#[test]
fn waiting_safe_requests_of_clients_that_left_are_never_run() {
    for (policy, runs) in [
        (Abandoned::DropSafe, 2),
        (Abandoned::Drop, 1),
        (Abandoned::Run, 3),
    ] {
        let gate = Gate::default();
        let door = gate.clone();
        let ran = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&ran);
        let site = Site::new(
            Settings {
                threads: 1,
                abandoned_requests: policy,
                ..settings()
            },
            move |task| {
                door.wait();
                count.fetch_add(1, Ordering::SeqCst);
                answer(task, b"");
            },
        );
        let mut busy = site.connect();
        busy.send(request("/busy"));
        site.until("busy_workers", 1);
        let (mut safe, mut unsafe_one) = (site.connect(), site.connect());
        safe.send(request("/left"));
        unsafe_one.send("POST /left HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        site.until("queue_depth", 2);
        drop((safe, unsafe_one));
        site.until_is("channels", 1);
        gate.open(3);
        busy.reply();
        site.server.stop();
        site.join();
        assert_eq!(ran.load(Ordering::SeqCst), runs, "{policy:?}");
    }
}

#[test]
fn a_running_task_learns_that_its_client_left() {
    let (tell, told) = std::sync::mpsc::channel();
    let site = Site::new(settings(), move |task| {
        let client = task.client();
        assert!(!client.is_gone());
        tell.send(()).unwrap();
        common::wait_for("the client is gone", || client.is_gone());
        tell.send(()).unwrap();
    });
    let mut client = site.connect();
    client.send(request("/"));
    told.recv_timeout(common::PATIENCE).unwrap();
    drop(client);
    told.recv_timeout(common::PATIENCE).unwrap();
}

#[test]
fn tasks_do_not_starve_behind_a_lock_bound_past() {
    // Computing has made the governor allow one worker; then that one blocks.
    let gate = Gate::default();
    let door = gate.clone();
    let site = Site::new(
        Settings {
            threads: 3,
            ..settings()
        },
        move |task| {
            if task.head().path() == b"/held" {
                door.wait();
            }
            let end = std::time::Instant::now() + std::time::Duration::from_micros(300);
            while task.head().path() == b"/burn" && std::time::Instant::now() < end {}
            echo_path(task);
        },
    );
    let mut clients: Vec<_> = (0..8).map(|_| site.connect()).collect();
    for _ in 0..40 {
        for client in &mut clients {
            client.send(request("/burn"));
        }
        for client in &mut clients {
            client.reply();
        }
    }
    for client in &mut clients[..2] {
        client.send(request("/held"));
    }
    site.until("busy_workers", 2);
    assert_eq!(clients[3].get("/other").body, b"/other");
    gate.open(2);
}

#[test]
fn an_old_client_that_half_closed_is_never_probed() {
    let gate = Gate::default();
    let door = gate.clone();
    let site = Site::new(settings(), move |task| {
        door.wait();
        answer(task, b"done");
    });
    let mut old = site.connect();
    old.send("GET / HTTP/1.0\r\n\r\n");
    site.until("busy_workers", 1);
    old.stream.shutdown(std::net::Shutdown::Write).unwrap();
    site.connect()
        .send("GET /health HTTP/1.1\r\nHost: x\r\nBad\r\n\r\n")
        .rest();
    site.server.move_clock(std::time::Duration::from_secs(1));
    site.connect()
        .send("GET /again HTTP/1.1\r\nHost: x\r\nBad\r\n\r\n")
        .rest();
    gate.open(1);
    assert!(old.rest().starts_with(b"HTTP/1.0 200 OK\r\n"));
}
