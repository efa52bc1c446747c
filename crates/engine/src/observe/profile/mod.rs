//! The wait profile: on which route and on which line the workers are, and whether they compute or wait.
//!
//! The thread that probes the GIL looks at the stacks of the busy workers ten times a second ([`Watcher`]).
//! A look counts for the time since the look before it. Shortly afterwards the thread reads the workers' CPU
//! clocks again: that tells who computes ([`judge`]). Nothing of this is on the way of a request.
//!
//! [`Watcher`]: crate::observe::watch::Watcher
//! [`judge`]: self::judge::judge

mod beside;
mod judge;
mod table;

use crate::sys::instant::Instant;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::beside::Beside;
pub use self::beside::ThreadClock;
use self::judge::{Evidence, judge};
pub(crate) use self::table::{Place, Places, Spent, State};
use crate::queue::running::RunningRequest;
use crate::record::route::route;
use crate::shared::Shared;
use crate::sys::{process, sync};

/// The stack of one worker, as the binding sees it.
#[derive(Clone, Debug)]
pub struct ThreadStack {
    /// The thread, as [`crate::Tasks::name_thread`] named it.
    pub thread: u64,
    /// Its frames from the application's outermost to the innermost, separated by line feeds. Last may come
    /// what the innermost one calls, such as `acquire()`; it has no colon.
    pub frames: String,
    /// Which frame is the innermost one of the application's own code.
    pub own: usize,
    /// Changes when the thread has gone on.
    pub at: u64,
    /// What the framework calls the route of its request, if it has found that.
    pub route: Option<String>,
}

/// What the watch thread has seen in the last minute.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    state: Mutex<ProfileState>,
}

#[derive(Debug, Default)]
struct ProfileState {
    places: table::Table,
    spent: Spent,
    beside: Beside,
    last: Option<Look>,
    /// The look that waits for the workers' clocks to be read once more.
    open: Option<Look>,
}

/// The busy workers at one moment.
#[derive(Debug)]
struct Look {
    at: Instant,
    /// How long the probe waited for the interpreter just before.
    probe: Duration,
    /// The CPU clock of the process.
    cpu: Option<Duration>,
    workers: Vec<Worker>,
}

#[derive(Debug)]
struct Worker {
    request: RunningRequest,
    stack: ThreadStack,
    /// Its CPU clock, and how long it was ready to run and had no core: at the look, or just after it.
    cpu: Option<Duration>,
    delayed: Option<Duration>,
    state: State,
}

impl Profile {
    /// Begins a look: the workers with these stacks are busy. `probe` is how long the calling thread has just
    /// waited for the interpreter.
    pub(crate) fn see(&self, shared: &Shared, stacks: Vec<ThreadStack>, probe: Duration) {
        let now = shared.now();
        let running = shared.running.requests(now);
        let worker = |stack: ThreadStack| {
            let request = running.iter().find(|r| r.thread == stack.thread)?.clone();
            Some(Worker {
                request,
                stack,
                cpu: None,
                delayed: None,
                state: State::Waiting,
            })
        };
        let look = Look {
            at: now,
            probe,
            cpu: None,
            workers: stacks.into_iter().filter_map(worker).collect(),
        };
        self.lock().open = Some(look);
    }

    /// Reads the clocks of a look that has begun. The calling thread is detached. `false`: there is none.
    pub(crate) fn measure(&self) -> bool {
        let mut state = self.lock();
        let Some(look) = &mut state.open else {
            return false;
        };
        look.at = sync::now();
        look.cpu = process::cpu();
        for worker in &mut look.workers {
            worker.cpu = worker.request.cpu_clock();
            worker.delayed = worker.request.delayed();
        }
        true
    }

