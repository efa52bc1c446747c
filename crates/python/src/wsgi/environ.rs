//! The environ of a request (PEP 3333), with the keys that Waitress adds.
//!
//! Each worker copies a template, one per listener, and sets what differs: the strings of the request. The template has
//! what usual requests share, and what the last request of this listener shares with the next one of its connection.
//! Rule: what is kept from one request to the next is bounded in number and length.

use std::net::SocketAddr;

use headwaiter_engine::{Listening, Peer, Task};
use headwaiter_http::{FieldChange, ProxyOutcome, percent_decode};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use rustc_hash::FxHashMap;

use crate::site::Site;
use crate::wsgi::client::ClientDisconnected;
use crate::wsgi::file_wrapper::FileWrapper;
use crate::wsgi::header_names::{Name, Names};
use crate::wsgi::input::Input;
use crate::wsgi::latin1;
use crate::wsgi::reused::Reused;

/// Makes the environs of one worker.
pub(crate) struct Environs {
    /// One per listener.
    templates: Vec<Template>,
    names: Names,
    peers: FxHashMap<SocketAddr, PeerTexts>,
    input: Reused<Input>,
    client: Reused<ClientDisconnected>,
    /// The names in the module `sys`. An import costs a microsecond per request, an attribute more than this.
    sys: Py<PyDict>,
    url_prefix: Vec<u8>,
    scratch: Vec<u8>,
}

/// What is copied for each request of a listener.
struct Template {
    environ: Py<PyDict>,
    /// Whose address it has.
    peer: Option<Peer>,
    /// What it has as `wsgi.errors`.
    errors: Option<Py<PyAny>>,
}

/// Address and port of a client as strings, for its next request.
struct PeerTexts {
    address: Py<PyString>,
    port: Py<PyString>,
}

impl Environs {
    /// # Errors
    ///
    /// Exceptions of the interpreter: out of memory, or a broken `sys`.
    pub(crate) fn new(py: Python<'_>, site: &Site, listening: &[Listening]) -> PyResult<Self> {
        let templates = listening
            .iter()
            .map(|listening| Template::new(py, site, listening))
            .collect::<PyResult<_>>()?;
        Ok(Self {
            templates,
            names: Names::new(py),
            peers: FxHashMap::default(),
            input: Reused::new(site.gil),
            client: Reused::new(site.gil),
            sys: py.import("sys")?.dict().unbind(),
            url_prefix: site.boundary.url_prefix.clone().into_bytes(),
            scratch: Vec::new(),
        })
    }

