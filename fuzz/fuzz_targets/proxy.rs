//! What a proxy, or somebody who plays one, says in header lines.

#![no_main]

use std::net::IpAddr;

use headwaiter_http::{FieldChange, Head, HeadLimits, ProxyOutcome, ProxyPeer, ProxyPolicy};
use libfuzzer_sys::fuzz_target;

const X: &[&str] = &[
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-by",
];

const LIMITS: HeadLimits = HeadLimits {
    size: 262_144,
    fields: 512,
};

fuzz_target!(|input: &[u8]| {
    let Some((&settings, lines)) = input.split_first() else {
        return;
    };
    let text = [b"GET / HTTP/1.0\r\n", lines, b"\r\n\r\n"].concat();
    let mut head = Head::new();
    if head.parse(&text, &mut 0, LIMITS) != Ok(Some(text.len())) {
        return;
    }
    let headers = if settings & 1 == 0 { X } else { &["forwarded"] };
    let count = usize::from(settings >> 1 & 3) + 1;
    let policy = ProxyPolicy::new("unix", count, headers, true, true).expect("sound settings");

    let stranger = ProxyPeer::Ip(IpAddr::from([192, 0, 2, 1]));
    let outcome = policy
        .apply(stranger, &head, "http")
        .expect("a stranger's word is not read");
    let ProxyOutcome {
        fields, untrusted, ..
    } = outcome.clone();
    assert_eq!(
        outcome,
        ProxyOutcome {
            fields,
            untrusted,
            ..ProxyOutcome::default()
        }
    );
    assert!(
        outcome
            .fields
            .iter()
            .all(|change| matches!(change, FieldChange::Drop(_)))
    );

    let Ok(outcome) = policy.apply(ProxyPeer::Unix, &head, "http") else {
        return;
    };
    let indexes: Vec<usize> = outcome.fields.iter().map(FieldChange::index).collect();
    assert!(
        indexes.is_sorted_by(|a, b| a < b),
        "one change a field, in order"
    );
    assert!(indexes.iter().all(|&index| index < head.field_count()));
    for change in &outcome.fields {
        if let FieldChange::Replace(_, value) = change {
            assert!(
                value
                    .chars()
                    .all(|c| c == '\t' || (c >= ' ' && c != '\x7f' && c <= '\u{ff}'))
            );
        }
    }
    if let Some(address) = &outcome.remote_addr {
        let name = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        let (plain, zone) = address.split_once('%').unwrap_or((address, ""));
        assert!(
            name(zone) && (name(plain) || plain.parse::<IpAddr>().is_ok()),
            "{address}"
        );
    }
    for port in [&outcome.remote_port, &outcome.server_port]
        .into_iter()
        .flatten()
    {
        assert!(port.parse::<u16>().is_ok(), "{port}");
    }
    assert!(
        outcome
            .scheme
            .as_deref()
            .is_none_or(|scheme| matches!(scheme, "http" | "https"))
    );
    assert_eq!(outcome.host.is_some(), outcome.server_name.is_some());
    // What is set as Host must pass as Host.
    if let Some(host) = &outcome.host {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let parsed = Head::new().parse(request.as_bytes(), &mut 0, LIMITS);
        assert_eq!(parsed, Ok(Some(request.len())), "{host}");
    }
});
