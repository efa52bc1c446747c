//! The environ of a request (PEP 3333), with what Waitress puts there besides.
//!
//! Each worker starts from a prepared dict per listener and keeps the keys of the short header names it has
//! met, so that a usual request makes no key and only the strings that are its own. Rule: what is kept from
//! one request to the next is bounded in number and length, and nothing that a client named is interned.

use std::net::SocketAddr;

use headwaiter_engine::{Listening, Peer, Task};
use headwaiter_http::{FieldChange, ProxyOutcome, ProxyPeer, Refusal, percent_decode};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use rustc_hash::FxHashMap;

use crate::site::Site;
use crate::wsgi::client::ClientDisconnected;
use crate::wsgi::file_wrapper::FileWrapper;
use crate::wsgi::input::Input;
use crate::wsgi::latin1;

/// Makes the environs of one worker.
pub(crate) struct Environs {
    /// One per listener.
    prepared: Vec<Py<PyDict>>,
    names: FxHashMap<Box<[u8]>, Name>,
    peers: FxHashMap<SocketAddr, PeerTexts>,
    /// Importing it anew for each request would cost a microsecond.
    sys: Py<PyModule>,
    url_prefix: Vec<u8>,
    scratch: Vec<u8>,
}

/// Address and port of a client as strings; a keep-alive client is met again.
struct PeerTexts {
    address: Py<PyString>,
    port: Py<PyString>,
}

/// What becomes of a header field with this name.
enum Name {
    /// It never reaches the environ: names with `_` could pass for others, `Proxy` for the variable that
    /// clients take their own proxy from, and the framing is ours.
    Hidden,
    Key(Py<PyString>),
}

impl Environs {
    /// # Errors
    ///
    /// Those of the interpreter: out of memory, or a broken `sys`.
    pub(crate) fn new(py: Python<'_>, site: &Site, listening: &[Listening]) -> PyResult<Self> {
        let prepared = listening
            .iter()
            .map(|listening| prepare(py, site, listening).map(Bound::unbind))
            .collect::<PyResult<_>>()?;
        Ok(Self {
            prepared,
            names: usual_names(py),
            peers: FxHashMap::default(),
            sys: py.import("sys")?.unbind(),
            url_prefix: site.boundary.url_prefix.clone().into_bytes(),
            scratch: Vec::new(),
        })
    }

