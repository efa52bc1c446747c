//! What one thread can see of a queue by calling it in turn for each worker; `model/queue.rs` has the threads.

use super::*;
use crate::sys::sync::now;

/// A queue that only this thread knows, which is every worker of it.
fn queue(workers: usize) -> Queue {
    let queue = Queue::new(workers, true);
    for number in 0..workers {
        assert_eq!(queue.join(), number);
    }
    queue
}

fn park(queue: &Queue, worker: usize) {
    let mut inner = queue.lock();
    inner.leave_state(worker);
    inner.workers[worker].state = WorkerState::Parked;
    inner.parked.push(worker);
}

fn run(queue: &Queue, worker: usize) {
    assert!(matches!(queue.take(worker, now()), Found::Task { .. }));
}

fn tasks(count: usize) -> Vec<Box<Exchange>> {
    (0..count).map(|_| Box::new(Exchange::new(now()))).collect()
}

#[test]
fn a_nap_ends_when_half_of_the_tasks_are_taken() {
    let queue = Queue::new(1, true);
    let worker = queue.join();
    queue.push(&mut tasks(8));
    let Found::Task { low: false, .. } = queue.take(worker, now()) else {
        panic!("nobody naps");
    };
    assert_eq!(
        (queue.taken_if_deep(8), queue.taken_if_deep(7)),
        (None, Some(1))
    );
    queue.watch_half();
    for (left, ends) in [(6, false), (5, false), (4, false), (3, true), (2, false)] {
        let Found::Task { low, .. } = queue.take(worker, now()) else {
            panic!("the only worker may take every task");
        };
        assert_eq!((queue.waiting(), low), (left, ends));
    }
}

#[test]
fn a_leader_takes_its_tasks_alone_until_they_are_shared() {
    let queue = queue(2);
    park(&queue, 1);
    let mut batch = tasks(3);
    assert!(queue.take_alone(0, &mut batch).is_some() && batch.is_empty());
    run(&queue, 0);
    let standby = || queue.lock().standby;
    assert_eq!((queue.waiting(), standby()), (1, 0));
    assert!(!queue.contended());
    queue.share();
    assert_eq!(standby(), 1);
}

#[test]
fn a_leader_that_may_not_run_tasks_appends_none() {
    let leaves = queue(1);
    leaves.retire(1);
    let others_wait = queue(1);
    others_wait.push(&mut tasks(1));
    let another_runs = queue(2);
    another_runs.push(&mut tasks(1));
    run(&another_runs, 1);
    another_runs.lock().target = 1;
    for queue in [leaves, others_wait, another_runs] {
        let (waiting, mut batch) = (queue.waiting(), tasks(2));
        assert!(queue.take_alone(0, &mut batch).is_none());
        assert_eq!((queue.waiting(), batch.len()), (waiting, 2));
    }
}

#[test]
fn a_worker_that_is_to_leave_takes_no_task() {
    let queue = Queue::new(1, true);
    let worker = queue.join();
    queue.retire(1);
    queue.push(&mut tasks(1));
    assert!(matches!(queue.take(worker, now()), Found::Nothing));
    assert_eq!(queue.waiting(), 1);
}

#[test]
fn tasks_that_are_about_to_be_pushed_count_and_free_workers_make_room() {
    let queue = Queue::new(2, true);
    for workers in 0..3 {
        let limit = 2;
        let full = |more| queue.is_full(more, limit);
        assert!(!full(limit + workers - 1));
        assert!(full(limit + workers) && full(limit + workers + 1));
        queue.join();
    }
}

#[test]
fn contention_is_a_task_that_is_taken_while_others_wait_for_the_gil() {
    for (gil, waiting, contended) in [(true, 2, true), (true, 1, false), (false, 2, false)] {
        let queue = Queue::new(1, gil);
        let worker = queue.join();
        queue.push(&mut tasks(waiting));
        assert!(!queue.contended());
        run(&queue, worker);
        assert_eq!(queue.contended(), contended, "{gil} {waiting}");
        queue.govern(now(), Duration::ZERO);
        assert!(!queue.contended());
    }
}

