//! The `X-Forwarded-*` headers, which no standard describes.
//!
//! Lists are split at commas and read from the right end, to which the nearest proxy has appended. Anybody may
//! have written what is left of the trusted hops: it is neither judged nor kept. A comma in quotes still
//! divides: else a client could open a quote and swallow what a proxy appends.
//!
//! An empty element counts as a hop that told nothing.

use super::node::{Claims, ForwardedHost, Node, Scheme};
use crate::bytes::trim_ows;
use crate::host::parse_port;
use crate::refusal::Refusal;

/// The last `count` elements of a comma-separated list.
pub(super) fn last_hops(value: &[u8], count: usize) -> &[u8] {
    let commas = value
        .iter()
        .enumerate()
        .rev()
        .filter(|&(_, &byte)| byte == b',');
    match commas.map(|(at, _)| at).nth(count - 1) {
        Some(comma) => trim_ows(&value[comma + 1..]),
        None => value,
    }
}

/// The element that tells the client: that of the first trusted hop. `None` if it is empty.
fn speaker(hops: &[u8], malformed: Refusal) -> Result<Option<&[u8]>, Refusal> {
    let element = trim_ows(hops.split(|&byte| byte == b',').next().unwrap_or_default());
    if element.is_empty() {
        Ok(None)
    } else {
        unquote(element).map(Some).ok_or(malformed)
    }
}

/// Strips the quotes some proxies put around an address or a host; `None` for a lone or inner quote.
fn unquote(element: &[u8]) -> Option<&[u8]> {
    let inner = match element {
        [b'"', inner @ .., b'"'] => inner,
        _ => element,
    };
    (!inner.contains(&b'"')).then_some(inner)
}

/// `X-Forwarded-For`: a list of addresses, the client's first.
pub(super) fn read_for<'v>(
    value: &'v [u8],
    count: usize,
    claims: &mut Claims,
) -> Result<&'v [u8], Refusal> {
    let hops = last_hops(value, count);
    if let Some(node) = speaker(hops, Refusal::ForwardedFor)? {
        claims.client = Some(Node::parse(node).ok_or(Refusal::ForwardedFor)?);
    }
    Ok(hops)
}

/// `X-Forwarded-Host`: a list of hosts, the one the client asked for first.
pub(super) fn read_host<'v>(
    value: &'v [u8],
    count: usize,
    claims: &mut Claims,
) -> Result<&'v [u8], Refusal> {
    let hops = last_hops(value, count);
    if let Some(host) = speaker(hops, Refusal::ForwardedHost)? {
        claims.host = Some(ForwardedHost::parse(host).ok_or(Refusal::ForwardedHost)?);
    }
    Ok(hops)
}

/// `X-Forwarded-Proto`: one scheme. A list of them has no agreed meaning, so Waitress refuses it too.
pub(super) fn read_proto<'v>(value: &'v [u8], claims: &mut Claims) -> Result<&'v [u8], Refusal> {
    if !value.is_empty() {
        let scheme = unquote(value)
            .and_then(Scheme::parse)
            .ok_or(Refusal::ForwardedProto)?;
        claims.scheme = Some(scheme);
    }
    Ok(value)
}

/// `X-Forwarded-Port`: one port, for the same reason.
pub(super) fn read_port<'v>(value: &'v [u8], claims: &mut Claims) -> Result<&'v [u8], Refusal> {
    if !value.is_empty() {
        let port = unquote(value)
            .and_then(parse_port)
            .ok_or(Refusal::ForwardedPort)?;
        claims.port = Some(port);
    }
    Ok(value)
}
