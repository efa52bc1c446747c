//! The environ of the request that each worker runs, for those who ask for its route.
//!
//! Only servers that are observed keep it. The threads that look at workers from outside find it by the worker's
//! thread. Rules: no Python code runs while a lock of this module is held; a child that the application forks waits
//! for none of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::process::fork::ForkCheck;

/// The environs of all workers of a server.
#[derive(Default)]
pub(crate) struct Current {
    wanted: AtomicBool,
    workers: Mutex<HashMap<u64, Arc<Seat>>>,
}

/// What one worker runs.
#[derive(Default)]
struct Seat(Mutex<Option<Py<PyDict>>>);

/// A worker's way to its seat; dropping this gives the seat up.
pub(crate) struct Place<'a> {
    current: &'a Current,
    thread: u64,
    seat: Arc<Seat>,
}

/// The environ is shown until this is dropped.
pub(crate) struct Shown(Option<(Arc<Seat>, ForkCheck)>);

thread_local! {
    /// The seat of the worker that this thread is.
    static OWN: RefCell<Option<Arc<Seat>>> = const { RefCell::new(None) };
}

impl Current {
    /// From now on environs are kept: somebody looks at them.
    pub(crate) fn want(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// The calling thread is a worker, which Python calls `thread`.
    pub(crate) fn join(&self, thread: u64) -> Place<'_> {
        let seat = Arc::new(Seat::default());
        OWN.set(Some(Arc::clone(&seat)));
        lock(&self.workers).insert(thread, Arc::clone(&seat));
        Place {
            current: self,
            thread,
            seat,
        }
    }

    /// The environ of the request that `thread` runs.
    pub(crate) fn of(&self, py: Python<'_>, thread: u64) -> Option<Py<PyDict>> {
        let seat = lock(&self.workers).get(&thread).map(Arc::clone)?;
        seat.read(py)
    }
}

/// What its framework calls the route of the failed request that the calling thread runs: at the start of its
/// reply, or once it has raised `error`. `None` unless the server is observed.
pub(crate) fn failed_route(py: Python<'_>, error: Option<&PyErr>) -> Option<String> {
    let environ = OWN.with_borrow(|own| own.as_ref()?.read(py))?;
    let routes = py.import("headwaiter._process.routes").ok()?;
    let found = match error {
        Some(error) => routes.call_method1("of_error", (error.traceback(py), environ)),
        None => routes.call_method1("of_caller", (environ,)),
    };
    found.ok()?.extract().ok()?
}

impl Seat {
    /// Does not wait: in a forked child nobody may be there to give the lock back.
    fn read(&self, py: Python<'_>) -> Option<Py<PyDict>> {
        let environ = self.0.try_lock().ok()?;
        environ.as_ref().map(|environ| environ.clone_ref(py))
    }
}

impl Place<'_> {
    /// Shows `environ`, if anybody wants to see it.
    pub(crate) fn show(&self, environ: &PyResult<Bound<'_, PyDict>>) -> Shown {
        if !self.current.wanted.load(Ordering::Relaxed) {
            return Shown(None);
        }
        let Ok(environ) = environ else {
            return Shown(None);
        };
        *lock(&self.seat.0) = Some(environ.clone().unbind());
        Shown(Some((Arc::clone(&self.seat), ForkCheck::new())))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        lock(&self.current.workers).remove(&self.thread);
        OWN.set(None);
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        if let Some((seat, fork)) = &self.0
            && !fork.in_child()
        {
            // Out of the lock: the last reference to an environ runs code of the application.
            let environ = lock(&seat.0).take();
            drop(environ);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
