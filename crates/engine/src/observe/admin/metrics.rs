//! `/metrics`: the figures in the OpenMetrics text format. `docs/metrics.md` describes each; a test holds
//! the page against it.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::observe::snapshot::{Snapshot, Totals};
use crate::record::figures::Figures;
use crate::record::{End, Phase};

/// The page that shows `snapshot`.
pub(crate) fn page(snapshot: Snapshot) -> String {
    page_with(snapshot, Vec::new(), Vec::new())
}

/// The page that shows `snapshot`, and more counters and gauges.
pub(in crate::observe) fn page_with(
    snapshot: Snapshot,
    more_counters: Vec<Metric>,
    more_gauges: Vec<Metric>,
) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exposition {
        snapshot,
        more_counters,
        more_gauges,
    }));
    let mut text = String::new();
    // A string takes everything.
    let _ = encode(&mut text, &registry);
    text
}

/// Name, help, unit and values of a counter or a gauge.
pub(in crate::observe) type Metric = (&'static str, &'static str, Option<Unit>, Vec<Series>);

/// A value with at most one label.
#[derive(Debug)]
pub(in crate::observe) struct Series {
    label: Option<(&'static str, String)>,
    value: f64,
}

/// A snapshot that is written in the text format.
#[derive(Debug)]
struct Exposition {
    snapshot: Snapshot,
    more_counters: Vec<Metric>,
    more_gauges: Vec<Metric>,
}

fn one(value: f64) -> Vec<Series> {
    vec![Series { label: None, value }]
}

pub(in crate::observe) fn by<S: Into<String>>(
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

pub(in crate::observe) fn count(n: u64) -> Vec<Series> {
    one(n as f64)
}

fn counters(snapshot: &Snapshot) -> Vec<Metric> {
    let mut all = requests(&snapshot.figures);
    all.extend(events(&snapshot.totals));
    if let Some(cpu) = snapshot.process.cpu {
        all.push((
            "process_cpu",
            "CPU time of the process.",
            Some(Unit::Seconds),
            one(cpu),
        ));
    }
    all
}

/// Counters of requests and of their bytes.
fn requests(figures: &Figures) -> Vec<Metric> {
    vec![
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
            Some(Unit::Bytes),
            count(figures.bytes_in),
        ),
        (
            "headwaiter_sent",
            "Reply bytes, heads included.",
            Some(Unit::Bytes),
            count(figures.bytes_out),
        ),
    ]
}

/// Counters of connections and of what happened to the server.
fn events(totals: &Totals) -> Vec<Metric> {
    let all = [
        (
            "headwaiter_connections",
            "Connections accepted.",
            totals.connections,
        ),
        (
            "headwaiter_connections_handed_over",
            "Connections handed over to sibling processes.",
            totals.handed_over,
        ),
        (
            "headwaiter_connections_taken_over",
            "Connections taken over from sibling processes.",
            totals.taken_over,
        ),
        (
            "headwaiter_connections_not_taken_over",
            "Connections from sibling processes that were closed: their clients had left.",
            totals.not_taken_over,
        ),
        (
            "headwaiter_connections_evicted",
            "Idle connections closed to make room.",
            totals.evicted,
        ),
        (
            "headwaiter_accept_pauses",
            "Times accepting paused.",
            totals.accept_pauses,
        ),
        (
            "headwaiter_loop_lends",
            "Times the I/O thread lent its loop to a worker: at low load, or while tasks are short.",
            totals.loop_lends,
        ),
        (
            "headwaiter_health_checks",
            "Requests answered at health_path.",
            totals.health_checks,
        ),
        (
            "headwaiter_access_log_dropped_lines",
            "Lines the access log could not take.",
            totals.access_log_dropped,
        ),
        (
            "headwaiter_bugs",
            "Panics caught; each cost one connection.",
            totals.panics,
        ),
    ];
    all.map(|(name, help, n)| (name, help, None, count(n)))
        .into()
}

fn gauges(snapshot: &Snapshot) -> Vec<Metric> {
    let mut all = workers(snapshot);
    all.extend(channels(snapshot));
    all.extend(process(snapshot));
    all
}

/// Gauges of the queue and of the workers.
fn workers(snapshot: &Snapshot) -> Vec<Metric> {
    let look = &snapshot.queue;
    vec![
        (
            "headwaiter_queue_depth",
            "Requests waiting for a worker.",
            None,
            one(look.waiting as f64),
        ),
        (
            "headwaiter_queue_oldest_wait",
            "How long the oldest waiting request has waited.",
            Some(Unit::Seconds),
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
            one(snapshot.running as f64),
        ),
        (
            "headwaiter_workers_active_limit",
            "Workers that may run at once at this moment.",
            None,
            one(look.target as f64),
        ),
    ]
}

/// Gauges of connections and of the bytes that are held for them.
fn channels(snapshot: &Snapshot) -> Vec<Metric> {
    let census = &snapshot.census;
    let states = [
        ("idle", census.idle),
        ("receiving", census.receiving),
        ("waiting", snapshot.queue.waiting as u64),
        ("running", snapshot.channels_running()),
        ("sending", census.sending),
    ];
    vec![
        (
            "headwaiter_channels",
            "Open connections by what they are doing.",
            None,
            by("state", states),
        ),
        (
            "headwaiter_spool",
            "Bytes of requests and replies held.",
            Some(Unit::Bytes),
            by(
                "where",
                [("memory", census.memory), ("disk", snapshot.spool_disk)],
            ),
        ),
        (
            "headwaiter_unsent",
            "Reply bytes that clients have not taken.",
            Some(Unit::Bytes),
            one(census.unsent as f64),
        ),
        (
            "headwaiter_draining",
            "1 while the server stops.",
            None,
            one(f64::from(u8::from(snapshot.server.draining))),
        ),
    ]
}

/// Gauges that the system keeps of the process, where it does.
fn process(snapshot: &Snapshot) -> Vec<Metric> {
    let mut all = Vec::new();
    if let Some(rss) = snapshot.process.resident {
        all.push((
            "process_resident_memory",
            "Memory in use.",
            Some(Unit::Bytes),
            one(rss as f64),
        ));
    }
    if let Some(fds) = snapshot.process.descriptors {
        all.push((
            "process_open_fds",
            "Open descriptors.",
            None,
            one(fds as f64),
        ));
    }
    all
}

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, unit, series) in counters(&self.snapshot).iter().chain(&self.more_counters)
        {
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
        for (name, help, unit, series) in gauges(&self.snapshot).iter().chain(&self.more_gauges) {
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
        let server = &self.snapshot.server;
        let labels = [
            ("version", &*server.version),
            ("python", &server.python),
            ("gil", if server.gil { "true" } else { "false" }),
        ];
        encoder
            .encode_descriptor("headwaiter", "The server.", None, MetricType::Info)?
            .encode_info(&labels)
    }
}

impl Exposition {
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
                let all = self.snapshot.figures.phase(phase);
                phases
                    .encode_family(&[("phase", name)])?
                    .encode_histogram::<NoLabelSet>(all.sum(), all.count(), &all.shown(), None)?;
            }
        }
        for (name, help, all) in [
            (
                "headwaiter_request",
                "First byte in to last byte out.",
                self.snapshot.figures.phase(Phase::Total),
            ),
            (
                "headwaiter_app_cpu",
                "CPU time of requests in the application; of very short ones a sample.",
                self.snapshot.figures.phase(Phase::AppCpu),
            ),
            (
                "headwaiter_gil_probe",
                "How long a thread that asks ten times a second waited for the GIL.",
                &self.snapshot.probe,
            ),
            (
                "headwaiter_gc_pause",
                "What garbage collections took; measured if gc_pauses is on.",
                &self.snapshot.collections,
            ),
        ] {
            encoder
                .encode_descriptor(name, help, Some(&seconds), MetricType::Histogram)?
                .encode_histogram::<NoLabelSet>(all.sum(), all.count(), &all.shown(), None)?;
        }
        Ok(())
    }
}
