//! From the names of header fields to the keys of an environ.
//!
//! Each worker keeps the keys of the short names that it has met, so that a usual request makes no key. Rule:
//! what is kept is bounded in number and length, and nothing that a client named is interned.

use pyo3::prelude::*;
use pyo3::types::PyString;
use rustc_hash::FxHashMap;

/// What becomes of a header field with this name.
pub(crate) enum Name {
    /// The field never reaches the environ. A name with `_` could pass for another name, `Proxy` for the variable
    /// that names a client's proxy, and the framing is the server's work.
    Hidden,
    Key(Py<PyString>),
}

/// The names that one worker knows.
pub(crate) struct Names(FxHashMap<Box<[u8]>, Name>);

impl Names {
    pub(crate) fn new(py: Python<'_>) -> Self {
        Self(usual_names(py))
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<&Name> {
        self.0.get(name)
    }

    /// The key of a name that is not known; `None` if it is hidden. Remembers a short name.
    #[cold]
    pub(crate) fn add(&mut self, py: Python<'_>, name: &[u8]) -> Option<Py<PyString>> {
        let new = Name::of(name, |key| PyString::new(py, key));
        let key = match &new {
            Name::Key(key) => Some(key.clone_ref(py)),
            Name::Hidden => None,
        };
        if name.len() <= MAX_NAME_LEN {
            if self.0.len() >= MAX_NAMES {
                // A client invents names, which will not come again.
                self.0 = usual_names(py);
            }
            self.0.insert(name.into(), new);
        }
        key
    }
}

/// The names in [`USUAL_NAMES`], in title case and in lower case. Their keys are interned, as the strings of an
/// application are. Other keys are not: some interpreters never free an interned string.
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
            // HTTP_PROXY (CVE-2016-5385): CGI programs get environs as their environment variables.
            "PROXY" => Self::Hidden,
            "CONTENT_TYPE" | "CONTENT_LENGTH" => Self::Key(key(&upper).unbind()),
            _ => Self::Key(key(&format!("HTTP_{upper}")).unbind()),
        }
    }
}

/// Header names whose keys are made in advance, so that unusual names cannot displace them.
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
/// How many header names a worker remembers, the usual ones included: at most 100 KiB with their keys.
const MAX_NAMES: usize = 512;
/// The longest name that is remembered, in bytes. Names from browsers, proxies and frameworks are shorter.
const MAX_NAME_LEN: usize = 64;
