//! Trusted proxies: what `X-Forwarded-*` and `Forwarded` (RFC 7239) may change in a request, and who may
//! say so.
//!
//! The engine makes one [`ProxyPolicy`] from the adjustments and asks it once per request. It changes
//! nothing itself: the [`ProxyOutcome`] lists what differs from the request as received.
//!
//! The semantics are those of Waitress. With `trusted_proxy_count` = n, trusted proxies wrote the last n elements
//! of a header; the first of these n tells the client, and the application sees exactly these n. Elements that
//! are not used are not judged. Waitress passes on any value that a trusted proxy sends; here a value that is
//! no address or name, no host or no port is refused with 400, and `X-Forwarded-For` may have `[IPv6]:port`.
//!
//! **Invariant:** without a trusted peer the outcome changes no address, host or scheme.

mod forwarded;
mod node;
mod peers;
mod x_forwarded;

use std::borrow::Cow;

use self::node::{Claims, Scheme};
pub use self::peers::ProxyPeer;
use self::peers::TrustedPeers;
use crate::head::Head;
use crate::refusal::Refusal;

/// Which peers are trusted to speak for the client, and in which headers.
#[derive(Clone, Debug)]
pub struct ProxyPolicy {
    peers: TrustedPeers,
    count: usize,
    trusted: Vec<Header>,
    clear_untrusted: bool,
    log_untrusted: bool,
}

/// What a proxy changes in one request. `None` and an empty list mean: as received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyOutcome {
    /// The client's address: an IP address without brackets, or a name such as `unknown` where the client
    /// has none or the proxy hides it (RFC 7239 §6).
    pub remote_addr: Option<String>,
    /// The client's port, if the proxy named it.
    pub remote_port: Option<String>,
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// The Host the client asked for, with its port unless that is the default of the scheme.
    pub host: Option<String>,
    /// That host without its port.
    pub server_name: Option<String>,
    /// The port the client connected to.
    pub server_port: Option<String>,
    /// Header fields that the application must not see as received, in the order of their index.
    pub fields: Vec<FieldChange>,
    /// Names of headers that came without being trusted, each once, if they are to be logged.
    pub untrusted: Vec<&'static str>,
    /// The first parameter of `Forwarded` that a trusted proxy wrote and that means nothing here.
    pub unknown: Option<String>,
}

/// A change to the header field at this index of [`Head::fields`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldChange {
    /// The application does not see the field.
    Drop(usize),
    /// The application sees this value. Each `char` stands for one byte, as in WSGI strings.
    Replace(usize, String),
}

impl FieldChange {
    /// The index of the field concerned.
    pub fn index(&self) -> usize {
        match self {
            Self::Drop(index) | Self::Replace(index, _) => *index,
        }
    }
}

/// The headers that `trusted_proxy_headers` may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    For,
    Host,
    Proto,
    Port,
    By,
    Forwarded,
}

impl Header {
    const ALL: [Self; 6] = [
        Self::For,
        Self::Host,
        Self::Proto,
        Self::Port,
        Self::By,
        Self::Forwarded,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::For => "X-Forwarded-For",
            Self::Host => "X-Forwarded-Host",
            Self::Proto => "X-Forwarded-Proto",
            Self::Port => "X-Forwarded-Port",
            Self::By => "X-Forwarded-By",
            Self::Forwarded => "Forwarded",
        }
    }
}

/// Headers by which other proxies tell the client's address or scheme. They are never interpreted here,
/// but applications read them (CVE-2022-2255 was one that stayed).
const CLIENT_HEADERS: [&str; 14] = [
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "Front-End-Https",
    "True-Client-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Forwarded",
    "X-Forwarded-Protocol",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Ssl",
    "X-Original-Forwarded-For",
    "X-Real-IP",
    "X-Url-Scheme",
];

