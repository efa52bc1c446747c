//! From the engine's `log` records to Python's `logging`, without an I/O thread ever waiting for
//! the interpreter.
//!
//! Records go to a bounded list; a Python thread (`headwaiter-log`, in `_logging.py`) waits for them
//! detached and hands them to Python's loggers. If it cannot keep up, records are dropped and
//! counted, since nothing that clients send may grow memory: the list is bounded in bytes, a record is cut
//! at a length that only a bug reaches, and news that clients can cause at will (INFO, the access log
//! above all) leaves half of the room to warnings and errors.

use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::prelude::*;

use crate::process::fork::generation;

struct Entry {
    level: u32,
    child: &'static str,
    message: String,
    created: f64,
}

struct State {
    entries: Vec<Entry>,
    /// Of the entries, with what goes with each.
    bytes: usize,
    dropped: usize,
    woken: bool,
}

struct Collector {
    state: Mutex<State>,
    waiting: Condvar,
    /// The process it is of, by its forks.
    generation: u32,
}

/// That of the present process, once it is needed. Never freed, as any thread may be using it.
static COLLECTOR: AtomicPtr<Collector> = AtomicPtr::new(std::ptr::null_mut());

impl Collector {
    /// A child begins with an empty list: its parent's may have been locked by another thread at the fork.
    #[expect(unsafe_code, reason = "a lock around it would be copied, too")]
    fn get() -> &'static Self {
        let known = COLLECTOR.load(Ordering::Acquire);
        // SAFETY: null, or from a box that was leaked below.
        if let Some(known) = unsafe { known.as_ref() }
            && known.generation == generation()
        {
            return known;
        }
        let new = Box::into_raw(Box::new(Self {
            state: Mutex::new(State {
                entries: Vec::new(),
                bytes: 0,
                dropped: 0,
                woken: false,
            }),
            waiting: Condvar::new(),
            generation: generation(),
        }));
        let set = COLLECTOR.compare_exchange(known, new, Ordering::AcqRel, Ordering::Acquire);
        // Another thread may have been first. SAFETY: both are leaked boxes.
        unsafe { &*set.map_or_else(|first| first, |_| new) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, level: u32, child: &'static str, mut message: String) {
        if message.len() > LONGEST {
            let whole = (0..=LONGEST).rev().find(|at| message.is_char_boundary(*at));
            message.truncate(whole.unwrap_or(0));
            message.push_str("...");
        }
        message.shrink_to_fit();
        let size = message.len() + OVERHEAD;
        let most = if level < WARNING { MOST / 2 } else { MOST };
        let created = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        let mut state = self.lock();
        if state.bytes + size <= most {
            state.bytes += size;
            state.entries.push(Entry {
                level,
                child,
                message,
                created,
            });
        } else {
            state.dropped += 1;
        }
        drop(state);
        self.waiting.notify_one();
    }
}

/// The process's logger for this library.
struct Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with(headwaiter_engine::LOG)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let child = match record.target() {
            headwaiter_engine::QUEUE_LOG => "queue",
            headwaiter_engine::ACCESS_LOG => "access",
            headwaiter_engine::SLOW_LOG => "slow",
            _ => "",
        };
        Collector::get().put(
            python_level(record.level()),
            child,
            record.args().to_string(),
        );
    }

    fn flush(&self) {}
}

fn python_level(level: Level) -> u32 {
    match level {
        Level::Error => 40,
        Level::Warn => WARNING,
        Level::Info => 20,
        Level::Debug | Level::Trace => 10,
    }
}

/// Makes the collector the process's logger for this library.
pub(crate) fn install() {
    // A second module instance (sub-interpreters, reloads) finds it installed.
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Adds a record of the package's own, behind those of the engine; never blocks.
#[pyfunction]
pub(crate) fn log_put(level: u32, message: String) {
    Collector::get().put(level, "", message);
}

/// Blocks, detached, until records wait or `log_wake` is called.
#[pyfunction]
pub(crate) fn log_wait(py: Python<'_>) {
    py.detach(|| {
        let collector = Collector::get();
        let mut state = collector.lock();
        while state.entries.is_empty() && !state.woken {
            state = collector
                .waiting
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.woken = false;
    });
}

/// Makes `log_wait` return once.
#[pyfunction]
pub(crate) fn log_wake() {
    let collector = Collector::get();
    collector.lock().woken = true;
    collector.waiting.notify_all();
}

/// Takes the waiting records as `(levelno, child logger, message, created)`; never blocks.
#[pyfunction]
pub(crate) fn log_take() -> Vec<(u32, &'static str, String, f64)> {
    let mut state = Collector::get().lock();
    let entries = std::mem::take(&mut state.entries);
    let dropped = std::mem::take(&mut state.dropped);
    state.bytes = 0;
    drop(state);
    let created = entries.last().map_or(0.0, |entry| entry.created);
    let mut records: Vec<_> = entries
        .into_iter()
        .map(|e| (e.level, e.child, e.message, e.created))
        .collect();
    if dropped > 0 {
        records.push((
            python_level(Level::Warn),
            "",
            format!("{dropped} log records were dropped"),
            created,
        ));
    }
    records
}

const WARNING: u32 = 30;
/// Bytes of records kept until Python has time for them.
const MOST: usize = 2 << 20;
/// What a record costs beside its text, here and as Python's objects.
const OVERHEAD: usize = 256;
/// Bytes of a record's text. Stacks of all threads are the longest.
const LONGEST: usize = 128 << 10;
