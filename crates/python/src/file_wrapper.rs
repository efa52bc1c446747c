//! `wsgi.file_wrapper` (PEP 3333): files are sent by the kernel, anything else by reading.

use pyo3::prelude::*;

/// `file_wrapper(file, block_size=32768)`: an iterable of the file's blocks. Returned as it is from
/// an application, with a real file inside, it is sent without being read.
#[pyclass(module = "headwaiter", frozen)]
pub(crate) struct FileWrapper {
    file: Py<PyAny>,
    block_size: isize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (file, block_size=BLOCK, /))]
    fn new(file: Py<PyAny>, block_size: isize) -> Self {
        Self {
            file,
            // Not a size: then ours.
            block_size: if block_size > 0 { block_size } else { BLOCK },
        }
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let block = self
            .file
            .bind(py)
            .call_method1("read", (self.block_size,))?;
        Ok(block.is_truthy()?.then_some(block))
    }

    /// The wrapped file.
    #[getter]
    fn filelike<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.file.bind(py).clone()
    }

    /// Closes the wrapped file, if it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        match self.file.bind(py).getattr_opt("close")? {
            Some(close) => close.call0().map(drop),
            None => Ok(()),
        }
    }
}

/// A real file: its descriptor, duplicated, and what of it is to be sent.
#[derive(Debug)]
pub(crate) struct RealFile {
    pub(crate) file: std::fs::File,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl FileWrapper {
    /// The wrapped file as a real one, from its current position to its end. `None`: it must be read.
    #[cfg(unix)]
    pub(crate) fn real_file(&self, py: Python<'_>) -> Option<RealFile> {
        let file = self.file.bind(py);
        // Only what reads the descriptor's bytes unchanged: not gzip, text or sockets.
        let io = py.import("io").ok()?;
        let is_a = |file: &Bound<'_, PyAny>, name: &str| {
            let kind = io.getattr(name);
            kind.is_ok_and(|kind| file.get_type().is(&kind))
        };
        let inner = match stands_for(file) {
            Some(inner) => inner,
            None => file.clone(),
        };
        let raw = if is_a(&inner, "BufferedReader") || is_a(&inner, "BufferedRandom") {
            inner.getattr("raw").ok()?
        } else {
            inner.clone()
        };
        if !is_a(&raw, "FileIO") {
            return None;
        }
        let offset: u64 = inner.call_method0("tell").ok()?.extract().ok()?;
        let fd: i32 = inner.call_method0("fileno").ok()?.extract().ok()?;
        let file = duplicate(fd)?;
        let meta = file.metadata().ok()?;
        // Files of /proc say that they are empty.
        (meta.is_file() && meta.len() > 0).then(|| RealFile {
            size: meta.len().saturating_sub(offset),
            file,
            offset,
        })
    }

    /// Windows has no `sendfile`: files are read.
    #[cfg(not(unix))]
    pub(crate) fn real_file(&self, _: Python<'_>) -> Option<RealFile> {
        None
    }
}

/// The file that `file` names and reads by: tempfile's wrappers and Django's are such. Whatever has a
/// `read` of its own, which may decrypt or stop early, stands for nothing but itself.
#[cfg(unix)]
fn stands_for<'py>(file: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let inner = file.getattr_opt("file").ok()??;
    let read = file.getattr("read").ok()?;
    // tempfile's is a function around the method.
    let read = read.getattr_opt("__wrapped__").ok()?.unwrap_or(read);
    read.getattr("__self__").ok()?.is(&inner).then_some(inner)
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "the number comes from Python's fileno()")]
fn duplicate(fd: i32) -> Option<std::fs::File> {
    use std::os::fd::BorrowedFd;
    if fd < 0 {
        return None;
    }
    // SAFETY: not -1, and borrowed only for the call that duplicates it; a number that is not open
    // makes that call fail.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    borrowed.try_clone_to_owned().ok().map(std::fs::File::from)
}

const BLOCK: isize = 32_768;
