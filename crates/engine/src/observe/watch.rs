//! Figures over the last minute, and how long a thread waits for the interpreter (the GIL probe).
//!
//! The I/O thread takes a sample while tasks wait, the probe while workers are busy, and the admin endpoint
//! for each page, all together at most once a second. So an idle server makes no wake-ups. The probe is a
//! thread of the binding that asks for the interpreter ten times a second; it exists only beside an admin
//! endpoint.

use crate::sys::instant::Instant;
use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::observe::Observatory;
use crate::observe::advice::Curve;
use crate::observe::profile::{self, ThreadClock, ThreadStack};
use crate::queue::running::RunningRequest;
use crate::record::Phase;
use crate::record::figures::Figures;
use crate::record::histogram::{Distribution, Histogram};
use crate::shared::Shared;
use crate::sys::sync;

/// All growing figures at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Instant,
    pub(crate) figures: Figures,
    /// Seconds that all workers together were busy, with the requests that run now.
    pub(crate) busy: f64,
    /// Seconds that all requests together waited for a worker, with those that wait now.
    pub(crate) waited: f64,
    /// Requests that wait for a worker now.
    pub(crate) waiting: usize,
    /// For how many seconds each request has run that runs now, but for those that wait for their clients.
    pub(crate) ages: Vec<f64>,
    /// Workers that are busy now.
    pub(crate) running: usize,
    /// CPU seconds of the workers; `None` where it cannot be measured.
    pub(crate) worker_cpu: Option<f64>,
    /// Seconds that workers were ready to run and had no processor.
    pub(crate) delayed: f64,
    /// CPU seconds of the process.
    pub(crate) process_cpu: Option<f64>,
    /// The GIL probe's waits.
    pub(crate) probe: Distribution,
    /// Seconds that the probe has been waiting now.
    pub(crate) probing: f64,
    /// Garbage collections.
    pub(crate) collections: Distribution,
}

impl Sample {
    pub(crate) fn take(shared: &Shared, watch: &Watch) -> Self {
        let at = shared.now();
        let figures = shared.shards.figures();
        let running = shared.running.requests(at);
        let waiting = shared.queue.waited(at);
        let (worker_cpu, delayed) = shared.queue.worker_cpu();
        // An answered request is in the figures already, up to its reply.
        let busy = |request: &RunningRequest| request.closing.unwrap_or(request.age);
        let long: Duration = running.iter().map(busy).sum();
        let ages = running
            .iter()
            .filter(|request| !request.sending && request.closing.is_none());
        let sum = |phase| figures.phase(phase).sum();
        Self {
            at,
            busy: sum(Phase::App) + (figures.closing + long).as_secs_f64(),
            waiting: shared.queue.waiting(),
            ages: ages.map(|request| request.age.as_secs_f64()).collect(),
            running: running.len(),
            waited: sum(Phase::Queue) + sum(Phase::Gil) + waiting.as_secs_f64(),
            figures,
            worker_cpu: worker_cpu.map(|cpu| cpu.as_secs_f64()),
            delayed: delayed.as_secs_f64(),
            process_cpu: crate::sys::process::cpu().map(|cpu| cpu.as_secs_f64()),
            probe: watch.probe_waits(),
            probing: watch.probing().unwrap_or_default().as_secs_f64(),
            collections: watch.collections(),
        }
    }
}

/// The samples of about the last minute, and the probe.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The sample from when the server was made.
    first: Sample,
    /// Milliseconds after `first` when the next sample is due.
    due: AtomicU64,
    samples: Mutex<VecDeque<Sample>>,
    probe: Mutex<ProbeState>,
    /// What garbage collections took, if the binding measures that.
    collections: Mutex<Histogram>,
}

#[derive(Debug)]
struct ProbeState {
    closed: bool,
    waits: Arc<Histogram>,
    last: Option<Duration>,
    /// Since when the probe has been waiting for the interpreter, or has been looking.
    asking: Option<Instant>,
    /// Until then the probe asks even if no request runs.
    awake_until: Instant,
    /// Who gets the stacks that the next probe collects.
    stacks: Option<StacksOrder>,
}

/// Is given the Python stacks of all threads.
struct StacksOrder(Box<dyn FnOnce(String) + Send>);

impl fmt::Debug for StacksOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StacksOrder")
    }
}

impl Watch {
    pub(crate) fn new() -> Self {
        let first = Sample {
            at: sync::now(),
            figures: Figures::default(),
            busy: 0.0,
            waited: 0.0,
            waiting: 0,
            ages: Vec::new(),
            running: 0,
            worker_cpu: Some(0.0),
            delayed: 0.0,
            process_cpu: crate::sys::process::cpu().map(|cpu| cpu.as_secs_f64()),
            probe: Distribution::default(),
            probing: 0.0,
            collections: Distribution::default(),
        };
        Self {
            samples: Mutex::new(VecDeque::from([first.clone()])),
            due: AtomicU64::new(0),
            probe: Mutex::new(ProbeState {
                closed: false,
                waits: Arc::default(),
                last: None,
                asking: None,
                awake_until: first.at,
                stacks: None,
            }),
            collections: Mutex::default(),
            first,
        }
    }

