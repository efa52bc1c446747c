//! A parent's admin endpoint with real clients, and children that are texts.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::BorrowedFd;

use serde_json::{Value, json};

use super::*;
use crate::net::address::ListenSpec;

/// The parent's side: an overview and what its children would say.
struct Parent {
    overview: Overview,
    address: std::net::SocketAddr,
}

impl Parent {
    fn new() -> Self {
        let any = ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
        let settings = Settings::for_tests();
        let options = settings.bind_options();
        let mut listeners = Listeners::bind(&[], &[any], options).unwrap();
        let overview = Overview::new(settings, &mut listeners).unwrap();
        let Listening::Tcp(address) = overview.listening()[0] else {
            unreachable!("it was bound to TCP")
        };
        Self { overview, address }
    }

    fn with(slots: &[usize]) -> Self {
        let mut parent = Self::new();
        parent.set(slots);
        parent
    }

    /// Processes in `slots`, whose ids are 100 and their slot.
    fn set(&mut self, slots: &[usize]) {
        let member = |slot: &usize| member(*slot, 100 + *slot as u32);
        self.overview
            .set_children(slots.iter().map(member).collect());
    }

    fn ask(&self, path: &str) -> TcpStream {
        let mut client = TcpStream::connect(self.address).unwrap();
        write!(client, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        client
    }

    /// Makes turns, each when the descriptor or the timeout says so, until there is a question.
    fn question(&mut self) -> (Topic, u64) {
        loop {
            let asked = self.overview.turn();
            assert!(asked.len() < 2, "{asked:?}");
            if let Some(first) = asked.first() {
                return *first;
            }
            self.sleep();
        }
    }

    fn sleep(&mut self) {
        let wait = self.overview.timeout();
        let wait = wait.map(|wait| wait.try_into().unwrap());
        // SAFETY: the overview keeps its poll open for longer than this call.
        #[expect(unsafe_code, reason = "the descriptor is a number, as Python sees it")]
        let poll = unsafe { BorrowedFd::borrow_raw(self.overview.fileno()) };
        let mut polled = [rustix::event::PollFd::new(
            &poll,
            rustix::event::PollFlags::IN,
        )];
        rustix::event::poll(&mut polled, wait.as_ref()).unwrap();
    }

    /// The body of the reply to `client`, which is made already or is made by turns now.
    fn reply(&mut self, mut client: TcpStream) -> String {
        client.set_nonblocking(true).unwrap();
        let mut reply = String::new();
        loop {
            assert_eq!(self.overview.turn(), []);
            match client.read_to_string(&mut reply) {
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.sleep(),
                Err(error) => panic!("{error}"),
            }
        }
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{reply}");
        body.to_owned()
    }

    /// The page at `path` when each child answers with these figures.
    fn page(&mut self, path: &str, children: &[(usize, String)]) -> String {
        let client = self.ask(path);
        let (topic, n) = self.question();
        let is_short = path == "/metrics";
        let wanted = if is_short {
            Topic::Counts
        } else {
            Topic::Figures
        };
        assert_eq!(topic, wanted);
        for (slot, figures) in children {
            self.overview.supply(n, *slot, figures);
        }
        self.reply(client)
    }

    fn status(&mut self, children: &[(usize, String)]) -> Value {
        serde_json::from_str(&self.page("/status.json", children)).unwrap()
    }
}

fn member(slot: usize, pid: u32) -> Member {
    Member {
        slot,
        pid,
        state: "ready".into(),
    }
}

/// What a process says that has answered so many requests, of a millisecond each, and has idle connections.
fn figures(requests: u64, idle: u64) -> String {
    json!({
        "census": {"idle": idle},
        "queue": {"workers": 4},
        "figures": {
            "statuses": {"2xx": requests},
            "ends": {"complete": requests},
            "phases": {"total": {"nanos": requests * 1_000_000, "buckets": [[1_000_000, requests]]}},
        },
        "process": {"cpu": requests as f64 / 100.0, "resident": 1000},
        "workers": [{"worker": 0, "state": "running", "age": requests as f64}, {"worker": 1, "state": "idle"}],
    })
    .to_string()
}

fn value(page: &str, series: &str) -> f64 {
    let line = page
        .lines()
        .find(|line| line.split(' ').next() == Some(series));
    let line = line.unwrap_or_else(|| panic!("no {series} in {page}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

const REQUESTS: &str = "headwaiter_requests_total{status=\"2xx\"}";

#[test]
fn figures_outlive_the_program() {
    let mut before = Parent::with(&[0, 1, 2]);
    before.status(&[(0, figures(5, 2)), (1, figures(7, 1)), (2, figures(1, 0))]);
    before.overview.retire(0, None);
    before.set(&[1, 2]);
    before.overview.retire(2, Some(&figures(3, 0))); // it has not exited yet
    before.set(&[1, 2]);
    assert!(before.overview.is_quiet());
    before.overview.pause();
    let _later = before.ask("/metrics");
    assert_eq!(before.overview.turn(), []);
    assert!(before.overview.is_quiet());
    before.overview.go_on().unwrap();
    before.question();
    assert!(!before.overview.is_quiet());
    let memory = before.overview.remember();
    drop(before);
    let mut after = Parent::new();
    after.overview.resume(&memory).unwrap();
    after.set(&[1, 2]);
    let shown = after.page("/metrics", &[(1, figures(9, 1))]);
    assert_eq!(value(&shown, REQUESTS), 17.0);
    after.set(&[]); // nobody has told last figures
    after.set(&[0]);
    let shown = after.page("/metrics", &[(0, figures(1, 0))]);
    assert_eq!(value(&shown, REQUESTS), 18.0);
    assert!(after.overview.resume("nonsense").is_err());
}

#[test]
fn a_question_for_counts_leaves_the_places_that_were_told() {
    let place = json!({"route": "GET /", "stack": "v.py:8 f", "own": 0, "state": "waiting"});
    let with = |seconds: f64| {
        let mut told: Value = serde_json::from_str(&figures(1, 0)).unwrap();
        if seconds > 0.0 {
            told["places"] = json!([[place, seconds]]);
        }
        told["spent"] = json!([0.0, 0.0, 0.0, 5.0]);
        told["collections"] = json!({"nanos": 1000, "buckets": [[1000, 1]]});
        told.to_string()
    };
    let mut parent = Parent::with(&[0, 1]);
    let shown = parent.page("/profile", &[(0, with(2.0)), (1, with(1.0))]);
    assert_eq!(shown, "GET /;v.py:8 f;(waiting) 3000\n");
    parent.page("/metrics", &[(0, with(0.0)), (1, with(0.0))]);
    let client = parent.ask("/profile");
    let (_, n) = parent.question();
    parent.overview.supply(n, 0, &with(4.0));
    parent.overview.done(n);
    assert_eq!(parent.reply(client), "GET /;v.py:8 f;(waiting) 5000\n");
    // What counts up stays when a process ends, and where its workers were does not.
    parent.overview.retire(1, Some(&with(1.0)));
    parent.set(&[0]);
    let status = parent.status(&[(0, with(4.0))]);
    assert_eq!(status["totals"]["worker_seconds"]["waiting"], 10.0);
    assert_eq!(status["gc_pauses"]["count"], 2);
    assert_eq!(status["profile"]["seconds"], 4.0);
}

#[test]
fn figures_of_all_processes_are_one_and_each_has_its_line() {
    let mut parent = Parent::with(&[0, 3]);
    let shown = parent.status(&[(0, figures(5, 2)), (3, figures(7, 1))]);
    assert_eq!(shown["totals"]["requests"]["2xx"], 12);
    assert_eq!(shown["now"]["channels"]["idle"], 3);
    assert_eq!(shown["server"]["pid"], std::process::id());
    let lines = shown["processes"].as_array().unwrap();
    let of = |key: &str| {
        lines
            .iter()
            .map(|line| line[key].clone())
            .collect::<Value>()
    };
    assert_eq!(of("slot"), json!([0, 3]));
    assert_eq!(of("pid"), json!([100, 103]));
    assert_eq!(of("requests"), json!([5, 7]));
    assert_eq!(of("connections"), json!([2, 1]));
    assert_eq!(of("answered"), json!([true, true]));
    let workers = shown["workers"].as_array().unwrap();
    assert_eq!(workers.len(), 4);
    assert_eq!(workers[2]["process"], 3);

    let page = parent.page("/metrics", &[(0, figures(5, 2)), (3, figures(7, 1))]);
    assert_eq!(value(&page, REQUESTS), 12.0);
    assert_eq!(
        value(&page, "headwaiter_process_connections{process=\"3\"}"),
        1.0
    );
    assert_eq!(value(&page, "headwaiter_process_up{process=\"0\"}"), 1.0);
    assert_eq!(value(&page, "process_resident_memory_bytes"), 2000.0);

    let page = parent.page("/requests", &[(0, figures(5, 2)), (3, figures(7, 1))]);
    let page: Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["running"][0]["process"], 3);
    assert_eq!(page["running"][1]["process"], 0);
    assert_eq!(page["running"].as_array().unwrap().len(), 2);
}

#[test]
fn nothing_that_counts_up_falls_through_200_recycles() {
    let mut parent = Parent::with(&[0]);
    let (mut served, mut slot) = (0, 0);
    for turn in 0..200 {
        let page = parent.page("/metrics", &[(slot, figures(3, 9))]);
        served += 3;
        assert_eq!(value(&page, REQUESTS), served as f64);
        assert_eq!(
            value(&page, "headwaiter_request_seconds_count"),
            served as f64
        );
        assert!((value(&page, "process_cpu_seconds_total") - served as f64 / 100.0).abs() < 1e-6);
        assert_eq!(value(&page, "headwaiter_channels{state=\"idle\"}"), 9.0);
        // The replacement takes another slot, and tells figures before the old process ends.
        let next = (slot + 1) % 3;
        parent.set(&[slot, next]);
        let page = parent.page("/metrics", &[(slot, figures(3, 1)), (next, figures(0, 1))]);
        assert_eq!(value(&page, REQUESTS), served as f64);
        match turn % 3 {
            // It says goodbye, is killed, or is just gone.
            0 => {
                served += 2;
                parent.overview.retire(slot, Some(&figures(5, 1)));
            }
            1 => parent.overview.retire(slot, None),
            _ => {}
        }
        parent.set(&[next]);
        slot = next;
    }
    let page = parent.page("/metrics", &[(slot, figures(0, 1))]);
    assert_eq!(value(&page, REQUESTS), served as f64);
    assert_eq!(value(&page, "headwaiter_channels{state=\"idle\"}"), 1.0);
}

#[test]
fn a_silent_process_counts_with_what_it_told_last() {
    let mut parent = Parent::with(&[0, 1]);
    parent.status(&[(0, figures(5, 2)), (1, figures(7, 1))]);
    let client = parent.ask("/status.json");
    let (_, n) = parent.question();
    parent.overview.supply(n, 0, &figures(6, 2));
    assert_eq!(parent.overview.turn(), []);
    parent.overview.move_clock(Duration::from_secs(1));
    let shown: Value = serde_json::from_str(&parent.reply(client)).unwrap();
    assert_eq!(shown["totals"]["requests"]["2xx"], 13);
    assert_eq!(shown["processes"][0]["answered"], true);
    assert_eq!(shown["processes"][1]["answered"], false);
    assert_eq!(shown["processes"][1]["requests"], 7);
    // Its answer is late, and is not lost.
    parent.overview.supply(n, 1, &figures(9, 1));
    let client = parent.ask("/metrics");
    let (_, n) = parent.question();
    parent.overview.supply(n, 0, &figures(6, 2));
    parent.overview.done(n);
    let page = parent.reply(client);
    assert_eq!(value(&page, REQUESTS), 15.0);
    assert_eq!(value(&page, "headwaiter_process_up{process=\"0\"}"), 1.0);
    assert_eq!(value(&page, "headwaiter_process_up{process=\"1\"}"), 0.0);
}

#[test]
fn stacks_of_all_stand_under_headings_also_those_that_do_not_come() {
    let mut parent = Parent::with(&[0, 1]);
    let client = parent.ask("/stacks");
    let (topic, n) = parent.question();
    assert_eq!(topic, Topic::Stacks);
    parent.overview.supply(n, 1, "the stacks\n");
    parent.overview.move_clock(Duration::from_secs(2));
    assert_eq!(
        parent.reply(client),
        "=== process 0 (pid 100, ready) ===\n\nIt has not answered in time.\n\n\
         === process 1 (pid 101, ready) ===\n\nthe stacks\n\n"
    );
}

#[test]
fn a_process_that_ends_is_not_waited_for() {
    let mut parent = Parent::with(&[0, 1]);
    let client = parent.ask("/status.json");
    let (_, n) = parent.question();
    parent.overview.supply(n, 0, &figures(5, 2));
    parent.overview.retire(1, Some(&figures(7, 1)));
    let shown: Value = serde_json::from_str(&parent.reply(client)).unwrap();
    assert_eq!(shown["totals"]["requests"]["2xx"], 12);
    assert_eq!(shown["processes"].as_array().unwrap().len(), 1);
    // It may exist for some time, and its figures are counted.
    parent.set(&[0, 1]);
    assert_eq!(lock(&parent.overview.state).fleet.members().count(), 1);
    // What it says now, and nonsense, change nothing.
    parent.overview.supply(n, 1, &figures(100, 1));
    parent.overview.supply(n, 0, "nonsense");
    assert_eq!(
        parent.status(&[(0, figures(5, 2))])["totals"]["requests"]["2xx"],
        12
    );
}

#[test]
fn requests_of_one_turn_share_a_question_and_later_ones_ask_anew() {
    let mut parent = Parent::with(&[0]);
    let both = [parent.ask("/status.json"), parent.ask("/metrics")];
    let now = parent.overview.shared.now();
    let head = Head::new();
    let mut state = lock(&parent.overview.state);
    let waiting = |token| Waiting {
        later: InlineRequest::for_tests(parent.overview.io.mailbox(), &head, token, now).later(),
        page: Wanted::Stacks,
    };
    let slots = state.fleet.slots();
    for token in [7, 8] {
        state
            .questions
            .ask(Topic::Stacks, slots.clone(), waiting(token), now);
    }
    assert_eq!(state.questions.tell(), [(Topic::Stacks, 1)]);
    state.questions.ask(Topic::Stacks, slots, waiting(9), now);
    assert_eq!(state.questions.tell(), [(Topic::Stacks, 2)]);
    state.questions.prune(now + Duration::from_secs(60));
    assert!(state.questions.get(1).is_none());
    drop(state);
    // They may come in one turn or in two.
    let mut bodies = Vec::new();
    for client in both {
        client.set_nonblocking(true).unwrap();
        bodies.push(loop {
            for (_, n) in parent.overview.turn() {
                parent.overview.supply(n, 0, &figures(5, 2));
            }
            match client.peek(&mut [0]) {
                Ok(_) => break parent.reply(client),
                Err(_) => parent.sleep(),
            }
        });
    }
    assert!(bodies[0].contains("\"2xx\":5") && bodies[1].contains(REQUESTS));
}

#[test]
fn readiness_is_that_of_the_server() {
    let mut parent = Parent::new();
    let check = |parent: &mut Parent, says: &str| {
        let answer = lock(&parent.overview.state).readiness();
        assert_eq!(String::from_utf8_lossy(&answer.body), says);
    };
    check(&mut parent, "no process is ready\n");
    parent.set(&[0]);
    check(&mut parent, "ok\n");
    let client = parent.ask("/ready");
    assert_eq!(parent.reply(client), "ok\n");
    parent.overview.set_server(1, true);
    check(&mut parent, "draining\n");
}
