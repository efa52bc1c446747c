//! The queue and its stand-bys, without the ticks of the I/O thread that would make up for a lost wake-up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shuttle::rand::Rng;
use shuttle::sync::{Condvar, Mutex};
use shuttle::thread::{JoinHandle, spawn};

use super::check;
use crate::exchange::Exchange;
use crate::queue::{Found, Queue};

/// A queue whose tasks are numbers, and who took what, in order.
#[derive(Clone)]
struct Site {
    queue: Arc<Queue>,
    /// The interpreter's lock.
    lock: Arc<Mutex<()>>,
    gil: bool,
    taken: Arc<Mutex<Vec<u64>>>,
    took: Arc<Condvar>,
    /// Times a worker has attached.
    attached: Arc<AtomicUsize>,
}

impl Site {
    fn new(threads: usize, gil: bool) -> Self {
        Self {
            queue: Arc::new(Queue::new(threads, gil)),
            lock: Arc::default(),
            gil,
            taken: Arc::default(),
            took: Arc::default(),
            attached: Arc::default(),
        }
    }

    fn worker(&self, then: fn(&Site, u64)) -> JoinHandle<()> {
        let me = self.clone();
        spawn(move || {
            let worker = me.queue.join();
            loop {
                let mut attached = me.gil.then(|| me.lock.lock().unwrap());
                me.attached.fetch_add(1, Ordering::Relaxed);
                while let Found::Task { exchange, .. } = me.queue.take(worker, super::sync::now()) {
                    let number = exchange.record.bytes_in;
                    me.note(number);
                    if number % 2 == 0 {
                        // It blocks: the interpreter is somebody else's meanwhile.
                        drop(attached.take());
                        then(&me, number);
                        shuttle::thread::yield_now();
                        attached = me.gil.then(|| me.lock.lock().unwrap());
                    } else {
                        then(&me, number);
                    }
                }
                drop(attached);
                if me.queue.park(worker, super::sync::now).is_none() {
                    return;
                }
            }
        })
    }

    fn push(&self, numbers: impl IntoIterator<Item = u64>) {
        let mut batch = numbers.into_iter().map(task).collect();
        self.queue.push(&mut batch);
    }

    fn note(&self, number: u64) {
        self.taken.lock().unwrap().push(number);
        self.took.notify_all();
    }

    /// Blocks until `count` tasks are taken. Spinning would hide a lost wake-up: while anybody runs,
    /// shuttle lets parked threads wake for no reason, as it may.
    fn until_taken(&self, count: usize) {
        let mut taken = self.taken.lock().unwrap();
        while taken.len() < count {
            taken = self.took.wait(taken).unwrap();
        }
    }

    /// Waits until so many workers sleep, or are just about to.
    fn until_parked(&self, count: usize) {
        while self.queue.look(super::sync::now()).parked < count {
            shuttle::thread::yield_now();
        }
    }

    /// Every worker leaves once the queue is closed; every task is taken once, and in order where one
    /// lock makes an order.
    fn end(self, workers: Vec<JoinHandle<()>>, count: u64) {
        self.queue.close();
        for worker in workers {
            worker.join().unwrap();
        }
        let mut taken = self.taken.lock().unwrap().clone();
        if !self.gil {
            taken.sort_unstable();
        }
        assert_eq!(taken, (0..count).collect::<Vec<_>>());
    }
}

fn task(number: u64) -> Box<Exchange> {
    let mut exchange = Exchange::new(super::sync::now());
    exchange.record.bytes_in = number;
    Box::new(exchange)
}

fn nothing(_: &Site, _: u64) {}

/// Two batches for workers that sleep, run, or are just about to do either. The queue is closed while
/// tasks wait: whoever is needed for them must have been woken already, or find them on its way out.
fn every_task_is_taken(gil: bool) {
    let site = Site::new(3, gil);
    let workers: Vec<_> = (0..3).map(|_| site.worker(nothing)).collect();
    site.push(0..3);
    site.push(3..5);
    site.end(workers, 5);
}

