//! Signals that end a server: their native handler, the thread that watches them, and the end of the process
//! when the interpreter does not respond.

use std::io::Write;
use std::sync::mpsc;
use std::time::Duration;

use headwaiter_engine::SignalWatch;
#[cfg(unix)]
use headwaiter_engine::handler;
use pyo3::prelude::*;

/// The engine's thread that acts on signals, until `close`.
#[pyclass(module = "headwaiter._headwaiter", frozen)]
pub(crate) struct Signals(pub(crate) SignalWatch);

#[pymethods]
impl Signals {
    /// The interpreter has responded and gets `seconds` more to end the process.
    fn extend(&self, seconds: f64) {
        let more = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        self.0.extend(more);
    }

    /// Ends the thread.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.0.close());
    }
}

/// The action of a signal, apart from the engine's handler: `default`, `ignored` or `handler`. Python's
/// `getsignal` does not see handlers written in C.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn signal_action(number: i32) -> PyResult<&'static str> {
    Ok(match handler::action(number)? {
        handler::Action::Default => "default",
        handler::Action::Ignored => "ignored",
        handler::Action::Handler => "handler",
    })
}

/// Has these signals ignored until `take_signals`, whatever their handlers are.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn ignore_signals(numbers: Vec<i32>) -> PyResult<()> {
    for number in numbers {
        handler::take(number, handler::Role::Deaf, false)?;
    }
    Ok(())
}

/// Lets these signals end the process until `take_signals`, also if it is process 1.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn leave_by_signals(numbers: Vec<i32>) -> PyResult<()> {
    for number in numbers {
        handler::take(number, handler::Role::Leave, false)?;
    }
    Ok(())
}

/// Installs the engine's handler, which writes the numbers of signals to the socket `fileno`.
///
/// `stopping` has the signals that stop the server, each with whether the handler that was installed before is
/// called too. `telling` has other signals to report.
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

/// Whether a signal that stops the server has come since `take_signals`.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn stop_came() -> bool {
    handler::stop_came()
}

/// Undoes `take_signals` once a repeated signal no longer counts as the same stop; never with `to_the_end`.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn release_signals(to_the_end: bool) {
    handler::release(to_the_end);
}

/// The signals that the engine still handles after `release_signals`.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn lingering_signals() -> Vec<i32> {
    handler::lingering()
}

/// Handles one of the lingering signals until the process ends, whatever was installed since.
#[cfg(unix)]
#[pyfunction]
pub(crate) fn outlast_signal(number: i32) -> PyResult<()> {
    Ok(handler::outlast(number)?)
}

/// Ends the process with status 3 if the interpreter has not ended it within `seconds` and a grace period.
#[pyfunction]
pub(crate) fn leave_in(seconds: f64) {
    let time = Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX);
    // If no thread can be started, only the interpreter ends the process.
    let _ = std::thread::Builder::new()
        .name("headwaiter-end".into())
        .spawn(move || {
            std::thread::sleep(time.saturating_add(GRACE));
            say("headwaiter: Python does not come to its end, so the process ends without its consent\n");
            leave(CUT);
        });
}

/// Ends the process at once, from any thread. Code that holds the GIL prevents every orderly end.
pub(crate) fn leave_without_interpreter() {
    say("headwaiter: the GIL is not given back, so the process ends without Python's consent\n");
    leave(CUT);
}

#[cfg(not(windows))]
#[expect(
    unsafe_code,
    reason = "std's exit runs handlers of C libraries whose threads still run"
)]
pub(crate) fn leave(status: i32) {
    // SAFETY: `_exit` takes a number and does not return.
    unsafe { libc::_exit(status) }
}

/// `_exit` lets every library say goodbye first, which waits for a lock that a stuck thread may hold.
#[cfg(windows)]
#[expect(unsafe_code, reason = "std offers no such end")]
pub(crate) fn leave(status: i32) {
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, TerminateProcess};
    // SAFETY: the handle is that of this process, and is always valid.
    unsafe { TerminateProcess(GetCurrentProcess(), status as u32) };
}

/// Writes to standard error without `logging`, which needs the interpreter. Does not wait for a reader that
/// does not read.
fn say(text: &'static str) {
    let (said, heard) = mpsc::channel();
    let spawned = std::thread::Builder::new().spawn(move || {
        let _ = std::io::stderr().write_all(text.as_bytes()); // a failure cannot be reported anywhere
        let _ = said.send(());
    });
    if spawned.is_ok() {
        let _ = heard.recv_timeout(PATIENCE);
    }
}

/// How long a message to standard error may take.
const PATIENCE: Duration = Duration::from_millis(500);
/// How late the interpreter may be: longer than `_process/shutdown.py` waits for logs and streams.
const GRACE: Duration = Duration::from_secs(5);
/// The exit status when requests were cut; `cli.py` has the same.
const CUT: i32 = 3;
