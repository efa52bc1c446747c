//! From the application's iterable to the reply: every kind of iterable. Its `close()` is the worker's.

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple, PyType};

use crate::file_wrapper::FileWrapper;
use crate::start_response::{StartResponse, not_bytes};

/// Sends everything the iterable yields. Complete lists are sent as a whole; anything else a piece at a
/// time, each on its way before the next is asked for (PEP 3333, "Buffering and Streaming"). Returns
/// whether the iterable is used up.
pub(crate) fn respond(
    py: Python<'_>,
    start: &StartResponse,
    result: &Bound<'_, PyAny>,
) -> PyResult<bool> {
    let used_up = iterate(py, start, result)?;
    must_have_started(start)?;
    Ok(used_up)
}

/// What is to be called when the request is over, however it ended (PEP 3333). `None` where nothing would
/// come of it, as for a generator that is `used_up`.
pub(crate) fn close_of<'py>(
    result: &Bound<'py, PyAny>,
    used_up: bool,
    generators: &Bound<'py, PyType>,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let is_plain = result.is_exact_instance_of::<PyList>()
        || result.is_exact_instance_of::<PyTuple>()
        || used_up && result.get_type().is(generators);
    if is_plain {
        return Ok(None);
    }
    result.getattr_opt(pyo3::intern!(result.py(), "close"))
}

fn iterate(py: Python<'_>, start: &StartResponse, result: &Bound<'_, PyAny>) -> PyResult<bool> {
    if let Ok(list) = result.cast_exact::<PyList>() {
        return whole(start, || list.iter());
    }
    if let Ok(tuple) = result.cast_exact::<PyTuple>() {
        return whole(start, || tuple.iter());
    }
    match result.cast_exact::<FileWrapper>() {
        Ok(wrapper) => send_wrapped(py, start, wrapper),
        Err(_) => stream(py, start, result),
    }
}

/// A list is all there: its length is known, and nothing can fail in between.
fn whole<'py, I>(start: &StartResponse, items: impl Fn() -> I) -> PyResult<bool>
where
    I: Iterator<Item = Bound<'py, PyAny>>,
{
    let (mut total, mut plain) = (0, true);
    for item in items() {
        let piece = Piece::of(&item)?;
        total += piece.len();
        plain &= matches!(piece, Piece::Bytes(_));
    }
    let known = Some(total as u64);
    must_have_started(start)?;
    if plain {
        // Nothing of the application's runs in here.
        start.with(|reply| {
            for item in items() {
                if let Ok(bytes) = item.cast::<PyBytes>() {
                    reply.append(bytes, known);
                }
            }
        })?;
        return Ok(true);
    }
    for item in items() {
        let piece = Piece::of(&item)?;
        start.with(|reply| piece.append(reply, known))?;
    }
    Ok(true)
}

fn send_wrapped(
    py: Python<'_>,
    start: &StartResponse,
    wrapper: &Bound<'_, FileWrapper>,
) -> PyResult<bool> {
    match wrapper.get().real_file(py) {
        Some(real) => {
            must_have_started(start)?;
            start.with(|reply| reply.append_file(real.file, real.offset, real.size))?;
            Ok(true)
        }
        None => stream(py, start, wrapper.as_any()),
    }
}

fn stream(py: Python<'_>, start: &StartResponse, result: &Bound<'_, PyAny>) -> PyResult<bool> {
    // An iterable that says it has one item gets a Content-Length, as PEP 3333 suggests.
    let single = result.len().is_ok_and(|len| len == 1);
    for item in result.try_iter()? {
        let item = item?;
        let piece = Piece::of(&item)?;
        if piece.len() == 0 {
            continue;
        }
        must_have_started(start)?;
        let known = single.then(|| piece.len() as u64);
        let sated = start.with(|reply| {
            piece.append(reply, known);
            reply.is_sated()
        })?;
        if !single {
            start.flush(py)?;
        }
        if sated {
            // An iterable without an end must not hold a worker for bytes that nobody gets.
            return Ok(false);
        }
    }
    Ok(true)
}

fn must_have_started(start: &StartResponse) -> PyResult<()> {
    if start.with(|reply| reply.head.started())? {
        Ok(())
    } else {
        Err(not_started())
    }
}

/// The application yielded or returned without having called `start_response`.
pub(crate) fn not_started() -> PyErr {
    pyo3::exceptions::PyRuntimeError::new_err("start_response was not called before the body")
}

/// One item of the iterable: bytes by rule, other buffers by courtesy.
enum Piece<'a, 'py> {
    Bytes(&'a Bound<'py, PyBytes>),
    Copied(Vec<u8>),
}

impl<'a, 'py> Piece<'a, 'py> {
    fn of(item: &'a Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = item.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes));
        }
        match PyBuffer::<u8>::get(item) {
            Ok(buffer) => Ok(Self::Copied(buffer.to_vec(item.py())?)),
            Err(_) => Err(not_bytes(item)),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes().len(),
            Self::Copied(data) => data.len(),
        }
    }

    fn append(&self, reply: &mut crate::reply::Reply, known: Option<u64>) {
        match self {
            Self::Bytes(bytes) => reply.append(bytes, known),
            Self::Copied(data) => reply.append_copy(data, known),
        }
    }
}
