//! Everything that status and metrics show of a server, at one moment, as plain data.
//!
//! Snapshots of several processes add up to one (`+=`). Counts, bytes, CPU time and histograms are sums.
//! Waits are the longest of all. What identifies a process (`pid`, versions) stays that of the first.
//!
//! A process tells its parent its snapshot in the serde form. Of a field that only one side knows, the reader
//! takes the default, so an old and a new version add up while a server is upgraded.

use crate::sys::instant::Instant;
use std::cmp::Ordering;
use std::ops::AddAssign;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::net::address::Listening;
use crate::observe::Observatory;
use crate::observe::admin::show;
use crate::observe::advice::expect::{Expected, expect};
use crate::observe::advice::{Advice, Case, Curve, Window, advise};
use crate::observe::profile::{Places, Spent};
use crate::queue::Look;
use crate::queue::running::RunningRequest;
use crate::record::census::Census;
use crate::record::figures::{ByPhase, Figures};
use crate::record::histogram::Distribution;
use crate::sys::process;

/// A server at one moment.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Snapshot {
    pub(crate) server: About,
    /// What the advice is made of.
    pub(crate) window: Window,
    pub(crate) queue: Look,
    /// Requests that run.
    pub(crate) running: usize,
    /// Channels as of the last count.
    pub(crate) census: Census,
    /// Bytes in temporary files.
    pub(crate) spool_disk: u64,
    pub(crate) figures: Figures,
    pub(crate) totals: Totals,
    /// Each phase within about the last minute; `None` before two samples were taken.
    pub(crate) recent: Option<ByPhase>,
    /// The waits of the GIL probe.
    pub(crate) probe: Distribution,
    pub(crate) probe_now: Option<Duration>,
    /// Garbage collections, if they are measured.
    pub(crate) collections: Distribution,
    pub(crate) process: Process,
    /// Where the workers were in the last minute.
    pub(crate) places: Places,
    /// What they did since the server started.
    pub(crate) spent: Spent,
    /// Threads that compute beside the workers, and how many cores each uses, most first.
    pub(crate) beside: Vec<(String, f64)>,
    /// Requests that failed in about the last minute, by route, most first.
    pub(crate) failed: Vec<(String, u64)>,
    /// How throughput grew with busy workers.
    pub(crate) curve: Curve,
    /// What each worker does, as JSON.
    pub(crate) workers: Vec<Value>,
    /// The requests that have waited longest for a worker, as JSON.
    pub(crate) waiting: Vec<Value>,
}

/// What a server is and how it is set up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct About {
    pub(crate) version: String,
    pub(crate) pid: u32,
    pub(crate) uptime: Duration,
    pub(crate) listening: Vec<String>,
    /// What the application is called.
    pub(crate) application: String,
    /// The interpreter and its version.
    pub(crate) python: String,
    pub(crate) gil: bool,
    pub(crate) draining: bool,
    pub(crate) threads_min: usize,
    pub(crate) threads_max: usize,
    pub(crate) cores: usize,
}

/// Counters beside [`Figures`].
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Totals {
    pub(crate) connections: u64,
    pub(crate) handed_over: u64,
    pub(crate) taken_over: u64,
    pub(crate) not_taken_over: u64,
    pub(crate) health_checks: u64,
    pub(crate) evicted: u64,
    pub(crate) accept_pauses: u64,
    pub(crate) loop_lends: u64,
    pub(crate) send_timeouts: u64,
    pub(crate) access_log_dropped: u64,
    pub(crate) panics: u64,
}

/// What the operating system says of the process; `None` where it does not tell.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Process {
    /// CPU seconds.
    pub(crate) cpu: Option<f64>,
    /// Bytes of memory in use.
    pub(crate) resident: Option<u64>,
    /// Open descriptors.
    pub(crate) descriptors: Option<u64>,
    /// The workers' share of a core in the last second: an upper bound of how long the GIL was held.
    pub(crate) gil_share: Option<f64>,
}