    /// Takes a sample, unless the last one is younger than a second.
    pub(super) fn sample(&self, shared: &Shared, now: Instant) -> bool {
        let age = now.saturating_duration_since(self.first.at).as_millis() as u64;
        if age < self.due.load(Ordering::Relaxed) {
            return false;
        }
        self.due.store(age + PERIOD_OF_SAMPLES, Ordering::Relaxed);
        let sample = Sample::take(shared, self);
        let mut samples = self.samples();
        samples.push_back(sample);
        // Two are needed to compare, however old the first is.
        while samples.len() > 2 && samples[0].at + WINDOW < samples[samples.len() - 1].at {
            samples.pop_front();
        }
        true
    }

    /// The sample from when the server was made.
    pub(crate) fn first(&self) -> &Sample {
        &self.first
    }

    /// The first and the last sample of about the last minute.
    pub(crate) fn window(&self) -> Option<(Sample, Sample)> {
        let samples = self.samples();
        let (first, last) = (samples.front()?, samples.back()?);
        (first.at < last.at).then(|| (first.clone(), last.clone()))
    }

    /// The last sample, and before it the youngest one that is [`RECENT`] older, unless that is much older.
    pub(crate) fn recent(&self) -> Option<(Sample, Sample)> {
        let samples = self.samples();
        let last = samples.back()?;
        let mut before = samples.iter().rev().filter(|s| s.at + RECENT <= last.at);
        let first = before
            .next()
            .filter(|s| s.at + RECENT + RECENT / 2 >= last.at)?;
        Some((first.clone(), last.clone()))
    }

    /// How many requests ended while how many workers were busy, in about the last minute.
    pub(crate) fn curve(&self) -> Curve {
        let samples = self.samples();
        let mut curve = Curve::default();
        for (first, last) in samples.iter().zip(samples.iter().skip(1)) {
            let seconds = last.at.saturating_duration_since(first.at).as_secs_f64();
            if seconds > 0.0 && seconds < RECENT.as_secs_f64() {
                let ended = |sample: &Sample| sample.figures.phase(Phase::App).count();
                let busy = (last.busy - first.busy).max(0.0) / seconds;
                curve.add(
                    busy,
                    seconds,
                    ended(last).saturating_sub(ended(first)) as f64,
                );
            }
        }
        curve
    }

    /// The last two samples.
    pub(crate) fn last_second(&self) -> Option<(Sample, Sample)> {
        let samples = self.samples();
        let last = samples.back()?;
        let before = samples.get(samples.len().checked_sub(2)?)?;
        Some((before.clone(), last.clone()))
    }

    /// A garbage collection has stopped the interpreter for this long. It does not wait: a child that the
    /// application has forked collects, too, and nobody may be there to give the lock back.
    pub(crate) fn note_collection(&self, took: Duration) {
        if let Ok(collections) = self.collections.try_lock() {
            // Whoever has the lock is the histogram's one writer.
            collections.record(took);
        }
    }

    /// Every garbage collection so far.
    pub(crate) fn collections(&self) -> Distribution {
        let mut sum = Distribution::default();
        let collections = self.collections.lock();
        collections
            .unwrap_or_else(PoisonError::into_inner)
            .add_to(&mut sum);
        sum
    }

    /// Every wait of the probe so far.
    pub(crate) fn probe_waits(&self) -> Distribution {
        let mut sum = Distribution::default();
        self.probe().waits.add_to(&mut sum);
        sum
    }

    /// The last wait of the probe, or its present wait if that is longer.
    pub(crate) fn probe_now(&self) -> Option<Duration> {
        let under_way = self.probing();
        self.probe().last.max(under_way)
    }

    /// The probe has given the interpreter back. If it had it for long, it has waited for it meanwhile.
    fn looked(&self) {
        let mut state = self.probe();
        let Some(since) = state.asking.take() else {
            return;
        };
        let took = sync::now().saturating_duration_since(since);
        if took >= LONG_LOOK {
            state.waits.record(took);
            state.last = Some(took);
        }
    }

    /// How long the probe has been waiting now.
    pub(super) fn probing(&self) -> Option<Duration> {
        self.probe()
            .asking
            .map(|since| sync::now().saturating_duration_since(since))
    }

    /// Has stacks collected and given to `deliver`, in place of an earlier order that nobody has begun.
    /// `false`: the server has ended, and nobody will collect them.
    pub(crate) fn ask_for_stacks(
        &self,
        shared: &Shared,
        deliver: Box<dyn FnOnce(String) + Send>,
    ) -> bool {
        let mut probe = self.probe();
        if probe.closed {
            return false;
        }
        probe.stacks = Some(StacksOrder(deliver));
        drop(probe);
        shared.running.watch_bell().ring();
        true
    }

