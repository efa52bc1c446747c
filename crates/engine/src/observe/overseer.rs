//! Looks after requests that run long and after the number of workers.
//!
//! A thread of the binding waits here, detached, for [`Orders`]: log a slow request (`slow_request_log`),
//! replace a stuck worker (`stuck_after`), or change the number of workers (`threads=4-64`, see `pool.rs`).
//! The thread exists only if one of these is set. While no request runs it sleeps without a deadline, and
//! the worker that takes the next task wakes it: an idle server makes no wake-ups, and a busy one makes one
//! per look, not per request.
//!
//! Rule: workers do not know the overseer. They note what they run in their slots (`queue/running.rs`), and
//! a bell wakes the overseer (`queue/bell.rs`).

use crate::sys::instant::Instant;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::observe::Observatory;
use crate::observe::pool::{Change, PERIOD, Pool, PoolSample};
use crate::queue::running::RunningRequest;
use crate::record::{Phase, route};
use crate::settings::Settings;

/// What the overseer remembers between two looks.
#[derive(Debug)]
pub(crate) struct Overseer {
    state: Mutex<OverseerState>,
}

#[derive(Debug)]
struct OverseerState {
    /// `None` if the number of workers is fixed.
    pool: Option<Pool>,
    /// Workers there should be, without replacements.
    size: usize,
    /// When the pool was last given a sample.
    sampled: Option<Instant>,
}

/// What the binding's thread is to do.
#[derive(Debug, Default)]
pub struct Orders {
    /// How many more workers to start.
    pub start: usize,
    /// How many of them replace stuck ones.
    replacements: usize,
    /// Requests that run long, each to be logged with the stack of its thread.
    pub slow: Vec<SlowRequest>,
}

/// A request that has run for long.
#[derive(Debug)]
pub struct SlowRequest {
    request: RunningRequest,
    seen: Instant,
}

impl SlowRequest {
    /// The name that the binding gave to the thread of the request; 0 if it gave none.
    pub fn thread(&self) -> u64 {
        self.request.thread
    }
}

impl Overseer {
    pub(crate) fn new(settings: &Settings) -> Self {
        let auto = settings.threads_max > settings.threads;
        let cores = if settings.gil {
            1.0
        } else {
            crate::sys::process::cores() as f64
        };
        let state = OverseerState {
            pool: auto.then(|| Pool::new(settings.threads, settings.threads_max, cores)),
            size: settings.threads,
            sampled: None,
        };
        Self {
            state: Mutex::new(state),
        }
    }

    fn lock(&self) -> MutexGuard<'_, OverseerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The overseer's end. Call order, on a thread of its own:
///
/// ```text
/// // detached from the interpreter
/// while let Some(orders) = oversight.wait() {
///     // attached
///     start workers; for each slow request: oversight.write_down(request, its stack)
/// }
/// ```
#[derive(Debug)]
pub struct Oversight(Arc<Observatory>);

impl Oversight {
    pub(crate) fn new(observatory: &Arc<Observatory>) -> Self {
        Self(Arc::clone(observatory))
    }

    /// Blocks until there is something to do; `None` at the end of the server.
    pub fn wait(&self) -> Option<Orders> {
        let bell = self.0.shared.running.bell();
        while !bell.is_closed() {
            let mut state = self.0.overseer.lock();
            let now = self.0.shared.now();
            let orders = self.look(&mut state, now);
            if orders.start > 0 || !orders.slow.is_empty() {
                return Some(orders);
            }
            // `next_look` sees the tasks taken before this; one taken later rings.
            bell.arm();
            let due = self.next_look(&state, now);
            drop(state);
            bell.wait(due);
        }
        None
    }

    /// Logs a slow request; `stack` is the stack of its thread now, `route` what its framework calls its route.
    pub fn write_down(&self, slow: &SlowRequest, stack: &str, route: Option<&str>) {
        let request = &slow.request;
        let late = self.0.shared.now().saturating_duration_since(slow.seen);
        let held = if late > WORTH_A_WORD {
            format!(
                " (seen {:.1} s ago: code that does not give up the GIL was running; the stack is of now)",
                late.as_secs_f64()
            )
        } else {
            String::new()
        };
        let route = route.map_or(String::new(), |name| {
            let route = route::route(&request.method, &request.path, Some(name));
            format!(" (route {route})")
        });
        log::warn!(
            target: crate::SLOW_LOG,
            "{}{route} runs for {:.1} s{held}; {}; worker {}:\n{}",
            request.whose(),
            request.age.as_secs_f64(),
            request.phases_so_far(),
            request.worker,
            stack.trim_end(),
        );
    }

