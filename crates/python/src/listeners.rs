//! Bound sockets without a server: what a parent holds for its children.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use headwaiter_engine as engine;
use headwaiter_engine::{BindOptions, Listening};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::errors::os_error;
use crate::settings::listen_specs;

/// The sockets of a server that another process runs.
#[pyclass(module = "headwaiter._headwaiter", frozen)]
pub(crate) struct Listeners {
    bound: Mutex<engine::Listeners>,
    listening: Vec<Listening>,
    admin_listening: Vec<Listening>,
}

#[pymethods]
impl Listeners {
    /// Binds every address, or none. `files` are those of passed sockets that this process has made, as in `files()`.
    ///
    /// Raises `OSError(errno, text, place)` for the first that could not be bound.
    #[new]
    #[pyo3(signature = (listen, admin, *, backlog, unix_socket_perms, reuse_port=false, listens=true, files=Vec::new()))]
    fn new(
        listen: Vec<Bound<'_, PyTuple>>,
        admin: Vec<Bound<'_, PyTuple>>,
        backlog: i32,
        unix_socket_perms: u32,
        reuse_port: bool,
        listens: bool,
        files: Vec<(PathBuf, u64)>,
    ) -> PyResult<Self> {
        let options = BindOptions {
            backlog,
            unix_socket_perms,
            reuse_port,
            listens,
        };
        let (listen, admin) = (listen_specs(&listen)?, listen_specs(&admin)?);
        #[cfg_attr(windows, expect(unused_mut, reason = "no files there"))]
        let mut bound = engine::Listeners::bind(&listen, &admin, options)
            .map_err(|failed| os_error(&failed.error, &failed.place))?;
        #[cfg(unix)]
        if !files.is_empty() {
            bound.own_files(&files);
        }
        #[cfg(windows)]
        drop(files);
        Ok(Self {
            listening: bound.listening(),
            admin_listening: bound.admin_listening(),
            bound: Mutex::new(bound),
        })
    }

    /// The descriptors of the serving sockets, in the order of their addresses.
    #[cfg(unix)]
    fn filenos(&self) -> Vec<i32> {
        self.lock().filenos()
    }

    /// The descriptors of the sockets of the admin endpoint.
    #[cfg(unix)]
    fn admin_filenos(&self) -> Vec<i32> {
        self.lock().admin_filenos()
    }

    /// The files of Unix sockets that this process has made, each with its inode.
    #[cfg(unix)]
    fn files(&self) -> Vec<(PathBuf, u64)> {
        self.lock().files()
    }

    /// The addresses in use, in the form of `Server.listening`.
    #[getter]
    fn listening<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        shown(py, &self.listening)
    }

    /// The addresses of the admin endpoint.
    #[getter]
    fn admin_listening<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        shown(py, &self.admin_listening)
    }

    /// Closes the sockets, and removes the files of Unix sockets.
    fn close(&self) {
        drop(self.take());
    }
}

impl Listeners {
    /// The sockets, which then are no longer here: a server takes them.
    pub(crate) fn take(&self) -> engine::Listeners {
        std::mem::take(&mut *self.lock())
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, engine::Listeners> {
        self.bound.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Addresses as tuples for Python.
pub(crate) fn shown<'py>(
    py: Python<'py>,
    addresses: &[Listening],
) -> PyResult<Vec<Bound<'py, PyTuple>>> {
    addresses
        .iter()
        .map(|listening| match listening {
            Listening::Tcp(address) => {
                let kind = if address.is_ipv6() { "inet6" } else { "inet" };
                (kind, address.ip().to_string(), address.port()).into_pyobject(py)
            }
            Listening::Unix(path) => ("unix", path.as_os_str()).into_pyobject(py),
        })
        .collect()
}
