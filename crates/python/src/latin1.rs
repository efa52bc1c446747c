//! Native strings as PEP 3333 has them: each character one byte.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// Appends the bytes of `text`. `false`: a character has no single byte.
pub(crate) fn append(text: &Bound<'_, PyString>, out: &mut Vec<u8>) -> PyResult<bool> {
    // For ASCII text this borrows the string's own bytes.
    let utf8 = match text.to_str() {
        Ok(utf8) => utf8,
        // A lone surrogate is no byte either.
        Err(_) => return Ok(false),
    };
    if utf8.is_ascii() {
        out.extend_from_slice(utf8.as_bytes());
        return Ok(true);
    }
    for character in utf8.chars() {
        match u8::try_from(u32::from(character)) {
            Ok(byte) => out.push(byte),
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

/// The native string of `bytes`.
#[expect(
    unsafe_code,
    reason = "PyO3 wraps no decoder of latin-1; this one runs a dozen times a request"
)]
pub(crate) fn string<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let length = bytes.len() as ffi::Py_ssize_t;
    // SAFETY: attached; pointer and length are those of a live slice, whose length fits `isize`. The
    // result is a new reference, or null with an exception set.
    unsafe {
        Bound::from_owned_ptr_or_err(
            py,
            ffi::PyUnicode_DecodeLatin1(bytes.as_ptr().cast(), length, std::ptr::null()),
        )
    }
}
