//! `waitress.client_disconnected`: lets an application ask whether its client has left.

use headwaiter_engine::Client;
use pyo3::prelude::*;

use crate::process::fork::Home;

/// Returns true once the client can no longer be reached. In a forked child, what was known at the fork: the
/// connection is its parent's, and nothing may be sent to find out.
#[pyclass(module = "headwaiter", frozen)]
pub(crate) struct ClientDisconnected {
    client: Client,
    home: Home,
}

impl ClientDisconnected {
    pub(crate) fn new(client: Client) -> Self {
        Self {
            client,
            home: Home::here(),
        }
    }
}

#[pymethods]
impl ClientDisconnected {
    fn __call__(&self) -> bool {
        if self.home.is_left() {
            self.client.was_gone()
        } else {
            self.client.is_gone()
        }
    }
}