    /// The system refused a thread after `started` workers of `orders` had started.
    pub fn cannot_start(&self, orders: &Orders, started: usize, error: &str) {
        let mut state = self.0.overseer.lock();
        let missing = orders.start - started;
        // No worker must retire for a replacement that never started.
        let replacements = missing.min(orders.replacements);
        self.0.shared.running.replacements().cancel(replacements);
        state.size = state.size.saturating_sub(missing - replacements);
        if let Some(pool) = &mut state.pool {
            pool.refused(self.0.shared.now());
        }
        drop(state);
        log::error!(target: crate::LOG, "cannot start another worker thread: {error}");
    }

    fn look(&self, state: &mut OverseerState, now: Instant) -> Orders {
        let shared = &self.0.shared;
        let mut orders = Orders::default();
        let (slow, stuck) = shared.running.long_requests(now);
        orders.slow = slow
            .into_iter()
            .map(|request| SlowRequest { request, seen: now })
            .collect();
        for request in stuck {
            orders.replacements += self.replace(&request);
        }
        orders.start = orders.replacements + self.resize(state, now);
        let kept = shared.queue.cancel_retirements(orders.start);
        orders.start -= kept;
        orders.replacements = orders.replacements.saturating_sub(kept);
        orders
    }

    /// Replaces the worker of `request`, if one more replacement is allowed; how many workers to start.
    fn replace(&self, request: &RunningRequest) -> usize {
        let most = self.0.shared.settings.stuck_replacements;
        let replacements = self.0.shared.running.replacements();
        let Some(replacing) = replacements.begin(most) else {
            if replacements.note_exhausted() {
                log::error!(
                    target: crate::LOG,
                    "{} is stuck, too, and all stuck_replacements={most} are in use: capacity is lost until a \
                     stuck request ends or the server is restarted",
                    request.whose(),
                );
            }
            return 0;
        };
        if !self.0.shared.running.mark_stuck(request) {
            // It has just ended.
            replacements.cancel(1);
            return 0;
        }
        log::warn!(
            target: crate::LOG,
            "{} has run for {:.1} s (stuck_after): another worker takes its place until it ends, {} of {most}",
            request.whose(),
            request.age.as_secs_f64(),
            replacing,
        );
        1
    }

    /// Follows the policy of the pool; how many workers to start.
    fn resize(&self, state: &mut OverseerState, now: Instant) -> usize {
        let due = state
            .sampled
            .is_none_or(|at| now.saturating_duration_since(at) >= PERIOD);
        let Some(pool) = state.pool.as_mut().filter(|_| due) else {
            return 0;
        };
        state.sampled = Some(now);
        let queue = &self.0.shared.queue;
        let standing = queue.standing();
        let replacing = self.0.shared.running.replacements().count();
        // A worker that is ready and has no core, because other processes use it, counts as computing:
        // another worker could not use that time either.
        let (cpu, delayed) = queue.worker_cpu();
        let busy = standing.busy.saturating_sub(replacing);
        let sample = PoolSample {
            at: now,
            live: standing.live.saturating_sub(replacing),
            busy,
            waiting: standing.waiting,
            taken: standing.taken,
            cpu: cpu.map(|cpu| cpu + delayed),
            apps: self.0.shared.shards.figures().phase(Phase::App).clone(),
        };
        let change = pool.observe(sample, || self.0.limit(now, busy));
        let had = state.size;
        match change {
            None => 0,
            Some(Change::Grow { to, why }) => {
                state.size = to;
                log::info!(target: crate::LOG, "threads: {had} -> {to}: {why}");
                to.saturating_sub(had)
            }
            Some(Change::Shrink { to, why }) => {
                state.size = to;
                log::info!(target: crate::LOG, "threads: {had} -> {to}: {why}");
                queue.retire(had.saturating_sub(to));
                0
            }
            Some(Change::Stay { why }) => {
                log::info!(target: crate::LOG, "threads: {had} stay: {why}");
                0
            }
        }
    }

    /// How long until the next look; `None` while nothing runs.
    fn next_look(&self, state: &OverseerState, now: Instant) -> Option<Duration> {
        let at = |due: Instant| due.saturating_duration_since(now);
        // With all replacements in use, one further stuck request is logged.
        let replacements = self.0.shared.running.replacements();
        let replaceable = replacements.count() < self.0.shared.settings.stuck_replacements;
        let stuck = replaceable || !replacements.is_exhausted();
        let running = self.0.shared.running.next_long_request(now, stuck).map(at);
        let pool = state.pool.as_ref().and_then(|pool| {
            let look = self.0.shared.queue.look(now);
            if look.running > 0 || look.waiting > 0 {
                Some(PERIOD)
            } else {
                pool.due(look.workers).map(at)
            }
        });
        [running, pool]
            .into_iter()
            .flatten()
            .min()
            .map(|span| span.max(SHORTEST))
    }
}

/// A log record that is later than this says why.
const WORTH_A_WORD: Duration = Duration::from_millis(500);
/// The shortest sleep.
const SHORTEST: Duration = Duration::from_millis(1);
