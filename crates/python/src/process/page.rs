//! What a parent has for each of its children: a line in the shared page of figures, and an inbox.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};

use headwaiter_engine::{self as engine, State};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::process::descriptor::{duplicate, socket};

/// The shared page of figures.
#[pyclass(module = "headwaiter._headwaiter", frozen)]
pub(crate) struct Page(engine::Page);

#[pymethods]
impl Page {
    /// A new page, for processes with the numbers below `slots`; with `fileno` the page that has this descriptor.
    #[new]
    #[pyo3(signature = (slots=64, *, fileno=None))]
    fn new(slots: usize, fileno: Option<i64>) -> PyResult<Self> {
        Ok(Self(match fileno {
            Some(fileno) => engine::Page::open(duplicate(fileno)?)?,
            None => engine::Page::create(slots)?,
        }))
    }

    /// How many processes the page has room for.
    #[getter]
    fn slots(&self) -> usize {
        self.0.slots()
    }

    /// The descriptor, for children to inherit.
    fn fileno(&self) -> i32 {
        self.0.fd().as_raw_fd()
    }

    /// The figures of the process in `slot`.
    fn line<'py>(&self, py: Python<'py>, slot: usize) -> PyResult<Bound<'py, PyDict>> {
        let line = self.0.line(slot);
        let state = match line.state {
            State::Free => "free",
            State::Starting => "starting",
            State::Ready => "ready",
            State::Leaving => "leaving",
        };
        let dict = PyDict::new(py);
        dict.set_item("state", state)?;
        dict.set_item("idle", line.idle)?;
        dict.set_item("waiting", line.waiting)?;
        dict.set_item("connections", line.connections)?;
        dict.set_item("pending", line.pending)?;
        dict.set_item("turns", line.turns)?;
        Ok(dict)
    }

    /// The requests that the process in `slot` runs, or ran when it died: method, path and age in seconds, the longest
    /// first.
    fn running(&self, slot: usize) -> Vec<(String, String, f64)> {
        let running = self.0.running(slot).into_iter();
        running
            .map(|request| {
                (
                    request.method.escape_ascii().to_string(),
                    request.path.escape_ascii().to_string(),
                    request.age.as_secs_f64(),
                )
            })
            .collect()
    }

    /// Makes `slot` free for another process.
    fn clear(&self, slot: usize) {
        self.0.clear(slot);
    }

    /// The whole server stops: from now on no process hands connections over.
    fn set_stopping(&self) {
        self.0.set_stopping();
    }

    /// Moves the connections that wait in the inbox `inbox_fileno`, whose process has died, to the process in `slot`,
    /// whose siblings write to `send_fileno`. Returns how many.
    fn forward(&self, inbox_fileno: i64, slot: usize, send_fileno: i64) -> PyResult<usize> {
        let (inbox, to) = (socket(inbox_fileno)?, socket(send_fileno)?);
        Ok(engine::forward(&self.0, &inbox, slot, &to)?)
    }
}

/// The two ends of an inbox: the one that its process reads, and the one that its siblings write to.
#[pyfunction]
pub(crate) fn inbox_pair() -> PyResult<(i32, i32)> {
    let (inbox, sender) = engine::inbox_pair()?;
    Ok((
        OwnedFd::from(inbox).into_raw_fd(),
        OwnedFd::from(sender).into_raw_fd(),
    ))
}
