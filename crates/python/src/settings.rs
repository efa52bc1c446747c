//! From the adjustments' dict to the engine's settings: the border where seconds become durations.

use std::path::PathBuf;
use std::time::Duration;

use headwaiter_engine::{Abandoned, AccessLogTarget, ListenSpec, Settings};
use headwaiter_http::ProxyPolicy;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::site::Boundary;

struct Adjustments<'a, 'py>(&'a Bound<'py, PyDict>);

impl<'py> Adjustments<'_, 'py> {
    fn get<T>(&self, name: &str) -> PyResult<T>
    where
        T: for<'a> FromPyObject<'a, 'py>,
    {
        let value = self
            .0
            .get_item(name)?
            .ok_or_else(|| PyKeyError::new_err(name.to_owned()))?;
        let named = |error: PyErr| PyValueError::new_err(format!("{name}: {error}"));
        value.extract::<T>().map_err(Into::into).map_err(named)
    }

    /// Seconds; `None` and 0 are "off".
    fn seconds(&self, name: &str) -> PyResult<Option<Duration>> {
        let Some(seconds) = self.get::<Option<f64>>(name)? else {
            return Ok(None);
        };
        let duration = Duration::try_from_secs_f64(seconds)
            .map_err(|error| PyValueError::new_err(format!("{name}: {seconds}: {error}")))?;
        Ok((!duration.is_zero()).then_some(duration))
    }
}

/// Reads everything, or says which adjustment is wrong.
pub(crate) fn read(dict: &Bound<'_, PyDict>) -> PyResult<(Settings, Boundary)> {
    let py = dict.py();
    let from = Adjustments(dict);
    let abandoned: String = from.get("abandoned_requests")?;
    let settings = Settings {
        threads: from.get("threads")?,
        threads_max: from.get("threads_max")?,
        slow_request_log: from.seconds("slow_request_log")?,
        stuck_after: from.seconds("stuck_after")?,
        stuck_replacements: from.get("stuck_replacements")?,
        io_threads: from.get("io_threads")?,
        backlog: from.get("backlog")?,
        ident: from.get::<Option<String>>("ident")?.unwrap_or_default(),
        connection_limit: from.get("connection_limit")?,
        channel_timeout: from.seconds("channel_timeout")?,
        header_timeout: from.seconds("header_timeout")?,
        body_timeout: from.seconds("body_timeout")?,
        send_timeout: from.seconds("send_timeout")?,
        queue_limit: from
            .get::<Option<usize>>("queue_limit")?
            .filter(|limit| *limit > 0),
        queue_timeout: from.seconds("queue_timeout")?,
        shutdown_timeout: from.seconds("shutdown_timeout")?.unwrap_or_default(),
        max_request_header_size: from.get("max_request_header_size")?,
        max_request_header_fields: from.get("max_request_header_fields")?,
        max_request_body_size: from.get("max_request_body_size")?,
        inbuf_overflow: from.get("inbuf_overflow")?,
        inbuf_total: from.get::<Option<u64>>("inbuf_total")?.unwrap_or(u64::MAX),
        outbuf_overflow: from.get("outbuf_overflow")?,
        outbuf_total: from.get("outbuf_total")?,
        outbuf_high_watermark: from.get("outbuf_high_watermark")?,
        spool_dir: from.get::<PathBuf>("spool_dir")?,
        spool_limit: from.get::<Option<u64>>("spool_limit")?.unwrap_or(u64::MAX),
        spool_files: from.get::<Option<u64>>("spool_files")?.unwrap_or(u64::MAX),
        spool_memory: from.get("spool_memory")?,
        abandoned_requests: match abandoned.as_str() {
            "drop-safe" => Abandoned::DropSafe,
            "drop" => Abandoned::Drop,
            "run" => Abandoned::Run,
            _ => {
                return Err(PyValueError::new_err(
                    "abandoned_requests is drop-safe, drop or run",
                ));
            }
        },
        health_path: from
            .get::<Option<String>>("health_path")?
            .filter(|path| !path.is_empty())
            .map(String::into_bytes),
        health_max_wait: from.seconds("health_max_wait")?,
        log_socket_errors: from.get("log_socket_errors")?,
        unix_socket_perms: from.get("unix_socket_perms")?,
        access_log: from.get::<Option<PathBuf>>("access_log")?.map(|target| {
            match target.to_str() {
                Some("-") => AccessLogTarget::Stdout,
                Some("logger") => AccessLogTarget::Logger,
                _ => AccessLogTarget::Path(target),
            }
        }),
        access_log_format: from
            .get::<String>("access_log_format")?
            .parse()
            .map_err(|error| PyValueError::new_err(format!("access_log_format: {error}")))?,
        admin: from
            .get::<Vec<Bound<'_, PyTuple>>>("admin")?
            .iter()
            .map(listen_spec)
            .collect::<PyResult<_>>()?,
        admin_public: from.get("admin_public")?,
        runtime: runtime(py)?,
        gil: gil_enabled(py)?,
        // For measuring what leading gives.
        lend_loop: std::env::var_os("HEADWAITER_HANDOFF")
            .is_none_or(|policy| policy != "dedicated"),
    };
    let trusted = from
        .get::<Option<String>>("trusted_proxy")?
        .unwrap_or_default();
    let count = from
        .get::<Option<usize>>("trusted_proxy_count")?
        .unwrap_or(1);
    let headers: Vec<String> = from
        .get::<Option<Vec<String>>>("trusted_proxy_headers")?
        .unwrap_or_default();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let clear = from.get("clear_untrusted_proxy_headers")?;
    let log = from.get("log_untrusted_proxy_headers")?;
    let boundary = Boundary {
        logger: from.get("logger")?,
        ident: settings.ident.clone(),
        url_scheme: from.get("url_scheme")?,
        url_prefix: from.get("url_prefix")?,
        server_name: from.get("server_name")?,
        expose_tracebacks: from.get("expose_tracebacks")?,
        server_timing: from.get("server_timing")?,
        proxy: ProxyPolicy::new(&trusted, count, &headers, clear, log)
            .map_err(PyValueError::new_err)?,
    };
    Ok((settings, boundary))
}

