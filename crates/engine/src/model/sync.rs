//! Primitives whose every step shuttle schedules, and what shuttle does not model: time and the kernel.
//!
//! Time is virtual: while somebody waits for at most [`FOREVER`], a thread of the model moves it on, a
//! millisecond at a time, whenever it is scheduled; so a timed wait may end at any point. Longer waits
//! never end by themselves: a wake-up that only they would make up for counts as lost.
//!
//! The kernel is the real one, asked without blocking. A thread that would block in the poll waits for
//! [`World::stir`] instead, which everybody calls who may have changed what the kernel would say:
//! clients after sending, the engine's threads before they block.

use crate::sys::instant::Instant;
use std::cell::RefCell;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LockResult, OnceLock, PoisonError};
use std::time::Duration;

use mio::{Events, Registry, Token};
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};

pub(crate) use super::shared;

/// What one run shares; its threads are coroutines of one thread of the system.
#[derive(Debug)]
pub(super) struct World {
    /// Milliseconds of virtual time.
    time: AtomicU64,
    alarms: Mutex<Alarms>,
    armed: shuttle::sync::Condvar,
    /// Times the kernel's state may have changed.
    stirred: Mutex<u64>,
    moved: Arc<shuttle::sync::Condvar>,
    /// Nobody changes it: to read it lets the scheduler choose who goes on.
    step: atomic::AtomicBool,
}

#[derive(Debug, Default)]
struct Alarms {
    next: u64,
    armed: Vec<(u64, Instant, Bell)>,
    ended: bool,
}

/// Who is to look up when time is over.
#[derive(Clone, Debug)]
enum Bell {
    Condvar(Arc<shuttle::sync::Condvar>),
    Thread(thread::Thread),
}

/// A world with its clock running.
pub(super) struct Running(Arc<World>, shuttle::thread::JoinHandle<()>);

std::thread_local! {
    static WORLD: RefCell<Option<Arc<World>>> = const { RefCell::new(None) };
}

impl World {
    pub(super) fn begin() -> Running {
        let world = Arc::new(Self {
            time: AtomicU64::new(0),
            alarms: Mutex::default(),
            armed: shuttle::sync::Condvar::new(),
            stirred: Mutex::new(0),
            moved: Arc::default(),
            step: atomic::AtomicBool::new(false),
        });
        WORLD.set(Some(Arc::clone(&world)));
        let clock = Arc::clone(&world);
        Running(world, shuttle::thread::spawn(move || clock.tick()))
    }

    pub(super) fn get() -> Arc<Self> {
        WORLD.with_borrow(|world| Arc::clone(world.as_ref().expect("a model runs")))
    }

    fn now(&self) -> Instant {
        static START: OnceLock<Instant> = OnceLock::new();
        let start = *START.get_or_init(Instant::now);
        start + Duration::from_millis(self.time.load(Ordering::Relaxed))
    }

    fn tick(&self) {
        loop {
            let mut alarms = self.alarms.lock().unwrap();
            while alarms.armed.is_empty() && !alarms.ended {
                alarms = self.armed.wait(alarms).unwrap();
            }
            if alarms.ended {
                return;
            }
            self.time.fetch_add(1, Ordering::Relaxed);
            let now = self.now();
            let due = alarms.armed.iter().filter(|(_, at, _)| *at <= now);
            let due: Vec<_> = due.map(|(_, _, bell)| bell.clone()).collect();
            drop(alarms);
            for bell in due {
                match bell {
                    // It rings until it is disarmed, so it does not matter who is not there yet.
                    Bell::Condvar(condvar) => condvar.notify_all(),
                    Bell::Thread(thread) => thread.unpark(),
                }
            }
            shuttle::thread::yield_now();
        }
    }

