//! One record per request: its phases add up, and the access log has one line whatever the end.

#![allow(clippy::disallowed_methods, reason = "it measures or burns time")]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use common::{Client, Gate, Site, answer, begin, echo_path, request, settings, stream};
use headwaiter_engine::{AccessLogTarget, End, ListenSpec, Listening, Server, Settings, Task};
use serde_json::Value;

const SECOND: Duration = Duration::from_secs(1);

/// Settings with an access log, and where it is.
fn logged(settings: Settings) -> (Settings, tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let access_log = Some(AccessLogTarget::Path(path.clone()));
    let settings = Settings {
        access_log,
        ..settings
    };
    (settings, dir, path)
}

/// The lines, once the server has ended.
fn lines(path: &PathBuf) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn ends(lines: &[Value]) -> BTreeMap<String, usize> {
    let mut ends = BTreeMap::new();
    for line in lines {
        let end = line["end"].as_str().unwrap();
        let reason = line["reason"].as_str().unwrap();
        *ends
            .entry(format!("{end} {reason}").trim().into())
            .or_default() += 1;
    }
    ends
}

fn only<'a>(lines: &'a [Value], target: &str) -> &'a Value {
    let mut found = lines.iter().filter(|line| line["target"] == target);
    let line = found
        .next()
        .unwrap_or_else(|| panic!("no line for {target}: {lines:?}"));
    assert!(found.next().is_none(), "two lines for {target}");
    line
}

fn seconds(line: &Value, phase: &str) -> f64 {
    line[phase]
        .as_f64()
        .unwrap_or_else(|| panic!("no {phase} in {line}"))
}

fn sum_of_phases(line: &Value) -> f64 {
    let phases = ["head", "body", "queue", "gil", "app", "flush"];
    phases.iter().filter_map(|phase| line[phase].as_f64()).sum()
}

#[test]
fn phases_of_thousands_of_mixed_requests_add_up_and_match_what_clients_see() {
    const CLIENTS: usize = 8;
    const ROUNDS: usize = 75;
    let (settings, _dir, path) = logged(settings());
    let site = Site::new(settings, |task| match task.head().path() {
        b"/sleep" => {
            std::thread::sleep(Duration::from_millis(2));
            echo_path(task);
        }
        b"/large" => {
            begin(task, Some(300_000), &[]);
            for _ in 0..3 {
                assert!(stream(task, &[b'x'; 100_000]));
            }
            task.finish_reply();
        }
        _ => echo_path(task),
    });
    let address = site.address;
    let run = |client: usize| {
        std::thread::spawn(move || {
            let mut longest = BTreeMap::new();
            for round in 0..ROUNDS {
                let mut connection = Client::to(address);
                let mut ask = |name: &str, text: &str| {
                    let target = format!("{name}?{client}-{round}");
                    let began = Instant::now();
                    connection.send(text.replace("TARGET", &target));
                    let status = connection.reply().status;
                    longest.insert(target, began.elapsed().as_secs_f64());
                    status
                };
                let get = "GET TARGET HTTP/1.1\r\nHost: x\r\n\r\n";
                let post = "POST TARGET HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody";
                assert_eq!(ask("/quick", get), 200);
                assert_eq!(ask("/sleep", get), 200);
                assert_eq!(ask("/large", get), 200);
                assert_eq!(ask("/post", post), 200);
                let bad = "GET TARGET HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n";
                assert_eq!(ask("/bad", bad), 400);
            }
            longest
        })
    };
    let clients: Vec<_> = (0..CLIENTS).map(run).collect();
    let seen: BTreeMap<String, f64> = clients
        .into_iter()
        .flat_map(|client| client.join().unwrap())
        .collect();
    site.stop();
    let lines = lines(&path);
    assert_eq!(lines.len(), CLIENTS * ROUNDS * 5);
    assert_eq!(lines.len(), seen.len());
    let mut longer = 0;
    let (mut measured, mut computed) = (0, 0);
    for line in &lines {
        let total = seconds(line, "total");
        assert!((sum_of_phases(line) - total).abs() < 0.001, "{line}");
        let target = line["target"].as_str().unwrap();
        // The client's clock started before the first byte and stopped behind the last. Ours stops
        // when the thread that sent it runs on, which on a busy machine may be later.
        let elapsed = seen.get(target).copied().unwrap_or(f64::MAX);
        longer += usize::from(total > elapsed + 0.001);
        if target.starts_with("/sleep") {
            assert!(seconds(line, "app") >= 0.002, "{line}");
            if let Some(cpu) = line["app_cpu"].as_f64() {
                measured += 1;
                computed += usize::from(cpu >= 0.002);
            }
        }
    }
    assert!(longer < lines.len() / 10, "{longer} of {}", lines.len());
    // A view that sleeps does not compute. On a busy machine the kernel charges a thread for more now and then.
    assert!(computed <= measured / 2, "{computed} of {measured}");
    let ends = ends(&lines);
    assert_eq!(ends["complete"], CLIENTS * ROUNDS * 4);
    assert_eq!(ends["refused host-repeated"], CLIENTS * ROUNDS);
}

