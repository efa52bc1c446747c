//! The words of proxies: nodes, hosts and schemes, and what they claim together.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::host::{parse_host_port, parse_port};

/// What trusted proxies claim about one request.
#[derive(Debug, Default)]
pub(super) struct Claims {
    pub(super) client: Option<Node>,
    pub(super) host: Option<ForwardedHost>,
    pub(super) scheme: Option<Scheme>,
    /// Of `X-Forwarded-Port`; a port within the host is not it.
    pub(super) port: Option<u16>,
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
    /// Parses `nodename [ ":" node-port ]` (RFC 7239 §6). An IPv6 address may stand without brackets if
    /// no port follows, as in `X-Forwarded-For`. An obfuscated port counts as none: nothing can be done
    /// with it where a number is expected.
    pub(super) fn parse(raw: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(raw).ok()?;
        if text.parse::<Ipv6Addr>().is_ok() {
            return Some(Self {
                name: text.to_owned(),
                port: None,
            });
        }
        let (name, rest) = match text.strip_prefix('[') {
            Some(literal) => {
                let (address, rest) = literal.split_once(']')?;
                address.parse::<Ipv6Addr>().ok()?;
                (address, rest)
            }
            None => {
                let (name, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
                let hidden = name.eq_ignore_ascii_case("unknown") || is_obfuscated(name);
                if !hidden {
                    name.parse::<Ipv4Addr>().ok()?;
                }
                (name, rest)
            }
        };
        let port = match rest.strip_prefix(':') {
            None if rest.is_empty() => None,
            Some(port) if is_obfuscated(port) => None,
            Some(port) => Some(parse_port(port.as_bytes())?),
            None => return None,
        };
        Some(Self {
            name: name.to_owned(),
            port,
        })
    }
}

/// `"_" 1*( ALPHA / DIGIT / "." / "_" / "-" )` (RFC 7239 §6.3).
fn is_obfuscated(name: &str) -> bool {
    name.len() > 1
        && name.starts_with('_')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
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
