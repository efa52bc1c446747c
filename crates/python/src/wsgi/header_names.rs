//! From the names of header fields to the keys of an environ.
//!
//! Each worker keeps the keys of the short names that it has met, so that a usual request makes no key. With each key it
//! keeps the last value, if that is short: most fields say the same in the next request. Rule: what is kept is bounded in
//! number and length, and nothing that a client named is interned.

use std::rc::Rc;

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
            && latin1::bytes(last.bind(py)) == Some(value)
        {
            return Ok(last.bind(py).clone());
        }
        let made = latin1::string(py, value)?;
        let is_kept = value.len() <= MAX_VALUE_LEN;
        self.last = is_kept.then(|| made.clone().unbind());
        Ok(made)
    }
}

/// The names that one worker knows.
pub(crate) struct Names {
    known: Vec<(Rc<[u8]>, Name)>,
    /// Where in `known` each is.
    places: FxHashMap<Rc<[u8]>, usize>,
    /// Where in `known` the names of the last request are. Most clients send theirs in the same order again.
    last: Vec<usize>,
}

impl Names {
    pub(crate) fn new(py: Python<'_>) -> Self {
        let mut names = Self {
            known: Vec::new(),
            places: FxHashMap::default(),
            last: Vec::new(),
        };
        names.set_usual(py);
        names
    }

    /// The name of field number `index` of a request.
    pub(crate) fn get(&mut self, index: usize, name: &[u8]) -> Option<&mut Name> {
        let place = match self.last.get(index) {
            Some(&place) if *self.known[place].0 == *name => place,
            _ => self.look_up(index, name)?,
        };
        Some(&mut self.known[place].1)
    }

    #[inline(never)]
    fn look_up(&mut self, index: usize, name: &[u8]) -> Option<usize> {
        let place = *self.places.get(name)?;
        if index < MAX_NAMES {
            if index >= self.last.len() {
                self.last.resize(index + 1, place);
            }
            self.last[index] = place;
        }
        Some(place)
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
            if self.known.len() >= MAX_NAMES {
                // A client invents names, which will not come again.
                self.set_usual(py);
            }
            self.insert(name, new);
        }
        key
    }

    /// Knows the [`USUAL_NAMES`] only, in title case and in lower case. Their keys are interned, as the strings of an
    /// application are. Other keys are not: some interpreters never free an interned string.
    fn set_usual(&mut self, py: Python<'_>) {
        self.known.clear();
        self.places.clear();
        self.last.clear();
        for usual in USUAL_NAMES {
            for name in [(*usual).to_owned(), usual.to_ascii_lowercase()] {
                let name = name.as_bytes();
                self.insert(name, Name::of(name, |key| PyString::intern(py, key)));
            }
        }
    }

    fn insert(&mut self, name: &[u8], known: Name) {
        let name = Rc::from(name);
        self.places.insert(Rc::clone(&name), self.known.len());
        self.known.push((name, known));
    }
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
