//! The `start_response` callable of one request and the `write` callable it returns (PEP 3333).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};

use headwaiter_engine::{ClientGone, Flushed};
use headwaiter_http::Taken;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::current;
use crate::errors::{
    client_disconnected, invalid, not_bytes, not_here, not_started, not_str, shown,
};
use crate::process::fork::ForkCheck;
use crate::wsgi::failure::note;
use crate::wsgi::latin1;
use crate::wsgi::reply::{NoMemory, Reply};

/// `start_response(status, headers, exc_info=None)`.
#[pyclass(module = "headwaiter", frozen)]
pub(crate) struct StartResponse {
    slot: Mutex<Slot>,
    returned: Condvar,
    fork: ForkCheck,
}

/// The reply, and who has it.
struct Slot {
    /// `None` after the end of the request, and while a thread has the reply outside of the lock (`away`).
    reply: Option<Reply>,
    /// A thread has the reply outside of the lock, and waits for the client.
    away: bool,
    /// The worker waits for the reply: no other thread gets it first.
    wanted: bool,
}

impl Slot {
    fn new(reply: Reply) -> Self {
        Self {
            reply: Some(reply),
            away: false,
            wanted: false,
        }
    }
}

/// `write(data)`: for applications older than WSGI iterables.
#[pyclass(module = "headwaiter", frozen)]
struct Write(Py<StartResponse>);

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, headers, exc_info=None))]
    fn __call__(
        slf: &Bound<'_, Self>,
        status: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Write> {
        headwaiter_engine::inject_panic("start_response");
        // Before the reply is locked, since this may run code of the application.
        let headers = Fields::of(headers)?;
        let raised = match exc_info {
            Some(exc_info) if exc_info.is_truthy()? => Some(exc_info.get_item(1)),
            _ => None,
        };
        let status = slf.get().with(|reply| {
            if let Some(error) = raised {
                if reply.is_out() {
                    return Err(PyErr::from_value(error?));
                }
                reply.forget();
            } else if reply.head.started() {
                return Err(PyRuntimeError::new_err(
                    "start_response called a second time without exc_info",
                ));
            }
            let set = set_head(reply, status, &headers);
            if set.is_err() {
                reply.head.clear();
            }
            set.map(|()| reply.head.status())
        })??;
        if status >= 500
            && let Some(route) = current::failed_route(slf.py(), None)
        {
            slf.get().with(|reply| reply.task.set_route(&route))?;
        }
        Ok(Write(slf.clone().unbind()))
    }
}

#[pymethods]
impl Write {
    #[pyo3(signature = (data, /))]
    fn __call__(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let start = self.0.bind(py).get();
        let Ok(bytes) = data.cast::<PyBytes>() else {
            return Err(not_bytes(data));
        };
        start.with(|reply| {
            // A second call of start_response may have failed since the first.
            if !reply.head.started() {
                return Err(not_started());
            }
            Ok(reply.append(bytes, None)?)
        })??;
        start.flush(py)
    }
}

impl StartResponse {
    pub(crate) fn new(reply: Reply) -> Self {
        Self {
            slot: Mutex::new(Slot::new(reply)),
            returned: Condvar::new(),
            fork: ForkCheck::new(),
        }
    }

    /// Begins the `reply` to another request: the object of the last one is used again.
    pub(crate) fn renew(&self, reply: Reply) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Slot::new(reply);
    }

    /// Runs `work` on the reply. Never waits: a caller gets an error while the reply is in use.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Reply) -> R) -> PyResult<R> {
        Ok(work(here(&mut *self.lock()?)?))
    }

    /// Like [`StartResponse::with`], but waits for a thread that has the reply. Only the worker calls this, while
    /// it runs no code of the application.
    pub(crate) fn in_turn<R>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Reply) -> R,
    ) -> PyResult<R> {
        Ok(work(here(&mut *self.turn(py)?)?))
    }

    /// Takes the reply at the end of the request.
    pub(crate) fn take(&self) -> PyResult<Reply> {
        taken(&mut *self.lock()?)
    }

    /// Like [`StartResponse::take`], but waits as [`StartResponse::in_turn`] does. If the worker did not wait for
    /// a reply that another thread has, nobody would end it, and its client would wait for ever.
    pub(crate) fn take_in_turn(&self, py: Python<'_>) -> PyResult<Reply> {
        taken(&mut *self.turn(py)?)
    }

    fn lock(&self) -> PyResult<MutexGuard<'_, Slot>> {
        match self.try_lock() {
            Some(slot) if !slot.wanted => Ok(slot),
            _ => Err(PyRuntimeError::new_err(
                "the reply is in use by another thread",
            )),
        }
    }

    #[inline]
    fn try_lock(&self) -> Option<MutexGuard<'_, Slot>> {
        match self.slot.try_lock() {
            Ok(slot) => Some(slot),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Locks the reply when no thread has it outside of the lock.
    #[inline]
    fn turn(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Slot>> {
        if let Some(slot) = self.try_lock()
            && !slot.away
        {
            return Ok(slot);
        }
        self.wait_for_turn(py)
    }

    /// Waits detached, since the thread that has the reply may need the interpreter. Fails in a forked child,
    /// where that thread does not exist.
    #[cold]
    fn wait_for_turn(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Slot>> {
        loop {
            if self.fork.in_child() {
                return Err(not_here());
            }
            py.detach(|| {
                let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
                slot.wanted = true;
                while slot.away {
                    let waited = self.returned.wait(slot);
                    slot = waited.unwrap_or_else(PoisonError::into_inner);
                }
            });
            if let Some(mut slot) = self.try_lock()
                && !slot.away
            {
                slot.wanted = false;
                return Ok(slot);
            }
        }
    }

    /// Sends the bytes written so far. Waits, detached, only where the limits of spool and watermark require it.
    ///
    /// Raises `ClientDisconnected` if the client has left.
    pub(crate) fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.flush_of(py, self.lock()?)
    }

    /// Like [`StartResponse::flush`], but waits as [`StartResponse::in_turn`] does.
    pub(crate) fn flush_in_turn(&self, py: Python<'_>) -> PyResult<()> {
        self.flush_of(py, self.turn(py)?)
    }

    fn flush_of(&self, py: Python<'_>, mut slot: MutexGuard<'_, Slot>) -> PyResult<()> {
        let mut flushed = here(&mut slot)?.flush();
        if flushed == Ok(Flushed::Full) {
            // Waits outside of the lock: another thread that calls meanwhile gets an error, not a deadlock.
            slot.away = true;
            let mut away = Away {
                start: self,
                reply: Some(taken(&mut slot)?),
            };
            drop(slot);
            flushed = py.detach(|| away.make_room());
        }
        flushed
            .map(drop)
            .map_err(|ClientGone| client_disconnected(py))
    }
}

/// A reply outside of the lock; dropping this gives the reply back.
struct Away<'a> {
    start: &'a StartResponse,
    reply: Option<Reply>,
}