#[test]
fn time_is_busy_while_a_worker_runs() {
    let queue = queue(1);
    queue.push(&mut tasks(1));
    run(&queue, 0);
    let long = Duration::from_secs(9);
    let since = queue.lock().busy_since.unwrap();
    queue.lock().busy_since = since.checked_sub(long);
    assert!(matches!(queue.take(0, now()), Found::Nothing));
    assert!(queue.lock().busy >= long && queue.lock().busy_since.is_none());
}

#[test]
fn a_look_from_outside() {
    let (queue, start) = (Queue::new(3, true), now());
    queue.join();
    queue.join();
    queue.push(&mut (0..3).map(|_| Box::new(Exchange::new(start))).collect());
    let wait = Duration::from_secs(2);
    assert_eq!(queue.waited(start + wait), 3 * wait);
    run(&queue, 0);
    assert_eq!(queue.waited(start + wait), 2 * wait);
    queue.show_free(|free, waiting| assert_eq!((free, waiting), (1, 2)));
    let mut both = queue.look(start + wait);
    both += queue.look(start + 2 * wait);
    let workers = (both.running, both.parked, both.workers, both.target);
    assert_eq!(workers, (2, 0, 4, 6));
    assert_eq!((both.waiting, both.oldest_wait), (4, 2 * wait));
}

#[test]
fn a_leader_runs_its_task_at_once_if_nobody_is_before_it() {
    let queue = queue(2);
    queue.push(&mut tasks(1));
    assert!(queue.take_alone(0, &mut tasks(1)).is_none(), "a task waits");
    run(&queue, 0);
    assert!(queue.take_alone(1, &mut tasks(1)).is_some());
    assert!(matches!(queue.take(0, now()), Found::Nothing));
    queue.close();
    assert!(
        queue.take_alone(0, &mut tasks(1)).is_none(),
        "the server stops"
    );
}

#[test]
fn a_poke_wakes_a_parked_worker_or_is_left_for_a_leader_once() {
    let queue = queue(1);
    assert!(!queue.poke());
    assert!(queue.take_poke() && !queue.take_poke());
    park(&queue, 0);
    assert!(queue.poke() && !queue.take_poke());
    assert_eq!(queue.look(now()).parked, 0);
}

#[test]
fn tasks_that_have_waited_for_too_long_expire_from_the_oldest_on() {
    let (queue, start, most) = (queue(1), now(), Duration::from_secs(9));
    for second in 0..4 {
        let arrived = start + Duration::from_secs(second);
        queue.push(&mut vec![Box::new(Exchange::new(arrived))]);
    }
    let expired = |second, count| {
        let now = start + most + Duration::from_secs(second);
        let expired = queue.expire(now, most, count);
        let after = expired
            .iter()
            .map(|task| task.record.waiting_since() - start);
        after.map(|after| after.as_secs()).collect::<Vec<_>>()
    };
    assert!(expired(0, 9).is_empty());
    assert_eq!(expired(2, 1), [0]);
    assert_eq!(expired(2, 9), [1]);
    assert_eq!(
        (queue.waiting(), queue.clear().len(), queue.waiting()),
        (2, 2, 0)
    );
}

#[test]
fn workers_come_and_go() {
    let queue = queue(3);
    assert_eq!((queue.workers(), queue.numbers()), (3, vec![0, 1, 2]));
    park(&queue, 1);
    queue.withdraw(1);
    assert_eq!((queue.workers(), queue.numbers()), (2, vec![0, 2]));
    assert_eq!(queue.look(now()).parked, 0);
    assert_eq!(queue.join(), 1);
    assert_eq!(queue.numbers(), [0, 1, 2]);
}

#[test]
fn retirements_that_nobody_took_can_be_cancelled() {
    let queue = queue(3);
    park(&queue, 0);
    park(&queue, 1);
    queue.retire(1);
    assert_eq!(queue.lock().workers[0].state, WorkerState::Leaving);
    assert_eq!(queue.cancel_retirements(1), 0);
    queue.retire(3);
    assert_eq!(queue.lock().workers[1].state, WorkerState::Leaving);
    assert_eq!(
        (queue.cancel_retirements(1), queue.cancel_retirements(5)),
        (1, 1)
    );
}

#[test]
fn the_peak_counts_from_the_last_question() {
    let queue = queue(2);
    queue.push(&mut tasks(3));
    run(&queue, 0);
    run(&queue, 1);
    let seen = queue.standing();
    assert_eq!(
        (seen.live, seen.busy, seen.waiting, seen.taken),
        (2, 2, 1, 2)
    );
    run(&queue, 0);
    assert!(matches!(queue.take(1, now()), Found::Nothing));
    assert_eq!((queue.standing().busy, queue.standing().busy), (2, 1));
}

