//! `uri-host [ ":" port ]`: the grammar of Host, of an authority, and of what proxies forward
//! (RFC 9110 §7.2, RFC 3986 §3.2).

use std::net::Ipv6Addr;

use crate::percent::hex;

/// A host and, if one was given, its port. IPv6 addresses keep their brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HostPort<'a> {
    pub(crate) host: &'a [u8],
    pub(crate) port: Option<u16>,
}

/// Parses `uri-host [ ":" port ]`; `None` if `raw` does not follow the grammar.
///
/// An empty host without a port is valid: RFC 9112 §3.2 asks a client for an empty Host when its target has
/// no authority. Userinfo is not valid (RFC 9110 §4.2.4), nor are IPvFuture and IPv6 zones, which mean nothing
/// to a server. An empty port (`a:`) counts as none (RFC 3986 §3.2.3).
pub(crate) fn parse_host_port(raw: &[u8]) -> Option<HostPort<'_>> {
    if let Some(literal) = raw.strip_prefix(b"[") {
        let close = literal.iter().position(|&b| b == b']')?;
        std::str::from_utf8(&literal[..close])
            .ok()?
            .parse::<Ipv6Addr>()
            .ok()?;
        let (host, rest) = raw.split_at(close + 2);
        return Some(HostPort {
            host,
            port: parse_port_suffix(rest)?,
        });
    }
    let (host, rest) = raw.split_at(reg_name_length(raw));
    if host.is_empty() && !rest.is_empty() {
        return None;
    }
    Some(HostPort {
        host,
        port: parse_port_suffix(rest)?,
    })
}

/// Parses what follows a host: nothing, `:` or `:port`. `None` for anything else.
fn parse_port_suffix(suffix: &[u8]) -> Option<Option<u16>> {
    match suffix {
        [] | [b':'] => Some(None),
        [b':', digits @ ..] => parse_port(digits).map(Some),
        _ => None,
    }
}

/// Parses one to five digits, at most 65535. A sign is refused, though integer parsers accept it.
pub(crate) fn parse_port(digits: &[u8]) -> Option<u16> {
    if !(1..=5).contains(&digits.len()) {
        return None;
    }
    let number = digits.iter().try_fold(0u32, |number, &digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + u32::from(digit - b'0'))
    })?;
    u16::try_from(number).ok()
}

/// How many bytes at the front follow `reg-name = *( unreserved / pct-encoded / sub-delims )`, which IPv4 addresses
/// also match.
fn reg_name_length(raw: &[u8]) -> usize {
    let mut from = 0;
    loop {
        let rest = &raw[from..];
        let Some(at) = rest.iter().position(|&byte| !REG_NAME[usize::from(byte)]) else {
            return raw.len();
        };
        match &rest[at..] {
            [b'%', first, second, ..] if hex(*first).is_some() && hex(*second).is_some() => {
                from += at + 3;
            }
            _ => return from + at,
        }
    }
}

/// The bytes of a `reg-name` that stand for themselves (RFC 3986 §2.2 and §2.3).
const REG_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        table[byte] = b.is_ascii_alphanumeric()
            || matches!(b, b'-' | b'.' | b'_' | b'~')
            || matches!(
                b,
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
            );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_grammar_allows() {
        let rows: &[(&str, &str, Option<u16>)] = &[
            ("", "", None),
            ("a", "a", None),
            ("example.com:80", "example.com", Some(80)),
            ("example.com:", "example.com", None),
            ("under_score.example", "under_score.example", None),
            ("192.0.2.1:65535", "192.0.2.1", Some(65535)),
            ("[::1]", "[::1]", None),
            ("[2001:db8::1]:0443", "[2001:db8::1]", Some(443)),
            ("a%20b", "a%20b", None),
            ("a,b;c=d", "a,b;c=d", None),
        ];
        for (raw, host, port) in rows {
            let want = Some(HostPort {
                host: host.as_bytes(),
                port: *port,
            });
            assert_eq!(parse_host_port(raw.as_bytes()), want, "{raw}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        let rows: &[&[u8]] = &[
            b"a b",
            b"a/b",
            b"a?b",
            b"a#b",
            b"a@b",
            b"u:p@b",
            b"a\\b",
            b"<a>",
            b"a\"b",
            b"a\tb",
            b"a:b",
            b"a:-1",
            b"a:+1",
            b"a:65536",
            b"a:000080",
            b"a:80:80",
            b":80",
            b":",
            b"::1",
            b"[::1",
            b"[]",
            b"[::1]x",
            b"[fe80::1%25eth0]",
            b"[v1.x]",
            b"[a.example]",
            b"]",
            b"a]",
            b"a%2",
            b"a%zz",
            b"%",
            b"h\xc3\xb6st",
            b"a\x00b",
            b"a^b",
            b"a`b",
            b"{a}",
        ];
        for raw in rows {
            assert_eq!(parse_host_port(raw), None, "{}", raw.escape_ascii());
        }
    }
}