#[test]
fn every_task_is_taken_once_and_in_order() {
    check(4000, || every_task_is_taken(true));
}

#[test]
fn every_task_is_taken_once_without_a_lock() {
    check(4000, || every_task_is_taken(false));
}

/// Nothing happens after the push, neither a close nor a tick: only its wake-up can do it.
#[test]
fn a_push_alone_wakes_whoever_is_needed() {
    for gil in [true, false] {
        check(3000, move || {
            let site = Site::new(2, gil);
            let workers: Vec<_> = (0..2).map(|_| site.worker(nothing)).collect();
            site.until_parked(2);
            site.push(0..1);
            site.push(1..4);
            site.until_taken(4);
            site.until_parked(2);
            site.push(4..5);
            site.until_taken(5);
            site.end(workers, 5);
        });
    }
}

/// The first task waits, without the interpreter, for the last one to be taken: whoever takes a task
/// while others wait must have left a stand-by for them.
#[test]
fn a_task_that_blocks_holds_up_nobody() {
    fn wait_for_the_last(site: &Site, number: u64) {
        if number == 0 {
            site.until_taken(3);
        }
    }
    for gil in [true, false] {
        check(3000, move || {
            let site = Site::new(2, gil);
            let workers: Vec<_> = (0..2).map(|_| site.worker(wait_for_the_last)).collect();
            site.until_parked(2);
            site.push(0..3);
            site.until_taken(3);
            site.end(workers, 3);
        });
    }
}

/// The target moves between one and all while tasks come: no task waits for a worker that nobody wakes.
#[test]
fn a_target_that_moves_loses_nobody() {
    check(5000, || {
        let site = Site::new(3, true);
        let workers: Vec<_> = (0..3).map(|_| site.worker(nothing)).collect();
        let governor = {
            let site = site.clone();
            spawn(move || {
                for _ in 0..3 {
                    site.queue
                        .set_target(shuttle::rand::thread_rng().gen_range(1..4));
                }
            })
        };
        for number in 0..5 {
            site.push([number]);
        }
        site.until_taken(5);
        governor.join().unwrap();
        site.end(workers, 5);
    });
}

/// A worker puts a follower behind each task, as a pipeline does, and wakes nobody for it.
#[test]
fn followers_are_taken_without_a_wake_up_of_their_own() {
    fn follow(site: &Site, number: u64) {
        if number < 4 {
            site.queue.push_follower(task(number + 2));
        }
    }
    check(4000, || {
        let site = Site::new(2, false);
        let workers: Vec<_> = (0..2).map(|_| site.worker(follow)).collect();
        site.push([0]);
        site.push([1]);
        site.until_taken(6);
        site.end(workers, 6);
    });
}

/// Tasks are taken out of turn while workers take them in turn: each goes to one of the two.
#[test]
fn a_task_taken_out_of_turn_is_taken_once() {
    check(4000, || {
        let site = Site::new(2, true);
        let workers: Vec<_> = (0..2).map(|_| site.worker(nothing)).collect();
        site.push(0..4);
        for place in [1, 2] {
            if let Some(exchange) = site.queue.remove_if(place, |_| true) {
                site.note(exchange.record.bytes_in);
            }
        }
        site.queue.close();
        for worker in workers {
            worker.join().unwrap();
        }
        let mut taken = site.taken.lock().unwrap().clone();
        taken.sort_unstable();
        assert_eq!(taken, [0, 1, 2, 3]);
    });
}

/// A poke makes some worker attach once more, whatever else goes on.
#[test]
fn a_poke_makes_a_parked_worker_attach() {
    check(3000, || {
        let site = Site::new(2, true);
        let workers: Vec<_> = (0..2).map(|_| site.worker(nothing)).collect();
        site.push(0..2);
        site.until_taken(2);
        let before = site.attached.load(Ordering::Relaxed);
        if site.queue.poke() {
            while site.attached.load(Ordering::Relaxed) == before {
                shuttle::thread::yield_now();
            }
        } else {
            assert!(site.queue.take_poke());
        }
        site.end(workers, 2);
    });
}
