//! `wsgi.input`: the request body as a file (PEP 3333), complete before the application starts.
//!
//! Every method takes the size arguments that `io.BufferedReader` takes. The object has `seek`, so an
//! application may read the body twice.
//!
//! A read of the disk detaches from the interpreter and holds no lock meanwhile: an attached thread that waits
//! for that lock would keep the reader from attaching again. So the position is an atomic, and two threads
//! that read at once never get the same bytes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use headwaiter_engine::Spool;
use pyo3::exceptions::{PyMemoryError, PyOSError, PyValueError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::wsgi::reused::Renew;

/// A readable, seekable file of the body's bytes.
#[pyclass(module = "headwaiter")]
pub(crate) struct Input {
    body: Spool,
    at: AtomicU64,
    /// Read ahead for short reads and lines. A thread takes the block out while it uses it.
    block: Mutex<Block>,
}

/// A part of the body, read from the disk at once.
#[derive(Default)]
struct Block {
    start: u64,
    bytes: Vec<u8>,
}

impl Block {
    /// The bytes from `at` on; empty if the block has none of them.
    fn from(&self, at: u64) -> &[u8] {
        let skip = at
            .checked_sub(self.start)
            .and_then(|n| usize::try_from(n).ok());
        skip.and_then(|n| self.bytes.get(n..)).unwrap_or_default()
    }
}

impl Renew for Input {
    type Of = Spool;

    fn new(body: Spool) -> Self {
        Self {
            body,
            at: AtomicU64::new(0),
            block: Mutex::default(),
        }
    }

    fn renew(&mut self, body: Spool) {
        self.body = body;
        *self.at.get_mut() = 0;
        *self.block.get_mut().unwrap_or_else(PoisonError::into_inner) = Block::default();
    }

    fn empty(&mut self) {
        if !self.body.is_bare() {
            self.renew(Spool::default());
        }
    }
}

impl Input {
    fn at(&self) -> u64 {
        self.at.load(Ordering::Relaxed)
    }

    /// Moves from `at` to `to`; `false` if another thread has moved the position meanwhile.
    fn advance(&self, at: u64, to: u64) -> bool {
        let moved = self
            .at
            .compare_exchange(at, to, Ordering::Relaxed, Ordering::Relaxed);
        moved.is_ok()
    }

    fn read_some<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        let size = size.and_then(|size| u64::try_from(size).ok());
        loop {
            let at = self.at();
            let left = self.body.len().saturating_sub(at);
            let take = size.map_or(left, |size| size.min(left));
            if self.advance(at, at + take) {
                return self.get(py, at, usize::try_from(take)?);
            }
        }
    }

    fn line<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        let most = size.and_then(|size| u64::try_from(size).ok());
        loop {
            let at = self.at();
            let length = self.line_length(py, at, most.unwrap_or(u64::MAX))?;
            if self.advance(at, at + length) {
                return self.get(py, at, usize::try_from(length)?);
            }
        }
    }

    /// Reads `length` bytes at `at`, which must lie in the body.
    fn get<'py>(&self, py: Python<'py>, at: u64, length: usize) -> PyResult<Bound<'py, PyBytes>> {
        if let Some(data) = self.in_memory(at).get(..length) {
            return copied(py, data);
        }
        if length <= BLOCK {
            return self.with_block(py, at, length, |data| copied(py, &data[..length]))?;
        }
        PyBytes::new_with(py, length, |buffer| {
            let got = py.detach(|| self.body.read_at(at, buffer));
            complete(got.map_err(PyOSError::new_err)?, length)
        })
    }

    /// The part of the body in memory, from `at` on.
    fn in_memory(&self, at: u64) -> &[u8] {
        let start = usize::try_from(at).unwrap_or(usize::MAX);
        self.body.in_memory().get(start..).unwrap_or_default()
    }

    /// Calls `look` with at least `least` bytes from `at` on, usually with many more. They must lie in the body
    /// and fit in a block.
    fn with_block<T>(
        &self,
        py: Python<'_>,
        at: u64,
        least: usize,
        look: impl FnOnce(&[u8]) -> T,
    ) -> PyResult<T> {
        let mut block =
            std::mem::take(&mut *self.block.lock().unwrap_or_else(PoisonError::into_inner));
        if block.from(at).len() < least {
            let room = usize::try_from(self.body.len() - at)
                .unwrap_or(BLOCK)
                .min(BLOCK);
            block.bytes.clear();
            if block.bytes.try_reserve_exact(room).is_err() {
                return Err(PyMemoryError::new_err(()));
            }
            block.bytes.resize(room, 0);
            block.start = at;
            let got = py.detach(|| self.body.read_at(at, &mut block.bytes));
            complete(got.map_err(PyOSError::new_err)?, room)?;
        }
        let seen = look(block.from(at));
        *self.block.lock().unwrap_or_else(PoisonError::into_inner) = block;
        Ok(seen)
    }

    /// Counts the bytes up to and including the next newline, up to `most` and the end of the body.
    fn line_length(&self, py: Python<'_>, at: u64, most: u64) -> PyResult<u64> {
        let most = most.min(self.body.len().saturating_sub(at));
        let mut length = 0;
        while length < most {
            let here = at + length;
            let left = usize::try_from(most - length).unwrap_or(usize::MAX);
            let look = |data: &[u8]| {
                let data = &data[..left.min(data.len())];
                let end = data.iter().position(|byte| *byte == b'\n');
                (end.map_or(data.len(), |end| end + 1) as u64, end.is_some())
            };
            let (more, ended) = match self.in_memory(here) {
                [] => {
                    let seen = self.with_block(py, here, 1, look)?;
                    if length == 0 && !seen.1 && seen.0 < left as u64 {
                        // The line does not end in this block. It may end in a block that starts here.
                        self.with_block(py, here, left.min(BLOCK), look)?
                    } else {
                        seen
                    }
                }
                data => look(data),
            };
            length += more;
            if ended {
                break;
            }
        }
        Ok(length)
    }
}

