//! Where the workers wait, and what for: the evidence of the wait profile.
//!
//! The binding names each frame `file:line function`. Below the innermost Python frame it names the C function
//! that the line calls (`acquire()`), or says `with` where the line enters a context manager.

use std::collections::HashMap;

use crate::observe::profile::{Place, Places, State};

/// What workers wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Resource {
    /// One at a time has it.
    Lock,
    /// One at a time has it, of all processes of the machine.
    FileLock,
    /// One of a few, which other workers have.
    Pool,
    /// A condition of the application's own: one of a few, or what another thread does.
    Condition,
    /// SQLite, which lets one connection write.
    Sqlite,
    /// A database or another service, the disk.
    Service,
    /// The end of something that another thread does.
    Result,
    Sleep,
    Unknown,
}

/// Workers that wait at one line of the application.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Waiters {
    /// File, line and function of the application.
    pub(super) at: String,
    /// The line and the innermost frame below it.
    pub(super) shown: String,
    pub(super) resource: Resource,
    /// How many wait there, on average.
    pub(super) workers: f64,
}

/// The waiting workers by the application's line, most first, when `busy` are busy on average.
pub(super) fn waiters(places: &Places, busy: f64) -> Vec<Waiters> {
    let all = places.seconds().max(f64::MIN_POSITIVE);
    let mut lines: HashMap<(&str, Resource), (f64, &Place)> = HashMap::new();
    for (place, seconds) in &places.0 {
        if place.state == State::Waiting {
            let key = (place.own_frame(), resource(place));
            lines.entry(key).or_insert((0.0, place)).0 += seconds;
        }
    }
    let mut found: Vec<_> = lines
        .into_iter()
        .map(|((at, resource), (seconds, place))| Waiters {
            at: at.to_owned(),
            shown: place.shown(),
            resource,
            workers: busy * seconds / all,
        })
        .collect();
    found.sort_by(|a, b| {
        b.workers
            .total_cmp(&a.workers)
            .then_with(|| a.at.cmp(&b.at))
    });
    found
}

/// What a worker waits for, by the names of the frames below the application's line.
fn resource(place: &Place) -> Resource {
    let frames: Vec<_> = place.below_own().map(Frame::of).collect();
    let innermost = frames.last().copied().unwrap_or_default();
    let any = |is: &dyn Fn(&Frame<'_>) -> bool| frames.iter().any(is);
    let in_file = |part: &'static str| move |frame: &Frame<'_>| frame.file.ends_with(part);
    let is_lock = LOCKS.contains(&innermost.function)
        || any(&in_file("threading.py")) && ["wait", "acquire"].contains(&innermost.last());
    if any(&|frame| frame.file.contains("sqlite") || frame.function.contains("sqlite3")) {
        return Resource::Sqlite;
    }
    if is_lock {
        let of_pool = |frame: &Frame<'_>| {
            POOL_CALLS.contains(&frame.last())
                || frame.file.contains("pool") && POOLED.contains(&frame.last())
        };
        let semaphore = |frame: &Frame<'_>| {
            frame.file.ends_with("threading.py") && frame.function.contains("Semaphore")
        };
        // Before Python 3.11 a frame does not name its class; a lock's `acquire` has no frame.
        let unnamed =
            |frame: &Frame<'_>| frame.file.ends_with("threading.py") && frame.function == "acquire";
        if any(&of_pool) || any(&semaphore) || any(&unnamed) || any(&in_file("queue.py")) {
            return Resource::Pool;
        }
        let waits: Vec<_> = frames
            .iter()
            .filter(|frame| frame.file.ends_with("threading.py") && ENDS.contains(&frame.last()))
            .map(Frame::last)
            .collect();
        // An event waits for a condition in turn. The lock of either is held for a moment only.
        let future = any(&in_file("concurrent/futures/_base.py"));
        return match waits[..] {
            _ if future => Resource::Result,
            ["wait"] | ["wait_for", "wait"] => Resource::Condition,
            [] => Resource::Lock,
            _ => Resource::Result,
        };
    }
    match innermost.function {
        "get()" => Resource::Pool,
        "flock()" | "lockf()" => Resource::FileLock,
        "sleep()" => Resource::Sleep,
        "join()" => Resource::Result,
        name if SERVICE.contains(&name) => Resource::Service,
        _ if frames.is_empty() => Resource::Unknown,
        // Something else in a library.
        _ => Resource::Service,
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Frame<'a> {
    file: &'a str,
    function: &'a str,
}

impl<'a> Frame<'a> {
    fn of(name: &'a str) -> Self {
        let Some((place, function)) = name.rsplit_once(' ') else {
            return Self {
                file: "",
                function: name,
            };
        };
        let file = place.rsplit_once(':').map_or(place, |(file, _)| file);
        Self { file, function }
    }

    /// The function without its class.
    fn last(&self) -> &'a str {
        self.function.rsplit('.').next().unwrap_or_default()
    }
}

