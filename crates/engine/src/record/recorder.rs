//! Counts requests that are over, and writes their lines for the access log.
//!
//! Every I/O thread and every worker has a [`Recorder`] with a [`Shard`] of counters and histograms. Only that
//! thread writes to the shard, so counting takes neither a lock nor an atomic read-modify-write. To show
//! figures, a reader adds all shards up ([`Shards::figures`]).
//!
//! The thread that ends a request calls [`Recorder::record`]. That this happens once per request is the rule
//! of whoever makes the [`Ended`]: `Exchange::end`, or the cut of a running request (`io/expire.rs`).

use crate::sys::instant::Instant;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headwaiter_http::DateLine;

use crate::record::access_log::AccessLog;
use crate::record::end::rules;
use crate::record::failed::Failed;
use crate::record::figures::{Figures, STATUS_CLASSES};
use crate::record::histogram::{Histogram, Tally};
use crate::record::quota::Quota;
use crate::record::{End, Ended, Phase};
use crate::sys::sync;

/// The counters and histograms of one thread.
#[derive(Debug)]
pub(crate) struct Shard {
    statuses: [Tally; STATUS_CLASSES],
    ends: [Tally; End::ALL.len()],
    rules: Vec<Tally>,
    bytes_in: Tally,
    bytes_out: Tally,
    /// Nanoseconds that the worker spent after replies, as in the iterable's `close()`.
    closing: Tally,
    phases: [Histogram; Phase::ALL.len()],
    quota: Option<Arc<Quota>>,
    failed: Tally,
    /// The routes of those that failed.
    routes: Arc<Failed>,
}

impl Shard {
    fn new(quota: Option<Arc<Quota>>, routes: Arc<Failed>) -> Self {
        Self {
            statuses: Default::default(),
            ends: Default::default(),
            rules: rules().map(|_| Tally::default()).collect(),
            bytes_in: Tally::default(),
            bytes_out: Tally::default(),
            closing: Tally::default(),
            phases: Default::default(),
            quota,
            failed: Tally::default(),
            routes,
        }
    }

    fn count(&self, ended: &Ended<'_>) {
        let record = ended.record;
        if record.status >= 500 && record.end != End::Refused {
            self.failed.add(1);
            let head = ended.head;
            self.routes.count(head.method(), head.path(), ended.route);
        }
        let class = usize::from(record.status / 100).min(STATUS_CLASSES - 1);
        self.statuses[class].add(1);
        self.ends[record.end as usize].add(1);
        if !record.rule.is_empty()
            && let Some(at) = rules().position(|rule| rule == record.rule)
        {
            self.rules[at].add(1);
        }
        self.bytes_in.add(record.bytes_in);
        self.bytes_out.add(record.bytes_out);
        for (histogram, span) in self.phases.iter().zip(record.nanos()) {
            if let Some(span) = span {
                histogram.count(span);
            }
        }
        if let Some(quota) = &self.quota {
            quota.count();
        }
    }
}

/// All shards of a server.
#[derive(Debug, Default)]
pub(crate) struct Shards {
    all: Mutex<Vec<Arc<Shard>>>,
    /// Those of the workers, by number.
    workers: Mutex<Vec<Arc<Shard>>>,
    failed: Arc<Failed>,
    quota: Option<Arc<Quota>>,
}

impl Shards {
    /// With `max_requests` all shards together count up to it.
    pub(crate) fn new(max_requests: Option<u64>) -> Self {
        Self {
            quota: max_requests.map(|most| Arc::new(Quota::new(most))),
            ..Self::default()
        }
    }

    /// What counts up to `max_requests`.
    #[cfg(unix)]
    pub(crate) fn quota(&self) -> Option<&Quota> {
        self.quota.as_deref()
    }

    /// A new shard, for a thread to write to.
    pub(crate) fn add(&self) -> Arc<Shard> {
        let shard = Arc::new(Shard::new(self.quota.clone(), Arc::clone(&self.failed)));
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&shard));
        shard
    }

    /// The shard of `worker`: all workers that have its number, one after the other, share it.
    pub(crate) fn of_worker(&self, worker: usize) -> Arc<Shard> {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        while workers.len() <= worker {
            workers.push(self.add());
        }
        Arc::clone(&workers[worker])
    }

    /// Requests that have failed in half a minute to a minute, by route, most first.
    pub(crate) fn failed(&self, now: Instant) -> Vec<(String, u64)> {
        self.failed.recent(now)
    }

    /// The sum of all shards.
    pub(crate) fn figures(&self) -> Figures {
        let mut sum = Figures::default();
        for shard in &*self.all.lock().unwrap_or_else(PoisonError::into_inner) {
            add(&mut sum.statuses, &shard.statuses);
            add(&mut sum.ends, &shard.ends);
            for ((_, into), tally) in sum.rules.iter_mut().zip(&shard.rules) {
                *into += tally.get();
            }
            sum.bytes_in += shard.bytes_in.get();
            sum.bytes_out += shard.bytes_out.get();
            sum.failed += shard.failed.get();
            sum.closing += Duration::from_nanos(shard.closing.get());
            for (into, histogram) in sum.phases.0.iter_mut().zip(&shard.phases) {
                histogram.add_to(into);
            }
        }
        sum
    }
}

fn add(into: &mut [u64], tallies: &[Tally]) {
    for (into, tally) in into.iter_mut().zip(tallies) {
        *into += tally.get();
    }
}

/// Records the requests that one thread ends.
#[derive(Debug)]
pub(crate) struct Recorder {
    shard: Arc<Shard>,
    access_log: Option<Arc<AccessLog>>,
    /// Access log lines to give to the writer, and their number.
    lines: Vec<u8>,
    count: u64,
    date: DateLine,
}

impl Recorder {
    pub(crate) fn new(shard: Arc<Shard>, access_log: Option<Arc<AccessLog>>) -> Self {
        Self {
            shard,
            access_log,
            lines: Vec::new(),
            count: 0,
            date: DateLine::default(),
        }
    }

    /// Counts a request and appends its line for the access log.
    pub(crate) fn record(&mut self, ended: Ended<'_>) {
        self.shard.count(&ended);
        if let Some(log) = &self.access_log {
            let now = sync::unix_time();
            let date = self.date.at(now.as_secs());
            log.format(ended, date, &mut self.lines);
            self.count += 1;
            if self.lines.len() >= BATCH {
                self.flush();
            }
        }
    }

    /// Counts the time that a worker spent after a reply.
    pub(crate) fn count_close(&self, span: Duration) {
        self.shard
            .closing
            .add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Gives the lines to the access log's writer. The I/O thread does this once per turn, a worker per reply.
    pub(crate) fn flush(&mut self) {
        if self.count > 0
            && let Some(log) = &self.access_log
        {
            log.push(&mut self.lines, self.count);
            self.lines.shrink_to(BATCH / 2);
            self.count = 0;
        }
    }
}

/// Bytes of lines at which [`Recorder::record`] gives them to the writer at once.
const BATCH: usize = 32 << 10;
