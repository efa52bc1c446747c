//! The extension module `headwaiter._headwaiter`: the engine behind a WSGI application.
//!
//! All of PyO3 lives in this crate. `server.rs` is what the Python package sees, `worker.rs` is the life of a
//! worker thread, `wsgi/` takes one request from environ to reply, `process/` serves the process around it.
//!
//! **Invariant:** only workers and threads of the caller attach to the interpreter; the engine's I/O thread
//! never do. References to bytes that they have sent go back to the workers (`held.rs`).

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod current;
mod errors;
mod listeners;
#[cfg(unix)]
mod overview;
mod process;
mod server;
mod settings;
mod site;
mod worker;
mod wsgi;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _headwaiter {
    use super::PyResult;
    use pyo3::Bound;
    use pyo3::types::{PyModule, PyModuleMethods};

    #[pymodule_export]
    use crate::listeners::Listeners;
    #[cfg(unix)]
    #[pymodule_export]
    use crate::overview::Overview;
    #[cfg(unix)]
    #[pymodule_export]
    use crate::process::control::Control;
    #[cfg(target_os = "linux")]
    #[pymodule_export]
    use crate::process::family::{adopt_orphans, fork_without_hooks, leave_with_parent};
    #[pymodule_export]
    use crate::process::logging::{log_put, log_take, log_wait, log_wake};
    #[cfg(unix)]
    #[pymodule_export]
    use crate::process::page::{Page, inbox_pair};
    #[pymodule_export]
    use crate::process::signals::{Signals, leave_in};
    #[cfg(unix)]
    #[pymodule_export]
    use crate::process::signals::{
        ignore_signals, leave_by_signals, lingering_signals, outlast_signal, release_signals,
        signal_action, stop_came, take_signals,
    };
    #[pymodule_export]
    use crate::process::toml::load_toml;
    #[pymodule_export]
    use crate::server::Server;
    #[pymodule_export]
    use crate::wsgi::file_wrapper::FileWrapper;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::process::fork::install();
        crate::process::logging::install();
        // Not from the package's metadata, which a bundle or a copied folder lacks.
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("PANIC_POINTS", headwaiter_engine::PANIC_POINTS)?;
        module.add("SAME_STOP", headwaiter_engine::SAME_STOP.as_secs_f64())
    }
}
