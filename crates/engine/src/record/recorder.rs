//! Where records go: counters and histograms of the thread that ended the request, and the access log.
//!
//! Every I/O thread and every worker has a [`Recorder`] with a [`Shard`] of its own, so counting needs
//! neither a lock nor an atomic read-modify-write; whoever wants figures adds the shards up
//! ([`Figures`]). Rule: a request is recorded exactly once, by whoever sees its end.

use std::ops::AddAssign;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use headwaiter_http::{DateLine, Refusal};

use crate::exchange::Exchange;
use crate::exchange::link::Link;
use crate::net::listen::Peer;
use crate::record::histogram::{Distribution, Histogram, Tally};
use crate::record::{End, Record};
use crate::shared::Shared;

/// A measured span of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Phase {
    Head,
    Body,
    Queue,
    Gil,
    App,
    AppCpu,
    Flush,
    Total,
}

impl Phase {
    pub(crate) const ALL: [(Self, &'static str); 8] = [
        (Self::Head, "head"),
        (Self::Body, "body"),
        (Self::Queue, "queue"),
        (Self::Gil, "gil"),
        (Self::App, "app"),
        (Self::AppCpu, "app_cpu"),
        (Self::Flush, "flush"),
        (Self::Total, "total"),
    ];
}

/// Reasons beside the rules of [`Refusal`].
pub(crate) const SEND_TIMEOUT: &str = "send-timeout";
pub(crate) const SHUTDOWN_TIMEOUT: &str = "shutdown-timeout";

/// Classes of status codes: none, 1xx to 5xx.
pub(crate) const STATUS_CLASSES: usize = 6;

/// One thread's counters.
#[derive(Debug)]
pub(crate) struct Shard {
    statuses: [Tally; STATUS_CLASSES],
    ends: [Tally; End::ALL.len()],
    reasons: Vec<Tally>,
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
            reasons: reasons().map(|_| Tally::default()).collect(),
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
        if !record.reason.is_empty()
            && let Some(at) = reasons().position(|reason| reason == record.reason)
        {
            self.reasons[at].add(1);
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

/// What was measured of a request, in the order of [`Phase::ALL`].
pub(crate) fn spans(record: &Record) -> [Option<Duration>; Phase::ALL.len()] {
    let phases = record.phases();
    [
        phases.head,
        phases.body,
        phases.queue,
        phases.gil,
        phases.app,
        record.app_cpu,
        phases.flush,
        Some(phases.total),
    ]
}

/// Every reason a request can end by, in the order of the counters.
fn reasons() -> impl Iterator<Item = &'static str> {
    let rules = Refusal::ALL.iter().map(|refusal| refusal.rule());
    rules.chain([SEND_TIMEOUT, SHUTDOWN_TIMEOUT])
}

/// All shards of a server.
#[derive(Debug, Default)]
pub(crate) struct Shards {
    all: Mutex<Vec<Arc<Shard>>>,
    /// Those of the workers, by number.
    workers: Mutex<Vec<Arc<Shard>>>,
}

impl Shards {
    pub(crate) fn add(&self) -> Arc<Shard> {
        let shard = Arc::new(Shard::new());
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

    /// The sum of all shards.
    pub(crate) fn figures(&self) -> Figures {
        let mut sum = Figures {
            reasons: reasons().map(|reason| (reason, 0)).collect(),
            ..Figures::default()
        };
        for shard in &*self.all.lock().unwrap_or_else(PoisonError::into_inner) {
            add(&mut sum.statuses, &shard.statuses);
            add(&mut sum.ends, &shard.ends);
            for ((_, into), tally) in sum.reasons.iter_mut().zip(&shard.reasons) {
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
    pub(crate) reasons: Vec<(&'static str, u64)>,
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

impl AddAssign<&Self> for Figures {
    fn add_assign(&mut self, other: &Self) {
        let numbers = |into: &mut [u64], more: &[u64]| {
            into.iter_mut().zip(more).for_each(|(into, n)| *into += n);
        };
        debug_assert_eq!(self.reasons.len(), other.reasons.len());
        numbers(&mut self.statuses, &other.statuses);
        numbers(&mut self.ends, &other.ends);
        for ((_, into), (_, n)) in self.reasons.iter_mut().zip(&other.reasons) {
            *into += n;
        }
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.closing += other.closing;
        for (into, phase) in self.phases.iter_mut().zip(&other.phases) {
            *into += phase;
        }
    }
}

/// Records the requests that end on one thread.
#[derive(Debug)]
pub(crate) struct Recorder {
    shard: Arc<Shard>,
    /// Lines of the access log that the writer does not have yet.
    lines: Vec<u8>,
    count: u64,
    date: DateLine,
}

impl Recorder {
    pub(crate) fn new(shard: Arc<Shard>) -> Self {
        Self {
            shard,
            lines: Vec::new(),
            count: 0,
            date: DateLine::default(),
        }
    }

    /// Records a request that is over.
    pub(crate) fn record(&mut self, shared: &Shared, exchange: &mut Exchange, link: &Link) {
        if !link.admin {
            self.record_of(shared, exchange, link.peer);
        }
    }

    /// The same where the channel is out of reach.
    pub(crate) fn record_of(&mut self, shared: &Shared, exchange: &mut Exchange, peer: Peer) {
        if std::mem::replace(&mut exchange.recorded, true) {
            return;
        }
        self.shard.count(&exchange.record);
        if let Some(log) = &shared.access_log {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let date = self.date.at(now.as_secs());
            log.format(exchange, peer, date, &mut self.lines);
            self.count += 1;
            if self.lines.len() >= BATCH {
                self.flush(shared);
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
    pub(crate) fn flush(&mut self, shared: &Shared) {
        if self.count > 0
            && let Some(log) = &shared.access_log
        {
            log.push(&mut self.lines, self.count);
            self.lines.shrink_to(BATCH / 2);
            self.count = 0;
        }
    }
}

/// Bytes of lines that are handed over without waiting for the end of a turn.
const BATCH: usize = 32 << 10;
