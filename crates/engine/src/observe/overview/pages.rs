//! The pages of all processes together: those of the admin endpoint of one, and in them each process.

use crate::sys::instant::Instant;
use std::collections::BTreeSet;

use prometheus_client::registry::Unit;
use serde_json::{Value, json};

use super::fleet::{Fleet, Row};
use super::questions::Question;
use crate::exchange::answer::Answer;
use crate::observe::admin::folded;
use crate::observe::admin::metrics::{self, Metric, by, count};
use crate::observe::admin::pages::{Page, expected, json};
use crate::observe::admin::status;
use crate::observe::snapshot::Snapshot;

/// `page` as of `now`, when those in `silent` have not answered.
pub(super) fn figures(page: Page, fleet: &Fleet, silent: &BTreeSet<usize>, now: Instant) -> Answer {
    let sum = fleet.sum(now);
    match page {
        Page::Status => {
            let mut shown = status(&sum);
            let rows = fleet.rows(silent, now);
            shown["processes"] = rows.iter().map(Row::json).collect();
            json(&shown)
        }
        Page::Metrics(format) => {
            let rows = fleet.rows(silent, now);
            let restarts = (
                "headwaiter_process_restarts",
                "Processes that ended without having been told to.",
                None,
                count(fleet.restarts),
            );
            let page = metrics::page_with(sum, vec![restarts], gauges(&rows));
            format.answer(page)
        }
        Page::Requests => json(&requests(sum)),
        Page::Advice => Answer::text(200, format!("{}\n", sum.advice().text)),
        Page::Expected(threads) => expected(threads, &sum),
        Page::Profile => folded::page(&sum.places),
    }
}

/// What only single processes have.
fn gauges(rows: &[Row]) -> Vec<Metric> {
    let each = |value: &dyn Fn(&Snapshot) -> Option<u64>| {
        let values = rows.iter().filter_map(|row| {
            let value = value(row.figures.as_ref()?)?;
            Some((row.member.slot.to_string(), value))
        });
        by("process", values.collect::<Vec<_>>())
    };
    let up = |row: &Row| {
        let up = row.answered && row.member.state == "ready";
        (row.member.slot.to_string(), u64::from(up))
    };
    vec![
        (
            "headwaiter_process_up",
            "1 if the process is ready and has answered in time.",
            None,
            by("process", rows.iter().map(up)),
        ),
        (
            "headwaiter_process_resident_memory",
            "Memory in use, per process.",
            Some(Unit::Bytes),
            each(&|of| of.process.resident),
        ),
        (
            "headwaiter_process_connections",
            "Open connections, per process.",
            None,
            each(&|of| Some(of.channels())),
        ),
        (
            "headwaiter_process_workers_idle",
            "Workers without a request, per process.",
            None,
            each(&|of| Some(of.queue.workers.saturating_sub(of.running) as u64)),
        ),
        (
            "headwaiter_process_queue_depth",
            "Requests waiting for a worker, per process.",
            None,
            each(&|of| Some(of.queue.waiting as u64)),
        ),
    ]
}

/// `/requests`.
fn requests(sum: Snapshot) -> Value {
    let is_running = |worker: &Value| worker["state"] == "running";
    let mut running: Vec<_> = sum.workers.into_iter().filter(is_running).collect();
    let age = |request: &Value| request["age"].as_f64().unwrap_or_default();
    running.sort_by(|a, b| age(b).total_cmp(&age(a)));
    json!({"running": running, "waiting": sum.waiting})
}

/// `/stacks`: each process under a heading.
pub(super) fn stacks<W>(fleet: &Fleet, question: &Question<W>) -> Answer {
    let mut page = String::new();
    for member in fleet.members() {
        page.push_str(&format!(
            "=== process {} (pid {}, {}) ===\n\n",
            member.slot, member.pid, member.state
        ));
        match question.texts.get(&member.slot) {
            Some(text) => page.push_str(text.trim_end()),
            None => page.push_str("It has not answered in time."),
        }
        page.push_str("\n\n");
    }
    Answer::text(200, page)
}
