//! Writes the seed corpora from the tables that the tests of the http crate use, so that the fuzzer
//! starts at every rule and nobody keeps two lists.

use std::fs;
use std::io;
use std::path::Path;

#[path = "../../crates/http/tests/wire/corpus/mod.rs"]
mod corpus;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");

    let accepted = corpus::HEADS_ACCEPTED
        .iter()
        .map(|head| (*head, "accepted"));
    let refused = corpus::HEADS_REFUSED
        .iter()
        .map(|(head, why)| (*head, why.rule()));
    let mut heads: Vec<_> = accepted
        .chain(refused)
        .map(|(head, why)| (cut(head), why))
        .collect();
    heads.push((cut(corpus::PROBE), "probe"));
    write(&root.join("head"), heads)?;

    // Every head between two that must be served, or not: a pipeline.
    let heads = corpus::HEADS_ACCEPTED
        .iter()
        .copied()
        .chain(corpus::HEADS_REFUSED.iter().map(|(head, _)| *head));
    let pipelines = heads.map(|head| {
        (
            cut(&[corpus::PROBE, head, corpus::PROBE].concat()),
            "pipeline",
        )
    });
    write(&root.join("channel"), pipelines)?;

    let accepted = corpus::CHUNKED_ACCEPTED
        .iter()
        .map(|(body, _)| (*body, "accepted"));
    let refused = corpus::CHUNKED_REFUSED
        .iter()
        .map(|(body, why)| (*body, why.rule()));
    write(
        &root.join("chunked"),
        accepted.chain(refused).map(|(body, why)| (cut(body), why)),
    )?;

    write(
        &root.join("proxy"),
        PROXY.iter().map(|lines| (lines.to_vec(), "lines")),
    )?;
    write(
        &root.join("reply"),
        REPLY.iter().map(|lines| (lines.to_vec(), "lines")),
    )
}

/// The targets for wire bytes take the place of the cut from the first byte.
fn cut(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8 / 2], bytes].concat()
}

fn write<'a>(folder: &Path, seeds: impl IntoIterator<Item = (Vec<u8>, &'a str)>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (number, (bytes, why)) in seeds.into_iter().enumerate() {
        fs::write(folder.join(format!("{number:03}-{why}")), bytes)?;
    }
    Ok(())
}

/// The first byte chooses the settings, see the target.
const PROXY: &[&[u8]] = &[
    b"\x00X-Forwarded-For: 1.1.1.1, [2001:db8::1]:77\r\nX-Forwarded-Proto: https",
    b"\x00X-Forwarded-Host: a.example:80, b\r\nX-Forwarded-Port: 8443\r\nX-Forwarded-By: c",
    b"\x01Forwarded: for=\"[2001:db8::1]:77\";proto=https;host=\"a:80\", for=_x;by=unknown",
    b"\x03Forwarded: for=\"\\1.1.1.1\"\r\nForwarded: for=2.2.2.2",
    b"\x01Forwarded: nonsense, for=unix:;ext=1, for=\"[fe80::1%eth0]:77\"",
    b"\x00X-Forwarded-For: a b,, unix:",
    b"\x04X-Real-IP: 1.1.1.1\r\nX-Forwarded-For: unknown",
];

/// A status, then `name: value` lines; the first byte chooses the context, see the target.
const REPLY: &[&[u8]] = &[
    b"\x00200 OK\nContent-Type: text/plain\nContent-Length: 5",
    b"\x01204 No Content\nContent-Length: 0\nServer: mine",
    b"\x02304 Not Modified\nDate: today\nVia: x",
    b"\x07500 Oops\nTransfer-Encoding: chunked\nConnection: close",
    b"\x0f200\nSet-Cookie: a\rb",
];
