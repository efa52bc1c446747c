//! The workers of a queue: they come, are counted, and leave.

use super::{Inner, Queue, Worker, WorkerState};
use crate::sys::sync::{MutexGuard, thread};

impl Queue {
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

    /// Takes back the order to leave of up to `count` workers that are not free yet; of how many.
    pub(crate) fn keep(&self, count: usize) -> usize {
        let mut inner = self.lock();
        let kept = count.min(inner.surplus);
        inner.surplus -= kept;
        kept
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
            busy: std::mem::replace(&mut inner.peak, running),
            waiting: inner.line.len(),
            taken: inner.taken,
        }
    }

    /// The worker's thread ends, whatever it was about to do.
    pub(crate) fn withdraw(&self, worker: usize) {
        let mut inner = self.lock();
        inner.leave_state(worker);
        inner.parked.retain(|parked| *parked != worker);
        inner.surplus = inner.surplus.saturating_sub(1);
        self.leave(inner, worker);
    }

    /// The worker leaves, in its own thread.
    pub(super) fn leave(&self, mut inner: MutexGuard<'_, Inner>, worker: usize) {
        // Before its number is free for another.
        self.clocks().leave(worker);
        inner.workers[worker].state = WorkerState::Gone;
        inner.live -= 1;
        inner.resize();
        // It may have been the one that was to take a task.
        self.wake_wanted(inner);
    }
}

impl Inner {
    /// The number of workers has changed.
    fn resize(&mut self) {
        self.target = self.governor.resize(self.live);
    }
}

/// How many workers there are and what they have done.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) live: usize,
    /// The most that ran at once since this was last asked.
    pub(crate) busy: usize,
    pub(crate) waiting: usize,
    pub(crate) taken: u64,
}