impl Away<'_> {
    fn make_room(&mut self) -> Result<Flushed, ClientGone> {
        let reply = self.reply.as_mut().ok_or(ClientGone)?;
        reply.task.make_room()?;
        Ok(Flushed::HandedOver)
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        // After a panic the reply is not given back: dropping its task closes the channel.
        let reply = self.reply.take().filter(|_| !std::thread::panicking());
        // Another thread holds the lock only for a moment, since the slot has no reply.
        let slot = self.start.slot.lock();
        let mut slot = slot.unwrap_or_else(PoisonError::into_inner);
        slot.reply = reply;
        slot.away = false;
        drop(slot);
        self.start.returned.notify_all();
    }
}

fn here(slot: &mut Slot) -> PyResult<&mut Reply> {
    slot.reply.as_mut().ok_or_else(not_here)
}

fn taken(slot: &mut Slot) -> PyResult<Reply> {
    slot.reply.take().ok_or_else(not_here)
}

/// The list of header fields, taken before the reply is locked.
enum Fields<'py> {
    List(Bound<'py, PyList>),
    Tuple(Bound<'py, PyTuple>),
}

impl<'py> Fields<'py> {
    fn of(headers: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(list) = headers.cast_exact::<PyList>() {
            return Ok(Self::List(list.clone()));
        }
        let items = headers.py().get_type::<PyTuple>().call1((headers,))?;
        Ok(Self::Tuple(items.cast_into()?))
    }
}

fn set_head(reply: &mut Reply, status: &Bound<'_, PyAny>, headers: &Fields<'_>) -> PyResult<()> {
    // Only text that is not ASCII needs these.
    let (mut name, mut value) = (Vec::new(), Vec::new());
    let line = native_bytes("status", status, &mut name)?;
    reply
        .head
        .try_reserve(line.len() + 4)
        .map_err(NoMemory::from)?;
    reply
        .head
        .begin(line)
        .map_err(|error| invalid("status", status, &error))?;
    let mut add = |item| add_field(reply, &item, &mut name, &mut value);
    match headers {
        Fields::List(list) => list.iter().try_for_each(&mut add),
        Fields::Tuple(items) => items.iter().try_for_each(&mut add),
    }
}

/// Adds `item`, a pair of name and value, to the head.
fn add_field(
    reply: &mut Reply,
    item: &Bound<'_, PyAny>,
    name_scratch: &mut Vec<u8>,
    value_scratch: &mut Vec<u8>,
) -> PyResult<()> {
    let pair = item
        .cast::<PyTuple>()
        .map_err(|_| PyTypeError::new_err(format!("headers: {} is not a tuple", shown(item))))?;
    if pair.len() != 2 {
        return Err(PyValueError::new_err(format!(
            "headers: {} is not a pair",
            shown(item)
        )));
    }
    let (name, value) = (pair.get_borrowed_item(0)?, pair.get_borrowed_item(1)?);
    let name = native_bytes("header name", &name, name_scratch)?;
    let value = native_bytes("header value", &value, value_scratch)?;
    let more = name.len() + value.len() + 4;
    reply.head.try_reserve(more).map_err(NoMemory::from)?;
    let taken = reply
        .head
        .field(name, value)
        .map_err(|error| invalid("header", item, &error))?;
    if taken == Taken::Dropped {
        note_dropped(reply, name, value);
    }
    Ok(())
}

/// The bytes of a native string (PEP 3333).
fn native_bytes<'a>(
    what: &str,
    value: &'a Bound<'_, PyAny>,
    scratch: &'a mut Vec<u8>,
) -> PyResult<&'a [u8]> {
    let text = value.cast::<PyString>().map_err(|_| not_str(what, value))?;
    latin1::bytes(text, scratch)
        .ok_or_else(|| invalid(what, value, &"a character has no single byte (PEP 3333)"))
}

/// Logs once per process that a field of the application is dropped: an application that sends such a field
/// sends it with every reply.
#[cold]
fn note_dropped(reply: &Reply, name: &[u8], value: &[u8]) {
    static NOTED: AtomicBool = AtomicBool::new(false);
    if !NOTED.swap(true, Ordering::Relaxed) {
        let path = reply.task.head().path().escape_ascii();
        let (name, value) = (name.escape_ascii(), value.escape_ascii());
        note(
            log::Level::Warn,
            &format!(
                "{path}: {name}: {value} of the application is dropped: connections are the server's (said once)"
            ),
        );
    }
}