impl Snapshot {
    /// The server as it is now.
    pub(crate) fn take(observatory: &Observatory) -> Self {
        let (shared, watch) = (&observatory.shared, &observatory.watch);
        let (settings, counters) = (&shared.settings, &shared.counters);
        let now = shared.now();
        let running = shared.running.requests(now);
        Self {
            server: About {
                version: env!("CARGO_PKG_VERSION").into(),
                pid: std::process::id(),
                uptime: now.saturating_duration_since(watch.first().at),
                listening: shared.listening.iter().map(url).collect(),
                application: settings.application.clone(),
                python: settings.runtime.clone(),
                gil: settings.gil,
                draining: shared.draining(),
                threads_min: settings.threads,
                threads_max: settings.threads.max(settings.threads_max),
                cores: process::cores(),
            },
            window: observatory.present(),
            queue: shared.queue.look(now),
            running: running.len(),
            census: shared.census.last(),
            spool_disk: shared.budget.used(),
            figures: shared.shards.figures(),
            totals: Totals {
                connections: counters.connections.get(),
                handed_over: counters.handed_over.get(),
                taken_over: counters.taken_over.get(),
                not_taken_over: counters.not_taken_over.get(),
                health_checks: counters.health_checks.get(),
                evicted: counters.evicted.get(),
                accept_pauses: counters.accept_pauses.get(),
                loop_lends: counters.loop_lends.get(),
                send_timeouts: counters.send_timeouts.get(),
                access_log_dropped: shared.access_log.as_ref().map_or(0, |log| log.dropped()),
                panics: counters.panics.get(),
            },
            recent: watch
                .window()
                .map(|(first, last)| last.figures.phases_since(&first.figures)),
            probe: watch.probe_waits(),
            probe_now: watch.probe_now(),
            collections: watch.collections(),
            process: Process {
                cpu: process::cpu().map(|cpu| cpu.as_secs_f64()),
                resident: process::resident(),
                descriptors: process::descriptors(),
                gil_share: gil_share(observatory),
            },
            places: observatory.profile.places(now),
            spent: observatory.profile.spent(),
            beside: observatory.profile.beside(now),
            failed: shared.shards.failed(now),
            curve: watch.curve(),
            workers: workers(observatory, &running, now),
            waiting: show::waiting(shared, now),
        }
    }

    /// What would help.
    pub(crate) fn advice(&self) -> Advice {
        advise(&self.case())
    }

    /// What `threads` threads in each process would give.
    pub(crate) fn expect(&self, threads: usize) -> Option<Expected> {
        expect(&self.case(), threads)
    }

    fn case(&self) -> Case<'_> {
        Case {
            window: &self.window,
            places: &self.places,
            beside: &self.beside,
            failed: &self.failed,
            curve: &self.curve,
        }
    }

    /// All channels.
    #[cfg(unix)]
    pub(crate) fn channels(&self) -> u64 {
        let census = &self.census;
        census.idle + census.receiving + census.in_task + census.sending
    }

    /// Channels with a request that runs.
    pub(crate) fn channels_running(&self) -> u64 {
        self.census
            .in_task
            .saturating_sub(self.queue.waiting as u64)
    }
}

/// What each worker does.
fn workers(observatory: &Observatory, running: &[RunningRequest], now: Instant) -> Vec<Value> {
    let show = |worker| {
        let Some(request) = running.iter().find(|request| request.worker == worker) else {
            return json!({"worker": worker, "state": "idle"});
        };
        let mut shown = show::running(request);
        if let Some((state, at)) = observatory.profile.doing(request, now) {
            shown["doing"] = json!(state);
            shown["at"] = json!(at);
        }
        shown
    };
    observatory
        .shared
        .queue
        .numbers()
        .into_iter()
        .map(show)
        .collect()
}