    /// The environ of `task`.
    pub(crate) fn make<'py>(
        &mut self,
        py: Python<'py>,
        task: &mut Task,
        told: &ProxyOutcome,
    ) -> PyResult<Bound<'py, PyDict>> {
        headwaiter_engine::inject_panic("environ");
        let environ = self.prepared[task.listener()].bind(py).copy()?;
        let head = task.head();
        environ.set_item(intern!(py, "REQUEST_METHOD"), method(py, head.method())?)?;
        let protocol = if head.minor() > 0 {
            intern!(py, "HTTP/1.1")
        } else {
            intern!(py, "HTTP/1.0")
        };
        environ.set_item(intern!(py, "SERVER_PROTOCOL"), protocol)?;
        let target = latin1::string(py, head.target())?;
        environ.set_item(intern!(py, "REQUEST_URI"), &target)?;
        environ.set_item(intern!(py, "RAW_URI"), target)?;
        environ.set_item(
            intern!(py, "QUERY_STRING"),
            latin1::string(py, head.query())?,
        )?;
        let path = path_info(head.path(), &self.url_prefix, &mut self.scratch);
        environ.set_item(intern!(py, "PATH_INFO"), latin1::string(py, path)?)?;
        if self.scratch.capacity() > KEPT_SCRATCH {
            self.scratch = Vec::new();
        }
        self.add_fields(py, &environ, task, told)?;
        self.add_peer(py, &environ, task.peer(), told)?;
        let body = task.take_body();
        if task.head().framing() == headwaiter_http::Framing::Chunked {
            // Decoded and complete: its length is known by now.
            environ.set_item(intern!(py, "CONTENT_LENGTH"), body.len().to_string())?;
        }
        environ.set_item(intern!(py, "wsgi.input"), Bound::new(py, Input::new(body))?)?;
        environ.set_item(intern!(py, "wsgi.errors"), stderr(self.sys.bind(py))?)?;
        let client = Bound::new(py, ClientDisconnected::new(task.client()))?;
        environ.set_item(intern!(py, "waitress.client_disconnected"), &client)?;
        environ.set_item(intern!(py, "headwaiter.client_disconnected"), client)?;
        Ok(environ)
    }

    fn add_fields(
        &mut self,
        py: Python<'_>,
        environ: &Bound<'_, PyDict>,
        task: &Task,
        told: &ProxyOutcome,
    ) -> PyResult<()> {
        let head = task.head();
        let mut repeated = Vec::new();
        let mut changes = told.fields.iter().peekable();
        for (index, (name, value)) in head.fields().enumerate() {
            let change = changes.next_if(|change| change.index() == index);
            if matches!(change, Some(FieldChange::Drop(_))) {
                continue;
            }
            let made;
            let key = match self.names.get(name) {
                Some(Name::Key(key)) => key,
                Some(Name::Hidden) => continue,
                None => {
                    made = self.new_key(py, name);
                    let Some(key) = &made else { continue };
                    key
                }
            };
            let value = match change {
                Some(FieldChange::Replace(_, text)) => PyString::new(py, text).into_any(),
                _ => latin1::string(py, value)?,
            };
            add_field(py, environ, key.bind(py), value, &mut repeated)?;
        }
        for key in repeated {
            join_fields(environ, &key)?;
        }
        let host = told
            .host
            .as_deref()
            .map(str::as_bytes)
            .or_else(|| head.authority());
        if let Some(host) = host {
            environ.set_item(intern!(py, "HTTP_HOST"), latin1::string(py, host)?)?;
        }
        Ok(())
    }

    /// The key of a name that is not known, which is remembered if it is short. `None`: it has none.
    #[cold]
    fn new_key(&mut self, py: Python<'_>, name: &[u8]) -> Option<Py<PyString>> {
        let new = Name::of(name, |key| PyString::new(py, key));
        let key = match &new {
            Name::Key(key) => Some(key.clone_ref(py)),
            Name::Hidden => None,
        };
        if name.len() <= LONGEST_NAME {
            if self.names.len() >= MOST_NAMES {
                // Somebody invents names, and these will not come again.
                self.names = usual_names(py);
            }
            self.names.insert(name.into(), new);
        }
        key
    }

    fn add_peer(
        &mut self,
        py: Python<'_>,
        environ: &Bound<'_, PyDict>,
        peer: Peer,
        told: &ProxyOutcome,
    ) -> PyResult<()> {
        let address_key = intern!(py, "REMOTE_ADDR");
        let host_key = intern!(py, "REMOTE_HOST");
        let port_key = intern!(py, "REMOTE_PORT");
        match peer {
            Peer::Tcp(peer) => {
                let texts = self.peer_texts(py, peer);
                environ.set_item(host_key, &texts.address)?;
                environ.set_item(address_key, &texts.address)?;
                environ.set_item(port_key, &texts.port)?;
            }
            Peer::Unix => {
                environ.set_item(host_key, intern!(py, "localhost"))?;
                environ.set_item(address_key, intern!(py, "localhost"))?;
                // It has none; applications expect a string and make a number of it.
                environ.set_item(port_key, intern!(py, "0"))?;
            }
        }
        // A proxy that names no port leaves that of its own connection, as in Waitress.
        if let Some(address) = &told.remote_addr {
            environ.set_item(host_key, address.as_str())?;
            environ.set_item(address_key, address.as_str())?;
        }
        if let Some(port) = &told.remote_port {
            environ.set_item(port_key, port.as_str())?;
        }
        if let Some(scheme) = &told.scheme {
            environ.set_item(intern!(py, "wsgi.url_scheme"), scheme.as_str())?;
        }
        if let Some(name) = &told.server_name {
            environ.set_item(intern!(py, "SERVER_NAME"), name.as_str())?;
        }
        if let Some(port) = &told.server_port {
            environ.set_item(intern!(py, "SERVER_PORT"), port.as_str())?;
        }
        Ok(())
    }

    fn peer_texts(&mut self, py: Python<'_>, peer: SocketAddr) -> &PeerTexts {
        if self.peers.len() >= MOST_PEERS && !self.peers.contains_key(&peer) {
            self.peers.clear();
        }
        self.peers.entry(peer).or_insert_with(|| PeerTexts {
            address: PyString::new(py, &peer.ip().to_string()).unbind(),
            port: PyString::new(py, &peer.port().to_string()).unbind(),
        })
    }
}

