//! The queue of tasks and the hand-off to workers.
//!
//! First in, first out. A worker **attaches first and takes a task second**: a parked worker that is
//! woken is a *stand-by* until it has attached to the interpreter; only then does it take a task. A
//! worker that finishes while tasks wait takes the next one at once (it never gave up the
//! interpreter). With one interpreter lock at most one stand-by is under way: it gets its task
//! exactly when the running application lets go of the lock. Without a lock there is one stand-by
//! per waiting task.
//!
//! The rule whose breach would lose a wake-up, checked at every step that can make it true: if tasks
//! wait, a worker is parked, fewer than `target` run and fewer stand-bys are under way than are
//! wanted, then one is woken.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use crate::clock::WorkerClocks;
use crate::exchange::Exchange;
use crate::governor::{Governor, Sample};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::thread::{self, Thread};
use crate::sync::{Mutex, MutexGuard};

/// Waiting tasks and the state of every worker.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    /// `inner.waiting`, readable without the lock.
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
    /// Waiting tasks; a hole is a task taken out of turn.
    tasks: VecDeque<Option<Box<Exchange>>>,
    /// Place of the front of `tasks`, counted from the first task ever.
    front: u64,
    waiting: usize,
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

/// Where the last observation of the governor stood.
#[derive(Clone, Copy, Debug)]
struct Observed {
    at: Instant,
    /// CPU time of the workers, and of the I/O thread.
    cpu: Option<Duration>,
    io: Duration,
    busy: Duration,
    taken: u64,
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
            tasks: VecDeque::new(),
            front: 0,
            waiting: 0,
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

    /// The calling thread becomes a worker; returns its number.
    pub(crate) fn join(&self) -> usize {
        let mut inner = self.lock();
        let worker = Worker {
            thread: thread::current(),
            // As if it had been woken: it is up and about to look for a task.
            state: WorkerState::Standby,
        };
        let free = |worker: &Worker| worker.state == WorkerState::Gone;
        let number = inner.workers.iter().position(free);
        let number = match number {
            Some(number) => {
                inner.workers[number] = worker;
                number
            }
            None => {
                inner.workers.push(worker);
                inner.workers.len() - 1
            }
        };
        inner.standby += 1;
        inner.live += 1;
        inner.resize();
        drop(inner);
        self.clocks().join(number);
        number
    }

    /// Lets `count` workers go: parked ones at once, others as soon as they are free.
    pub(crate) fn retire(&self, count: usize) {
        let mut inner = self.lock();
        let mut leaving = Vec::new();
        for _ in 0..count {
            if inner.parked.is_empty() {
                inner.surplus += 1;
            } else {
                // The one that has not been needed for longest.
                let worker = inner.parked.remove(0);
                inner.workers[worker].state = WorkerState::Leaving;
                leaving.push(inner.workers[worker].thread.clone());
            }
        }
        drop(inner);
        for thread in leaving {
            thread.unpark();
        }
    }

    /// Workers there are now.
    pub(crate) fn workers(&self) -> usize {
        self.lock().live
    }