pub(super) fn url(listening: &Listening) -> String {
    match listening {
        Listening::Tcp(address) => format!("http://{address}"),
        Listening::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn gil_share(observatory: &Observatory) -> Option<f64> {
    if !observatory.shared.settings.gil {
        return None;
    }
    let (before, last) = observatory.watch.last_second()?;
    let cpu = last.worker_cpu? - before.worker_cpu?;
    let elapsed = last.at.saturating_duration_since(before.at).as_secs_f64();
    Some((cpu / elapsed.max(1e-6)).clamp(0.0, 1.0))
}

impl AddAssign for Snapshot {
    fn add_assign(&mut self, other: Self) {
        self.server += other.server;
        self.window += other.window;
        self.queue += other.queue;
        self.running += other.running;
        self.census += other.census;
        self.spool_disk += other.spool_disk;
        self.figures += &other.figures;
        self.totals += other.totals;
        match (&mut self.recent, other.recent) {
            (Some(all), Some(more)) => *all += &more,
            (recent @ None, more) => *recent = more,
            (Some(_), None) => {}
        }
        self.probe += &other.probe;
        self.collections += &other.collections;
        self.probe_now = self.probe_now.max(other.probe_now);
        self.process += other.process;
        self.places += other.places;
        self.spent += other.spent;
        add_up(&mut self.failed, other.failed);
        add_up(&mut self.beside, other.beside);
        self.curve += other.curve;
        self.workers.extend(other.workers);
        self.waiting.extend(other.waiting);
        let age = |request: &Value| request["age"].as_f64().unwrap_or_default();
        self.waiting.sort_by(|a, b| age(b).total_cmp(&age(a)));
        self.waiting.truncate(show::MOST);
    }
}

/// Adds what another process has told by name; most first.
fn add_up<N: AddAssign + Copy + PartialOrd>(sum: &mut Vec<(String, N)>, more: Vec<(String, N)>) {
    for (name, n) in more {
        match sum.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += n,
            None => sum.push((name, n)),
        }
    }
    sum.sort_by(|(_, a), (_, b)| b.partial_cmp(a).unwrap_or(Ordering::Equal));
}

impl AddAssign for About {
    fn add_assign(&mut self, other: Self) {
        self.uptime = self.uptime.max(other.uptime);
        for url in other.listening {
            if !self.listening.contains(&url) {
                self.listening.push(url);
            }
        }
        self.gil |= other.gil;
        // A process that is replaced drains; the server serves as long as another one does.
        self.draining &= other.draining;
        self.threads_min += other.threads_min;
        self.threads_max += other.threads_max;
        self.cores = self.cores.max(other.cores);
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.connections += other.connections;
        self.handed_over += other.handed_over;
        self.taken_over += other.taken_over;
        self.not_taken_over += other.not_taken_over;
        self.health_checks += other.health_checks;
        self.evicted += other.evicted;
        self.accept_pauses += other.accept_pauses;
        self.loop_lends += other.loop_lends;
        self.send_timeouts += other.send_timeouts;
        self.access_log_dropped += other.access_log_dropped;
        self.panics += other.panics;
    }
}

impl AddAssign for Process {
    fn add_assign(&mut self, other: Self) {
        self.cpu = both(self.cpu, other.cpu, |a, b| a + b);
        self.resident = both(self.resident, other.resident, |a, b| a + b);
        self.descriptors = both(self.descriptors, other.descriptors, |a, b| a + b);
        // Each process has a GIL of its own: the busiest one is the bottleneck.
        self.gil_share = both(self.gil_share, other.gil_share, f64::max);
    }
}

/// `of` both values, or the one that is known.
fn both<T: Copy>(a: Option<T>, b: Option<T>, of: impl Fn(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(of(a, b)),
        (a, b) => a.or(b),
    }
}

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use super::*;
    use crate::io::tests::{connect, with_idle};
    use crate::observe::admin::{metrics, status};

    /// What clients do: stay idle, send nonsense, wait for a worker.
    struct Load {
        idle: usize,
        nonsense: usize,
        waiting: &'static [&'static str],
    }

    /// A server without workers under these loads, one after the other.
    fn under(loads: &[&Load]) -> Snapshot {
        let (shared, mut io, _idle) = with_idle(loads.iter().map(|load| load.idle).sum());
        let mut clients = Vec::new();
        let mut send = |io: &mut _, bytes: &str| {
            let mut client = connect(io, Some(0));
            client.write_all(bytes.as_bytes()).unwrap();
            clients.push(client);
            shared.counters.connections.add(1);
        };
        let mut requests = 0;
        for load in loads {
            for _ in 0..load.nonsense {
                send(&mut io, "nonsense\r\n\r\n");
            }
            for path in load.waiting {
                send(&mut io, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
            }
            requests += load.nonsense + load.waiting.len();
            // A turn may bring some of them only.
            let seen = || shared.shards.figures().requests() as usize + shared.queue.waiting();
            while seen() < requests {
                io.turn().unwrap();
                io.hand_over();
            }
        }
        shared.request_census();
        io.count_if_requested();
        Snapshot::take(&Observatory::new(&Arc::clone(&shared)))
    }

    /// What does not depend on time, and not on the number of processes.
    fn comparable(snapshot: Snapshot) -> (Value, Vec<String>) {
        let mut shown = status(&snapshot);
        shown["now"]["oldest_wait"].take();
        for (_, phase) in shown["totals"]["phases"].as_object_mut().unwrap() {
            phase["sum"].take();
        }
        let waiting = shown["waiting"].as_array_mut().unwrap();
        for request in waiting.iter_mut() {
            request["age"].take();
        }
        // They are sorted by age.
        waiting.sort_by_key(|request| request["path"].to_string());
        for (key, shown) in shown.as_object_mut().unwrap() {
            if ["server", "advice", "quantiles", "process"].contains(&&key[..]) {
                shown.take();
            }
        }
        shown["now"]["active_limit"].take();
        let names = "# requests request_ends refusals received sent connections channels queue_depth \
            bugs spool unsent request_phase_seconds_count";
        let page = metrics::page(snapshot);
        let lines = page.lines().filter(|line| {
            let name = line.split(['{', ' ']).next().unwrap_or_default();
            let name = name.trim_start_matches("headwaiter_");
            let name = name.trim_end_matches("_total").trim_end_matches("_bytes");
            names.split(' ').any(|wanted| wanted == name)
        });
        (shown, lines.map(str::to_owned).collect())
    }

    #[test]
    fn two_snapshots_add_up_to_what_one_server_with_both_loads_shows() {
        let first = Load {
            idle: 3,
            nonsense: 2,
            waiting: &["/a", "/b"],
        };
        let second = Load {
            idle: 1,
            nonsense: 4,
            waiting: &["/c"],
        };
        let (one, two) = (under(&[&first]), under(&[&second]));
        let longest = one.queue.oldest_wait.max(two.queue.oldest_wait);
        let mut sum = one;
        sum += two;
        assert_eq!(sum.queue.oldest_wait, longest);
        let (shown, lines) = comparable(sum);
        assert_eq!(shown["totals"]["requests"]["4xx"], 6);
        assert_eq!(shown["waiting"].as_array().unwrap().len(), 3);
        let (both, both_lines) = comparable(under(&[&first, &second]));
        assert_eq!(shown, both);
        assert!(lines.len() > 40, "{lines:?}");
        assert_eq!(lines, both_lines);
    }

    #[test]
    fn a_snapshot_that_was_written_and_read_shows_the_same() {
        let load = Load {
            idle: 2,
            nonsense: 3,
            waiting: &["/a"],
        };
        let taken = under(&[&load]);
        let text = serde_json::to_string(&taken).unwrap();
        let read: Snapshot = serde_json::from_str(&text).unwrap();
        assert_eq!(status(&read), status(&taken));
        let page = metrics::page(taken);
        assert!(page.contains("headwaiter_requests_total{status=\"4xx\"} 3.0\n"));
        assert_eq!(metrics::page(read), page);
        assert!(text.len() < 3000, "{} bytes: {text}", text.len());
    }

    #[test]
    fn another_version_adds_what_both_know() {
        let text = r#"{"invention": {"a": 1}, "census": {"idle": 2, "musing": 3}, "figures": {
            "statuses": {"2xx": 4, "9xx": 5}, "rules": {"whim": 1, "send-timeout": 2},
            "phases": {"app": {"nanos": 9, "buckets": [[1234, 1], [18446744073709551615, 2]]},
            "dream": {"nanos": 1}}}}"#;
        let mut sum: Snapshot = serde_json::from_str(text).unwrap();
        sum += serde_json::from_str("{}").unwrap();
        let shown = status(&sum);
        assert_eq!(shown["now"]["channels"]["idle"], 2);
        assert_eq!(shown["totals"]["requests"]["2xx"], 4);
        assert_eq!(shown["totals"]["refusals"], json!({"send-timeout": 2}));
        assert_eq!(shown["totals"]["phases"]["app"]["count"], 3);
    }
}
