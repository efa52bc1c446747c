//! The queue of tasks and the hand-off to workers.
//!
//! Tasks leave in the order they came. A worker **attaches first and takes a task second**: a parked
//! worker that is woken is a *stand-by* until it has attached to the interpreter; only then does it take a
//! task. (A leader in the poll counts as a stand-by, since it takes the task that it finds.) A worker that
//! finishes while tasks wait takes the next one at once and keeps the interpreter. With one interpreter
//! lock (GIL) at most one stand-by exists: it gets its task when the running application releases the GIL.
//! Without a GIL there is one stand-by per waiting task.
//!
//! `line.rs`: the tasks that wait. `roster.rs`: workers join and leave. `look.rs`: figures of the queue,
//! also for the governor (`governor.rs`). `running.rs`: what each worker runs. `bell.rs`: wakes a thread
//! that looks at them. `replacements.rs`: who stands in for a stuck worker.
//!
//! Rule, or a wake-up is lost: if tasks wait, a worker is parked, fewer than `target` workers run, and
//! there are fewer stand-bys than wanted, then a worker is woken. Every step that can make the condition
//! true checks it. Exception: while a leader runs the tasks of its turn alone ([`Queue::take_alone`]), nobody is woken;
//! its I/O thread keeps watch and ends that within a tick of the last task taken (`worker/seat.rs`).

mod bell;
pub(crate) mod governor;
mod line;
mod look;
mod replacements;
mod roster;
pub(crate) mod running;

use crate::sys::instant::Instant;
use std::sync::PoisonError;
use std::time::Duration;

use self::line::Line;
pub(crate) use self::look::Look;
use self::look::Observed;
use crate::exchange::Exchange;
use crate::queue::governor::Governor;
use crate::sys::clock::WorkerClocks;
use crate::sys::sync;
use crate::sys::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sys::sync::thread::{self, Thread};
use crate::sys::sync::{Mutex, MutexGuard};

/// Waiting tasks and the state of every worker.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<QueueState>,
    /// The length of `inner.line`, readable without the lock.
    waiting: AtomicUsize,
    /// Since the governor's last look, a worker took a task while others still waited.
    contended: AtomicBool,
    /// A worker was to be woken to attach once, and none was parked: a leader must do it.
    poked: AtomicBool,
    /// CPU clocks of the workers. They have a lock of their own, since reading them takes system calls.
    clocks: Mutex<WorkerClocks>,
    gil: bool,
}

#[derive(Debug)]
struct QueueState {
    line: Line,
    workers: Vec<Worker>,
    parked: Vec<usize>,
    standby: usize,
    /// A stand-by that waits for the GIL, and since when.
    asking: Option<(usize, Instant)>,
    /// When a worker last took a task: the first of the line has been the first since then, or since it came.
    first_since: Instant,
    running: usize,
    target: usize,
    governor: Governor,
    observed: Option<Observed>,
    /// Wall time in which at least one worker ran, up to `busy_since`; and since when one runs now.
    busy: Duration,
    busy_since: Option<Instant>,
    taken: u64,
    /// Workers that have not left; `surplus` of them are to leave as soon as they are free.
    live: usize,
    surplus: usize,
    /// The most workers that ran at once since the last [`Queue::standing`].
    peak: usize,
    /// A leader runs the tasks that wait, one after another: nobody else is woken for them.
    ///
    /// Invariant: the loop is lent then, and its I/O thread calls [`Queue::share`] when it has it again.
    alone: bool,
    /// The I/O thread naps until no more tasks wait than this.
    nap_until: Option<usize>,
    closed: bool,
}

#[derive(Debug)]
struct Worker {
    thread: Thread,
    state: WorkerState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WorkerState {
    Parked,
    Standby,
    Running,
    /// Woken to leave.
    Leaving,
    /// Left; the number is free.
    Gone,
}

/// What a worker that looked for a task found.
#[derive(Debug)]
pub(crate) enum Found {
    /// A task to run.
    Task {
        exchange: Box<Exchange>,
        /// The queue fell to half of what it was when the I/O thread began to nap.
        low: bool,
        /// Since when no other task was before this one.
        first_since: Instant,
        /// Since when another worker waits for the GIL, and would have taken the task.
        asking: Option<Instant>,
    },
    /// No task that the worker may take: it parks.
    Nothing,
}

/// The worker to wake once the lock is released.
type Wake = Option<Thread>;

impl Queue {
    pub(crate) fn new(threads: usize, gil: bool) -> Self {
        let inner = QueueState {
            line: Line::new(),
            workers: Vec::new(),
            parked: Vec::new(),
            standby: 0,
            asking: None,
            first_since: sync::now(),
            running: 0,
            target: threads,
            governor: Governor::new(threads),
            observed: None,
            busy: Duration::ZERO,
            busy_since: None,
            taken: 0,
            live: 0,
            surplus: 0,
            peak: 0,
            alone: false,
            nap_until: None,
            closed: false,
        };
        Self {
            inner: Mutex::new(inner),
            waiting: AtomicUsize::new(0),
            contended: AtomicBool::new(false),
            poked: AtomicBool::new(false),
            clocks: Mutex::default(),
            gil,
        }
    }

