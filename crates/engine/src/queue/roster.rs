//! The workers of a queue: how they join, retire and leave.

use super::{Queue, QueueState, Worker, WorkerState};
use crate::sys::sync::{MutexGuard, thread};

impl Queue {
    /// The calling thread becomes a worker; returns its number.
    pub(crate) fn join(&self) -> usize {
        let mut inner = self.lock();
        let worker = Worker {
            thread: thread::current(),
            // The worker is awake and takes a task next, like one that was woken.
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

    /// Retires `count` workers: parked ones at once, others as soon as they are free.
    pub(crate) fn retire(&self, count: usize) {
        let mut inner = self.lock();
        let mut leaving = Vec::new();
        for _ in 0..count {
            if inner.parked.is_empty() {
                inner.surplus += 1;
            } else {
                // The worker that has been parked longest.
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

    /// Cancels up to `count` pending retirements; returns how many.
    pub(crate) fn cancel_retirements(&self, count: usize) -> usize {
        let mut inner = self.lock();
        let cancelled = count.min(inner.surplus);
        inner.surplus -= cancelled;
        cancelled
    }

    /// How many workers have not left.
    pub(crate) fn workers(&self) -> usize {
        self.lock().live
    }

    /// The numbers of the workers that have not left.
    pub(crate) fn numbers(&self) -> Vec<usize> {
        let inner = self.lock();
        let workers = inner.workers.iter().enumerate();
        let here = workers.filter(|(_, worker)| worker.state != WorkerState::Gone);
        here.map(|(number, _)| number).collect()
    }

    /// How many workers there are and what they have done since the last call.
    pub(crate) fn standing(&self) -> Standing {
        let mut inner = self.lock();
        let running = inner.running;
        Standing {
            live: inner.live,
            busy: std::mem::replace(&mut inner.peak, running),
            waiting: inner.line.len(),
            taken: inner.taken,
        }
    }

    /// The worker's thread ends, in whatever state the worker is.
    pub(crate) fn withdraw(&self, worker: usize) {
        let mut inner = self.lock();
        inner.leave_state(worker);
        inner.parked.retain(|parked| *parked != worker);
        inner.surplus = inner.surplus.saturating_sub(1);
        self.leave(inner, worker);
    }

    /// The worker leaves; called on its own thread.
    pub(super) fn leave(&self, mut inner: MutexGuard<'_, QueueState>, worker: usize) {
        // Before another worker can get its number.
        self.clocks().leave(worker);
        inner.workers[worker].state = WorkerState::Gone;
        inner.live -= 1;
        inner.resize();
        // A task may have been meant for this worker: wake another.
        self.wake_wanted(inner);
    }
}

impl QueueState {
    /// The number of workers has changed.
    fn resize(&mut self) {
        self.target = self.governor.resize(self.live);
    }
}

/// How many workers there are and what they have done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) live: usize,
    /// The most workers that ran at once since the last [`Queue::standing`].
    pub(crate) busy: usize,
    pub(crate) waiting: usize,
    pub(crate) taken: u64,
}
