//! Reads the dict of adjustments that the package passes: here seconds become durations.

use std::fmt::Display;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use headwaiter_engine::{Abandoned, AccessLogTarget, ListenSpec, Settings};
use headwaiter_http::ProxyPolicy;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::site::Boundary;

/// The dict, by the adjustments' names.
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

    /// Seconds; `None` and 0 mean "off".
    fn seconds(&self, name: &str) -> PyResult<Option<Duration>> {
        let Some(seconds) = self.get::<Option<f64>>(name)? else {
            return Ok(None);
        };
        let duration = Duration::try_from_secs_f64(seconds)
            .map_err(|error| PyValueError::new_err(format!("{name}: {seconds}: {error}")))?;
        Ok((!duration.is_zero()).then_some(duration))
    }

    /// Text; `None` is the empty one.
    fn text(&self, name: &str) -> PyResult<String> {
        Ok(self.get::<Option<String>>(name)?.unwrap_or_default())
    }

    /// A number; `None` is "no limit".
    fn limit(&self, name: &str) -> PyResult<u64> {
        Ok(self.get::<Option<u64>>(name)?.unwrap_or(u64::MAX))
    }

    /// Text that the engine parses.
    fn parsed<T: FromStr<Err: Display>>(&self, name: &str) -> PyResult<T> {
        self.get::<String>(name)?
            .parse()
            .map_err(|error| PyValueError::new_err(format!("{name}: {error}")))
    }
}

/// The settings of the engine and of the binding, or an exception that names the adjustment at fault.
pub(crate) fn read(dict: &Bound<'_, PyDict>) -> PyResult<(Settings, Boundary)> {
    let from = Adjustments(dict);
    let settings = engine_settings(&from, dict.py())?;
    let boundary = boundary(&from, &settings.ident)?;
    Ok((settings, boundary))
}

fn engine_settings(from: &Adjustments<'_, '_>, py: Python<'_>) -> PyResult<Settings> {
    Ok(Settings {
        threads: from.get("threads")?,
        threads_max: from.get("threads_max")?,
        slow_request_log: from.seconds("slow_request_log")?,
        stuck_after: from.seconds("stuck_after")?,
        stuck_replacements: from.get("stuck_replacements")?,
        processes: from.get("process_count")?,
        backlog: from.get("backlog")?,
        reuse_port: from.get("reuse_port")?,
        ident: from.text("ident")?,
        connection_limit: from.get("connection_limit")?,
        channel_timeout: from.seconds("channel_timeout")?,
        header_timeout: from.seconds("header_timeout")?,
        body_timeout: from.seconds("body_timeout")?,
        send_timeout: from.seconds("send_timeout")?,
        queue_limit: from.get::<Option<usize>>("queue_limit")?.filter(|n| *n > 0),
        queue_timeout: from.seconds("queue_timeout")?,
        max_requests: from.get("max_requests")?,
        max_rss: from.get("max_rss")?,
        shutdown_timeout: from.seconds("shutdown_timeout")?.unwrap_or_default(),
        max_request_header_size: from.get("max_request_header_size")?,
        max_request_header_fields: from.get("max_request_header_fields")?,
        max_request_body_size: from.get("max_request_body_size")?,
        inbuf_overflow: from.get("inbuf_overflow")?,
        inbuf_total: from.limit("inbuf_total")?,
        outbuf_overflow: from.get("outbuf_overflow")?,
        outbuf_total: from.get("outbuf_total")?,
        outbuf_high_watermark: from.get("outbuf_high_watermark")?,
        spool_dir: from.get::<PathBuf>("spool_dir")?,
        spool_limit: from.limit("spool_limit")?,
        spool_files: from.limit("spool_files")?,
        spool_memory: from.get("spool_memory")?,
        abandoned_requests: abandoned_requests(from)?,
        health_path: Some(from.text("health_path")?.into_bytes()).filter(|path| !path.is_empty()),
        health_max_wait: from.seconds("health_max_wait")?,
        log_socket_errors: from.get("log_socket_errors")?,
        unix_socket_perms: from.get("unix_socket_perms")?,
        access_log: from.get::<Option<PathBuf>>("access_log")?.map(access_log),
        access_log_format: from.parsed("access_log_format")?,
        admin: admin(from)?,
        admin_public: from.get("admin_public")?,
        runtime: from.text("runtime")?,
        application: from.text("application")?,
        gil: gil_enabled(py)?,
        // The variable turns leading off, to measure what it gains. On Windows a wait lasts up to 16 ms longer than it
        // should: so long would clients wait for a loop whose leader stays away.
        lend_loop: cfg!(not(windows))
            && std::env::var_os("HEADWAITER_HANDOFF").is_none_or(|policy| policy != "dedicated"),
    })
}