    /// Runs `wait`, which ends when `bell` is rung: after `most`, if that is not for ever.
    fn within<T>(&self, most: Duration, bell: Bell, wait: impl FnOnce() -> T) -> T {
        if most >= FOREVER {
            return wait();
        }
        let mut alarms = self.alarms.lock().unwrap();
        alarms.next += 1;
        let id = alarms.next;
        let due = self.now() + most;
        alarms.armed.push((id, due, bell));
        drop(alarms);
        self.armed.notify_one();
        let result = wait();
        let mut alarms = self.alarms.lock().unwrap();
        alarms.armed.retain(|alarm| alarm.0 != id);
        result
    }

    /// The calling thread is about to do what others may see.
    pub(super) fn step(&self) {
        self.step.load(Ordering::SeqCst);
    }

    /// The kernel may have news.
    pub(super) fn stir(&self) {
        *self.stirred.lock().unwrap() += 1;
        self.moved.notify_all();
    }

    /// What to wait for a change of.
    pub(super) fn seen(&self) -> u64 {
        *self.stirred.lock().unwrap()
    }

    /// Waits until there may be news since `seen`, at most so long.
    pub(super) fn wait(&self, seen: u64, most: Duration) {
        self.within(most, Bell::Condvar(Arc::clone(&self.moved)), || {
            let stirred = self.stirred.lock().unwrap();
            if *stirred == seen {
                drop(self.moved.wait(stirred).unwrap());
            }
        });
    }
}

impl Running {
    pub(super) fn end(self) {
        self.0.alarms.lock().unwrap().ended = true;
        self.0.armed.notify_one();
        self.1.join().unwrap();
    }
}

/// The time.
pub(crate) fn now() -> Instant {
    World::get().now()
}

/// Parking; see the head of this file for what else happens then.
pub(crate) mod thread {
    pub(crate) use shuttle::thread::{Thread, current};

    use super::{Bell, Duration, World};

    pub(crate) fn park() {
        World::get().stir();
        shuttle::thread::park();
    }

    pub(crate) fn park_timeout(most: Duration) {
        let world = World::get();
        world.stir();
        world.within(most, Bell::Thread(current()), shuttle::thread::park);
    }
}

/// A condition variable whose timed waits end.
#[derive(Debug, Default)]
pub(crate) struct Condvar(Arc<shuttle::sync::Condvar>);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        World::get().stir();
        self.0.wait(guard)
    }

    /// The second of the pair would tell why it ended; nobody asks.
    pub(crate) fn wait_timeout<'a, T>(
        &self,
        guard: MutexGuard<'a, T>,
        most: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, ())> {
        let world = World::get();
        world.stir();
        let bell = Bell::Condvar(Arc::clone(&self.0));
        match world.within(most, bell, || self.0.wait(guard)) {
            Ok(guard) => Ok((guard, ())),
            Err(poisoned) => Err(PoisonError::new((poisoned.into_inner(), ()))),
        }
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// The poll, asked until it has something to say.
#[derive(Debug)]
pub(crate) struct Poll(mio::Poll);

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        mio::Poll::new().map(Self)
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.0.registry()
    }

    pub(crate) fn poll(&mut self, events: &mut Events, most: Option<Duration>) -> io::Result<()> {
        let world = World::get();
        let end = most.map(|most| world.now() + most);
        world.stir();
        loop {
            let seen = world.seen();
            self.0.poll(events, Some(Duration::ZERO))?;
            let left = end.map_or(FOREVER, |end| end.saturating_duration_since(world.now()));
            if !events.is_empty() || left.is_zero() {
                return Ok(());
            }
            world.wait(seen, left);
        }
    }
}

/// What wakes a poll.
#[derive(Debug)]
pub(crate) struct Waker(mio::Waker);

impl Waker {
    pub(crate) fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        mio::Waker::new(registry, token).map(Self)
    }

    pub(crate) fn wake(&self) -> io::Result<()> {
        self.0.wake()?;
        World::get().stir();
        Ok(())
    }
}

/// Who waits this long waits for ever.
const FOREVER: Duration = Duration::from_secs(1);
