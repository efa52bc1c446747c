//! Signals that end a server: their native handler, the watch over them, and the way out when the
//! interpreter cannot be had.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use headwaiter_engine::SignalWatch;
#[cfg(unix)]
use headwaiter_engine::handler;
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

/// What there is for a signal, but for our handler: `default`, `ignored` or `handler`. Python's `getsignal`
/// does not know of handlers in C.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn signal_action(number: i32) -> PyResult<&'static str> {
    Ok(match handler::action(number)? {
        handler::Action::Default => "default",
        handler::Action::Ignored => "ignored",
        handler::Action::Handler => "handler",
    })
}

/// Until they are taken, these signals end the process although it may be process 1.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn leave_by_signals(numbers: Vec<i32>) -> PyResult<()> {
    for number in numbers {
        handler::take(number, handler::Role::Leave, false)?;
    }
    Ok(())
}

/// Sends the numbers of signals to the socket `fileno`: those in `stopping`, each with whether a handler
/// that is there is called, too, and those in `telling`.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn take_signals(
    fileno: i32,
    stopping: Vec<(i32, bool)>,
    telling: Vec<i32>,
) -> PyResult<()> {
    handler::tell(fileno);
    for (number, chained) in stopping {
        handler::take(number, handler::Role::Stop, chained)?;
    }
    for number in telling {
        handler::take(number, handler::Role::Tell, false)?;
    }
    Ok(())
}

/// Whether a signal to stop has come since `take_signals`.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn stop_came() -> bool {
    handler::stop_came()
}

/// Undoes `take_signals`, now or when the same stop cannot be told any more; with `to_the_end`, never.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn release_signals(to_the_end: bool) {
    handler::release(to_the_end);
}

/// Signals that are handled after `release_signals`.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn lingering_signals() -> Vec<i32> {
    handler::lingering()
}

/// Handles one of these until the process is gone, whatever was installed since.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn outlast_signal(number: i32) -> PyResult<()> {
    Ok(handler::outlast(number)?)
}

/// The interpreter has `seconds` to end the process. If it does not, that happens a little later, with status 3.
#[pyfunction]
pub(crate) fn leave_in(seconds: f64) {
    let time = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    // Without a thread nobody sees to the end but the interpreter.
    let _ = std::thread::Builder::new()
        .name("headwaiter-end".into())
        .spawn(move || {
            std::thread::sleep(time.saturating_add(GRACE));
            say("headwaiter: Python does not come to its end, so the process ends without its consent\n");
            leave(CUT);
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
/// How long the interpreter may be late: longer than `_exit.leave` waits for logs and streams.
const GRACE: Duration = Duration::from_secs(5);
/// The exit status when requests were cut; `cli.py` has the same.
const CUT: i32 = 3;