fn complete(got: usize, wanted: usize) -> PyResult<()> {
    if got < wanted {
        let damaged = "the temporary file of the request body is damaged";
        return Err(PyOSError::new_err(damaged));
    }
    Ok(())
}

#[pymethods]
impl Input {
    /// Reads at most `size` bytes; the rest of the body if `size` is negative or `None`.
    #[pyo3(signature = (size=None, /))]
    fn read<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        self.read_some(py, size)
    }

    /// Reads up to and including the next newline, at most `size` bytes.
    #[pyo3(signature = (size=None, /))]
    fn readline<'py>(&self, py: Python<'py>, size: Option<i64>) -> PyResult<Bound<'py, PyBytes>> {
        self.line(py, size)
    }

    /// Reads lines until they have at least `hint` bytes; all lines if `hint` is not positive.
    #[pyo3(signature = (hint=None, /))]
    fn readlines<'py>(&self, py: Python<'py>, hint: Option<i64>) -> PyResult<Bound<'py, PyList>> {
        let most = hint
            .and_then(|hint| u64::try_from(hint).ok())
            .filter(|hint| *hint > 0);
        let lines = PyList::empty(py);
        let mut total = 0;
        while most.is_none_or(|most| total < most) {
            let line = self.line(py, None)?;
            if line.as_bytes().is_empty() {
                break;
            }
            total += line.as_bytes().len() as u64;
            lines.append(line)?;
        }
        Ok(lines)
    }

    /// Reads into `buffer` and returns the number of bytes.
    fn readinto(&self, py: Python<'_>, buffer: &Bound<'_, PyAny>) -> PyResult<usize> {
        let view = py
            .import("builtins")?
            .getattr("memoryview")?
            .call1((buffer,))?
            .call_method1("cast", ("B",))?;
        let data = self.read_some(py, Some(view.len()? as i64))?;
        let length = data.as_bytes().len();
        let slice = pyo3::types::PySlice::new(py, 0, length as isize, 1);
        view.set_item(slice, data)?;
        Ok(length)
    }

    /// Moves to `offset` from the start (0), here (1) or the end (2); returns the new position.
    #[pyo3(signature = (offset, whence=0, /))]
    fn seek(&self, offset: i64, whence: i32) -> PyResult<u64> {
        let from = match whence {
            0 if offset < 0 => {
                return Err(PyValueError::new_err(format!(
                    "negative seek value {offset}"
                )));
            }
            0 => 0,
            1 => self.at(),
            2 => self.body.len(),
            _ => {
                return Err(PyValueError::new_err(format!(
                    "invalid whence ({whence}, should be 0, 1 or 2)"
                )));
            }
        };
        let to = from.saturating_add_signed(offset);
        self.at.store(to, Ordering::Relaxed);
        Ok(to)
    }

    fn tell(&self) -> u64 {
        self.at()
    }

    /// False: the body is not closed before the request ends. Wrappers from `io` ask.
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

    /// Does nothing, as on every read-only file.
    fn flush(&self) {}

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let line = self.line(py, None)?;
        Ok((!line.as_bytes().is_empty()).then_some(line))
    }
}

/// Makes a `bytes` from `data`. Unlike [`PyBytes::new`] it does not panic for lack of memory: clients decide how
/// much is needed.
#[expect(
    unsafe_code,
    reason = "the safe functions of PyO3 that do not panic write every byte twice"
)]
fn copied<'py>(py: Python<'py>, data: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let length = data.len() as ffi::Py_ssize_t;
    // SAFETY: attached; pointer and length are those of a live slice, whose length fits `isize`. The
    // result is a new reference to a `bytes`, or null with an exception set.
    unsafe {
        let bytes = ffi::PyBytes_FromStringAndSize(data.as_ptr().cast(), length);
        Ok(Bound::from_owned_ptr_or_err(py, bytes)?.cast_into_unchecked())
    }
}

/// How many bytes are read from the disk at once for short reads and lines.
const BLOCK: usize = 64 * 1024;
