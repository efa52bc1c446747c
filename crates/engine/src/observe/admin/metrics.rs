//! `/metrics`: the figures in the OpenMetrics text format. `docs/metrics.md` describes each; a test holds
//! the page against it.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::observe::Observatory;
use crate::record::End;
use crate::record::Phase;
use crate::record::histogram::Distribution;
use crate::record::recorder::Figures;
use crate::shared::Shared;

pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page as of now.
pub(super) fn page(observatory: &Observatory) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Snapshot::take(observatory)));
    let mut text = String::new();
    // A string takes everything.
    let _ = encode(&mut text, &registry);
    text
}

/// A value with at most one label.
#[derive(Debug)]
struct Series {
    label: Option<(&'static str, String)>,
    value: f64,
}

#[derive(Debug)]
struct Snapshot {
    figures: Figures,
    probe: Distribution,
    counters: Vec<(&'static str, &'static str, Option<Unit>, Vec<Series>)>,
    gauges: Vec<(&'static str, &'static str, Option<Unit>, Vec<Series>)>,
    info: Vec<(&'static str, String)>,
}

fn one(value: f64) -> Vec<Series> {
    vec![Series { label: None, value }]
}

fn by<S: Into<String>>(
    label: &'static str,
    values: impl IntoIterator<Item = (S, u64)>,
) -> Vec<Series> {
    values
        .into_iter()
        .map(|(name, n)| Series {
            label: Some((label, name.into())),
            value: n as f64,
        })
        .collect()
}

impl Snapshot {
    fn take(observatory: &Observatory) -> Self {
        let shared = &observatory.shared;
        let figures = shared.shards.figures();
        let counters = &shared.counters;
        let count = |counter: &crate::record::counters::Counter| one(counter.get() as f64);
        let dropped = shared.access_log.as_ref().map_or(0, |log| log.dropped());
        let seconds = || Some(Unit::Seconds);
        let bytes = || Some(Unit::Bytes);
        let mut counts = vec![
            (
                "headwaiter_requests",
                "Requests by class of their status.",
                None,
                by("status", figures.statuses()),
            ),
            (
                "headwaiter_request_ends",
                "Requests by how they ended.",
                None,
                by("end", End::ALL.map(|end| (end.name(), figures.end(end)))),
            ),
            (
                "headwaiter_refusals",
                "Requests by the rule, limit or deadline that ended them.",
                None,
                by(
                    "rule",
                    figures.rules.iter().filter(|(_, n)| *n > 0).copied(),
                ),
            ),
            (
                "headwaiter_received",
                "Request bytes, heads included.",
                bytes(),
                one(figures.bytes_in as f64),
            ),
            (
                "headwaiter_sent",
                "Reply bytes, heads included.",
                bytes(),
                one(figures.bytes_out as f64),
            ),
            (
                "headwaiter_connections",
                "Connections accepted.",
                None,
                count(&counters.connections),
            ),
            (
                "headwaiter_connections_evicted",
                "Idle connections closed to make room.",
                None,
                count(&counters.evicted),
            ),
            (
                "headwaiter_accept_pauses",
                "Times accepting paused.",
                None,
                count(&counters.accept_pauses),
            ),
            (
                "headwaiter_loop_lends",
                "Times the I/O thread lent its loop to a worker, at low load.",
                None,
                count(&counters.loop_lends),
            ),
            (
                "headwaiter_health_checks",
                "Requests answered at health_path.",
                None,
                count(&counters.health_checks),
            ),
            (
                "headwaiter_access_log_dropped_lines",
                "Lines the access log could not take.",
                None,
                one(dropped as f64),
            ),
            (
                "headwaiter_bugs",
                "Panics caught; each cost one connection.",
                None,
                count(&counters.panics),
            ),
        ];
        if let Some(cpu) = crate::sys::process::cpu() {
            counts.push((
                "process_cpu",
                "CPU time of the process.",
                seconds(),
                one(cpu),
            ));
        }
        Self {
            probe: observatory.watch.probe_waits(),
            counters: counts,
            gauges: gauges(shared),
            info: vec![
                ("version", env!("CARGO_PKG_VERSION").to_owned()),
                ("python", shared.settings.runtime.clone()),
                ("gil", shared.settings.gil.to_string()),
            ],
            figures,
        }
    }
}

fn gauges(shared: &Shared) -> Vec<(&'static str, &'static str, Option<Unit>, Vec<Series>)> {
    let look = shared.queue.look(shared.now());
    let census = shared.census.sum();
    let busy = shared.running.requests(shared.now()).len();
    let seconds = || Some(Unit::Seconds);
    let bytes = || Some(Unit::Bytes);
    let states = [
        ("idle", census.idle),
        ("receiving", census.receiving),
        ("waiting", look.waiting as u64),
        (
            "running",
            census.in_task.saturating_sub(look.waiting as u64),
        ),
        ("sending", census.sending),
    ];
    let mut all = vec![
        (
            "headwaiter_queue_depth",
            "Requests waiting for a worker.",
            None,
            one(look.waiting as f64),
        ),
        (
            "headwaiter_queue_oldest_wait",
            "How long the oldest of them has waited.",
            seconds(),
            one(look.oldest_wait.as_secs_f64()),
        ),
        (
            "headwaiter_workers",
            "Worker threads.",
            None,
            one(look.workers as f64),
        ),
        (
            "headwaiter_workers_busy",
            "Workers that run a request.",
            None,
            one(busy as f64),
        ),
        (
            "headwaiter_workers_active_limit",
            "Workers that may run at once at this moment.",
            None,
            one(look.target as f64),
        ),
        (
            "headwaiter_channels",
            "Open connections by what they are doing.",
            None,
            by("state", states),
        ),
        (
            "headwaiter_spool",
            "Bytes of requests and replies held.",
            bytes(),
            by(
                "where",
                [("memory", census.memory), ("disk", shared.budget.used())],
            ),
        ),
        (
            "headwaiter_unsent",
            "Reply bytes that clients have not taken.",
            bytes(),
            one(census.unsent as f64),
        ),
        (
            "headwaiter_draining",
            "1 while the server stops.",
            None,
            one(f64::from(u8::from(shared.draining()))),
        ),
    ];
    if let Some(rss) = crate::sys::process::resident() {
        all.push((
            "process_resident_memory",
            "Memory in use.",
            bytes(),
            one(rss as f64),
        ));
    }
    if let Some(fds) = crate::sys::process::descriptors() {
        all.push((
            "process_open_fds",
            "Open descriptors.",
            None,
            one(fds as f64),
        ));
    }
    all
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, unit, series) in &self.counters {
            let mut metric =
                encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Counter)?;
            for Series { label, value } in series {
                match label {
                    Some(label) => metric
                        .encode_family(&[(label.0, label.1.as_str())])?
                        .encode_counter::<NoLabelSet, _, f64>(value, None)?,
                    None => metric.encode_counter::<NoLabelSet, _, f64>(value, None)?,
                }
            }
        }
        for (name, help, unit, series) in &self.gauges {
            let mut metric =
                encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
            for Series { label, value } in series {
                match label {
                    Some(label) => metric
                        .encode_family(&[(label.0, label.1.as_str())])?
                        .encode_gauge(value)?,
                    None => metric.encode_gauge(value)?,
                }
            }
        }
        self.encode_histograms(&mut encoder)?;
        let labels: Vec<_> = self.info.iter().map(|(k, v)| (*k, v.as_str())).collect();
        encoder
            .encode_descriptor("headwaiter", "The server.", None, MetricType::Info)?
            .encode_info(&labels)
    }
}

