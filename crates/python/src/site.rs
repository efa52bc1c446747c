//! The application and its settings: what all workers of one server share.

use std::sync::atomic::AtomicBool;

use headwaiter_engine::Seldom;
use headwaiter_http::ProxyPolicy;
use pyo3::prelude::*;

use crate::current::Current;

/// What all workers of a server share.
pub(crate) struct Site {
    pub(crate) application: Py<PyAny>,
    pub(crate) boundary: Boundary,
    /// What the workers run, if the server is observed.
    pub(crate) current: Current,
    /// Limits how often bodies longer than their Content-Length are logged.
    pub(crate) overlong: Seldom,
    /// Whether several threads may call the application at once.
    pub(crate) multithread: bool,
    /// Whether the threads share the GIL.
    pub(crate) gil: bool,
    /// Whether an unknown parameter of `Forwarded` was logged. A proxy sends it with every request, so it is
    /// logged once.
    pub(crate) unknown_parameter_logged: AtomicBool,
    /// Whether it was logged that a proxy nearby is not trusted: it may be with every request, too.
    pub(crate) removal_logged: AtomicBool,
}

/// The adjustments that the binding itself uses; the engine has the others.
pub(crate) struct Boundary {
    pub(crate) logger: String,
    pub(crate) ident: String,
    pub(crate) url_scheme: String,
    pub(crate) url_prefix: String,
    pub(crate) server_name: String,
    pub(crate) expose_tracebacks: bool,
    /// Whether another process may call the same application at the same time.
    pub(crate) multiprocess: bool,
    pub(crate) server_timing: bool,
    pub(crate) proxy: ProxyPolicy,
}