/// A header that tells something about the client.
#[derive(Clone, Copy)]
enum Told {
    /// By one of the headers that can be trusted.
    By(Header),
    /// By another one; its name.
    Otherwise(&'static str),
}

fn classify(name: &[u8]) -> Option<Told> {
    // Nearly every field of a browser is decided by its first two bytes.
    let [first, second, ..] = name else {
        return None;
    };
    if !matches!(
        (first | 0x20, second | 0x20),
        (b'x', b'-') | (b'f', _) | (b'c', b'f') | (b't', b'r')
    ) {
        return None;
    }
    let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
    let by = Header::ALL
        .into_iter()
        .find(|header| is(header.name()))
        .map(Told::By);
    by.or_else(|| {
        CLIENT_HEADERS
            .into_iter()
            .find(|known| is(known))
            .map(Told::Otherwise)
    })
}

impl ProxyPolicy {
    /// A policy from the adjustments of the same names.
    ///
    /// `trusted` is empty for nobody, `*` for every peer, or a comma-separated list of addresses, CIDR
    /// networks and `unix` (or `localhost`, Waitress' word for it) for peers on a Unix socket. `headers`
    /// are names such as `x-forwarded-for` in any case; none means `x-forwarded-proto`, as in Waitress.
    ///
    /// `clear_untrusted` hides from the application what is not trusted: of the headers that can be
    /// trusted those not listed, and all of them if the peer is not trusted. If `trusted` names somebody,
    /// an untrusted peer also loses every other well-known header that tells a client's address or scheme
    /// (`X-Real-IP`, `X-Client-IP`, ...). If it names nobody those stay, because Waitress leaves them and
    /// applications behind a proxy it was never told of read them.
    ///
    /// # Errors
    ///
    /// A sentence that names the adjustment and what it accepts.
    pub fn new(
        trusted: &str,
        count: usize,
        headers: &[&str],
        clear_untrusted: bool,
        log_untrusted: bool,
    ) -> Result<Self, String> {
        let peers = TrustedPeers::parse(trusted)?;
        if count == 0 {
            return Err("trusted_proxy_count must be at least 1".to_owned());
        }
        let mut known = headers
            .iter()
            .map(|name| {
                let header = Header::ALL
                    .into_iter()
                    .find(|h| h.name().eq_ignore_ascii_case(name));
                header.ok_or_else(|| format!("trusted_proxy_headers has an unknown name: {name:?}"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if known.is_empty() {
            known.push(Header::Proto);
        }
        if known.contains(&Header::Forwarded) && known.iter().any(|h| *h != Header::Forwarded) {
            return Err(
                "trusted_proxy_headers must not mix forwarded with x-forwarded-*: \
                        which of them to believe would be a guess"
                    .to_owned(),
            );
        }
        Ok(Self {
            peers,
            count,
            trusted: known,
            clear_untrusted,
            log_untrusted,
        })
    }

    /// Whether no peer is trusted: then every change is a header that was removed.
    pub fn trusts_nobody(&self) -> bool {
        self.peers.is_empty()
    }

    /// Whether a field of `head` tells something about the client. If none does, nothing changes.
    pub fn concerns(head: &Head) -> bool {
        head.fields().any(|(name, _)| classify(name).is_some())
    }

    /// Says what changes in a request that came from `peer`. `url_scheme` is the scheme that holds unless
    /// a proxy names another.
    ///
    /// # Errors
    ///
    /// A [`Refusal`] named after the header if a trusted peer sent a malformed value.
    pub fn apply(
        &self,
        peer: ProxyPeer,
        head: &Head,
        url_scheme: &str,
    ) -> Result<ProxyOutcome, Refusal> {
        let peer_trusted = self.peers.contain(peer);
        let mut outcome = ProxyOutcome::default();
        let mut told = ToldByProxy::default();
        for (index, (name, value)) in head.fields().enumerate() {
            let untrusted = match classify(name) {
                Some(Told::By(header)) if peer_trusted && self.trusted.contains(&header) => {
                    if told.add(header, index, value) {
                        outcome.fields.push(FieldChange::Drop(index));
                    }
                    continue;
                }
                Some(Told::By(header)) => header.name(),
                Some(Told::Otherwise(name)) if !peer_trusted && !self.peers.is_empty() => name,
                _ => continue,
            };
            if self.clear_untrusted {
                outcome.fields.push(FieldChange::Drop(index));
            }
            if self.log_untrusted && !outcome.untrusted.contains(&untrusted) {
                outcome.untrusted.push(untrusted);
            }
        }
        if !told.lines.is_empty() {
            let mut claims = Claims::default();
            for line in told.lines {
                let kept = read_header(line.header, &line.value, self.count, &mut claims)?;
                if line.merged || kept != &*line.value {
                    let value = kept.iter().map(|&byte| char::from(byte)).collect();
                    outcome.fields.push(FieldChange::Replace(line.index, value));
                }
            }
            outcome.fields.sort_unstable_by_key(FieldChange::index);
            settle(claims, url_scheme, &mut outcome);
        }
        Ok(outcome)
    }
}

/// The trusted headers of one request. A header that came on several lines is one list (RFC 9110 §5.3).
#[derive(Default)]
struct ToldByProxy<'a> {
    lines: Vec<ToldLine<'a>>,
}

struct ToldLine<'a> {
    header: Header,
    /// The index of its first line.
    index: usize,
    value: Cow<'a, [u8]>,
    merged: bool,
}

impl<'a> ToldByProxy<'a> {
    /// Adds a line; true if it was merged into an earlier one.
    fn add(&mut self, header: Header, index: usize, value: &'a [u8]) -> bool {
        if let Some(line) = self.lines.iter_mut().find(|line| line.header == header) {
            let joined = line.value.to_mut();
            joined.extend_from_slice(b", ");
            joined.extend_from_slice(value);
            line.merged = true;
            return true;
        }
        self.lines.push(ToldLine {
            header,
            index,
            value: Cow::Borrowed(value),
            merged: false,
        });
        false
    }
}

/// Reads one trusted header into `claims` and returns the part of it that trusted proxies wrote.
fn read_header<'v>(
    header: Header,
    value: &'v [u8],
    count: usize,
    claims: &mut Claims,
) -> Result<&'v [u8], Refusal> {
    match header {
        Header::For => x_forwarded::read_for(value, count, claims),
        Header::Host => x_forwarded::read_host(value, count, claims),
        Header::Proto => x_forwarded::read_proto(value, claims),
        Header::Port => x_forwarded::read_port(value, claims),
        // WSGI has no key for the proxy that was asked; the application may read the header.
        Header::By => Ok(x_forwarded::last_hops(value, count)),
        Header::Forwarded => forwarded::read(value, count, claims),
    }
}

/// Turns the claims into changes. The port is, in this order, the one in the host, the one of
/// `X-Forwarded-Port`, or the default of a scheme that was named.
fn settle(claims: Claims, url_scheme: &str, outcome: &mut ProxyOutcome) {
    let default_port = match claims.scheme {
        Some(scheme) => scheme.default_port(),
        None if url_scheme == Scheme::Https.name() => Scheme::Https.default_port(),
        None => Scheme::Http.default_port(),
    };
    let mut port = claims.port.or(claims.scheme.map(Scheme::default_port));
    if let Some(host) = claims.host {
        port = host.port.or(port);
        outcome.host = Some(match claims.port {
            Some(port) if host.is_bare() && port != default_port => format!("{}:{port}", host.text),
            _ => host.text.clone(),
        });
        outcome.server_name = Some(host.name);
    }
    outcome.server_port = port.map(|port| port.to_string());
    outcome.unknown = claims.unknown;
    outcome.scheme = claims.scheme.map(|scheme| scheme.name().to_owned());
    if let Some(client) = claims.client {
        outcome.remote_addr = Some(client.name);
        outcome.remote_port = client.port.map(|port| port.to_string());
    }
}

#[cfg(test)]
mod tests;