    /// Ends the probe's thread.
    pub(crate) fn close(&self, shared: &Shared) {
        self.probe().closed = true;
        shared.running.watch_bell().ring();
    }

    fn samples(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn probe(&self) -> MutexGuard<'_, ProbeState> {
        self.probe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The probe's side. Call order, on a thread of its own:
///
/// ```text
/// // detached from the interpreter
/// while let Some(mut probe) = watcher.wait() {
///     // attached
///     watcher.attached(&mut probe);
///     watcher.see(stacks of the threads in watcher.busy());
///     if watcher.wants_clocks() { watcher.clocks(those of other threads) }
///     if probe.wants_stacks() { watcher.stacks(probe, text) }
///     // detached again
/// }
/// ```
#[derive(Debug)]
pub struct Watcher(Arc<Observatory>);

/// One request for the interpreter.
#[derive(Debug)]
pub struct Probe {
    asked: Instant,
    /// How long it waited.
    waited: Duration,
    stacks: Option<StacksOrder>,
}

impl Watcher {
    pub(crate) fn new(observatory: &Arc<Observatory>) -> Self {
        observatory.watched.store(true, Ordering::Relaxed);
        Self(Arc::clone(observatory))
    }

    /// Blocks until the next probe is due; `None` at the end of the server. While no request runs and nobody
    /// asks for figures, none is due.
    pub fn wait(&self) -> Option<Probe> {
        let (watch, running) = (&self.0.watch, &self.0.shared.running);
        watch.looked();
        let mut due = sync::now() + profile::PERIOD;
        if self.0.profile.measure() {
            running.watch_bell().wait(Some(profile::GAP));
            self.0.profile.settle(&self.0.shared);
            // Of times when no request waits, too: they show how throughput grows with busy workers.
            let now = self.0.shared.now();
            watch.sample(&self.0.shared, now);
            self.0.look_at_advice(now);
        }
        loop {
            let now = sync::now();
            let mut state = watch.probe();
            if state.closed {
                return None;
            }
            if running.is_busy() {
                state.awake_until = now + STAYS_AWAKE;
            }
            let awake = now < state.awake_until;
            if state.stacks.is_some() || (awake && now >= due) {
                state.asking = Some(now);
                return Some(Probe {
                    asked: now,
                    waited: Duration::ZERO,
                    stacks: state.stacks.take(),
                });
            }
            drop(state);
            if awake {
                running.watch_bell().wait(Some(due - now));
                continue;
            }
            running.watch_bell().arm();
            if !running.is_busy() {
                running.watch_bell().wait(None);
            }
            // Not always at the same age of the request that rang.
            let now = sync::now();
            let phase = now.saturating_duration_since(watch.first.at).subsec_nanos() % 1000;
            due = now + profile::PERIOD * phase / 1000;
            watch.probe().awake_until = now + STAYS_AWAKE;
        }
    }

    /// The calling thread is attached now.
    pub fn attached(&self, probe: &mut Probe) {
        let took = sync::now().saturating_duration_since(probe.asked);
        probe.waited = took;
        let mut state = self.0.watch.probe();
        state.waits.record(took);
        state.last = Some(took);
        // It may lose the interpreter while it looks, and has to wait for it again.
        state.asking = Some(sync::now());
    }

    /// The threads that run a request.
    pub fn busy(&self) -> Vec<u64> {
        let shared = &self.0.shared;
        let running = shared.running.requests(shared.now());
        if running.is_empty() {
            self.0.profile.pause();
        }
        running.iter().map(|request| request.thread).collect()
    }

    /// Where the busy threads are, seen while the calling thread is attached.
    pub fn see(&self, probe: &Probe, stacks: Vec<ThreadStack>) {
        self.0.profile.see(&self.0.shared, stacks, probe.waited);
    }

    /// Whether [`Watcher::clocks`] should be called.
    pub fn wants_clocks(&self) -> bool {
        self.0.profile.wants_clocks(self.0.shared.now())
    }

    /// The CPU clocks of the threads that the application has started.
    pub fn clocks(&self, clocks: Vec<ThreadClock>) {
        self.0.profile.tell_clocks(self.0.shared.now(), clocks);
    }

    /// Delivers the stacks that `probe` was asked for.
    pub fn stacks(&self, probe: Probe, text: String) {
        if let Some(StacksOrder(deliver)) = probe.stacks {
            deliver(text);
        }
    }
}

impl Probe {
    /// Whether somebody wants to see the stacks of all threads.
    pub fn wants_stacks(&self) -> bool {
        self.stacks.is_some()
    }
}

/// Milliseconds between two samples.
const PERIOD_OF_SAMPLES: u64 = 1000;
/// A look that takes longer has waited for the interpreter.
const LONG_LOOK: Duration = Duration::from_millis(20);
/// How far back samples go.
const WINDOW: Duration = Duration::from_secs(60);
/// How long the probe goes on asking after the last request.
const STAYS_AWAKE: Duration = Duration::from_secs(1);
/// The span that shows whether the load has changed.
const RECENT: Duration = Duration::from_secs(10);
