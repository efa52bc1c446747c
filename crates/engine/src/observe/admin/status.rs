//! `/status.json`, which `server.stats()` returns, too: everything at one moment, times in seconds.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::observe::profile::{Places, State};
use crate::observe::snapshot::Snapshot;
use crate::record::End;
use crate::record::Phase;

/// The whole of `snapshot` as JSON.
pub(crate) fn status(snapshot: &Snapshot) -> Value {
    let Snapshot {
        server,
        queue,
        process,
        ..
    } = snapshot;
    let advice = snapshot.advice();
    json!({
        "server": {
            "version": server.version,
            "pid": server.pid,
            "uptime": server.uptime.as_secs_f64(),
            "listening": server.listening,
            "application": server.application,
            "python": server.python,
            "gil": server.gil,
            "draining": server.draining,
            "threads": queue.workers,
            "threads_min": server.threads_min,
            "threads_max": server.threads_max,
            "cores": server.cores,
        },
        "advice": {
            "kind": advice.kind.name(),
            "text": advice.text,
            "threads": advice.threads,
            "processes": advice.processes,
            "place": advice.place,
            "width": advice.width,
            "evidence": advice.evidence,
            "sure": advice.sure,
            // Of the documentation.
            "page": format!("docs/advice/{}.md", advice.kind.name()),
        },
        "now": now(snapshot),
        "totals": totals(snapshot),
        "quantiles": quantiles(snapshot),
        "process": {
            "cpu": process.cpu,
            "rss": process.resident,
            "fds": process.descriptors,
            "gil_held_share": process.gil_share,
        },
        "gc_pauses": {
            "count": snapshot.collections.count(),
            "seconds": snapshot.collections.sum(),
            "longest": snapshot.collections.quantile(1.0),
        },
        "expected": expected(snapshot),
        "profile": profile(&snapshot.places),
        "failed": pairs(&snapshot.failed, "route", "requests"),
        "beside": pairs(&snapshot.beside, "thread", "cores"),
        "workers": snapshot.workers,
        "waiting": snapshot.waiting,
    })
}

/// An object for each pair.
fn pairs<N: Serialize>(all: &[(String, N)], name: &str, number: &str) -> Vec<Value> {
    let object = |(of, n): &(String, N)| json!({name: of, number: n});
    all.iter().map(object).collect()
}

/// What the server does at this moment.
fn now(snapshot: &Snapshot) -> Value {
    let Snapshot { queue, census, .. } = snapshot;
    json!({
        "queue_depth": queue.waiting,
        "oldest_wait": queue.oldest_wait.as_secs_f64(),
        "workers_busy": snapshot.running,
        "workers": queue.workers,
        "active_limit": queue.target,
        "channels": {
            "idle": census.idle,
            "receiving": census.receiving,
            "waiting": queue.waiting,
            "running": snapshot.channels_running(),
            "sending": census.sending,
        },
        "spool_memory": census.memory,
        "spool_disk": snapshot.spool_disk,
        "unsent": census.unsent,
        "gil_probe": snapshot.probe_now.map(|wait| wait.as_secs_f64()),
    })
}

/// What several numbers of threads would give, the present one among them.
fn expected(snapshot: &Snapshot) -> Vec<Value> {
    let now = snapshot.queue.workers / snapshot.window.processes.max(1);
    let numbers: BTreeSet<usize> = EXPECTED.into_iter().chain([now.max(1)]).collect();
    let found = numbers.into_iter().filter_map(|n| snapshot.expect(n));
    found.map(|expected| expected.json()).collect()
}

/// Where the workers were in the last minute: the places of most time, and all time by state.
fn profile(places: &Places) -> Value {
    let seconds = places.seconds();
    let sums = State::ALL.map(|state| places.seconds_in(state));
    json!({
        "seconds": seconds,
        "computing": sums[0],
        "core": sums[1],
        "gil": sums[2],
        "waiting": sums[3],
        "places": places.0.iter().take(PLACES).map(|(place, spent)| json!({
            "route": place.route,
            "at": place.shown(),
            "state": place.state,
            "seconds": spent,
            "share": spent / seconds.max(f64::MIN_POSITIVE),
        })).collect::<Vec<_>>(),
    })
}

/// What was counted since the server started.
fn totals(snapshot: &Snapshot) -> Value {
    let Snapshot {
        figures, totals, ..
    } = snapshot;
    json!({
        "requests": figures.statuses().map(pair).collect::<Map<_, _>>(),
        "ends": End::ALL
            .map(|end| pair((end.name(), figures.end(end))))
            .into_iter()
            .collect::<Map<_, _>>(),
        "refusals": figures.rules.iter().filter(|(_, n)| *n > 0).copied().map(pair)
            .collect::<Map<_, _>>(),
        "bytes_in": figures.bytes_in,
        "bytes_out": figures.bytes_out,
        "connections": totals.connections,
        "handed_over": totals.handed_over,
        "taken_over": totals.taken_over,
        "not_taken_over": totals.not_taken_over,
        "health_checks": totals.health_checks,
        "evicted": totals.evicted,
        "accept_pauses": totals.accept_pauses,
        "send_timeouts": totals.send_timeouts,
        "access_log_dropped": totals.access_log_dropped,
        "panics": totals.panics,
        "phases": Phase::ALL
            .iter()
            .map(|(phase, name)| {
                let all = figures.phase(*phase);
                ((*name).to_owned(), json!({"count": all.count(), "sum": all.sum()}))
            })
            .collect::<Map<_, _>>(),
        "worker_seconds": snapshot.spent.each()
            .map(|(state, seconds)| (state.to_owned(), json!(seconds)))
            .collect::<Map<_, _>>(),
    })
}

fn pair((name, n): (&'static str, u64)) -> (String, Value) {
    (name.to_owned(), n.into())
}

fn quantiles(snapshot: &Snapshot) -> Map<String, Value> {
    let Some(recent) = &snapshot.recent else {
        return Map::new();
    };
    let show = |(phase, name): &(Phase, &str)| {
        let recent = recent.of(*phase);
        // Of nothing there is no quantile.
        let quantile = |q| (recent.count() > 0).then(|| recent.quantile(q));
        let shown = json!({"p50": quantile(0.5), "p99": quantile(0.99)});
        ((*name).to_owned(), shown)
    };
    Phase::ALL.iter().map(show).collect()
}

/// Places that are shown.
const PLACES: usize = 20;
/// Numbers of threads.
const EXPECTED: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