#[test]
fn sizes_status_and_worker_are_those_of_the_wire() {
    let (settings, _dir, path) = logged(settings());
    let site = Site::new(settings, echo_path);
    let sent = "POST /sized HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let reply = site.connect().send(sent).reply();
    site.connect().send("GET /\u{7f} HTTP/1.1\r\n\r\n").reply();
    site.stop();
    let lines = lines(&path);
    let line = only(&lines, "/sized");
    assert_eq!(line["status"], 200);
    assert_eq!(line["bytes_in"], sent.len());
    assert_eq!(line["bytes_out"], reply.head.len() + reply.body.len());
    assert_eq!(line["body_bytes"], reply.body.len());
    assert!(line["worker"].is_u64());
    let refused = only(&lines, "GET /\u{7f} HTTP/1.1");
    assert_eq!(
        (&refused["status"], &refused["worker"]),
        (&400.into(), &Value::Null)
    );
    assert_eq!(refused["reason"], "control-byte");
}

#[test]
fn every_end_has_exactly_one_line() {
    let (gate, app) = (Gate::default(), Gate::default());
    let (door, through) = (gate.clone(), app.clone());
    let (settings, _dir, path) = logged(Settings {
        threads: 1,
        queue_limit: Some(2),
        queue_timeout: Some(5 * SECOND),
        ..settings()
    });
    let site = Site::new(settings, move |task| match task.head().path() {
        b"/fails" => {
            task.set_end(End::AppError);
            task.cut();
        }
        b"/wait" => {
            through.open(1);
            door.wait();
            echo_path(task);
        }
        _ => echo_path(task),
    });
    site.connect().get("/complete");
    site.connect().send(request("/fails")).rest();
    site.connect().send("GET /half HT");
    let mut body = site.connect();
    body.send("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx");
    site.until("bytes_in", 60);
    drop(body);
    site.until_is("channels", 0);
    let mut late = site.connect();
    late.send("POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n");
    site.until_is("channels", 1);
    wait_receiving(&site);
    site.server.move_clock(61 * SECOND);
    assert_eq!(late.reply().status, 408);
    // One runs, one leaves while it waits, one is shed for room, one for time.
    let mut runs = site.connect();
    runs.send(request("/wait"));
    app.wait();
    let (left, mut waits) = (site.connect(), site.connect());
    let mut left = left;
    left.send(request("/left"));
    site.until("queue_depth", 1);
    waits.send(request("/waits"));
    site.until("queue_depth", 2);
    assert_eq!(site.connect().get("/full").status, 503);
    drop(left);
    site.until_is("queue_depth", 1);
    site.server.move_clock(6 * SECOND);
    assert_eq!(waits.reply().status, 503);
    gate.open(1);
    runs.reply();
    // A client may have its reply before the thread that sent it has counted it.
    common::wait_for("all nine are counted", || {
        let ends = &site.status()["totals"]["ends"];
        ends.as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_u64)
            .sum::<u64>()
            == 9
    });
    let figures = site.status();
    site.stop();
    let lines = lines(&path);
    for (target, end, status) in [
        ("/complete", "complete", 200),
        ("/fails", "app-error", 0),
        ("GET /half HT", "disconnected", 0),
        ("/body", "disconnected", 0),
        ("/late", "cut", 408),
        ("/wait", "complete", 200),
        ("/left", "abandoned", 0),
        ("/full", "shed", 503),
        ("/waits", "shed", 503),
    ] {
        let line = only(&lines, target);
        assert_eq!(
            (&line["end"], &line["status"]),
            (&end.into(), &status.into()),
            "{line}"
        );
        assert!(
            (sum_of_phases(line) - seconds(line, "total")).abs() < 0.001,
            "{line}"
        );
    }
    assert_eq!(lines.len(), 9, "{lines:?}");
    assert!(seconds(only(&lines, "/waits"), "queue") >= 6.0);
    assert_eq!(only(&lines, "/late")["reason"], "body-timeout");
    // The figures say the same.
    let ends = &figures["totals"]["ends"];
    let of = |end: &str| ends[end].as_u64().unwrap();
    assert_eq!((of("complete"), of("shed"), of("disconnected")), (2, 2, 2));
    assert_eq!((of("cut"), of("abandoned"), of("app-error")), (1, 1, 1));
    assert_eq!(figures["totals"]["refusals"]["queue-full"], 1);
}