/// Those of [`USUAL_NAMES`], as browsers and as proxies write them. Their keys are interned, as an
/// application's own are; some interpreters never free what is interned.
fn usual_names(py: Python<'_>) -> FxHashMap<Box<[u8]>, Name> {
    let spellings = USUAL_NAMES
        .iter()
        .flat_map(|name| [(*name).to_owned(), name.to_ascii_lowercase()]);
    let kept = |name: String| {
        let name = name.into_bytes();
        let known = Name::of(&name, |key| PyString::intern(py, key));
        (name.into(), known)
    };
    spellings.map(kept).collect()
}

impl Name {
    fn of<'py>(name: &[u8], key: impl Fn(&str) -> Bound<'py, PyString>) -> Self {
        let upper: String = name
            .iter()
            .map(|byte| match byte {
                b'-' => '_',
                byte => char::from(byte.to_ascii_uppercase()),
            })
            .collect();
        match upper.as_str() {
            _ if name.contains(&b'_') => Self::Hidden,
            "TRANSFER_ENCODING" => Self::Hidden,
            // HTTP_PROXY (CVE-2016-5385): environs are handed to CGI programs as their environment.
            "PROXY" => Self::Hidden,
            "CONTENT_TYPE" | "CONTENT_LENGTH" => Self::Key(key(&upper).unbind()),
            _ => Self::Key(key(&format!("HTTP_{upper}")).unbind()),
        }
    }
}

/// What every request by this listener has in common.
fn prepare<'py>(
    py: Python<'py>,
    site: &Site,
    listening: &Listening,
) -> PyResult<Bound<'py, PyDict>> {
    let boundary = &site.boundary;
    let environ = PyDict::new(py);
    let port = match listening {
        Listening::Tcp(address) => address.port().to_string(),
        // Whoever got here by a URL meant the port of its scheme: a path is none, and applications
        // make numbers of it.
        Listening::Unix(_) if boundary.url_scheme == "https" => "443".to_owned(),
        Listening::Unix(_) => "80".to_owned(),
    };
    environ.set_item("SERVER_PORT", port)?;
    environ.set_item("SERVER_NAME", boundary.server_name.as_str())?;
    environ.set_item("SERVER_SOFTWARE", boundary.ident.as_str())?;
    environ.set_item("SCRIPT_NAME", boundary.url_prefix.as_str())?;
    environ.set_item("wsgi.version", (1, 0))?;
    environ.set_item("wsgi.url_scheme", boundary.url_scheme.as_str())?;
    environ.set_item("wsgi.multithread", site.multithread)?;
    environ.set_item("wsgi.multiprocess", false)?;
    environ.set_item("wsgi.run_once", false)?;
    environ.set_item("wsgi.file_wrapper", py.get_type::<FileWrapper>())?;
    environ.set_item("wsgi.input_terminated", true)?;
    // What each request sets has its place already: a copy is then made at once in its final size, and
    // nothing is inserted into it but what headers bring.
    for key in OF_THE_REQUEST {
        environ.set_item(PyString::intern(py, key), py.None())?;
    }
    Ok(environ)
}

/// Keys that [`Environs::make`] sets for every request, whatever its headers.
const OF_THE_REQUEST: [&str; 13] = [
    "REQUEST_METHOD",
    "SERVER_PROTOCOL",
    "REQUEST_URI",
    "RAW_URI",
    "QUERY_STRING",
    "PATH_INFO",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_PORT",
    "wsgi.input",
    "wsgi.errors",
    "waitress.client_disconnected",
    "headwaiter.client_disconnected",
];

/// Adds a field line.
#[expect(
    unsafe_code,
    reason = "PyO3's `set_default` looks a missing key up twice before Python 3.13: 4 % more instructions for a \
              request with many headers"
)]
fn add_field<'py>(
    py: Python<'py>,
    environ: &Bound<'py, PyDict>,
    key: &Bound<'py, PyString>,
    value: Bound<'py, PyAny>,
    repeated: &mut Vec<Bound<'py, PyString>>,
) -> PyResult<()> {
    let before = environ.len();
    // SAFETY: attached; all three are live objects, the first a dict. The result is a borrowed
    // reference that the dict, which only we have yet, keeps alive; or null with an exception set.
    let present = unsafe {
        let present = ffi::PyDict_SetDefault(environ.as_ptr(), key.as_ptr(), value.as_ptr());
        Bound::from_borrowed_ptr_or_err(py, present)?
    };
    // Not `present.is(value)`: two short strings may be one object.
    if environ.len() > before {
        Ok(())
    } else {
        gather_lines(environ, key, present, value, repeated)
    }
}