    /// The numbers of the workers there are.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        let inner = self.lock();
        let workers = inner.workers.iter().enumerate();
        let here = workers.filter(|(_, worker)| worker.state != WorkerState::Gone);
        here.map(|(number, _)| number).collect()
    }

    /// How many workers there are and what they have done.
    pub(crate) fn standing(&self) -> Standing {
        let mut inner = self.lock();
        let running = inner.running;
        Standing {
            live: inner.live,
            running,
            busy: std::mem::replace(&mut inner.peak, running),
            waiting: inner.waiting,
            taken: inner.taken,
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
        inner.waiting + more >= limit + free
    }

    /// Tasks taken so far, if at least `deep` others wait.
    pub(crate) fn taken_if_deep(&self, deep: usize) -> Option<u64> {
        (self.waiting() >= deep).then(|| self.lock().taken)
    }

    /// An I/O thread naps: the worker that leaves half of the tasks waiting will be told.
    pub(crate) fn watch_half(&self) {
        let mut inner = self.lock();
        let half = inner.waiting / 2;
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
    /// task next, and whoever is wanted then is woken there.
    pub(crate) fn push_follower(&self, exchange: Box<Exchange>) {
        let mut inner = self.lock();
        inner.append(exchange);
        self.publish(&inner);
    }

    /// The worker, attached, asks for a task.
    pub(crate) fn take(&self, worker: usize) -> Found {
        let mut inner = self.lock();
        inner.leave_state(worker);
        let over = (inner.running >= inner.target || inner.surplus > 0) && !inner.closed;
        let exchange = if over { None } else { inner.pop() };
        match exchange {
            Some(exchange) => {
                inner.workers[worker].state = WorkerState::Running;
                inner.run();
                if inner.waiting > 0 {
                    self.contended.store(true, Ordering::Relaxed);
                }
                let low = inner.nap_until.is_some_and(|few| inner.waiting <= few);
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
        let free = inner.running < inner.target && inner.waiting == 0 && !inner.closed;
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

    fn leave(&self, mut inner: MutexGuard<'_, Inner>, worker: usize) {
        inner.workers[worker].state = WorkerState::Gone;
        inner.live -= 1;
        inner.resize();
        // It may have been the one that was to take a task.
        self.wake_wanted(inner);
        self.clocks().leave(worker);
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

    /// Takes the task at `place` out of turn, if it still waits and is `wanted`.
    pub(crate) fn remove_if(
        &self,
        place: u64,
        wanted: impl Fn(&Exchange) -> bool,
    ) -> Option<Box<Exchange>> {
        let mut inner = self.lock();
        let index = usize::try_from(place.checked_sub(inner.front)?).ok()?;
        let slot = inner.tasks.get_mut(index)?;
        let exchange = if slot.as_deref().is_some_and(wanted) {
            slot.take()
        } else {
            None
        };
        inner.waiting -= usize::from(exchange.is_some());
        self.publish(&inner);
        exchange
    }

    /// Takes out every task that has waited longer than `most`.
    pub(crate) fn expire(&self, now: Instant, most: Duration) -> Vec<Box<Exchange>> {
        let mut inner = self.lock();
        let mut expired = Vec::new();
        while inner.oldest_wait(now).is_some_and(|wait| wait > most) {
            expired.extend(inner.pop());
        }
        self.publish(&inner);
        expired
    }

    /// Takes out every waiting task.
    pub(crate) fn clear(&self) -> Vec<Box<Exchange>> {
        let mut inner = self.lock();
        let all = std::iter::from_fn(|| inner.pop()).collect();
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

    /// Whether the governor should look: some worker had the choice of more than one task.
    pub(crate) fn contended(&self) -> bool {
        self.contended.load(Ordering::Relaxed) && self.gil
    }

    /// Lets the governor look at the workers; call about once a millisecond while
    /// [`Queue::contended`] or tasks wait. `io` is the caller's own CPU time where it competes with the
    /// workers for one core, else zero.
    pub(crate) fn govern(&self, now: Instant, io: Duration) {
        self.contended.store(false, Ordering::Relaxed);
        let cpu = self.clocks().read();
        let mut inner = self.lock();
        let busy = inner.busy
            + inner
                .busy_since
                .map_or(Duration::ZERO, |since| since.elapsed());
        let seen = Observed {
            at: now,
            cpu,
            io,
            busy,
            taken: inner.taken,
        };
        let Some(last) = inner.observed.replace(seen) else {
            return;
        };
        if now.saturating_duration_since(last.at) > STALE {
            // The queue was empty meanwhile; what happened then says nothing about contention.
            return;
        }
        let cpu = seen
            .cpu
            .zip(last.cpu)
            .map(|(new, old)| new.saturating_sub(old));
        let mut busy = busy - last.busy;
        let io = seen.io.saturating_sub(last.io);
        if !io.is_zero() {
            // Part of it fell between two tasks; one core cannot do more than one core's work.
            busy = busy.saturating_sub(io).max(cpu.unwrap_or_default());
        }
        let sample = Sample {
            busy,
            cpu,
            taken: seen.taken - last.taken,
        };
        inner.target = inner.governor.observe(sample);
        self.wake_wanted(inner);
    }

    /// What the governor would decide.
    #[cfg(all(test, shuttle))]
    pub(crate) fn set_target(&self, target: usize) {
        let mut inner = self.lock();
        inner.target = target;
        self.wake_wanted(inner);
    }

    /// How the queue stands, for logs, health and figures.
    pub(crate) fn look(&self, now: Instant) -> Look {
        let mut inner = self.lock();
        let oldest_wait = inner.oldest_wait(now);
        Look {
            waiting: inner.waiting,
            running: inner.running,
            parked: inner.parked.len(),
            workers: inner.live,
            target: inner.target,
            oldest_wait: oldest_wait.unwrap_or_default(),
        }
    }

    /// The oldest `most` waiting tasks, shown by `show`.
    pub(crate) fn oldest<T>(&self, most: usize, show: impl Fn(&Exchange) -> T) -> Vec<T> {
        let inner = self.lock();
        let tasks = inner.tasks.iter().filter_map(Option::as_deref);
        tasks.take(most).map(show).collect()
    }

    /// How long all waiting tasks have waited, together.
    pub(crate) fn waited(&self, now: Instant) -> Duration {
        let inner = self.lock();
        let tasks = inner.tasks.iter().filter_map(Option::as_deref);
        let since = tasks.map(|task| task.record.waiting_since());
        since
            .map(|since| now.saturating_duration_since(since))
            .sum()
    }

    /// CPU time of all workers, and how long they were ready to run and had no processor.
    pub(crate) fn worker_cpu(&self) -> (Option<Duration>, Duration) {
        let clocks = self.clocks().clone();
        (clocks.read(), clocks.delayed())
    }

    fn wake_wanted(&self, mut inner: MutexGuard<'_, Inner>) {
        let mut wake: [Wake; WAKE_BATCH] = [const { None }; WAKE_BATCH];
        for slot in &mut wake {
            let wanted = if self.gil {
                inner.waiting.min(1)
            } else {
                inner.waiting
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
        self.waiting.store(inner.waiting, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many workers there are and what they have done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) live: usize,
    pub(crate) running: usize,
    /// The most that ran at once since this was last asked.
    pub(crate) busy: usize,
    pub(crate) waiting: usize,
    pub(crate) taken: u64,
}

/// A glance at the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) waiting: usize,
    pub(crate) running: usize,
    pub(crate) parked: usize,
    pub(crate) workers: usize,
    pub(crate) target: usize,
    pub(crate) oldest_wait: Duration,
}

impl Inner {
    fn append(&mut self, exchange: Box<Exchange>) {
        let place = self.front + self.tasks.len() as u64;
        if let Some(link) = &exchange.link {
            link.place.store(place, Ordering::Relaxed);
        }
        self.tasks.push_back(Some(exchange));
        self.waiting += 1;
    }

    fn pop(&mut self) -> Option<Box<Exchange>> {
        while let Some(slot) = self.tasks.pop_front() {
            self.front += 1;
            if slot.is_some() {
                self.waiting -= 1;
                return slot;
            }
        }
        None
    }

    fn oldest_wait(&mut self, now: Instant) -> Option<Duration> {
        while let Some(None) = self.tasks.front() {
            self.tasks.pop_front();
            self.front += 1;
        }
        let oldest = self.tasks.front()?.as_ref()?;
        Some(now.saturating_duration_since(oldest.record.waiting_since()))
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

    /// The number of workers has changed.
    fn resize(&mut self) {
        self.target = self.governor.resize(self.live);
    }

    /// Follows whether any worker runs; asks the clock only when that changes.
    fn note_busy(&mut self) {
        match (self.running > 0, self.busy_since) {
            (true, None) => self.busy_since = Some(Instant::now()),
            (false, Some(since)) => {
                self.busy += since.elapsed();
                self.busy_since = None;
            }
            _ => {}
        }
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
/// Observations further apart than this do not belong together.
const STALE: Duration = Duration::from_millis(20);