fn wait_receiving(site: &Site) {
    common::wait_for("a body is awaited", || {
        site.status()["now"]["channels"]["receiving"] == 1
    });
}

#[test]
fn what_is_cut_at_the_end_has_its_line_whether_it_runs_or_waits() {
    let gate = Gate::default();
    let door = gate.clone();
    let (settings, _dir, path) = logged(Settings {
        threads: 1,
        ..settings()
    });
    let site = Site::new(settings, move |task| {
        door.wait();
        echo_path(task);
    });
    let (mut runs, mut waits) = (site.connect(), site.connect());
    runs.send(request("/runs"));
    site.until("busy_workers", 1);
    waits.send(request("/waits"));
    site.until("queue_depth", 1);
    site.server.abort();
    assert!(runs.is_closed() && waits.is_closed());
    gate.open(1);
    let server: Arc<Server> = site.join();
    assert_eq!(server.unfinished(), 2);
    let lines = lines(&path);
    assert_eq!(ends(&lines)["cut shutdown-timeout"], 2, "{lines:?}");
    assert_eq!(lines.len(), 2);
}

#[test]
fn a_client_that_takes_nothing_is_recorded_as_cut() {
    let (settings, _dir, path) = logged(Settings {
        outbuf_high_watermark: 4 << 20,
        outbuf_overflow: 1 << 16,
        ..settings()
    });
    let site = Site::new(settings, |task| {
        begin(task, None, &[("Connection", "close")]);
        while stream(task, &[b'x'; 1 << 16]) {}
        task.set_end(End::Disconnected);
    });
    let mut client = site.connect();
    client.send(request("/endless"));
    site.until("spool_bytes", 3 << 20);
    common::wait_for("the client is cut", || {
        site.server.move_clock(61 * SECOND);
        site.stat("send_timeouts") == 1
    });
    site.until_is("busy_workers", 0);
    site.stop();
    let lines = lines(&path);
    assert_eq!(
        ends(&lines),
        BTreeMap::from([("cut send-timeout".into(), 1)])
    );
    assert!(lines[0]["bytes_out"].as_u64().unwrap() > 0);
}

#[test]
fn the_log_is_reopened_where_it_was() {
    let (settings, dir, path) = logged(settings());
    let site = Site::new(settings, echo_path);
    let count = |path: &PathBuf| std::fs::read_to_string(path).unwrap().lines().count();
    let mut client = site.connect();
    client.get("/before");
    // The client has its reply before the line is written.
    common::wait_for("the line is written", || count(&path) == 1);
    let moved = dir.path().join("access.log.1");
    std::fs::rename(&path, &moved).unwrap();
    site.server.reopen_logs();
    common::wait_for("the file is there again", || path.exists());
    client.get("/after");
    site.stop();
    assert_eq!((count(&moved), count(&path)), (1, 1));
    assert_eq!(lines(&path)[0]["target"], "/after");
}