/// Such as `CPython 3.14.0`.
fn runtime(py: Python<'_>) -> PyResult<String> {
    let platform = py.import("platform")?;
    let part = |name: &str| platform.call_method0(name)?.extract::<String>();
    Ok(format!(
        "{} {}",
        part("python_implementation")?,
        part("python_version")?
    ))
}

/// Whether threads of this interpreter share a lock.
pub(crate) fn gil_enabled(py: Python<'_>) -> PyResult<bool> {
    match py.import("sys")?.getattr_opt("_is_gil_enabled")? {
        Some(ask) => ask.call0()?.extract(),
        None => Ok(true),
    }
}

/// One item of the `listen` list.
pub(crate) fn listen_spec(item: &Bound<'_, PyTuple>) -> PyResult<ListenSpec> {
    let kind: String = item.get_item(0)?.extract()?;
    let bad = |what: &dyn std::fmt::Display| PyValueError::new_err(format!("listen: {what}"));
    match kind.as_str() {
        "inet" | "inet6" => {
            let host: String = item.get_item(1)?.extract()?;
            let port: u16 = item.get_item(2)?.extract()?;
            let mut address: std::net::SocketAddr = match kind.as_str() {
                "inet" => (
                    host.parse::<std::net::Ipv4Addr>().map_err(|e| bad(&e))?,
                    port,
                )
                    .into(),
                _ => {
                    // A scope is part of the text in some systems' answers, and a number beside it.
                    let host = host.split('%').next().unwrap_or_default();
                    (
                        host.parse::<std::net::Ipv6Addr>().map_err(|e| bad(&e))?,
                        port,
                    )
                        .into()
                }
            };
            if let std::net::SocketAddr::V6(address) = &mut address
                && item.len() > 4
            {
                address.set_flowinfo(item.get_item(3)?.extract()?);
                address.set_scope_id(item.get_item(4)?.extract()?);
            }
            Ok(ListenSpec::Tcp(address))
        }
        #[cfg(unix)]
        "unix" => Ok(ListenSpec::Unix(item.get_item(1)?.extract()?)),
        #[cfg(unix)]
        "fd" => Ok(ListenSpec::Fd(item.get_item(1)?.extract()?)),
        other => Err(bad(&format_args!("{other} sockets are not available here"))),
    }
}