/// What the innermost frame is called when a lock is taken.
const LOCKS: [&str; 4] = ["with", "acquire()", "acquire_lock()", "__enter__()"];
/// Functions that give out connections of a pool.
const POOL_CALLS: [&str; 7] = [
    "getconn",
    "get_connection",
    "_get_conn",
    "_do_get",
    "_checkout",
    "checkout",
    "_get_connection",
];
/// Functions of a module with "pool" in its path that do.
const POOLED: [&str; 6] = ["acquire", "get", "connection", "connect", "_get", "wait"];
/// Functions of `threading` that wait for what another thread does.
const ENDS: [&str; 4] = ["wait", "wait_for", "join", "_wait_for_tstate_lock"];
/// C functions that wait for a descriptor or a database.
const SERVICE: [&str; 22] = [
    "recv()",
    "recv_into()",
    "recvfrom()",
    "read()",
    "readinto()",
    "readline()",
    "poll()",
    "select()",
    "send()",
    "sendall()",
    "connect()",
    "connect_ex()",
    "getaddrinfo()",
    "execute()",
    "executemany()",
    "commit()",
    "fetchall()",
    "fetchone()",
    "query()",
    "wait()",
    "open()",
    "fsync()",
];

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    fn place(stack: &str, own: usize) -> Place {
        Place {
            route: "GET /".into(),
            stack: stack.replace(" / ", "\n"),
            own,
            state: State::Waiting,
        }
    }

    #[test]
    fn frames_say_what_is_waited_for() {
        for (stack, waits_for) in [
            ("v.py:8 f / with", Resource::Lock),
            ("v.py:8 f / acquire()", Resource::Lock),
            (
                "v.py:8 f / multiprocessing/synchronize.py:95 SemLock.__enter__ / __enter__()",
                Resource::Lock,
            ),
            (
                "v.py:8 f / threading.py:507 Semaphore.acquire / threading.py:320 Condition.wait / acquire()",
                Resource::Pool,
            ),
            (
                "v.py:8 f / threading.py:433 acquire / threading.py:312 wait / acquire()",
                Resource::Pool,
            ),
            (
                "v.py:8 f / queue.py:171 Queue.get / threading.py:320 Condition.wait / acquire()",
                Resource::Pool,
            ),
            ("v.py:8 f / get()", Resource::Pool),
            (
                "v.py:8 f / psycopg_pool/pool.py:203 ConnectionPool.getconn / threading.py:320 Condition.wait / acquire()",
                Resource::Pool,
            ),
            (
                "v.py:8 f / threading.py:607 Event.wait / threading.py:320 Condition.wait / acquire()",
                Resource::Result,
            ),
            (
                "v.py:8 f / concurrent/futures/_base.py:451 Future.result / threading.py:320 Condition.wait / acquire()",
                Resource::Result,
            ),
            (
                "v.py:8 f / threading.py:1112 Thread._wait_for_tstate_lock / acquire()",
                Resource::Result,
            ),
            (
                "v.py:8 f / threading.py:288 Condition.__enter__ / __enter__()",
                Resource::Lock,
            ),
            (
                "v.py:8 f / threading.py:320 Condition.wait / acquire()",
                Resource::Condition,
            ),
            (
                "v.py:8 f / threading.py:345 wait_for / threading.py:312 wait / acquire()",
                Resource::Condition,
            ),
            (
                "v.py:8 f / threading.py:581 wait / threading.py:312 wait / acquire()",
                Resource::Result,
            ),
            ("v.py:8 f / flock()", Resource::FileLock),
            ("v.py:8 f / sqlite3 execute()", Resource::Sqlite),
            (
                "v.py:8 f / django/db/backends/sqlite3/base.py:328 execute / execute()",
                Resource::Sqlite,
            ),
            (
                "v.py:8 f / http/client.py:279 _read_status / socket.py:706 SocketIO.readinto / recv_into()",
                Resource::Service,
            ),
            ("v.py:8 f / sleep()", Resource::Sleep),
            ("v.py:8 f", Resource::Unknown),
        ] {
            assert_eq!(resource(&place(stack, 0)), waits_for, "{stack}");
        }
    }

    #[test]
    fn waiters_at_one_line_of_the_application_are_counted_together() {
        let deep =
            |n| format!("mw.py:3 call / v.py:8 f / threading.py:{n} Semaphore.acquire / acquire()");
        let computing = Place {
            state: State::Computing,
            ..place("v.py:9 f", 0)
        };
        let places = Places(vec![
            (place(&deep(1), 1), 2.0),
            (place("v.py:12 g / sleep()", 0), 2.5),
            (computing, 1.5),
            (place(&deep(2), 1), 2.0),
        ]);
        let found = waiters(&places, 4.0);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].at.as_str(), found[0].workers), ("v.py:8 f", 2.0));
        assert_eq!(found[0].resource, Resource::Pool);
        assert_eq!(found[1].workers, 1.25);
    }
}
