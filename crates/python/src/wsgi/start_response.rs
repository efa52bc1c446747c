//! The `start_response` callable of one request and the `write` callable it returns (PEP 3333).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use headwaiter_http::Taken;
use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString, PyTuple};

use crate::current;
use crate::errors::{invalid, not_bytes, not_started, not_str, shown};
use crate::wsgi::failure::note;
use crate::wsgi::latin1;
use crate::wsgi::reply::{NoMemory, Reply};
use crate::wsgi::reply_slot::ReplySlot;
use crate::wsgi::reused::is_left;

/// `start_response(status, headers, exc_info=None)`.
#[pyclass(module = "headwaiter", frozen)]
pub(crate) struct StartResponse {
    slot: Arc<ReplySlot>,
    /// What it returns.
    write: Py<Write>,
}

/// `write(data)`: for applications older than WSGI iterables.
#[pyclass(module = "headwaiter", frozen)]
struct Write(Arc<ReplySlot>);

impl StartResponse {
    /// The callables of one request.
    pub(crate) fn new(py: Python<'_>, reply: Reply) -> PyResult<Self> {
        let slot = Arc::new(ReplySlot::new(reply));
        let write = Py::new(py, Write(Arc::clone(&slot)))?;
        Ok(Self { slot, write })
    }

    /// Whether the application has kept neither of the callables, so that they may serve another request
    /// ([`ReplySlot::renew`]).
    pub(crate) fn is_left(py: Python<'_>, start: &Py<Self>) -> bool {
        is_left(py, start) && is_left(py, &start.get().write)
    }

    pub(crate) fn slot(&self) -> &ReplySlot {
        &self.slot
    }
}

#[pymethods]
impl StartResponse {
    #[pyo3(signature = (status, headers, exc_info=None))]
    fn __call__(
        slf: &Bound<'_, Self>,
        status: &Bound<'_, PyAny>,
        headers: &Bound<'_, PyAny>,
        exc_info: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<Write>> {
        headwaiter_engine::inject_panic("start_response");
        // Before the reply is locked, since this may run code of the application.
        let headers = Fields::of(headers)?;
        let raised = match exc_info {
            Some(exc_info) if exc_info.is_truthy()? => Some(exc_info.get_item(1)),
            _ => None,
        };
        let status = slf.get().slot.with(|reply| {
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
            slf.get().slot.with(|reply| reply.task.set_route(&route))?;
        }
        Ok(slf.get().write.clone_ref(slf.py()))
    }
}

#[pymethods]
impl Write {
    #[pyo3(signature = (data, /))]
    fn __call__(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let Ok(bytes) = data.cast::<PyBytes>() else {
            return Err(not_bytes(data));
        };
        self.0.with(|reply| {
            // A second call of start_response may have failed since the first.
            if !reply.head.started() {
                return Err(not_started());
            }
            Ok(reply.append(bytes, None)?)
        })??;
        self.0.flush(py)
    }
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
    let line = native_bytes("status", status)?;
    reply
        .head
        .try_reserve(line.len() + AROUND_STATUS)
        .map_err(NoMemory::from)?;
    reply
        .head
        .begin(line)
        .map_err(|error| invalid("status", status, &error))?;
    let mut add = |item| add_field(reply, &item);
    match headers {
        Fields::List(list) => list.iter().try_for_each(&mut add),
        Fields::Tuple(items) => items.iter().try_for_each(&mut add),
    }
}

/// Adds `item`, a pair of name and value, to the head.
fn add_field(reply: &mut Reply, item: &Bound<'_, PyAny>) -> PyResult<()> {
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
    let name = native_bytes("header name", &name)?;
    let value = native_bytes("header value", &value)?;
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
fn native_bytes<'a>(what: &str, value: &'a Bound<'_, PyAny>) -> PyResult<&'a [u8]> {
    let text = value.cast::<PyString>().map_err(|_| not_str(what, value))?;
    latin1::bytes(text)
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

/// What a status line has besides the status: version, spaces, CRLF.
const AROUND_STATUS: usize = "HTTP/1.1  \r\n".len();
