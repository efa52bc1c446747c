//! From the engine's `log` records to Python's `logging`, without the I/O thread ever waiting for
//! the interpreter.
//!
//! Records go to a bounded list. A Python thread (`headwaiter-log`, in `_process/logs.py`) waits for them
//! detached and hands them to Python's loggers. If that thread is too slow, records are dropped and counted,
//! since clients must not make memory grow. The list is bounded in bytes, and a long record is cut. Clients can
//! cause INFO records at will, above all for the access log, so these get half of the room; the other half
//! is for warnings and errors.

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
    /// The size of all entries, with the overhead of each.
    bytes: usize,
    dropped: usize,
    woken: bool,
}

struct Collector {
    state: Mutex<State>,
    waiting: Condvar,
    /// The process that it belongs to, by its number of forks.
    generation: u32,
}

/// The collector of this process, made when first needed. Never freed, since any thread may be using it.
static COLLECTOR: AtomicPtr<Collector> = AtomicPtr::new(std::ptr::null_mut());

impl Collector {
    /// The collector of this process. A child begins with an empty list: another thread may have locked the
    /// parent's list at the fork.
    #[expect(unsafe_code, reason = "a fork would copy a lock around it, too")]
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
        // Another thread may have set its own first. SAFETY: both are leaked boxes.
        unsafe { &*set.map_or_else(|first| first, |_| new) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, level: u32, child: &'static str, mut message: String) {
        if message.len() > MAX_MESSAGE {
            let whole = (0..=MAX_MESSAGE)
                .rev()
                .find(|at| message.is_char_boundary(*at));
            message.truncate(whole.unwrap_or(0));
            message.push_str("...");
        }
        message.shrink_to_fit();
        let size = message.len() + OVERHEAD;
        let most = if level < WARNING {
            MAX_BYTES / 2
        } else {
            MAX_BYTES
        };
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
    // Fails in a second instance of the module (sub-interpreters, reloads): it is installed already.
    if log::set_logger(&Logger).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Adds a record of the Python package after those of the engine; never blocks.
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
/// Bytes of records that wait for Python.
const MAX_BYTES: usize = 2 << 20;
/// Bytes that a record takes beside its text, here and as Python objects.
const OVERHEAD: usize = 256;
/// Bytes of a record's text; more is cut. The stacks of all threads are the longest text.
const MAX_MESSAGE: usize = 128 << 10;