    /// Makes the environ of `task`; `proxied` has what proxies say about it.
    pub(crate) fn make<'py>(
        &mut self,
        py: Python<'py>,
        task: &mut Task,
        proxied: Option<&ProxyOutcome>,
    ) -> PyResult<Bound<'py, PyDict>> {
        headwaiter_engine::inject_panic("environ");
        let environ = self.copy(py, task)?;
        let head = task.head();
        if head.method() != b"GET" {
            environ.set_item(intern!(py, "REQUEST_METHOD"), method(py, head.method())?)?;
        }
        if head.minor() == 0 {
            environ.set_item(intern!(py, "SERVER_PROTOCOL"), intern!(py, "HTTP/1.0"))?;
        }
        let target = latin1::string(py, head.target())?;
        environ.set_item(intern!(py, "REQUEST_URI"), &target)?;
        environ.set_item(intern!(py, "RAW_URI"), &target)?;
        if !head.query().is_empty() {
            let query = latin1::string(py, head.query())?;
            environ.set_item(intern!(py, "QUERY_STRING"), query)?;
        }
        let path = path_info(head.path(), &self.url_prefix, &mut self.scratch);
        let path = if path == head.target() {
            target
        } else {
            latin1::string(py, path)?
        };
        environ.set_item(intern!(py, "PATH_INFO"), path)?;
        if self.scratch.capacity() > MAX_KEPT_SCRATCH {
            self.scratch = Vec::new();
        }
        self.add_fields(py, &environ, task, proxied)?;
        if let Some(proxied) = proxied {
            add_proxied(py, &environ, proxied)?;
        }
        let body = task.take_body();
        if task.head().framing() == headwaiter_http::Framing::Chunked {
            // The body is decoded and complete, so its length is known.
            environ.set_item(intern!(py, "CONTENT_LENGTH"), body.len().to_string())?;
        }
        environ.set_item(intern!(py, "wsgi.input"), self.input.make(py, body)?)?;
        let client = self.client.make(py, task.client())?;
        environ.set_item(intern!(py, "waitress.client_disconnected"), &client)?;
        environ.set_item(intern!(py, "headwaiter.client_disconnected"), client)?;
        Ok(environ)
    }

    /// The request is over, and its environ gone unless the application keeps it.
    pub(crate) fn request_over(&mut self, py: Python<'_>) {
        self.input.empty(py);
    }

    /// A copy of the template, which has the client's address and the present `sys.stderr`.
    fn copy<'py>(&mut self, py: Python<'py>, task: &Task) -> PyResult<Bound<'py, PyDict>> {
        let template = &mut self.templates[task.listener()];
        let environ = template.environ.bind(py);
        let peer = task.peer();
        if template.peer != Some(peer) {
            // Until all is set it has nobody's address.
            template.peer = None;
            set_peer(py, environ, peer, &mut self.peers)?;
            template.peer = Some(peer);
        }
        let errors = stderr(self.sys.bind(py))?;
        if !template
            .errors
            .as_ref()
            .is_some_and(|kept| kept.is(&errors))
        {
            environ.set_item(intern!(py, "wsgi.errors"), &errors)?;
            template.errors = Some(errors.unbind());
        }
        environ.copy()
    }

    fn add_fields(
        &mut self,
        py: Python<'_>,
        environ: &Bound<'_, PyDict>,
        task: &Task,
        proxied: Option<&ProxyOutcome>,
    ) -> PyResult<()> {
        let head = task.head();
        let mut repeated = Vec::new();
        let changes = proxied.map_or(&[][..], |proxied| &proxied.fields);
        let mut changes = changes.iter().peekable();
        for (index, (name, value)) in head.fields().enumerate() {
            let change = changes.next_if(|change| change.index() == index);
            if matches!(change, Some(FieldChange::Drop(_))) {
                continue;
            }
            let (key, value) = match (self.names.get(index, name), change) {
                (Some(Name::Hidden), _) => continue,
                (Some(Name::Key(known)), None) => {
                    let value = known.value(py, value)?;
                    (known.key.bind(py).clone(), value)
                }
                (known, change) => {
                    let key = match known {
                        Some(Name::Key(known)) => Some(known.key.clone_ref(py)),
                        _ => self.names.add(py, name),
                    };
                    let Some(key) = key else { continue };
                    let value = match change {
                        Some(FieldChange::Replace(_, text)) => PyString::new(py, text),
                        _ => latin1::string(py, value)?,
                    };
                    (key.into_bound(py), value)
                }
            };
            add_field(py, environ, &key, value.into_any(), &mut repeated)?;
        }
        for key in repeated {
            join_fields(environ, &key)?;
        }
        let host = proxied.and_then(|proxied| proxied.host.as_deref());
        if let Some(host) = host.map(str::as_bytes).or_else(|| head.authority()) {
            environ.set_item(intern!(py, "HTTP_HOST"), latin1::string(py, host)?)?;
        }
        Ok(())
    }
}

/// Sets the address of the client.
fn set_peer(
    py: Python<'_>,
    environ: &Bound<'_, PyDict>,
    peer: Peer,
    known: &mut FxHashMap<SocketAddr, PeerTexts>,
) -> PyResult<()> {
    let (address, port) = match peer {
        Peer::Tcp(peer) => {
            let texts = peer_texts(py, peer, known);
            (texts.address.bind(py), texts.port.bind(py))
        }
        // The peer has no port, but applications convert this string to a number.
        Peer::Unix => (intern!(py, "localhost"), intern!(py, "0")),
    };
    environ.set_item(intern!(py, "REMOTE_HOST"), address)?;
    environ.set_item(intern!(py, "REMOTE_ADDR"), address)?;
    environ.set_item(intern!(py, "REMOTE_PORT"), port)
}

fn peer_texts<'a>(
    py: Python<'_>,
    peer: SocketAddr,
    known: &'a mut FxHashMap<SocketAddr, PeerTexts>,
) -> &'a PeerTexts {
    if known.len() >= MAX_PEERS && !known.contains_key(&peer) {
        known.clear();
    }
    known.entry(peer).or_insert_with(|| PeerTexts {
        address: PyString::new(py, &peer.ip().to_string()).unbind(),
        port: PyString::new(py, &peer.port().to_string()).unbind(),
    })
}