/// What `worker` learns of waits for the GIL when it takes a task `now`.
fn waits(queue: &Queue, worker: usize, now: Instant) -> (Instant, Option<Instant>) {
    match queue.take(worker, now) {
        Found::Task {
            first_since,
            asking,
            ..
        } => (first_since, asking),
        Found::Nothing => panic!("a task waits for this worker"),
    }
}

#[test]
fn a_task_that_a_free_worker_would_have_taken_waits_for_the_gil() {
    let ms = Duration::from_millis;
    for gil in [true, false] {
        let queue = Queue::new(2, gil);
        let (busy, woken) = (queue.join(), queue.join());
        let start = now();
        queue.push(&mut tasks(4));
        assert_eq!(waits(&queue, busy, start).1, None);
        // It finds the tasks that wait, so it goes on at once.
        assert_eq!(queue.park(woken, || start + ms(1)), Some(start + ms(1)));
        // The other has the GIL all the time.
        let asking = gil.then_some(start + ms(1));
        assert_eq!(waits(&queue, busy, start + ms(5)), (start, asking));
        assert_eq!(waits(&queue, busy, start + ms(7)), (start + ms(5), asking));
        // Its own wait is known to itself.
        assert_eq!(waits(&queue, woken, start + ms(9)), (start + ms(7), None));
    }
}

/// The governor, and the clocks that it reads.
#[cfg(target_os = "linux")]
mod governed {
    use super::*;
    use crate::queue::look::Observed;

    /// This thread, whose clock shows enough to subtract from, is both workers.
    fn two_workers() -> Queue {
        let queue = queue(2);
        while queue.clocks().read().unwrap() < Duration::from_millis(50) {}
        queue.lock().taken = 5;
        queue
    }

    /// Lets the governor see what has happened since its last look, in milliseconds and in tasks taken, and
    /// the same again until it has removed a worker if the workers share a core. Returns the target.
    fn govern(queue: &Queue, [busy, cpu, io, taken]: [u64; 4]) -> usize {
        for _ in 0..8 {
            let (now, before) = (now(), Duration::from_secs(1));
            let seen = queue.clocks().read().unwrap() - Duration::from_millis(cpu);
            let mut inner = queue.lock();
            inner.observed = Some(Observed {
                at: now,
                cpu: Some(seen),
                io: before,
                busy: inner.busy,
                taken: inner.taken,
            });
            inner.busy += Duration::from_millis(busy);
            inner.taken += taken;
            drop(inner);
            queue.govern(now, before + Duration::from_millis(io));
        }
        queue.lock().target
    }

    const SHARED: [u64; 4] = [10, 10, 0, 1];
    const BLOCKED: [u64; 4] = [20, 10, 0, 1];

    #[test]
    fn the_governor_sees_what_has_happened_since_its_last_look() {
        for (since, target) in [
            (SHARED, 1),
            (BLOCKED, 2),
            ([10, 10, 0, 0], 2),  // no task was taken
            ([10, 20, 0, 1], 2),  // they work without the lock
            ([20, 10, 10, 1], 1), // the I/O thread used the core for half of the time
            ([10, 10, 9, 1], 1),  // and here it cannot have, since the workers did
        ] {
            assert_eq!(govern(&two_workers(), since), target, "{since:?}");
        }
    }

    #[test]
    fn a_worker_that_may_run_now_is_woken() {
        let queue = two_workers();
        assert_eq!(govern(&queue, SHARED), 1);
        assert!(queue.take_alone(0, &mut tasks(1)).is_some());
        park(&queue, 1);
        queue.push(&mut tasks(1));
        assert_eq!(queue.look(now()).parked, 1);
        assert_eq!(govern(&queue, BLOCKED), 2);
        assert_eq!(queue.look(now()).parked, 0);
    }

    #[test]
    fn the_time_of_workers_that_have_left_stays_known() {
        let queue = Queue::new(1, true);
        let worker = || queue.withdraw(queue.join());
        std::thread::scope(|scope| scope.spawn(worker).join().unwrap());
        assert!(queue.worker_cpu().0.is_some());
    }
}