/// One worker has the GIL, and another was woken and waits for it, so the request waits for the GIL. That the first
/// worker takes it in the end changes nothing.
#[test]
fn a_request_waits_for_the_gil_whoever_takes_it() {
    let (settings, _dir, path) = logged(Settings {
        lend_loop: false,
        ..settings()
    });
    let any = ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
    let server = Arc::new(common::bind(settings, &[any]).unwrap());
    let (finished, ended) = mpsc::channel();
    let tell = Box::new(move || finished.send(()).unwrap());
    server.start(tell).unwrap();
    let Listening::Tcp(address) = server.listening()[0] else {
        panic!("a TCP address")
    };

    let mut busy = server.tasks();
    let (mut first, mut second) = (Client::to(address), Client::to(address));
    first.send(request("/first"));
    let task = loop {
        if let Some(task) = busy.next() {
            break task;
        }
        assert!(busy.park());
    };
    let (asks, asked) = mpsc::channel();
    let (gives, given) = mpsc::channel();
    let other = Arc::clone(&server);
    let waiting = std::thread::spawn(move || {
        let mut tasks = other.tasks();
        assert!(tasks.park());
        asks.send(()).unwrap();
        given.recv().unwrap();
        while tasks.next().is_none() && tasks.park() {}
    });
    second.send(request("/second"));
    asked.recv_timeout(common::PATIENCE).unwrap();
    server.move_clock(30 * SECOND);
    let mut done = |mut task: Task| {
        echo_path(&mut task);
        busy.complete(task);
        busy.next()
    };
    let task = done(task).expect("the second request waits");
    assert!(done(task).is_none());
    busy.send();
    assert_eq!((first.reply().status, second.reply().status), (200, 200));
    gives.send(()).unwrap();
    server.stop();
    while busy.park() {
        assert!(busy.next().is_none());
    }
    waiting.join().unwrap();
    ended.recv_timeout(common::PATIENCE).unwrap();

    let lines = lines(&path);
    let second = only(&lines, "/second");
    assert!(seconds(second, "gil") >= 30.0, "{second}");
    assert!(seconds(second, "queue") < 30.0, "{second}");
    assert!(seconds(only(&lines, "/first"), "gil") < 30.0, "{lines:?}");
}

#[test]
fn a_full_disk_stops_nobody() {
    // Writes to it fail as on a full disk.
    let full = PathBuf::from("/dev/full");
    if !full.exists() {
        return;
    }
    let site = Site::new(
        Settings {
            access_log: Some(AccessLogTarget::Path(full)),
            ..settings()
        },
        |task| answer(task, b"fine"),
    );
    let mut client = site.connect();
    for _ in 0..100 {
        assert_eq!(client.get("/").body, b"fine");
    }
    common::wait_for("the lines are counted as dropped", || {
        site.status()["totals"]["access_log_dropped"] == 100
    });
    site.stop();
}

#[test]
fn a_long_header_hides_no_request() {
    const ROUNDS: usize = 30;
    for format in ["combined", "json"] {
        let (settings, _dir, path) = logged(settings());
        let settings = Settings {
            access_log_format: format.parse().unwrap(),
            ..settings
        };
        let site = Site::new(settings, echo_path);
        let head = [
            b"GET /long HTTP/1.1\r\nHost: x\r\nUser-Agent: ",
            &[0xff; 250_000][..],
            b"\r\n\r\n",
        ]
        .concat();
        let (mut long, mut short) = (site.connect(), site.connect());
        for _ in 0..ROUNDS {
            long.send(&head);
            assert_eq!(short.get("/short").status, 200);
            assert_eq!(long.reply().status, 200);
        }
        site.stop();
        let text = std::fs::read_to_string(&path).unwrap();
        for target in ["/long", "/short"] {
            let lines = text.lines().filter(|line| line.contains(target)).count();
            assert_eq!(lines, ROUNDS, "{format} {target}");
        }
        let longest = text.lines().map(str::len).max();
        assert!(longest < Some(16 << 10), "{longest:?}");
    }
}
