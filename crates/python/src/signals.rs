//! The watch over signals that end a server, and the way out when the interpreter cannot be had.

use std::io::Write;
use std::time::Duration;

use headwaiter_engine::SignalWatch;
use pyo3::prelude::*;

/// The engine's watch over signals, until it is closed.
#[pyclass(module = "headwaiter._headwaiter", frozen)]
pub(crate) struct Signals(pub(crate) SignalWatch);

#[pymethods]
impl Signals {
    /// The interpreter was had, and takes up to `seconds` more to end the process.
    fn extend(&self, seconds: f64) {
        let more = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        self.0.extend(more);
    }

    /// Ends the watch.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

/// Ends the process at once, from any thread: code that holds the GIL keeps every orderly way shut.
#[expect(
    unsafe_code,
    reason = "std's exit runs handlers of C libraries whose threads go on"
)]
pub(crate) fn leave_without_interpreter() {
    // Past `logging`, which needs the interpreter. Nothing to be done if it fails.
    let _ = std::io::stderr().write_all(
        b"headwaiter: the GIL is not given back, so the process ends without Python's consent\n",
    );
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(CUT) }
}

/// The exit status when requests were cut; `cli.py` has the same.
const CUT: i32 = 3;
