//! Native strings (PEP 3333): each character stands for one byte.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// The bytes of `text`: borrowed if the text is ASCII, else made in `scratch`. `None` if a character has no
/// single byte, or if there is no memory.
pub(crate) fn bytes<'a>(
    text: &'a Bound<'_, PyString>,
    scratch: &'a mut Vec<u8>,
) -> Option<&'a [u8]> {
    // Fails for a lone surrogate, which is no byte either.
    let utf8 = text.to_str().ok()?;
    // As many bytes as characters: every one is ASCII.
    if text.len().is_ok_and(|characters| characters == utf8.len()) {
        return Some(utf8.as_bytes());
    }
    scratch.clear();
    scratch.try_reserve(utf8.len()).ok()?;
    for character in utf8.chars() {
        scratch.push(u8::try_from(u32::from(character)).ok()?);
    }
    Some(scratch)
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
