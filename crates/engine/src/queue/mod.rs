//! The queue of tasks and the hand-off to workers.
//!
//! First in, first out. A worker **attaches first and takes a task second**: a parked worker that is
//! woken is a *stand-by* until it has attached to the interpreter; only then does it take a task. (A
//! leader in the poll counts as one, since it takes the task that it finds.) A worker that finishes
//! while tasks wait takes the next one at once: it never gave up the interpreter. With one interpreter
//! lock at most one stand-by is under way: it gets its task exactly when the running application lets go
//! of the lock. Without a lock there is one stand-by per waiting task.
//!
//! `line.rs`: the tasks that wait. `roster.rs`: the workers come and leave. `look.rs`: the governor and
//! figures look in.
//!
//! The rule whose breach would lose a wake-up, checked at every step that can make it true: if tasks
//! wait, a worker is parked, fewer than `target` run and fewer stand-bys are under way than are
//! wanted, then one is woken.

mod bell;
pub(crate) mod governor;
mod line;
mod look;
mod roster;
pub(crate) mod running;

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use self::line::Line;
pub(crate) use self::look::Look;
use self::look::Observed;
use crate::exchange::Exchange;
use crate::queue::governor::Governor;
use crate::sys::clock::WorkerClocks;
use crate::sys::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sys::sync::thread::{self, Thread};
use crate::sys::sync::{Mutex, MutexGuard};

/// Waiting tasks and the state of every worker.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    /// The length of `inner.line`, readable without the lock.
    waiting: AtomicUsize,
    /// Tasks were left waiting when a worker took one, since the governor last looked.
    contended: AtomicBool,
    /// A worker should attach once, and none was parked.
    poked: AtomicBool,
    /// CPU clocks of the workers; apart, since reading them takes system calls.
    clocks: Mutex<WorkerClocks>,
    gil: bool,
}

#[derive(Debug)]
struct Inner {
    line: Line,
    workers: Vec<Worker>,
    parked: Vec<usize>,
    standby: usize,
    running: usize,
    target: usize,
    governor: Governor,
    observed: Option<Observed>,
    /// Wall time in which at least one worker ran, and since when one does.
    busy: Duration,
    busy_since: Option<Instant>,
    taken: u64,
    /// Workers that have not left, and how many of them are to leave as soon as they are free.
    live: usize,
    surplus: usize,
    /// The most that ran at once since [`Queue::standing`] was asked.
    peak: usize,
    /// An I/O thread naps until no more than so many tasks wait.
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
    /// It was woken to leave.
    Leaving,
    /// It has left; its number is free.
    Gone,
}

/// What a worker that looked for a task found.
#[derive(Debug)]
pub(crate) enum Found {
    /// A task to run. `low`: half of the tasks are gone that an I/O thread has left to itself.
    Task { exchange: Box<Exchange>, low: bool },
    /// None, or none it may take: park.
    Nothing,
}

/// A worker to be woken once the lock is released.
type Wake = Option<Thread>;