/// Sets what a trusted proxy says about the client and the server's own address.
fn add_proxied(
    py: Python<'_>,
    environ: &Bound<'_, PyDict>,
    proxied: &ProxyOutcome,
) -> PyResult<()> {
    // If the proxy names no port, the port of its own connection stays, as in Waitress.
    if let Some(address) = &proxied.remote_addr {
        environ.set_item(intern!(py, "REMOTE_HOST"), address.as_str())?;
        environ.set_item(intern!(py, "REMOTE_ADDR"), address.as_str())?;
    }
    if let Some(port) = &proxied.remote_port {
        environ.set_item(intern!(py, "REMOTE_PORT"), port.as_str())?;
    }
    if let Some(scheme) = &proxied.scheme {
        environ.set_item(intern!(py, "wsgi.url_scheme"), scheme.as_str())?;
    }
    if let Some(name) = &proxied.server_name {
        environ.set_item(intern!(py, "SERVER_NAME"), name.as_str())?;
    }
    if let Some(port) = &proxied.server_port {
        environ.set_item(intern!(py, "SERVER_PORT"), port.as_str())?;
    }
    Ok(())
}

impl Template {
    fn new(py: Python<'_>, site: &Site, listening: &Listening) -> PyResult<Self> {
        Ok(Self {
            environ: prepare(py, site, listening)?.unbind(),
            peer: None,
            errors: None,
        })
    }
}

/// Makes the part of the environ that all requests of one listener share.
fn prepare<'py>(
    py: Python<'py>,
    site: &Site,
    listening: &Listening,
) -> PyResult<Bound<'py, PyDict>> {
    let boundary = &site.boundary;
    let environ = PyDict::new(py);
    let port = match listening {
        Listening::Tcp(address) => address.port().to_string(),
        // A Unix socket has no port, but applications convert this string to a number. The usual port of
        // the scheme is the one in the client's URL.
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
    environ.set_item("wsgi.multiprocess", boundary.multiprocess)?;
    environ.set_item("wsgi.run_once", false)?;
    environ.set_item("wsgi.file_wrapper", py.get_type::<FileWrapper>())?;
    environ.set_item("wsgi.input_terminated", true)?;
    // The keys that each request sets are there already: then a copy has room for them from the start, and only
    // the keys of header fields are inserted.
    for key in REQUEST_KEYS {
        environ.set_item(PyString::intern(py, key), py.None())?;
    }
    // What most requests have. The others set it.
    environ.set_item("REQUEST_METHOD", intern!(py, "GET"))?;
    environ.set_item("SERVER_PROTOCOL", intern!(py, "HTTP/1.1"))?;
    environ.set_item("QUERY_STRING", intern!(py, ""))?;
    Ok(environ)
}

/// Keys that [`Environs::make`] sets for every request, whatever its headers.
const REQUEST_KEYS: [&str; 13] = [
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

/// Adds a field line to the environ.
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
    // SAFETY: this thread is attached, and all three are live objects, the first a dict. The result is a borrowed
    // reference that the dict keeps alive, or null with an exception set. No other thread has the dict yet.
    let present = unsafe {
        let present = ffi::PyDict_SetDefault(environ.as_ptr(), key.as_ptr(), value.as_ptr());
        Bound::from_borrowed_ptr_or_err(py, present)?
    };
    // Not `present.is(value)`: two short strings may be the same object.
    if environ.len() > before {
        Ok(())
    } else {
        gather_lines(environ, key, present, value, repeated)
    }
}

/// Adds a line to the list of all lines with the same `key`, which [`join_fields`] joins at the end. To join
/// each line at once would copy a long head hundreds of times.
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

/// Joins the field lines of one name into one value: by a comma (RFC 9110 §5.3), cookies by a semicolon
/// (RFC 6265).
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

/// The name of a method other than GET.
fn method<'py>(py: Python<'py>, method: &[u8]) -> PyResult<Bound<'py, PyString>> {
    Ok(match method {
        b"POST" => intern!(py, "POST").clone(),
        b"HEAD" => intern!(py, "HEAD").clone(),
        other => latin1::string(py, other)?,
    })
}

/// `PATH_INFO`: decoded, with leading slashes merged and without `url_prefix`, as in Waitress. The target `*`
/// means the whole server and is no path; validators accept an empty path for it.
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

/// The present `sys.stderr`, which applications and test runners replace. If a process has none, its output is
/// discarded.
fn stderr<'py>(sys: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
    let py = sys.py();
    match sys.get_item(intern!(py, "stderr"))? {
        Some(stderr) if !stderr.is_none() => Ok(stderr),
        _ => py.import("io")?.getattr("StringIO")?.call0(),
    }
}

/// The largest buffer for decoded paths that is kept, in bytes.
const MAX_KEPT_SCRATCH: usize = 16 << 10;
/// How many clients a worker remembers.
const MAX_PEERS: usize = 1024;
