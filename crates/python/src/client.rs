//! `waitress.client_disconnected`: lets an application ask whether its client has left.

use headwaiter_engine::Client;
use pyo3::prelude::*;

/// Returns true once the client can no longer be reached.
#[pyclass(module = "headwaiter", frozen)]
pub(crate) struct ClientDisconnected(pub(crate) Client);

#[pymethods]
impl ClientDisconnected {
    fn __call__(&self) -> bool {
        self.0.is_gone()
    }
}