/// Lines whose `key` is there already gather in a list, to be joined by [`join_fields`]: to join each as it
/// comes would copy a long head hundreds of times.
#[cold]
fn gather_lines<'py>(
    environ: &Bound<'py, PyDict>,
    key: &Bound<'py, PyString>,
    present: Bound<'py, PyAny>,
    value: Bound<'py, PyAny>,
    repeated: &mut Vec<Bound<'py, PyString>>,
) -> PyResult<()> {
    if let Ok(lines) = present.cast::<PyList>() {
        return lines.append(value);
    }
    repeated.push(key.clone());
    environ.set_item(key, PyList::new(key.py(), [present, value])?)
}

/// Field lines of one name are one value, joined as RFC 9110 §5.3 says; cookies by RFC 6265's own mark.
fn join_fields(environ: &Bound<'_, PyDict>, key: &Bound<'_, PyString>) -> PyResult<()> {
    let py = environ.py();
    let mark = if key.eq("HTTP_COOKIE") {
        intern!(py, "; ")
    } else {
        intern!(py, ", ")
    };
    let lines = environ.as_any().get_item(key)?;
    environ.set_item(key, mark.call_method1(intern!(py, "join"), (lines,))?)
}

fn method<'py>(py: Python<'py>, method: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    Ok(match method {
        b"GET" => intern!(py, "GET").clone().into_any(),
        b"POST" => intern!(py, "POST").clone().into_any(),
        b"HEAD" => intern!(py, "HEAD").clone().into_any(),
        other => latin1::string(py, other)?,
    })
}

/// `PATH_INFO`: decoded, with leading slashes merged and `url_prefix` taken off, as Waitress does. `*` asks
/// about the server as a whole and is no path: an empty one is what validators accept for it.
fn path_info<'a>(raw: &'a [u8], prefix: &[u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if raw == b"*" {
        return b"";
    }
    let mut path = raw;
    if raw.contains(&b'%') {
        scratch.clear();
        percent_decode(raw, scratch);
        path = scratch;
    }
    while path.starts_with(b"//") {
        path = &path[1..];
    }
    match path.strip_prefix(prefix) {
        Some(rest) if !prefix.is_empty() && (rest.is_empty() || rest[0] == b'/') => rest,
        _ => path,
    }
}

/// `sys.stderr` as it is now: applications and test runners replace it. Where a process has none, what
/// is written goes nowhere.
fn stderr<'py>(sys: &Bound<'py, PyModule>) -> PyResult<Bound<'py, PyAny>> {
    let py = sys.py();
    match sys.getattr_opt(intern!(py, "stderr"))? {
        Some(stderr) if !stderr.is_none() => Ok(stderr),
        _ => py.import("io")?.getattr("StringIO")?.call0(),
    }
}

/// What trusted proxies say about `task`.
pub(crate) fn ask_proxies(site: &Site, task: &Task) -> Result<ProxyOutcome, Refusal> {
    let peer = match task.peer() {
        Peer::Tcp(address) => ProxyPeer::Ip(address.ip()),
        Peer::Unix => ProxyPeer::Unix,
    };
    site.boundary
        .proxy
        .apply(peer, task.head(), &site.boundary.url_scheme)
}

/// Header names whose keys are made in advance, so that strange ones cannot take their places.
const USUAL_NAMES: &[&str] = &[
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cache-Control",
    "Connection",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Dnt",
    "Forwarded",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "If-Range",
    "If-Unmodified-Since",
    "Origin",
    "Pragma",
    "Priority",
    "Range",
    "Referer",
    "Sec-Ch-Ua",
    "Sec-Ch-Ua-Mobile",
    "Sec-Ch-Ua-Platform",
    "Sec-Fetch-Dest",
    "Sec-Fetch-Mode",
    "Sec-Fetch-Site",
    "Sec-Fetch-User",
    "Te",
    "Transfer-Encoding",
    "Upgrade",
    "Upgrade-Insecure-Requests",
    "User-Agent",
    "X-Csrf-Token",
    "X-Csrftoken",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Port",
    "X-Forwarded-Proto",
    "X-Real-Ip",
    "X-Request-Id",
    "X-Requested-With",
];
/// Header names a worker remembers, the usual ones included: 100 KiB of them at most, with their keys.
const MOST_NAMES: usize = 512;
/// Bytes of a name that is remembered. Those of browsers, proxies and frameworks are shorter.
const LONGEST_NAME: usize = 64;
/// Bytes of a decoded path for which room is kept.
const KEPT_SCRATCH: usize = 16 << 10;
/// Clients a worker remembers.
const MOST_PEERS: usize = 1024;
