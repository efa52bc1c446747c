//! What the process around a server needs: descriptors, forks, signals, logging, threads that outlive the
//! interpreter, and the reader of the configuration file. Nothing here knows WSGI.

#[cfg(unix)]
pub(crate) mod control;
pub(crate) mod descriptor;
#[cfg(target_os = "linux")]
pub(crate) mod family;
pub(crate) mod fork;
pub(crate) mod logging;
pub(crate) mod outlive;
#[cfg(unix)]
pub(crate) mod page;
pub(crate) mod signals;
pub(crate) mod toml;
