//! From the names of header fields to the keys of an environ.
//!
//! Each worker keeps the keys of the short names that it has met, so that a usual request makes no key. With each key it
//! keeps the last value, if that is short: most fields say the same in the next request. Rule: what is kept is bounded in
//! number and length, and nothing that a client named is interned.

use pyo3::prelude::*;
use pyo3::types::PyString;
use rustc_hash::FxHashMap;

use crate::wsgi::latin1;

/// What becomes of a header field with this name.
pub(crate) enum Name {
    /// The field never reaches the environ. A name with `_` could pass for another name, `Proxy` for the variable
    /// that names a client's proxy, and the framing is the server's work.
    Hidden,
    Key(Key),
}

/// The key of a field, and its last value.
pub(crate) struct Key {
    pub(crate) key: Py<PyString>,
    last: Option<Py<PyString>>,
}

impl Key {
    fn new(key: Bound<'_, PyString>) -> Self {
        Self {
            key: key.unbind(),
            last: None,
        }
    }

    /// The native string of `value`: that of the last request, if it was the same.
    pub(crate) fn value<'py>(
        &mut self,
        py: Python<'py>,
        value: &[u8],
    ) -> PyResult<Bound<'py, PyString>> {
        if let Some(last) = &self.last
            && last.to_str(py).is_ok_and(|last| last.as_bytes() == value)
        {
            return Ok(last.bind(py).clone());
        }
        let made = latin1::string(py, value)?;
        // The text of other strings is not their bytes.
        let is_kept = value.len() <= MAX_VALUE_LEN && value.is_ascii();
        self.last = is_kept.then(|| made.clone().unbind());
        Ok(made)
    }
}

/// The names that one worker knows.
pub(crate) struct Names(FxHashMap<Box<[u8]>, Name>);

impl Names {
    pub(crate) fn new(py: Python<'_>) -> Self {
        Self(usual_names(py))
    }

    pub(crate) fn get(&mut self, name: &[u8]) -> Option<&mut Name> {
        self.0.get_mut(name)
    }

    /// The key of a name that is not known; `None` if it is hidden. Remembers a short name.
    #[cold]
    pub(crate) fn add(&mut self, py: Python<'_>, name: &[u8]) -> Option<Py<PyString>> {
        let new = Name::of(name, |key| PyString::new(py, key));
        let key = match &new {
            Name::Key(known) => Some(known.key.clone_ref(py)),
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
            "CONTENT_TYPE" | "CONTENT_LENGTH" => Self::Key(Key::new(key(&upper))),
            _ => Self::Key(Key::new(key(&format!("HTTP_{upper}")))),
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
/// How many header names a worker remembers, the usual ones included: at most 100 KiB with their keys, and
/// 128 KiB of values.
const MAX_NAMES: usize = 512;
/// The longest value that is kept, in bytes: one of these for each name.
const MAX_VALUE_LEN: usize = 256;
/// The longest name that is remembered, in bytes. Names from browsers, proxies and frameworks are shorter.
const MAX_NAME_LEN: usize = 64;
