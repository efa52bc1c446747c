//! The values in proxy headers: nodes, hosts and schemes. [`Claims`] holds those of one request.

use std::net::Ipv6Addr;

use crate::host::{parse_host_port, parse_port};

/// What trusted proxies claim about one request.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) client: Option<Node>,
    pub(super) host: Option<ForwardedHost>,
    pub(super) scheme: Option<Scheme>,
    /// The value of `X-Forwarded-Port`. A port inside the host is not stored here.
    pub(super) port: Option<u16>,
    /// The name of a parameter of `Forwarded` that this server does not know.
    pub(super) unknown: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    /// Schemes are case-insensitive (RFC 3986 §3.1).
    pub(super) fn parse(raw: &[u8]) -> Option<Self> {
        [Self::Http, Self::Https]
            .into_iter()
            .find(|scheme| raw.eq_ignore_ascii_case(scheme.name().as_bytes()))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    pub(super) fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// A client or proxy: its address, or a name that hides the address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) port: Option<u16>,
}

impl Node {
    /// Parses `nodename [ ":" node-port ]` (RFC 7239 §6).
    ///
    /// Accepts three more forms that proxies write: an IPv6 address without brackets, if no port follows; an IPv6
    /// address with a zone; and any name, for a client without an address or with a hidden one. For a client on a Unix
    /// socket nginx writes `unix:`.
    ///
    /// An empty or obfuscated port counts as no port, because applications expect a number.
    pub(super) fn parse(raw: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(raw).ok()?;
        if is_ipv6(text) {
            return Some(Self::of(text, None));
        }
        let (name, rest) = match text.strip_prefix('[') {
            Some(literal) => {
                let (address, rest) = literal.split_once(']')?;
                is_ipv6(address).then_some((address, rest))?
            }
            None => {
                let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
                is_name(name).then_some((name, rest))?
            }
        };
        if name == "unix" {
            // A path may follow; ignore it.
            return Some(Self::of(name, None));
        }
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            Some(port) if port.is_empty() || is_obfuscated(port) => None,
            Some(port) => Some(parse_port(port.as_bytes())?),
            None => return None,
        };
        Some(Self::of(name, port))
    }

    fn of(name: &str, port: Option<u16>) -> Self {
        Self {
            name: name.to_owned(),
            port,
        }
    }
}

/// Whether `text` is an IPv6 address, with or without a zone (RFC 4007 §11). Proxies written in Go send zones.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<Ipv6Addr>().is_ok() && is_name(zone)
}

/// Whether `name` has only the characters of IPv4 addresses, host names, `unknown` and obfuscated names (RFC 7239
/// §6.3). None of these characters can end a word in a log, a header or a page.
fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !name.is_empty() && name.bytes().all(allowed)
}

/// `"_" 1*( ALPHA / DIGIT / "." / "_" / "-" )` (RFC 7239 §6.3).
fn is_obfuscated(port: &str) -> bool {
    port.strip_prefix('_').is_some_and(is_name)
}

/// A host that a proxy forwards. It follows the grammar of the `Host` field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ForwardedHost {
    /// The whole value, as the proxy sent it.
    pub(super) text: String,
    /// The host without the port.
    pub(super) name: String,
    pub(super) port: Option<u16>,
}

impl ForwardedHost {
    pub(super) fn parse(raw: &[u8]) -> Option<Self> {
        let parsed = parse_host_port(raw)?;
        if parsed.host.is_empty() {
            return None;
        }
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
        Some(Self {
            text: text(raw)?,
            name: text(parsed.host)?,
            port: parsed.port,
        })
    }

    /// Whether nothing follows the host, not even the colon of an empty port.
    pub(super) fn is_bare(&self) -> bool {
        self.text.len() == self.name.len()
    }
}
