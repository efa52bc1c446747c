//! The watch over signals that end a server, and the way out when the interpreter cannot be had.

use std::io::Write;
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

    /// Ends the watch.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

/// The interpreter takes `seconds` to end the process. If it does not, that happens a little later, with `status`.
#[pyfunction]
pub(crate) fn leave_in(seconds: f64, status: i32) {
    let time = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    // Without a thread nobody sees to the end but the interpreter.
    let _ = std::thread::Builder::new()
        .name("headwaiter-end".into())
        .spawn(move || {
            std::thread::sleep(time.saturating_add(GRACE));
            say("headwaiter: Python does not come to its end, so the process ends without its consent\n");
            leave(status);
        });
}

/// Ends the process at once, from any thread: code that holds the GIL keeps every orderly way shut.
pub(crate) fn leave_without_interpreter() {
    say("headwaiter: the GIL is not given back, so the process ends without Python's consent\n");
    leave(CUT);
}

#[expect(
    unsafe_code,
    reason = "std's exit runs handlers of C libraries whose threads go on"
)]
fn leave(status: i32) {
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
/// How long the interpreter may be late.
const GRACE: Duration = Duration::from_secs(2);
/// The exit status when requests were cut; `cli.py` has the same.
const CUT: i32 = 3;
