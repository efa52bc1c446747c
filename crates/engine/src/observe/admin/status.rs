//! `/status.json`, which `server.stats()` returns, too: everything at one moment, times in seconds.

use serde_json::{Map, Value, json};

use crate::net::address::Listening;
use crate::observe::Observatory;
use crate::record::End;
use crate::record::Phase;

/// Everything there is to know. Channels are as of the last count, the rest is of now.
pub(crate) fn status(observatory: &Observatory) -> Value {
    let (shared, watch) = (&observatory.shared, &observatory.watch);
    let now = shared.now();
    let figures = shared.shards.figures();
    let look = shared.queue.look(now);
    let census = shared.census.sum();
    let running = shared.running.requests(now);
    let settings = &shared.settings;
    let advice = observatory.advice();
    let threads = look.workers;
    let numbers = shared.queue.numbers();
    let workers: Vec<_> = numbers
        .into_iter()
        .map(|worker| match running.iter().find(|r| r.worker == worker) {
            Some(request) => super::show::running(request),
            None => json!({"worker": worker, "state": "idle"}),
        })
        .collect();
    json!({
        "server": {
            "version": env!("CARGO_PKG_VERSION"),
            "pid": std::process::id(),
            "uptime": now.saturating_duration_since(watch.first().at).as_secs_f64(),
            "listening": shared.listening.iter().map(url).collect::<Vec<_>>(),
            "python": settings.runtime,
            "gil": settings.gil,
            "draining": shared.draining(),
            "threads": threads,
            "threads_min": settings.threads,
            "threads_max": settings.threads.max(settings.threads_max),
            "io_threads": settings.io_threads,
            "cores": crate::sys::process::cores(),
        },
        "advice": {
            "kind": advice.kind.name(),
            "text": advice.text,
            "threads": advice.threads,
        },
        "now": {
            "queue_depth": look.waiting,
            "oldest_wait": look.oldest_wait.as_secs_f64(),
            "workers_busy": running.len(),
            "workers": look.workers,
            "active_limit": look.target,
            "channels": {
                "idle": census.idle,
                "receiving": census.receiving,
                "waiting": look.waiting,
                "running": census.in_task.saturating_sub(look.waiting as u64),
                "sending": census.sending,
            },
            "spool_memory": census.memory,
            "spool_disk": shared.budget.used(),
            "unsent": census.unsent,
            "gil_probe": watch.probe_now().map(|wait| wait.as_secs_f64()),
        },
        "totals": {
            "requests": figures.statuses().map(pair).collect::<Map<_, _>>(),
            "ends": End::ALL
                .map(|end| pair((end.name(), figures.end(end))))
                .into_iter()
                .collect::<Map<_, _>>(),
            "refusals": figures.rules.iter().filter(|(_, n)| *n > 0).copied().map(pair)
                .collect::<Map<_, _>>(),
            "bytes_in": figures.bytes_in,
            "bytes_out": figures.bytes_out,
            "connections": shared.counters.connections.get(),
            "health_checks": shared.counters.health_checks.get(),
            "evicted": shared.counters.evicted.get(),
            "accept_pauses": shared.counters.accept_pauses.get(),
            "send_timeouts": shared.counters.send_timeouts.get(),
            "access_log_dropped": shared.access_log.as_ref().map_or(0, |log| log.dropped()),
            "panics": shared.counters.panics.get(),
            "phases": Phase::ALL
                .iter()
                .map(|(phase, name)| {
                    let all = figures.phase(*phase);
                    ((*name).to_owned(), json!({"count": all.count(), "sum": all.sum()}))
                })
                .collect::<Map<_, _>>(),
        },
        "quantiles": quantiles(watch),
        "process": {
            "cpu": crate::sys::process::cpu(),
            "rss": crate::sys::process::resident(),
            "fds": crate::sys::process::descriptors(),
            "gil_held_share": gil_share(observatory),
        },
        "workers": workers,
        "waiting": super::show::waiting(shared, now),
    })
}

fn pair((name, n): (&'static str, u64)) -> (String, Value) {
    (name.to_owned(), n.into())
}

fn url(listening: &Listening) -> String {
    match listening {
        Listening::Tcp(address) => format!("http://{address}"),
        Listening::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn quantiles(watch: &crate::observe::watch::Watch) -> Map<String, Value> {
    let window = watch.window();
    let of = |(phase, name): &(Phase, &'static str)| {
        let (first, last) = window.as_ref()?;
        let recent = last
            .figures
            .phase(*phase)
            .since(first.figures.phase(*phase));
        let shown = json!({"p50": recent.quantile(0.5), "p99": recent.quantile(0.99)});
        Some(((*name).to_owned(), shown))
    };
    Phase::ALL.iter().filter_map(of).collect()
}

/// The workers' share of a core in the last second: an upper bound of how long the GIL was held.
fn gil_share(observatory: &Observatory) -> Option<f64> {
    if !observatory.shared.settings.gil {
        return None;
    }
    let (before, last) = observatory.watch.last_second()?;
    let cpu = last.worker_cpu? - before.worker_cpu?;
    let elapsed = last.at.saturating_duration_since(before.at).as_secs_f64();
    Some((cpu / elapsed.max(1e-6)).clamp(0.0, 1.0))
}
