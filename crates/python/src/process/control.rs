//! A child's end of what its parent has given it: the control socket, the page of figures, its inbox.

use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use headwaiter_engine as engine;
use headwaiter_engine::Siblings;
use pyo3::prelude::*;

use crate::process::descriptor::{duplicate, socket};
use crate::process::signals::{leave, leave_without_interpreter, take_signals};

/// The control socket of this process. The engine's thread that reads it runs until the process ends.
#[pyclass(module = "headwaiter._headwaiter", frozen)]
pub(crate) struct Control {
    pub(crate) control: engine::Control,
    pub(crate) siblings: Arc<Siblings>,
}

#[pymethods]
impl Control {
    /// Takes its own duplicates of the descriptors, and starts the thread.
    #[new]
    fn new(
        control_fileno: i64,
        page_fileno: i64,
        inbox_fileno: i64,
        slot: usize,
    ) -> PyResult<Self> {
        let page = engine::Page::open(duplicate(page_fileno)?)?;
        let siblings = Arc::new(Siblings::new(page, slot, socket(inbox_fileno)?)?);
        let control = engine::Control::start(
            socket(control_fileno)?,
            Some(Arc::clone(&siblings)),
            Box::new(|status| match status {
                0 => leave(status),
                _ => leave_without_interpreter(),
            }),
        )?;
        Ok(Self { control, siblings })
    }

    /// Whether the parent has closed the socket.
    #[getter]
    fn closed(&self) -> bool {
        self.control.is_orphaned()
    }

    /// Installs the engine's handler of signals, which the thread hears of.
    ///
    /// `stopping` has the signals that ask the parent for a replacement, each with its name and whether the handler
    /// that was installed before is called too. `reopening` reopens the access log.
    fn take_signals(&self, stopping: Vec<(i32, bool)>, reopening: Vec<i32>) -> PyResult<()> {
        let fileno = self.control.signals().as_raw_fd();
        take_signals(fileno, stopping, reopening)
    }

    /// Ends what `take_signals` began. Later signals mean nothing: the parent decides when this process ends.
    #[expect(clippy::unused_self, reason = "the counterpart of `take_signals`")]
    fn release_signals(&self) {
        engine::handler::leave_to_parent();
    }

    /// Says what the numbers of signals mean. When the parent says stop, the first number in `stopping` is written
    /// to the socket `onwards_fileno`. If `close` is not called in time after a stop, the process ends with status 3.
    fn watch_signals(
        &self,
        onwards_fileno: i64,
        stopping: Vec<(u8, String)>,
        reopening: Option<u8>,
    ) -> PyResult<()> {
        let onwards = socket(onwards_fileno)?;
        self.control.watch_signals(onwards, stopping, reopening);
        Ok(())
    }

    /// Tells the parent that the server is ready, as soon as the I/O thread has made a turn.
    fn ready(&self) {
        self.control.ready();
    }

    /// Tells the parent why the server does not start, and the exit status that follows.
    fn failed(&self, py: Python<'_>, text: &str, status: i32) {
        py.detach(|| self.control.failed(text, status));
    }

    /// The interpreter has responded to a stop and gets `seconds` more to end the process.
    fn extend(&self, seconds: f64) {
        let more = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        self.control.extend(more);
    }

    /// From now on the thread does not end the process.
    fn close(&self) {
        self.control.close();
    }

    /// Tells the parent the final figures.
    fn last(&self, py: Python<'_>) {
        py.detach(|| self.control.last());
    }
}
