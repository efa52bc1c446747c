//! Python objects that serve one request after another.
//!
//! To make an object and to free it costs some 270 instructions, and a request needs four of them. Most applications keep
//! none of them. Rule: an object is used again only if nobody else has a reference to it, which the reference count says
//! while this thread has the GIL. Without a GIL every request gets new objects.

use pyo3::PyClass;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::False;

/// A class whose objects serve one request after another.
pub(crate) trait Renew: PyClass<Frozen = False> + Into<PyClassInitializer<Self>> {
    /// What an object has of its request.
    type Of;

    fn new(of: Self::Of) -> Self;

    /// Makes the object what [`Renew::new`] would have made.
    fn renew(&mut self, of: Self::Of);

    /// The request is over: what takes memory, or a file, goes.
    fn empty(&mut self) {}
}

/// An object of class `T` for the next request, if the last one has left it.
pub(crate) struct Reused<T> {
    kept: Option<Py<T>>,
    gil: bool,
}

impl<T: Renew> Reused<T> {
    pub(crate) fn new(gil: bool) -> Self {
        Self { kept: None, gil }
    }

    /// An object that nobody else has, for the request of `of`.
    pub(crate) fn make<'py>(&mut self, py: Python<'py>, of: T::Of) -> PyResult<Bound<'py, T>> {
        if let Some(kept) = &self.kept
            && is_left(py, kept)
        {
            kept.try_borrow_mut(py)?.renew(of);
            return Ok(kept.bind(py).clone());
        }
        let made = Bound::new(py, T::new(of))?;
        if self.gil {
            self.kept = Some(made.clone().unbind());
        }
        Ok(made)
    }

    /// The request is over: what the object has of it goes now, if the application has left the object.
    pub(crate) fn empty(&mut self, py: Python<'_>) {
        let Some(kept) = &self.kept else { return };
        if !is_left(py, kept) {
            self.kept = None;
        } else if let Ok(mut kept) = kept.try_borrow_mut(py) {
            kept.empty();
        }
    }
}

/// Whether nobody but the caller has a reference to `object`.
#[expect(unsafe_code, reason = "PyO3 has no safe function for this")]
pub(crate) fn is_left<T>(_attached: Python<'_>, object: &Py<T>) -> bool {
    // SAFETY: attached, and the caller's reference keeps the object alive.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) == 1 }
}
