//! The exceptions that this crate raises in Python, and how their messages show values.

use std::fmt::Display;
use std::io;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PySlice, PyString};

/// The application sent a body, or returned, without calling `start_response`.
pub(crate) fn not_started() -> PyErr {
    PyRuntimeError::new_err("start_response was not called before the body")
}

/// A value must be a native string, and is not.
pub(crate) fn not_str(what: &str, value: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("{what} must be a str, not {}", shown(value)))
}

/// An item of a body must be bytes, and is not.
pub(crate) fn not_bytes(value: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!(
        "a WSGI body consists of bytes, not {}",
        shown(value)
    ))
}

/// The application could not be called at all: `error` has come from the call itself.
pub(crate) fn not_callable_so(py: Python<'_>, error: &PyErr) -> PyErr {
    PyTypeError::new_err(format!(
        "{}. A WSGI application takes environ and start_response: is this one a factory (headwaiter --factory), or an \
         ASGI application?",
        error.value(py)
    ))
}

/// The application returned something that is no body.
pub(crate) fn not_a_body(value: &Bound<'_, PyAny>) -> PyErr {
    let has = |name| value.hasattr(name).unwrap_or(false);
    let hint = if value.is_none() {
        ". Is a return missing?"
    } else if value.is_instance_of::<PyString>() {
        ". Return a list of one item: [text.encode()]"
    } else if has("__await__") || has("__aiter__") {
        ". It is async: serve an ASGI application with an ASGI server, or wrap it by a2wsgi.ASGIMiddleware"
    } else if value.is_callable() {
        ". It seems to be a factory, which returns the application: headwaiter --factory calls it"
    } else {
        ""
    };
    PyTypeError::new_err(format!(
        "the application must return an iterable of bytes, not {}{hint}",
        shown(value)
    ))
}

/// A value of the right type that cannot be sent, and why.
pub(crate) fn invalid(what: &str, value: &Bound<'_, PyAny>, why: &dyn Display) -> PyErr {
    PyValueError::new_err(format!("{what} {}: {why}", shown(value)))
}

/// A value as error messages show it: shortened, with its type.
pub(crate) fn shown(value: &Bound<'_, PyAny>) -> String {
    // Cut in Python: a value that was meant as a body may be as long as a body.
    let short = value
        .repr()
        .and_then(|repr| repr.get_item(PySlice::new(value.py(), 0, SHOWN, 1)))
        .map_or_else(|_| "?".to_owned(), |repr| repr.to_string());
    format!(
        "{short} ({})",
        value
            .get_type()
            .name()
            .map_or_else(|_| "?".to_owned(), |name| name.to_string())
    )
}

/// `headwaiter.exceptions.ClientDisconnected`: the client has left.
pub(crate) fn client_disconnected(py: Python<'_>) -> PyErr {
    let class = py
        .import("headwaiter.exceptions")
        .and_then(|module| module.getattr("ClientDisconnected"));
    match class.and_then(|class| class.call1(("the client has left",))) {
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}

/// The reply is not available to this caller.
pub(crate) fn not_here() -> PyErr {
    PyRuntimeError::new_err("the reply is complete, or its connection is busy")
}

/// An `OSError` with the error number, the system's text and `place`.
pub(crate) fn os_error(error: &io::Error, place: &str) -> PyErr {
    match error.raw_os_error() {
        Some(number) => {
            // The system's own words, without Rust's "(os error 98)".
            let text = error.to_string();
            let text = text.split(" (os error").next().unwrap_or(&text).to_owned();
            PyOSError::new_err((number, text, place.to_owned()))
        }
        None => PyOSError::new_err(format!("{place}: {error}")),
    }
}

/// Characters of a value that an error message shows.
const SHOWN: isize = 200;
