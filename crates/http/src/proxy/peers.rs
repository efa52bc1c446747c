//! `trusted_proxy`: which peers are trusted proxies.

use std::net::IpAddr;

use ipnet::IpNet;

/// The other end of a connection. Decides whether its proxy headers are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyPeer {
    /// A peer with an address. An IPv4-mapped IPv6 address counts as its IPv4 address, because a dual-stack socket
    /// reports IPv4 peers in this form.
    Ip(IpAddr),
    /// A peer on a Unix socket.
    Unix,
}

impl ProxyPeer {
    /// Whether the peer may well be a proxy of this site: it is on this machine or in a private network.
    pub fn is_near(self) -> bool {
        match self {
            Self::Unix => true,
            Self::Ip(address) => match address.to_canonical() {
                IpAddr::V4(v4) => {
                    let [first, second, ..] = v4.octets();
                    let is_shared = first == 100 && second & 0xc0 == 64; // RFC 6598
                    v4.is_loopback() || v4.is_private() || v4.is_link_local() || is_shared
                }
                IpAddr::V6(v6) => {
                    v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local()
                }
            },
        }
    }
}

/// The peers that `trusted_proxy` names.
#[derive(Clone, Debug, Default)]
pub(super) struct TrustedPeers {
    everybody: bool,
    unix: bool,
    nets: Vec<IpNet>,
}

impl TrustedPeers {
    /// Parses the value of `trusted_proxy`. [`ProxyPolicy::new`](super::ProxyPolicy::new) describes it.
    pub(super) fn parse(list: &str) -> Result<Self, String> {
        let mut peers = Self::default();
        for entry in list
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            match entry {
                "*" => peers.everybody = true,
                "unix" | "localhost" => peers.unix = true,
                _ => peers.nets.push(parse_net(entry).ok_or_else(|| {
                    format!(
                        "trusted_proxy must be *, unix, or a comma-separated list of IP addresses and \
                         CIDR networks; {entry:?} is none of them"
                    )
                })?),
            }
        }
        Ok(peers)
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.everybody && !self.unix && self.nets.is_empty()
    }

    pub(super) fn contain(&self, peer: ProxyPeer) -> bool {
        self.everybody
            || match peer {
                ProxyPeer::Unix => self.unix,
                ProxyPeer::Ip(_) if self.nets.is_empty() => false,
                ProxyPeer::Ip(address) => {
                    let address = address.to_canonical();
                    self.nets.iter().any(|net| net.contains(&address))
                }
            }
    }
}

/// Parses a network, or an address, which counts as the network of this one address.
fn parse_net(entry: &str) -> Option<IpNet> {
    match entry.parse::<IpAddr>() {
        Ok(address) => Some(IpNet::from(address.to_canonical())),
        Err(_) => entry.parse().ok(),
    }
}
