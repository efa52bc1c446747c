//! Native strings (PEP 3333): each character stands for one byte.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::types::string::PyStringData;

/// The bytes of `text`; `None` if a character has no single byte. CPython keeps each character of other texts in one
/// (PEP 393).
#[expect(
    unsafe_code,
    reason = "encoding would take another copy of each name and value, or twice the time"
)]
pub(crate) fn bytes<'a>(text: &'a Bound<'_, PyString>) -> Option<&'a [u8]> {
    // SAFETY: PyO3 asks for tests on each system that wheels are made for, since it reads bit fields of C:
    // `tests/wsgi` are run on all of them. A `str` never changes, and `text` keeps it alive.
    match unsafe { text.data() } {
        Ok(PyStringData::Ucs1(bytes)) => Some(bytes),
        _ => None,
    }
}

/// Makes the native string of `bytes`.
#[expect(
    unsafe_code,
    reason = "PyO3 wraps no decoder of latin-1; this one runs a dozen times a request"
)]
pub(crate) fn string<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyString>> {
    let length = bytes.len() as ffi::Py_ssize_t;
    // SAFETY: attached; pointer and length are those of a live slice, whose length fits `isize`. The
    // result is a new reference to a `str`, or null with an exception set.
    unsafe {
        let made = ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), length, std::ptr::null());
        Ok(Bound::from_owned_ptr_or_err(py, made)?.cast_into_unchecked())
    }
}
