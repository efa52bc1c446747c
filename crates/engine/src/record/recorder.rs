//! Where records go: counters and histograms of the thread that ended the request, and the access log.
//!
//! Every I/O thread and every worker has a [`Recorder`] with a [`Shard`] of its own, so counting needs
//! neither a lock nor an atomic read-modify-write; whoever wants figures adds the shards up
//! ([`Figures`]). Whoever sees the end of a
//! request gets an [`Ended`] of it, once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use headwaiter_http::DateLine;

use crate::record::access_log::AccessLog;
use crate::record::end::rules;
use crate::record::histogram::{Distribution, Histogram, Tally};
use crate::record::{End, Ended, Phase, Record, spans};

/// Classes of status codes: none, 1xx to 5xx.
pub(crate) const STATUS_CLASSES: usize = 6;

/// One thread's counters.
#[derive(Debug)]
pub(crate) struct Shard {
    statuses: [Tally; STATUS_CLASSES],
    ends: [Tally; End::ALL.len()],
    rules: Vec<Tally>,
    bytes_in: Tally,
    bytes_out: Tally,
    /// Nanoseconds that workers took for what comes after a reply.
    closing: Tally,
    phases: [Histogram; Phase::ALL.len()],
}

impl Shard {
    fn new() -> Self {
        Self {
            statuses: Default::default(),
            ends: Default::default(),
            rules: rules().map(|_| Tally::default()).collect(),
            bytes_in: Tally::default(),
            bytes_out: Tally::default(),
            closing: Tally::default(),
            phases: Default::default(),
        }
    }

    fn count(&self, record: &Record) {
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
        for (histogram, span) in self.phases.iter().zip(spans(record)) {
            if let Some(span) = span {
                histogram.record(span);
            }
        }
    }
}

/// All shards of a server.
#[derive(Debug, Default)]
pub(crate) struct Shards(Mutex<Vec<Arc<Shard>>>);

impl Shards {
    pub(crate) fn add(&self) -> Arc<Shard> {
        let shard = Arc::new(Shard::new());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&shard));
        shard
    }

    /// The sum of all shards.
    pub(crate) fn figures(&self) -> Figures {
        let mut sum = Figures {
            rules: rules().map(|rule| (rule, 0)).collect(),
            ..Figures::default()
        };
        for shard in &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            add(&mut sum.statuses, &shard.statuses);
            add(&mut sum.ends, &shard.ends);
            for ((_, into), tally) in sum.rules.iter_mut().zip(&shard.rules) {
                *into += tally.get();
            }
            sum.bytes_in += shard.bytes_in.get();
            sum.bytes_out += shard.bytes_out.get();
            sum.closing += Duration::from_nanos(shard.closing.get());
            for (into, histogram) in sum.phases.iter_mut().zip(&shard.phases) {
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

/// What all shards hold together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    statuses: [u64; STATUS_CLASSES],
    ends: [u64; End::ALL.len()],
    /// Requests by the rule or deadline that ended them, all of them.
    pub(crate) rules: Vec<(&'static str, u64)>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Time that workers took for what comes after a reply, all together.
    pub(crate) closing: Duration,
    phases: [Distribution; Phase::ALL.len()],
}

impl Figures {
    pub(crate) fn phase(&self, phase: Phase) -> &Distribution {
        &self.phases[phase as usize]
    }

    pub(crate) fn end(&self, end: End) -> u64 {
        self.ends[end as usize]
    }

    /// Requests recorded.
    pub(crate) fn requests(&self) -> u64 {
        self.ends.iter().sum()
    }

    /// Status classes by name; `none` is a request that got no reply.
    pub(crate) fn statuses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
        names.into_iter().zip(self.statuses)
    }
}

/// Records the requests that end on one thread.
#[derive(Debug)]
pub(crate) struct Recorder {
    shard: Arc<Shard>,
    access_log: Option<Arc<AccessLog>>,
    /// Lines of the access log that the writer does not have yet.
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

    /// Counts a request that is over and writes its line.
    pub(crate) fn record(&mut self, ended: Ended<'_>) {
        self.shard.count(ended.record);
        if let Some(log) = &self.access_log {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let date = self.date.at(now.as_secs());
            log.format(ended, date, &mut self.lines);
            self.count += 1;
            if self.lines.len() >= BATCH {
                self.flush();
            }
        }
    }

    /// Counts the time that a worker took for what comes after a reply.
    pub(crate) fn count_close(&self, span: Duration) {
        self.shard
            .closing
            .add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Gives the lines to the writer; once a turn, and whenever there are many.
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

/// Bytes of lines that are handed over without waiting for the end of a turn.
const BATCH: usize = 32 << 10;
