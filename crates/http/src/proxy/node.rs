//! The words of proxies: nodes, hosts and schemes, and what they claim together.

use std::net::Ipv6Addr;

use crate::host::{parse_host_port, parse_port};

/// What trusted proxies claim about one request.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) client: Option<Node>,
    pub(super) host: Option<ForwardedHost>,
    pub(super) scheme: Option<Scheme>,
    /// Of `X-Forwarded-Port`; a port within the host is not it.
    pub(super) port: Option<u16>,
    /// The name of a parameter of `Forwarded` that means nothing here.
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

/// A client or proxy, by address or by a name that hides it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) port: Option<u16>,
}

impl Node {
    /// Parses `nodename [ ":" node-port ]` (RFC 7239 §6) and what else proxies write: an IPv6 address without
    /// brackets if no port follows, or with a zone; and for a client that has no address, or none that the
    /// proxy tells, any name. nginx writes `unix:` for one on a Unix socket.
    ///
    /// An empty or obfuscated port counts as none: nothing can be done with it where a number is expected.
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
            // A path may follow.
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

/// An address and perhaps a zone (RFC 4007 §11), by which Go's proxies tell links apart.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<Ipv6Addr>().is_ok() && is_name(zone)
}

/// What IPv4 addresses, `unknown` and obfuscated names (RFC 7239 §6.3) are made of, and host names. A byte that
/// could end a word in a log, a header or a page is not among it.
fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    !name.is_empty() && name.bytes().all(allowed)
}

/// `"_" 1*( ALPHA / DIGIT / "." / "_" / "-" )` (RFC 7239 §6.3).
fn is_obfuscated(port: &str) -> bool {
    port.strip_prefix('_').is_some_and(is_name)
}

/// A host as a proxy forwards it, held to the grammar of Host.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ForwardedHost {
    /// As sent.
    pub(super) text: String,
    /// Without the port.
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