fn boundary(from: &Adjustments<'_, '_>, ident: &str) -> PyResult<Boundary> {
    let headers: Option<Vec<String>> = from.get("trusted_proxy_headers")?;
    let headers = headers.unwrap_or_default();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let proxy = ProxyPolicy::new(
        &from.text("trusted_proxy")?,
        from.get::<Option<usize>>("trusted_proxy_count")?
            .unwrap_or(1),
        &headers,
        from.get("clear_untrusted_proxy_headers")?,
        from.get("log_untrusted_proxy_headers")?,
    );
    Ok(Boundary {
        logger: from.get("logger")?,
        ident: ident.to_owned(),
        url_scheme: from.get("url_scheme")?,
        url_prefix: from.get("url_prefix")?,
        server_name: from.get("server_name")?,
        expose_tracebacks: from.get("expose_tracebacks")?,
        multiprocess: from.get("multiprocess")?,
        server_timing: from.get("server_timing")?,
        proxy: proxy.map_err(PyValueError::new_err)?,
    })
}

fn abandoned_requests(from: &Adjustments<'_, '_>) -> PyResult<Abandoned> {
    match from.get::<String>("abandoned_requests")?.as_str() {
        "drop-safe" => Ok(Abandoned::DropSafe),
        "drop" => Ok(Abandoned::Drop),
        "run" => Ok(Abandoned::Run),
        _ => Err(PyValueError::new_err(
            "abandoned_requests is drop-safe, drop or run",
        )),
    }
}

fn access_log(target: PathBuf) -> AccessLogTarget {
    match target.to_str() {
        Some("-") => AccessLogTarget::Stdout,
        Some("logger") => AccessLogTarget::Logger,
        _ => AccessLogTarget::Path(target),
    }
}

fn admin(from: &Adjustments<'_, '_>) -> PyResult<Vec<ListenSpec>> {
    let items: Vec<Bound<'_, PyTuple>> = from.get("admin")?;
    listen_specs(&items)
}

/// Whether the threads of this interpreter share the GIL.
pub(crate) fn gil_enabled(py: Python<'_>) -> PyResult<bool> {
    match py.import("sys")?.getattr_opt("_is_gil_enabled")? {
        Some(ask) => ask.call0()?.extract(),
        None => Ok(true),
    }
}

/// Addresses to listen on.
pub(crate) fn listen_specs(items: &[Bound<'_, PyTuple>]) -> PyResult<Vec<ListenSpec>> {
    items.iter().map(listen_spec).collect()
}

/// One address to listen on: `("inet", host, port)`, `("inet6", host, port, flow, scope)`, `("unix", path)` or
/// `("fd", number)`.
fn listen_spec(item: &Bound<'_, PyTuple>) -> PyResult<ListenSpec> {
    let kind: String = item.get_item(0)?.extract()?;
    match kind.as_str() {
        "inet" | "inet6" => Ok(ListenSpec::Tcp(socket_address(item)?)),
        #[cfg(unix)]
        "unix" => Ok(ListenSpec::Unix(item.get_item(1)?.extract()?)),
        #[cfg(unix)]
        "fd" => Ok(ListenSpec::Fd(item.get_item(1)?.extract()?)),
        other => Err(bad_address(&format_args!(
            "{other} sockets are not available here"
        ))),
    }
}

fn socket_address(item: &Bound<'_, PyTuple>) -> PyResult<SocketAddr> {
    let host: String = item.get_item(1)?.extract()?;
    let port: u16 = item.get_item(2)?.extract()?;
    if item.get_item(0)?.eq("inet")? {
        let host: Ipv4Addr = host.parse().map_err(|error| bad_address(&error))?;
        return Ok((host, port).into());
    }
    // Some systems put the scope into the text as well as beside it.
    let host = host.split('%').next().unwrap_or_default();
    let host: Ipv6Addr = host.parse().map_err(|error| bad_address(&error))?;
    let mut address = SocketAddrV6::new(host, port, 0, 0);
    if item.len() > 4 {
        address.set_flowinfo(item.get_item(3)?.extract()?);
        address.set_scope_id(item.get_item(4)?.extract()?);
    }
    Ok(address.into())
}

fn bad_address(what: &dyn Display) -> PyErr {
    PyValueError::new_err(format!("listen: {what}"))
}
