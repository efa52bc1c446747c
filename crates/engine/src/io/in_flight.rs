//! The tasks of one loop that are not answered yet.

use crate::exchange::Exchange;
use crate::queue::Queue;

/// The tasks of one loop that are not answered yet: those of this turn, and those that the loop has given away.
///
/// Invariant: a task is in the batch until the loop gives it away. From then on it counts as outstanding, until its
/// exchange comes back, the loop takes it out of the queue, or everything is cut.
#[derive(Debug, Default)]
#[expect(
    clippy::vec_box,
    reason = "exchanges travel between threads by pointer; they never move"
)]
pub(in crate::io) struct InFlight {
    /// Tasks complete in this turn, handed over together.
    batch: Vec<Box<Exchange>>,
    /// Tasks with the queue or a worker.
    outstanding: usize,
}

impl InFlight {
    /// Adds a task of this turn.
    pub(in crate::io) fn add(&mut self, task: Box<Exchange>) {
        self.batch.push(task);
    }

    /// How many tasks of this turn were not given away yet.
    pub(in crate::io) fn in_batch(&self) -> usize {
        self.batch.len()
    }

    /// How many tasks are with the queue or a worker.
    pub(in crate::io) fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Gives the tasks of this turn to the queue, all at once.
    pub(in crate::io) fn hand_over(&mut self, queue: &Queue) {
        if !self.batch.is_empty() {
            self.outstanding += self.batch.len();
            queue.push(&mut self.batch);
        }
    }

    /// Takes the first task of this turn for the worker that leads, and leaves the others in the queue for it, if tasks
    /// are `short`: nobody else is woken for them. `None`: it may not run them now, or they are for all workers.
    pub(in crate::io) fn take_for_leader(
        &mut self,
        queue: &Queue,
        worker: usize,
        short: bool,
    ) -> Option<Box<Exchange>> {
        let tasks = self.batch.len();
        if tasks > 1 && !short {
            return None;
        }
        let exchange = queue.take_alone(worker, &mut self.batch)?;
        self.outstanding += tasks;
        Some(exchange)
    }

    /// A task that was given away is back.
    pub(in crate::io) fn note_back(&mut self) {
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    /// Takes back a task that no worker has, if it is `wanted`; `place` is its place in the queue.
    pub(in crate::io) fn take_back(
        &mut self,
        queue: &Queue,
        place: u64,
        wanted: impl Fn(&Exchange) -> bool,
    ) -> Option<Box<Exchange>> {
        match self.batch.iter().position(|exchange| wanted(exchange)) {
            Some(at) => Some(self.batch.remove(at)),
            None => {
                let taken = queue.remove_if(place, wanted);
                self.outstanding -= usize::from(taken.is_some());
                taken
            }
        }
    }

    /// Takes the tasks of this turn: they are cut.
    pub(in crate::io) fn take_batch(&mut self) -> Vec<Box<Exchange>> {
        std::mem::take(&mut self.batch)
    }

    /// Nothing comes back any more: all tasks were cut.
    pub(in crate::io) fn forget_outstanding(&mut self) {
        self.outstanding = 0;
    }
}
