//! `wsgi.file_wrapper` (PEP 3333): the kernel sends real files; other objects are read.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

#[cfg(unix)]
use crate::process::descriptor::duplicate;

/// `file_wrapper(file, block_size=32768)`: an iterable of the file's blocks. If the application returns it with a
/// real file inside, the file is sent without being read.
#[pyclass(module = "headwaiter", frozen)]
pub(crate) struct FileWrapper {
    file: Py<PyAny>,
    block_size: isize,
}

#[pymethods]
impl FileWrapper {
    #[new]
    #[pyo3(signature = (file, block_size=BLOCK))]
    fn new(file: Py<PyAny>, block_size: isize) -> Self {
        Self {
            file,
            // 0 and negative numbers are no sizes.
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

/// What is to be sent of a wrapped object, from its position to its end.
#[derive(Debug)]
#[cfg_attr(
    not(unix),
    expect(
        dead_code,
        reason = "without sendfile, files are read like other objects"
    )
)]
pub(crate) enum Content<'py> {
    /// A file whose bytes the kernel can send.
    File(RealFile),
    /// Bytes in memory, from this index on.
    Memory(Bound<'py, PyBytes>, usize),
    /// A file whose size is not its length, as in /proc and /sys: only reading tells its length.
    Unsized,
    /// An object that must be read. It is not asked for its length: `seek` may decompress or fetch everything
    /// that the object holds.
    Unknown,
}

/// A real file: a duplicate of its descriptor, and which part of it to send.
#[derive(Debug)]
pub(crate) struct RealFile {
    pub(crate) file: std::fs::File,
    pub(crate) offset: u64,
    pub(crate) size: u64,
}

impl FileWrapper {
    pub(crate) fn content<'py>(&self, py: Python<'py>) -> Content<'py> {
        reader(self.file.bind(py))
            .and_then(|inner| content(&inner))
            .unwrap_or(Content::Unknown)
    }
}

/// The object whose `read` is called: `file` itself, or the one that it wraps, as tempfile and Django do. `None`
/// for any other `read`, which may decrypt or stop early.
fn reader<'py>(file: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
    let class = file.get_type();
    if class.name().ok()? == SPOOLED
        && class.is(file.py().import("tempfile").ok()?.getattr(SPOOLED).ok()?)
    {
        return file.getattr("_file").ok();
    }
    let read = file.getattr("read").ok()?;
    if let Some(wrapped) = read.getattr_opt("__wrapped__").ok()? {
        // tempfile wraps the method `read` of its attribute `file` in a function.
        let inner = file.getattr_opt("file").ok()??;
        return wrapped
            .getattr("__self__")
            .ok()?
            .is(&inner)
            .then_some(inner);
    }
    let named = read.getattr("__name__").ok()?.eq("read").ok()?;
    named.then(|| read.getattr("__self__").ok()).flatten()
}

fn content<'py>(file: &Bound<'py, PyAny>) -> Option<Content<'py>> {
    let io = Io(file.py().import("io").ok()?);
    if io.reads_as(file, "BytesIO", "read") {
        return io.memory(file, io.position("BytesIO", file)?);
    }
    for buffered in ["BufferedReader", "BufferedRandom"] {
        if io.reads_as(file, buffered, "read") {
            let raw = file.getattr("raw").ok()?;
            let at = io.position(buffered, file)?;
            if io.reads_as(&raw, "BytesIO", "readinto") {
                return io.memory(&raw, at);
            }
            return io.file(&raw, "readinto", at);
        }
    }
    io.file(file, "read", io.position("FileIO", file)?)
}

/// The module `io`. Calls the methods of its classes, not those of subclasses, as the kernel's sending bypasses
/// these, too.
struct Io<'py>(Bound<'py, PyModule>);

impl<'py> Io<'py> {
    /// Whether `object` has the `method` of `class`, and so returns the bytes unchanged.
    fn reads_as(&self, object: &Bound<'py, PyAny>, class: &str, method: &str) -> bool {
        let same = || -> PyResult<bool> {
            let class = self.0.getattr(class)?;
            Ok(object.is_instance(&class)?
                && object
                    .get_type()
                    .getattr(method)?
                    .is(class.getattr(method)?)
                && object.getattr(method)?.getattr("__self__")?.is(object))
        };
        same().unwrap_or(false)
    }

    fn call(&self, class: &str, method: &str, on: &Bound<'py, PyAny>) -> Option<Bound<'py, PyAny>> {
        let method = self.0.getattr(class).ok()?.getattr(method).ok()?;
        method.call1((on,)).ok()
    }

    fn position(&self, class: &str, file: &Bound<'py, PyAny>) -> Option<u64> {
        self.call(class, "tell", file)?.extract().ok()
    }

    fn memory(&self, file: &Bound<'py, PyAny>, at: u64) -> Option<Content<'py>> {
        // No copy: a `BytesIO` shares its bytes until it is written to.
        let bytes = self.call("BytesIO", "getvalue", file)?;
        let bytes = bytes.cast_into_exact::<PyBytes>().ok()?;
        let at = usize::try_from(at).ok()?.min(bytes.as_bytes().len());
        Some(Content::Memory(bytes, at))
    }

    #[cfg(unix)]
    fn file(&self, raw: &Bound<'py, PyAny>, method: &str, offset: u64) -> Option<Content<'py>> {
        if !self.reads_as(raw, "FileIO", method)
            || !self.call("FileIO", "readable", raw)?.is_truthy().ok()?
        {
            return None;
        }
        let fileno = self.call("FileIO", "fileno", raw)?.extract().ok()?;
        let file = std::fs::File::from(duplicate(fileno).ok()?);
        let meta = file.metadata().ok()?;
        if !meta.is_file() {
            return None;
        }
        if !is_as_long_as_it_says(&file, &meta) {
            return Some(Content::Unsized);
        }
        Some(Content::File(RealFile {
            size: meta.len().saturating_sub(offset),
            file,
            offset,
        }))
    }

    /// Windows has no `sendfile`: files are read.
    #[cfg(not(unix))]
    fn file(&self, _: &Bound<'py, PyAny>, _: &str, _: u64) -> Option<Content<'py>> {
        None
    }
}

/// Whether the size of a file is its length. Files of /proc report size 0 and files of /sys one page; neither
/// has blocks. A file that is one hole, or that lies in its inode, has no blocks either, but it has a last byte.
#[cfg(unix)]
fn is_as_long_as_it_says(file: &std::fs::File, meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::{FileExt, MetadataExt};
    let Some(last) = meta.len().checked_sub(1) else {
        return false;
    };
    meta.blocks() > 0 || matches!(file.read_at(&mut [0], last), Ok(1))
}

const BLOCK: isize = 32_768;
/// The class of `tempfile` whose file begins in memory.
const SPOOLED: &str = "SpooledTemporaryFile";