impl Queue {
    pub(crate) fn new(threads: usize, gil: bool) -> Self {
        let inner = Inner {
            line: Line::new(),
            workers: Vec::new(),
            parked: Vec::new(),
            standby: 0,
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

    /// Whether a further task would have to wait behind `limit` others.
    pub(crate) fn is_full(&self, more: usize, limit: usize) -> bool {
        let inner = self.lock();
        let free = inner.live.saturating_sub(inner.running);
        inner.line.len() + more >= limit + free
    }

    /// Tasks taken so far, if at least `deep` others wait.
    pub(crate) fn taken_if_deep(&self, deep: usize) -> Option<u64> {
        (self.waiting() >= deep).then(|| self.lock().taken)
    }

    /// An I/O thread naps: the worker that leaves half of the tasks waiting will be told.
    pub(crate) fn watch_half(&self) {
        let mut inner = self.lock();
        let half = inner.line.len() / 2;
        inner.nap_until = Some(inner.nap_until.map_or(half, |few| few.max(half)));
    }

    /// Puts `batch` at the end, in order, and wakes who is wanted.
    pub(crate) fn push(&self, batch: &mut Vec<Box<Exchange>>) {
        let mut inner = self.lock();
        for exchange in batch.drain(..) {
            inner.append(exchange);
        }
        self.wake_wanted(inner);
    }

    /// A worker puts what came in behind its last task at the end. Wakes nobody: the worker asks for a
    /// task next, and whoever is wanted then is woken there; or it calls [`Queue::wake`].
    pub(crate) fn push_follower(&self, exchange: Box<Exchange>) {
        let mut inner = self.lock();
        inner.append(exchange);
        self.publish(&inner);
    }

    /// Wakes whoever is wanted.
    pub(crate) fn wake(&self) {
        self.wake_wanted(self.lock());
    }

    /// The worker, attached, asks for a task.
    pub(crate) fn take(&self, worker: usize) -> Found {
        let mut inner = self.lock();
        inner.leave_state(worker);
        let over = (inner.running >= inner.target || inner.surplus > 0) && !inner.closed;
        let exchange = if over { None } else { inner.line.pop() };
        match exchange {
            Some(exchange) => {
                inner.workers[worker].state = WorkerState::Running;
                inner.run();
                if inner.line.len() > 0 {
                    self.contended.store(true, Ordering::Relaxed);
                }
                let low = inner.nap_until.is_some_and(|few| inner.line.len() <= few);
                if low {
                    inner.nap_until = None;
                }
                self.wake_wanted(inner);
                Found::Task { exchange, low }
            }
            None => {
                inner.note_busy();
                // Still up: it parks next, which looks again.
                inner.workers[worker].state = WorkerState::Standby;
                inner.standby += 1;
                self.publish(&inner);
                Found::Nothing
            }
        }
    }

    /// The worker, which leads, has a task that never was in the queue. `false`: it may not run it now.
    pub(crate) fn take_direct(&self, worker: usize) -> bool {
        let mut inner = self.lock();
        let free = inner.running < inner.target && inner.line.len() == 0 && !inner.closed;
        if free {
            inner.leave_state(worker);
            inner.workers[worker].state = WorkerState::Running;
            inner.run();
        }
        free
    }

    /// Blocks the worker, detached, until it is woken. `false`: it is to leave, for the queue is closed
    /// and empty or there are workers enough.
    pub(crate) fn park(&self, worker: usize) -> bool {
        let mut inner = self.lock();
        inner.leave_state(worker);
        if inner.surplus > 0 {
            inner.surplus -= 1;
            self.leave(inner, worker);
            return false;
        }
        inner.workers[worker].state = WorkerState::Parked;
        inner.parked.push(worker);
        loop {
            // It may have to wake itself.
            self.wake_wanted(inner);
            inner = self.lock();
            match inner.workers[worker].state {
                WorkerState::Parked if inner.closed => return false,
                WorkerState::Parked => {}
                WorkerState::Leaving => {
                    self.leave(inner, worker);
                    return false;
                }
                _ => return true,
            }
            drop(inner);
            thread::park();
            inner = self.lock();
        }
    }

    /// Wakes one parked worker though no task waits, so that it attaches once. `false`: none is parked,
    /// and a worker that leads must look for itself.
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

    /// Whether a leader was poked since it was last asked.
    pub(crate) fn take_poke(&self) -> bool {
        self.poked.load(Ordering::SeqCst) && self.poked.swap(false, Ordering::SeqCst)
    }

    /// Takes the task at `place` out of turn, if it still waits and is `wanted`: places are given to
    /// others.
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

    /// Takes out the first `count` tasks, of those that have waited longer than `most`.
    pub(crate) fn expire(&self, now: Instant, most: Duration, count: usize) -> Vec<Box<Exchange>> {
        let mut inner = self.lock();
        let mut expired = Vec::new();
        while expired.len() < count && inner.line.oldest_wait(now).is_some_and(|wait| wait > most) {
            expired.extend(inner.line.pop());
        }
        self.publish(&inner);
        expired
    }

    /// Takes out every waiting task.
    pub(crate) fn clear(&self) -> Vec<Box<Exchange>> {
        let mut inner = self.lock();
        let all = std::iter::from_fn(|| inner.line.pop()).collect();
        self.publish(&inner);
        all
    }

    /// No task will come any more: workers leave once they find none.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        for &worker in &inner.parked {
            inner.workers[worker].thread.unpark();
        }
    }

    fn wake_wanted(&self, mut inner: MutexGuard<'_, Inner>) {
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

    fn publish(&self, inner: &Inner) {
        self.waiting.store(inner.line.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn append(&mut self, exchange: Box<Exchange>) {
        let place = self.line.push(exchange);
        if let Some(link) = self.line.get(place).and_then(|task| task.link.as_ref()) {
            link.place.store(place as u64, Ordering::Relaxed);
        }
    }

    fn leave_state(&mut self, worker: usize) {
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

    /// The worker parked last is the warmest.
    fn wake_one(&mut self) -> Wake {
        let worker = self.parked.pop()?;
        self.workers[worker].state = WorkerState::Standby;
        self.standby += 1;
        Some(self.workers[worker].thread.clone())
    }
}

/// Workers woken at one step, when there is no lock to wait for.
const WAKE_BATCH: usize = 8;