    /// Ends a look, [`GAP`] after its clocks were read: the workers that used CPU since then compute.
    pub(crate) fn settle(&self, shared: &Shared) {
        let mut state = self.lock();
        let Some(mut look) = state.open.take() else {
            return;
        };
        let now = shared.now();
        let gap = now.saturating_duration_since(look.at);
        let clocks: Vec<_> = look.workers.iter().map(Worker::since_measured).collect();
        let last = state.last.take();
        let elapsed = last.as_ref().map_or(PERIOD, |last| {
            look.at.saturating_duration_since(last.at).min(LONGEST)
        });
        let all = Evidence {
            gil: shared.settings.gil,
            gap,
            used: None,
            delayed: None,
            ready: clocks
                .iter()
                .flat_map(|(used, delayed)| [*used, *delayed])
                .flatten()
                .sum(),
            process: grown(process::cpu(), look.cpu),
            busy: look.workers.len(),
            elapsed,
            probe: look.probe,
            since_last: None,
            was_waiting: false,
            same_place: false,
        };
        for (worker, (used, delayed)) in look.workers.iter_mut().zip(clocks) {
            let before = last.as_ref().and_then(|last| last.of(worker));
            let same_place = before.is_some_and(|before| before.is_where(worker));
            // A reply that is streamed has left the framework, which knew the route.
            if let Some(before) = before.filter(|before| before.is_same_request(worker)) {
                worker.stack.route = worker.stack.route.take().or(before.stack.route.clone());
            }
            worker.state = judge(&Evidence {
                used,
                delayed,
                since_last: before.and_then(|before| grown(worker.cpu, before.cpu)),
                was_waiting: before.is_some_and(|before| before.state == State::Waiting),
                same_place,
                ..all
            });
            let place = worker.place();
            state.spent.add(place.state, elapsed.as_secs_f64());
            state.places.add(now, place, elapsed.as_secs_f64());
        }
        state.last = Some(look);
    }

    /// Whether it is time to read the clocks of the threads that are no workers.
    pub(crate) fn wants_clocks(&self, now: Instant) -> bool {
        self.lock().beside.is_due(now)
    }

    /// The clocks of all threads of the application's own.
    pub(crate) fn tell_clocks(&self, now: Instant, clocks: Vec<ThreadClock>) {
        self.lock().beside.tell(now, clocks);
    }

    /// The threads that compute beside the workers, and how many cores each uses, most first.
    pub(crate) fn beside(&self, now: Instant) -> Vec<(String, f64)> {
        self.lock().beside.cores(now).to_vec()
    }

    /// Nothing runs: the next look counts by itself.
    pub(crate) fn pause(&self) {
        self.lock().last = None;
    }

    /// Seconds that workers were in each state, since the server started.
    pub(crate) fn spent(&self) -> Spent {
        self.lock().spent
    }

    /// What the worker that runs `request` did at the last look, and where; `None` if that was long ago or before
    /// the request.
    pub(crate) fn doing(&self, request: &RunningRequest, now: Instant) -> Option<(State, String)> {
        let state = self.lock();
        let last = state.last.as_ref();
        let last = last.filter(|last| now.saturating_duration_since(last.at) < RECENT)?;
        let same = |worker: &&Worker| {
            worker.stack.thread == request.thread
                && worker.request.record.taken == request.record.taken
        };
        let worker = last.workers.iter().find(same)?;
        Some((worker.state, worker.place().shown()))
    }

    /// Where the workers were in the last minute.
    pub(crate) fn places(&self, now: Instant) -> Places {
        self.lock().places.last_minute(now)
    }

    fn lock(&self) -> MutexGuard<'_, ProfileState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Look {
    /// The same thread in this look.
    fn of(&self, worker: &Worker) -> Option<&Worker> {
        let same = |mine: &&Worker| mine.stack.thread == worker.stack.thread;
        self.workers.iter().find(same)
    }
}

impl Worker {
    /// The CPU it used and the time it was ready and had no core, since its clocks were read.
    fn since_measured(&self) -> (Option<Duration>, Option<Duration>) {
        let used = grown(self.request.cpu_clock(), self.cpu);
        (used, grown(self.request.delayed(), self.delayed))
    }

    fn place(&self) -> Place {
        Place {
            route: route(
                &self.request.method,
                &self.request.path,
                self.stack.route.as_deref(),
            ),
            stack: self.stack.frames.clone(),
            own: self.stack.own,
            state: self.state,
        }
    }

    /// Whether the thread has not gone on in between.
    fn is_where(&self, later: &Worker) -> bool {
        self.stack.at == later.stack.at && self.is_same_request(later)
    }

    fn is_same_request(&self, later: &Worker) -> bool {
        self.request.record.taken == later.request.record.taken
    }
}

fn grown(after: Option<Duration>, before: Option<Duration>) -> Option<Duration> {
    after
        .zip(before)
        .map(|(after, before)| after.saturating_sub(before))
}

/// How long after a look the clocks are read again: less than CPython's switch interval of 5 ms, so that a
/// thread that computes under the GIL still has it.
pub(crate) const GAP: Duration = Duration::from_millis(3);
/// The time between two looks.
pub(crate) const PERIOD: Duration = Duration::from_millis(100);
/// An older look does not say what a worker does now.
const RECENT: Duration = Duration::from_secs(1);
/// A look counts for this much at most.
const LONGEST: Duration = Duration::from_secs(10);
