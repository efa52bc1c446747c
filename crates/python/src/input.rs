//! `wsgi.input`: the request body as a file (PEP 3333), complete before the application starts.
//!
//! Every method takes the size arguments that `io.BufferedReader` takes, and the object can be
//! sought, so that an application may read the body twice.

use std::sync::{Mutex, MutexGuard, PoisonError};

use headwaiter_engine::Spool;
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// A readable, seekable file of the body's bytes.
#[pyclass(module = "headwaiter", frozen)]
pub(crate) struct Input(Mutex<State>);

struct State {
    body: Spool,
    at: u64,
}

impl Input {
    pub(crate) fn new(body: Spool) -> Self {
        Self(Mutex::new(State { body, at: 0 }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Input {
    /// Reads at most `size` bytes; all that is left if it is negative or `None`.
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        self.lock().read(py, size)
    }

    /// Reads up to and including the next newline, at most `size` bytes of it.
    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        self.lock().line(py, size)
    }

    /// Reads lines until at least `hint` bytes are read; all of them if it is not positive.
    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<i64>) -> PyResult<Bound<'py, PyList>> {
        let most = hint
            .and_then(|hint| u64::try_from(hint).ok())
            .filter(|hint| *hint > 0);
        let lines = PyList::empty(py);
        let mut state = self.lock();
        let mut total = 0;
        while most.is_none_or(|most| total < most) {
            let line = state.line(py, None)?;
            if line.as_bytes().is_empty() {
                break;
            }
            total += line.as_bytes().len() as u64;
            lines.append(line)?;
        }
        Ok(lines)
    }

    /// Fills `buffer` and returns how many bytes it got.
    fn readinto(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        let view = py
            .import("builtins")?
            .getattr("memoryview")?
            .call1((buffer,))?
            .call_method1("cast", ("B",))?;
        let data = self.lock().read(py, Some(view.len()? as i64))?;
        let length = data.as_bytes().len();
        let slice = pyo3::types::PySlice::new(py, 0, length as isize, 1);
        view.set_item(slice, data)?;
        Ok(length)
    }

    /// Moves to `offset` from the start (0), here (1) or the end (2); returns the new position.
    #[pyo3(signature = (offset, whence=0, /))]
    fn seek(&self, offset: i64, whence: i32) -> PyResult<u64> {
        let mut state = self.lock();
        let from = match whence {
            0 if offset < 0 => {
                return Err(PyValueError::new_err(format!(
                    "negative seek value {offset}"
                )));
            }
            0 => 0,
            1 => state.at,
            2 => state.body.len(),
            _ => {
                return Err(PyValueError::new_err(format!(
                    "invalid whence ({whence}, should be 0, 1 or 2)"
                )));
            }
        };
        state.at = from.saturating_add_signed(offset);
        Ok(state.at)
    }

    fn tell(&self) -> u64 {
        self.lock().at
    }

    /// As an `io` wrapper around it asks: it is not closed before the request is over.
    #[getter]
    fn closed(&self) -> bool {
        false
    }

    fn readable(&self) -> bool {
        true
    }

    fn seekable(&self) -> bool {
        true
    }

    fn writable(&self) -> bool {
        false
    }

    /// Does nothing: the body belongs to the server.
    fn close(&self) {}

    /// Does nothing, as for everything that is only read.
    fn flush(&self) {}

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.lock().line(py, None)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }
}

impl State {
    fn read<'py>(&mut self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        let left = self.body.len().saturating_sub(self.at);
        let take = size
            .and_then(|size| u64::try_from(size).ok())
            .map_or(left, |size| size.min(left));
        let Self { body, at } = self;
        if let Some(memory) = body.memory() {
            let start = usize::try_from(*at)?.min(memory.len());
            let data = copied(py, &memory[start..start + usize::try_from(take)?])?;
            *at += take;
            return Ok(data);
        }
        PyBytes::new_with(py, usize::try_from(take)?, |buffer| {
            let got = body.read_at(*at, buffer).map_err(PyOSError::new_err)?;
            *at += got as u64;
            if got < buffer.len() {
                return Err(PyOSError::new_err(
                    "the temporary file of the request body is damaged",
                ));
            }
            Ok(())
        })
    }

    fn line<'py>(&mut self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        let most = size.and_then(|size| u64::try_from(size).ok());
        let length = self.line_length(most.unwrap_or(u64::MAX))?;
        self.read(py, Some(i64::try_from(length)?))
    }

    /// Bytes up to and including the next newline, `most` or what is left of the body.
    fn line_length(&mut self, most: u64) -> PyResult<u64> {
        let newline = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\n');
        if let Some(memory) = self.body.memory() {
            let rest = usize::try_from(self.at)
                .ok()
                .and_then(|at| memory.get(at..));
            let rest = rest.unwrap_or_default();
            let rest = &rest[..usize::try_from(most).unwrap_or(usize::MAX).min(rest.len())];
            return Ok(newline(rest).map_or(rest.len(), |at| at + 1) as u64);
        }
        let mut length = 0;
        let mut piece = [0; PIECE];
        while length < most {
            let want = usize::try_from(most - length).unwrap_or(PIECE).min(PIECE);
            let got = self
                .body
                .read_at(self.at + length, &mut piece[..want])
                .map_err(PyOSError::new_err)?;
            if let Some(at) = newline(&piece[..got]) {
                return Ok(length + at as u64 + 1);
            }
            if got == 0 {
                break;
            }
            length += got as u64;
        }
        Ok(length)
    }
}

/// As [`PyBytes::new`], which panics where there is no memory: here clients decide how much is needed.
#[expect(unsafe_code, reason = "PyO3's other ways write every byte twice")]
fn copied<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let length = data.len() as ffi::Py_ssize_t;
    // SAFETY: attached; pointer and length are those of a live slice, whose length fits `isize`. The
    // result is a new reference to a `bytes`, or null with an exception set.
    unsafe {
        let bytes = ffi::PyBytes_FromStringAndSize(data.as_ptr().cast(), length);
        Ok(Bound::from_owned_ptr_or_err(py, bytes)?.cast_into_unchecked())
    }
}

/// Bytes looked at together in search of a newline.
const PIECE: usize = 4096;
