//! `waitress.client_disconnected`: an application calls it to learn whether its client has left.

use headwaiter_engine::Client;
use pyo3::prelude::*;

use crate::process::fork::ForkCheck;
use crate::wsgi::reused::Renew;

/// Returns true once the client has left. In a forked child it returns what was known at the fork: the
/// connection belongs to the parent, so the child must not send anything to find out.
#[pyclass(module = "headwaiter")]
pub(crate) struct ClientDisconnected {
    client: Client,
    fork: ForkCheck,
}

impl Renew for ClientDisconnected {
    type Of = Client;

    fn new(client: Client) -> Self {
        Self {
            client,
            fork: ForkCheck::new(),
        }
    }

    fn renew(&mut self, client: Client) {
        *self = Self::new(client);
    }
}

#[pymethods]
impl ClientDisconnected {
    fn __call__(&self) -> bool {
        if self.fork.in_child() {
            self.client.was_gone()
        } else {
            self.client.is_gone()
        }
    }
}