impl Snapshot {
    fn encode_histograms(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let seconds = Unit::Seconds;
        let help = "What each phase of a request took.";
        let mut phases = encoder.encode_descriptor(
            "headwaiter_request_phase",
            help,
            Some(&seconds),
            MetricType::Histogram,
        )?;
        for (phase, name) in Phase::ALL {
            if !matches!(phase, Phase::Total | Phase::AppCpu) {
                let all = self.figures.phase(phase);
                phases
                    .encode_family(&[("phase", name)])?
                    .encode_histogram::<NoLabelSet>(all.sum(), all.count(), &all.shown(), None)?;
            }
        }
        for (name, help, all) in [
            (
                "headwaiter_request",
                "First byte in to last byte out.",
                self.figures.phase(Phase::Total),
            ),
            (
                "headwaiter_app_cpu",
                "CPU time of requests in the application; of very short ones a sample.",
                self.figures.phase(Phase::AppCpu),
            ),
            (
                "headwaiter_gil_probe",
                "How long a thread that asks ten times a second waited for the GIL.",
                &self.probe,
            ),
        ] {
            encoder
                .encode_descriptor(name, help, Some(&seconds), MetricType::Histogram)?
                .encode_histogram::<NoLabelSet>(all.sum(), all.count(), &all.shown(), None)?;
        }
        Ok(())
    }
}