    /// Tasks waiting now.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether a further task would wait behind `limit` others; `more` tasks are about to be pushed.
    pub(crate) fn is_full(&self, more: usize, limit: usize) -> bool {
        let inner = self.lock();
        let free = inner.live.saturating_sub(inner.running);
        inner.line.len() + more >= limit + free
    }

    /// Tasks taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.lock().taken
    }

    /// Tasks taken so far, if at least `deep` others wait.
    pub(crate) fn taken_if_deep(&self, deep: usize) -> Option<u64> {
        (self.waiting() >= deep).then(|| self.lock().taken)
    }

    /// The I/O thread naps: the worker that takes the queue down to half of its tasks is told ([`Found`]).
    pub(crate) fn watch_half(&self) {
        let mut inner = self.lock();
        let half = inner.line.len() / 2;
        inner.nap_until = Some(inner.nap_until.map_or(half, |few| few.max(half)));
    }

    /// Appends `batch` in its order, and wakes the workers that are wanted.
    pub(crate) fn push(&self, batch: &mut Vec<Box<Exchange>>) {
        let mut inner = self.lock();
        for exchange in batch.drain(..) {
            inner.append(exchange);
        }
        inner.alone = false;
        self.wake_wanted(inner);
    }

    /// A worker appends the request that came in behind its last task. Wakes nobody: the worker next takes
    /// a task, which wakes the others, or calls [`Queue::share`].
    pub(crate) fn push_follower(&self, exchange: Box<Exchange>) {
        let mut inner = self.lock();
        inner.append(exchange);
        self.publish(&inner);
    }

    /// The tasks that wait are for everybody: wakes the workers that are wanted.
    pub(crate) fn share(&self) {
        let mut inner = self.lock();
        inner.alone = false;
        self.wake_wanted(inner);
    }

    /// The worker, attached, asks for a task `now`.
    pub(crate) fn take(&self, worker: usize, now: Instant) -> Found {
        let mut inner = self.lock();
        inner.leave_state(worker);
        let over = (inner.running >= inner.target || inner.surplus > 0) && !inner.closed;
        let exchange = if over { None } else { inner.line.pop() };
        match exchange {
            Some(exchange) => {
                inner.workers[worker].state = WorkerState::Running;
                inner.run();
                // What a leader runs alone says nothing about contention.
                if inner.line.len() > 0 && !inner.alone {
                    self.contended.store(true, Ordering::Relaxed);
                }
                let low = inner.nap_until.is_some_and(|few| inner.line.len() <= few);
                if low {
                    inner.nap_until = None;
                }
                let first_since = std::mem::replace(&mut inner.first_since, now);
                let asking = inner.asking.map(|(_, since)| since);
                self.wake_wanted(inner);
                Found::Task {
                    exchange,
                    low,
                    first_since,
                    asking,
                }
            }
            None => {
                inner.note_busy();
                // The worker is still awake. It parks next, which checks the queue again.
                inner.workers[worker].state = WorkerState::Standby;
                inner.standby += 1;
                self.publish(&inner);
                Found::Nothing
            }
        }
    }

    /// The leader takes the first of `batch`, which never was in the queue, and appends the others. It takes them later,
    /// by [`Queue::take`]; nobody else is woken for them until [`Queue::share`]. `None`: it may not run a task now, or
    /// there is none, and `batch` stays.
    pub(crate) fn take_alone(
        &self,
        worker: usize,
        batch: &mut Vec<Box<Exchange>>,
    ) -> Option<Box<Exchange>> {
        let mut inner = self.lock();
        let may = inner.running < inner.target && inner.surplus == 0 && !inner.closed;
        if !may || inner.line.len() > 0 || batch.is_empty() {
            return None;
        }
        inner.alone = batch.len() > 1;
        let mut tasks = batch.drain(..);
        let first = tasks.next();
        for exchange in tasks {
            inner.append(exchange);
        }
        inner.leave_state(worker);
        inner.workers[worker].state = WorkerState::Running;
        inner.run();
        self.publish(&inner);
        first
    }

