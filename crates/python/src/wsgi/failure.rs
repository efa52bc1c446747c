//! The reply and the log record for an application that failed.

use headwaiter_engine::{End, HeadOptions, Task};
use headwaiter_http::ReplyHead;
use pyo3::prelude::*;

use crate::site::Site;

/// Replaces the reply of `task` by a 500 that closes the connection. The body has the traceback if
/// `expose_tracebacks` is set.
pub(crate) fn answer(
    py: Python<'_>,
    site: &Site,
    task: &mut Task,
    error: Option<&PyErr>,
    date: &[u8; 29],
) {
    task.discard();
    let mut head = ReplyHead::new();
    // Cannot fail: the server's own status and fields are valid.
    let _ = head
        .begin(b"500 Internal Server Error")
        .and_then(|()| head.field(b"Content-Type", b"text/plain; charset=utf-8"))
        .and_then(|_| head.field(b"Connection", b"close"));
    let body = match error {
        Some(error) if site.boundary.expose_tracebacks => {
            format!("Internal Server Error\n\n{}", traceback(py, error))
        }
        _ => "Internal Server Error\n\nThe application failed to answer this request.\n".to_owned(),
    };
    let options = HeadOptions {
        date,
        known_length: Some(body.len() as u64),
        server_timing: false,
    };
    let answered = task
        .reply_head(&mut head, &options)
        .and_then(|()| task.reply_body_copied(body.as_bytes()));
    if answered.is_ok() {
        task.finish_reply();
    } else {
        // There is no memory for the reply: the client gets none.
        task.cut();
    }
    task.set_end(End::AppError);
    task.record().status = 500;
}

fn traceback(py: Python<'_>, error: &PyErr) -> String {
    let formatted = py
        .import("traceback")
        .and_then(|module| {
            module.call_method1(
                "format_exception",
                (error.get_type(py), error.value(py), error.traceback(py)),
            )
        })
        .and_then(|lines| pyo3::types::PyString::new(py, "").call_method1("join", (lines,)))
        // The application chooses the length of its message, and the end of a traceback says most.
        .and_then(|text| text.get_item(pyo3::types::PySlice::new(py, -SHOWN, isize::MAX, 1)))
        .and_then(|text| text.extract::<String>());
    formatted.unwrap_or_else(|_| "The traceback could not be formatted.\n".to_owned())
}

/// How many characters of a traceback a client gets.
const SHOWN: isize = 64 * 1024;

/// Logs `message` at ERROR with the application's traceback, whatever logging the application has set up.
pub(crate) fn log(py: Python<'_>, site: &Site, message: &str, error: &PyErr) {
    let exception = (error.get_type(py), error.value(py), error.traceback(py));
    let arguments = (site.boundary.logger.as_str(), message, exception);
    let logged = py
        .import("headwaiter._process.logs")
        .and_then(|logs| logs.call_method1("fail", arguments));
    if let Err(failed) = logged {
        // A handler of the application is broken, so only standard error is left for the report.
        failed.write_unraisable(py, None);
    }
}

/// Logs `message` at WARNING or INFO.
pub(crate) fn note(level: log::Level, message: &str) {
    log::log!(target: headwaiter_engine::LOG, level, "{message}");
}
