//! The watch over signals that end a server, and the way out when the interpreter cannot be had.

use std::io::Write;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc;
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

    /// The interpreter was had, and takes up to `seconds` to end the process; if it does not, that
    /// happens here, with `status`. No end of this object is one of the watch from now on.
    fn outlast(slf: Py<Self>, seconds: f64, status: i32) {
        STATUS.store(status, Ordering::Relaxed);
        slf.get().extend(seconds);
        std::mem::forget(slf);
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
    let status = STATUS.load(Ordering::Relaxed);
    say(if status == NOT_HAD {
        "headwaiter: the GIL is not given back, so the process ends without Python's consent\n"
    } else {
        "headwaiter: Python does not come to its end, so the process ends without its consent\n"
    });
    let status = if status == NOT_HAD { CUT } else { status };
    // SAFETY: it takes a number and does not return.
    unsafe { libc::_exit(status) }
}

/// Writes to standard error, past `logging`, which needs the interpreter. Who does not read it is not waited for.
fn say(text: &'static str) {
    let (said, heard) = mpsc::channel();
    let spawned = std::thread::Builder::new().spawn(move || {
        let _ = std::io::stderr().write_all(text.as_bytes()); // if it fails, nobody can be told
        let _ = said.send(());
    });
    if spawned.is_ok() {
        let _ = heard.recv_timeout(PATIENCE);
    }
}

/// How long a last word may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// The status that the process ends with, once the interpreter could be had.
static STATUS: AtomicI32 = AtomicI32::new(NOT_HAD);
const NOT_HAD: i32 = -1;
/// The exit status when requests were cut; `cli.py` has the same.
const CUT: i32 = 3;