    /// Blocks the worker, which is detached, until it is woken; returns when that was, by `clock`. `None`: the worker
    /// leaves, because the queue is closed and empty, or because it was retired.
    pub(crate) fn park(&self, worker: usize, clock: impl Fn() -> Instant) -> Option<Instant> {
        let mut inner = self.lock();
        inner.leave_state(worker);
        if inner.surplus > 0 {
            inner.surplus -= 1;
            self.leave(inner, worker);
            return None;
        }
        inner.workers[worker].state = WorkerState::Parked;
        inner.parked.push(worker);
        loop {
            // The worker that is wanted may be this one.
            self.wake_wanted(inner);
            inner = self.lock();
            match inner.workers[worker].state {
                WorkerState::Parked if inner.closed => return None,
                WorkerState::Parked => {}
                WorkerState::Leaving => {
                    self.leave(inner, worker);
                    return None;
                }
                _ => {
                    let woken = clock();
                    if self.gil {
                        inner.asking.get_or_insert((worker, woken));
                    }
                    return Some(woken);
                }
            }
            drop(inner);
            thread::park();
            inner = self.lock();
        }
    }

    /// Wakes one parked worker though no task waits, so that it attaches once. `false`: none is parked; a
    /// leader finds out by [`Queue::take_poke`].
    pub(crate) fn poke(&self) -> bool {
        let mut inner = self.lock();
        match inner.wake_one() {
            Some(thread) => {
                drop(inner);
                thread.unpark();
                true
            }
            None => {
                self.poked.store(true, Ordering::SeqCst);
                false
            }
        }
    }

    /// Whether a leader is to attach once; asking takes the order.
    pub(crate) fn take_poke(&self) -> bool {
        self.poked.load(Ordering::SeqCst) && self.poked.swap(false, Ordering::SeqCst)
    }

    /// Removes the task at `place`, if one waits there and is `wanted`. A place is reused, so another task
    /// may be there.
    pub(crate) fn remove_if(
        &self,
        place: u64,
        wanted: impl Fn(&Exchange) -> bool,
    ) -> Option<Box<Exchange>> {
        let place = usize::try_from(place).ok()?;
        let mut inner = self.lock();
        if !inner.line.get(place).is_some_and(wanted) {
            return None;
        }
        let exchange = inner.line.take(place);
        self.publish(&inner);
        exchange
    }

    /// Removes tasks that have waited longer than `most`, oldest first, at most `count`.
    pub(crate) fn expire(&self, now: Instant, most: Duration, count: usize) -> Vec<Box<Exchange>> {
        let mut inner = self.lock();
        let mut expired = Vec::new();
        while expired.len() < count && inner.line.oldest_wait(now).is_some_and(|wait| wait > most) {
            expired.extend(inner.line.pop());
        }
        self.publish(&inner);
        expired
    }

    /// Removes every waiting task.
    pub(crate) fn clear(&self) -> Vec<Box<Exchange>> {
        let mut inner = self.lock();
        let all = std::iter::from_fn(|| inner.line.pop()).collect();
        self.publish(&inner);
        all
    }

    /// No more tasks will come: workers leave once the queue is empty.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        for &worker in &inner.parked {
            inner.workers[worker].thread.unpark();
        }
    }

    fn wake_wanted(&self, mut inner: MutexGuard<'_, QueueState>) {
        if inner.alone {
            return self.publish(&inner);
        }
        let mut wake: [Wake; WAKE_BATCH] = [const { None }; WAKE_BATCH];
        for slot in &mut wake {
            let wanted = if self.gil {
                inner.line.len().min(1)
            } else {
                inner.line.len()
            };
            let room = inner.running + inner.standby < inner.target;
            if inner.standby >= wanted || !room {
                break;
            }
            *slot = inner.wake_one();
        }
        self.publish(&inner);
        drop(inner);
        for thread in wake.into_iter().flatten() {
            thread.unpark();
        }
    }

    fn clocks(&self) -> MutexGuard<'_, WorkerClocks> {
        self.clocks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, inner: &QueueState) {
        self.waiting.store(inner.line.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueueState {
    fn append(&mut self, exchange: Box<Exchange>) {
        let place = self.line.push(exchange);
        if let Some(lane) = self.line.get(place).and_then(|task| task.lane.as_ref()) {
            lane.set_place(place as u64);
        }
    }

    fn leave_state(&mut self, worker: usize) {
        if self.asking.is_some_and(|(asking, _)| asking == worker) {
            self.asking = None;
        }
        match self.workers[worker].state {
            WorkerState::Parked | WorkerState::Leaving | WorkerState::Gone => {}
            WorkerState::Standby => self.standby -= 1,
            WorkerState::Running => self.running -= 1,
        }
    }

    /// One more worker runs a task.
    fn run(&mut self) {
        self.running += 1;
        self.peak = self.peak.max(self.running);
        self.taken += 1;
        self.note_busy();
    }

    /// Wakes the worker that parked last: its caches are the warmest.
    fn wake_one(&mut self) -> Wake {
        let worker = self.parked.pop()?;
        self.workers[worker].state = WorkerState::Standby;
        self.standby += 1;
        Some(self.workers[worker].thread.clone())
    }
}

/// The most workers woken by one step (without a GIL).
const WAKE_BATCH: usize = 8;

#[cfg(all(test, not(shuttle)))]
mod tests;
