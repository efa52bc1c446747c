//! Rows marked with Waitress' name were compared with Waitress 3.0.2 over a socket.

use std::net::IpAddr;

use super::*;
use crate::head::HeadLimits;

const X: &[&str] = &[
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "X-Forwarded-Port",
    "x-forwarded-by",
];
const RFC: &[&str] = &["forwarded"];
const LIMITS: HeadLimits = HeadLimits {
    size: 262_144,
    fields: 512,
};

fn peer(address: &str) -> ProxyPeer {
    ProxyPeer::Ip(address.parse::<IpAddr>().unwrap())
}

fn head(fields: &[(&str, &str)]) -> Head {
    let mut text = "GET / HTTP/1.1\r\nHost: orig:99\r\n".to_owned();
    for (name, value) in fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let mut head = Head::new();
    let parsed = head.parse(text.as_bytes(), &mut 0, LIMITS);
    assert_eq!(parsed, Ok(Some(text.len())), "{text}");
    head
}

/// Applies a policy that trusts the peer, with clearing and logging on.
fn apply(trusted: &[&str], count: usize, fields: &[(&str, &str)]) -> Result<ProxyOutcome, Refusal> {
    let policy = ProxyPolicy::new("10.0.0.1", count, trusted, true, true).unwrap();
    policy.apply(peer("10.0.0.1"), &head(fields), "http")
}

fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

/// Client address and port, scheme, host, server name and port; empty for unchanged.
fn changed(parts: [&str; 6]) -> ProxyOutcome {
    let [addr, port, scheme, host, name, server_port] = parts.map(text);
    ProxyOutcome {
        remote_addr: addr,
        remote_port: port,
        scheme,
        host,
        server_name: name,
        server_port,
        ..ProxyOutcome::default()
    }
}

#[test]
fn single_values_of_a_trusted_peer_are_taken() {
    let rows: &[(&str, &str, [&str; 6])] = &[
        (
            "X-Forwarded-For",
            "1.2.3.4",
            ["1.2.3.4", "", "", "", "", ""],
        ),
        (
            "x-FORWARDED-for",
            "1.2.3.4",
            ["1.2.3.4", "", "", "", "", ""],
        ),
        (
            "X-Forwarded-For",
            "1.2.3.4:555",
            ["1.2.3.4", "555", "", "", "", ""],
        ),
        (
            "X-Forwarded-For",
            "2001:db8::1",
            ["2001:db8::1", "", "", "", "", ""],
        ),
        // Waitress hands on the brackets and the port as the address.
        (
            "X-Forwarded-For",
            "[2001:db8::1]:77",
            ["2001:db8::1", "77", "", "", "", ""],
        ),
        (
            "X-Forwarded-For",
            "\"[2001:db8::1]:77\"",
            ["2001:db8::1", "77", "", "", "", ""],
        ),
        (
            "X-Forwarded-For",
            "unknown",
            ["unknown", "", "", "", "", ""],
        ),
        (
            "X-Forwarded-For",
            "_hidden",
            ["_hidden", "", "", "", "", ""],
        ),
        ("X-Forwarded-For", "", ["", "", "", "", "", ""]),
        // Nodes without an address, and ports that are none.
        ("X-Forwarded-For", "unix:", ["unix", "", "", "", "", ""]), // nginx
        (
            "X-Forwarded-For",
            "unix:/run/app.sock",
            ["unix", "", "", "", "", ""],
        ),
        (
            "X-Forwarded-For",
            "undefined",
            ["undefined", "", "", "", "", ""],
        ), // node-http-proxy
        (
            "X-Forwarded-For",
            "a.example",
            ["a.example", "", "", "", "", ""],
        ),
        (
            "X-Forwarded-For",
            "1.2.3.4:",
            ["1.2.3.4", "", "", "", "", ""],
        ),
        // Go's proxies.
        (
            "X-Forwarded-For",
            "fe80::1%eth0",
            ["fe80::1%eth0", "", "", "", "", ""],
        ),
        (
            "X-Forwarded-For",
            "[fe80::1%eth0]:77",
            ["fe80::1%eth0", "77", "", "", "", ""],
        ),
        (
            "X-Forwarded-Host",
            "a.example",
            ["", "", "", "a.example", "a.example", ""],
        ),
        (
            "X-Forwarded-Host",
            "a.example:8080",
            ["", "", "", "a.example:8080", "a.example", "8080"],
        ),
        (
            "X-Forwarded-Host",
            "[::1]:81",
            ["", "", "", "[::1]:81", "[::1]", "81"],
        ),
        ("X-Forwarded-Host", "a:", ["", "", "", "a:", "a", ""]),
        (
            "X-Forwarded-Proto",
            "https",
            ["", "", "https", "", "", "443"],
        ),
        (
            "X-Forwarded-Proto",
            "HTTPS",
            ["", "", "https", "", "", "443"],
        ),
        ("X-Forwarded-Proto", "http", ["", "", "http", "", "", "80"]),
        ("X-Forwarded-Port", "8443", ["", "", "", "", "", "8443"]),
        ("X-Forwarded-By", "anything", ["", "", "", "", "", ""]),
    ];
    for (name, value, want) in rows {
        assert_eq!(
            apply(X, 1, &[(name, value)]),
            Ok(changed(*want)),
            "{name}: {value}"
        );
    }
}

#[test]
fn host_port_and_scheme_settle_the_server_port_as_in_waitress() {
    type Fields = &'static [(&'static str, &'static str)];
    const HOST: &str = "X-Forwarded-Host";
    const PORT: &str = "X-Forwarded-Port";
    const PROTO: &str = "X-Forwarded-Proto";
    let rows: &[(Fields, [&str; 4])] = &[
        (&[(HOST, "a"), (PROTO, "https")], ["https", "a", "a", "443"]),
        (
            &[(HOST, "a"), (PORT, "8443"), (PROTO, "https")],
            ["https", "a:8443", "a", "8443"],
        ),
        (
            &[(HOST, "a"), (PORT, "443"), (PROTO, "https")],
            ["https", "a", "a", "443"],
        ),
        (&[(HOST, "a"), (PORT, "80")], ["", "a", "a", "80"]),
        (&[(HOST, "a"), (PORT, "443")], ["", "a:443", "a", "443"]),
        (&[(HOST, "a:1"), (PORT, "8443")], ["", "a:1", "a", "1"]),
        (
            &[(HOST, "a:443"), (PROTO, "https")],
            ["https", "a:443", "a", "443"],
        ),
        (
            &[(PROTO, "https"), (PORT, "8443")],
            ["https", "", "", "8443"],
        ),
    ];
    for (fields, [scheme, host, name, port]) in rows {
        let want = changed(["", "", scheme, host, name, port]);
        assert_eq!(apply(X, 1, fields), Ok(want), "{fields:?}");
    }
    let policy = ProxyPolicy::new("*", 1, X, true, false).unwrap();
    let outcome = policy.apply(
        ProxyPeer::Unix,
        &head(&[(HOST, "a"), (PORT, "80")]),
        "https",
    );
    assert_eq!(
        outcome.unwrap().host.as_deref(),
        Some("a:80"),
        "80 is not the default of https"
    );
}

#[test]
fn the_application_sees_exactly_the_trusted_hops() {
    // header, value, count, client or host, value seen (none: unchanged)
    let rows: &[(&str, &str, usize, &str, Option<&str>)] = &[
        (
            "X-Forwarded-For",
            "1.1.1.1, 2.2.2.2",
            1,
            "2.2.2.2",
            Some("2.2.2.2"),
        ),
        (
            "X-Forwarded-For",
            "1.1.1.1,2.2.2.2 , 3.3.3.3",
            2,
            "2.2.2.2",
            Some("2.2.2.2 , 3.3.3.3"),
        ),
        ("X-Forwarded-For", "1.1.1.1", 2, "1.1.1.1", None),
        (
            "X-Forwarded-For",
            "<script>, \", 2.2.2.2",
            1,
            "2.2.2.2",
            Some("2.2.2.2"),
        ),
        ("X-Forwarded-For", "1.1.1.1,", 1, "", Some("")), // the last hop said nothing
        ("X-Forwarded-For", "a b,, c", 1, "c", Some("c")),
        // An empty element is a hop, or a client could take its place.
        ("X-Forwarded-For", "6.6.6.6,, c", 2, "", Some(", c")),
        ("X-Forwarded-Host", "a, b, c", 2, "b", Some("b, c")),
        ("X-Forwarded-By", "a, b, c", 2, "", Some("b, c")), // Waitress leaves it whole
        (
            "Forwarded",
            "for=1.1.1.1, for=2.2.2.2",
            1,
            "2.2.2.2",
            Some("for=2.2.2.2"),
        ),
        (
            "Forwarded",
            "for=1.1.1.1 ,  for=2.2.2.2;x=\",\"",
            1,
            "2.2.2.2",
            Some("for=2.2.2.2;x=\",\""),
        ),
        ("Forwarded", "for=1.1.1.1, ", 1, "", Some("")),
        ("Forwarded", "for=1.1.1.1", 9, "1.1.1.1", None),
        // What nobody believes need not be well-formed, as long as its end can be told.
        (
            "Forwarded",
            "nonsense; =<, for=2.2.2.2",
            1,
            "2.2.2.2",
            Some("for=2.2.2.2"),
        ),
        (
            "Forwarded",
            "for=1.1.1.1 ; for=x y,,for=2.2.2.2",
            1,
            "2.2.2.2",
            Some("for=2.2.2.2"),
        ),
    ];
    for (name, value, count, speaks, seen) in rows {
        let trusted = if *name == "Forwarded" { RFC } else { X };
        let outcome = apply(trusted, *count, &[(name, value)]).unwrap();
        let fields = Vec::from_iter(seen.map(|seen| FieldChange::Replace(1, seen.to_owned())));
        assert_eq!(outcome.fields, fields, "{name}: {value}");
        assert_eq!(
            outcome.remote_addr.or(outcome.server_name),
            text(speaks),
            "{name}: {value}"
        );
    }
}

#[test]
fn a_header_on_several_lines_is_one_list() {
    let fields = [
        ("X-Forwarded-For", "1.1.1.1"),
        ("Accept", "*/*"),
        ("x-forwarded-for", "2.2.2.2"),
    ];
    let outcome = apply(X, 2, &fields).unwrap();
    assert_eq!(outcome.remote_addr.as_deref(), Some("1.1.1.1"));
    let joined = FieldChange::Replace(1, "1.1.1.1, 2.2.2.2".to_owned());
    assert_eq!(outcome.fields, [joined, FieldChange::Drop(3)]);
}

#[test]
fn forwarded_is_read_as_rfc_7239_says() {
    let rows: &[(&str, usize, [&str; 6])] = &[
        (
            "for=1.1.1.1;proto=https;host=a",
            1,
            ["1.1.1.1", "", "https", "a", "a", "443"],
        ),
        (
            "For=1.1.1.1;PROTO=HTTPS",
            1,
            ["1.1.1.1", "", "https", "", "", "443"],
        ),
        (
            "for=\"[2001:db8::1]:77\";by=203.0.113.43",
            1,
            ["2001:db8::1", "77", "", "", "", ""],
        ),
        ("for=\"\\1.1.1.1\"", 1, ["1.1.1.1", "", "", "", "", ""]), // quoted-pair
        ("for=unknown", 1, ["unknown", "", "", "", "", ""]),
        ("for=\"_obf:_port\"", 1, ["_obf", "", "", "", "", ""]),
        ("host=b:81", 1, ["", "", "", "b:81", "b", "81"]), // unquoted colon, as in Waitress
        (
            "host=\"b:81\";proto=https",
            1,
            ["", "", "https", "b:81", "b", "81"],
        ),
        ("for=unix:", 1, ["unix", "", "", "", "", ""]),
        ("for=\"unix:\";host=a", 1, ["unix", "", "", "a", "a", ""]),
        ("for=1.1.1.1;", 1, ["1.1.1.1", "", "", "", "", ""]),
        ("", 1, ["", "", "", "", "", ""]),
        // The first trusted hop that names a parameter is believed.
        (
            "for=1.1.1.1, for=2.2.2.2;host=b;proto=https",
            2,
            ["1.1.1.1", "", "https", "b", "b", "443"],
        ),
    ];
    for (value, count, want) in rows {
        assert_eq!(
            apply(RFC, *count, &[("Forwarded", value)]),
            Ok(changed(*want)),
            "{value}"
        );
    }
}

#[test]
fn parameters_without_a_meaning_here_are_named() {
    let rows = [
        ("for=1.1.1.1;Secret=x;other=y", 1, Some("Secret")),
        ("for=1.1.1.1;by=_x;host=a;proto=http;", 1, None),
        ("secret=x, for=1.1.1.1", 1, None), // a client's
        ("secret=x, for=1.1.1.1", 2, Some("secret")),
    ];
    for (value, count, want) in rows {
        let outcome = apply(RFC, count, &[("Forwarded", value)]).unwrap();
        assert_eq!(outcome.unknown.as_deref(), want, "{value}");
        assert_eq!(outcome.remote_addr.as_deref(), Some("1.1.1.1"));
    }
}

#[test]
fn malformed_values_of_a_trusted_peer_are_refused() {
    let rows: &[(&str, Refusal, &[&str])] = &[
        (
            "X-Forwarded-For",
            Refusal::ForwardedFor,
            &[
                "\"1.1.1.1",
                "1.1.1.1\"",
                "\"",
                "a b<c",
                "a b",
                "@",
                "h\u{f6}st",
                ":80",
                "1.1.1.1:x",
                "1.1.1.1:65536",
                "1.1.1.1:+1",
                "fe80::1%",
                "fe80::1%e h",
                "1.1.1.1%e",
                "[::1",
                "[::1]x",
                "::1]",
                "[1.1.1.1]",
                "1.1.1.1, \"",
            ],
        ),
        (
            "X-Forwarded-Host",
            Refusal::ForwardedHost,
            &[
                "a b",
                "a/",
                "u@a",
                ":80",
                "a:x",
                "\"a",
                "[::1",
                "h\u{f6}st",
                "\"\"",
            ],
        ),
        (
            "X-Forwarded-Proto",
            Refusal::ForwardedProto,
            &["gopher", "https, http", "\"https", "wss"],
        ),
        (
            "X-Forwarded-Port",
            Refusal::ForwardedPort,
            &["x", "1, 2", "-1", "+1", "65536", "\"1"],
        ),
        (
            "Forwarded",
            Refusal::Forwarded,
            &[
                "for",
                "for=",
                "=1.1.1.1",
                "for=1.1.1.1; proto=https",
                "for = 1.1.1.1",
                "for=\"1.1.1.1",
                "for=1.1.1.1\"",
                "for=\"1.1.1.1\"x",
                "proto=ftp",
                "for=a/b",
                "for=1.1.1.1, nonsense",
                "host=a/b",
                "for=1.1.1.1;for=2.2.2.2",
                "for=1.1.1.1 for=2.2.2.2",
                "for=\"\\",
                "for=\", for=2.2.2.2", // the client's quote must not swallow the proxy's word
                "nonsense \", for=2.2.2.2",
                "for=\"x\"y, for=2.2.2.2",
                "for=\", for=\"[::1]\"",
                "for=\u{b5}",
            ],
        ),
    ];
    for (name, want, values) in rows {
        let trusted = if *name == "Forwarded" { RFC } else { X };
        for value in *values {
            assert_eq!(
                apply(trusted, 1, &[(name, value)]),
                Err(*want),
                "{name}: {value}"
            );
        }
    }
}

#[test]
fn what_is_not_trusted_is_dropped_and_logged() {
    let fields = [
        ("Forwarded", "for=\"broken"),
        ("X-Forwarded-For", "1.1.1.1"),
        ("X-Real-IP", "1.1.1.1"),
        ("X-Forwarded-For", "2.2.2.2"),
        ("Accept", "*/*"),
    ];
    let only_proto: &[&str] = &[];
    let drops = |indexes: &[usize]| Vec::from_iter(indexes.iter().copied().map(FieldChange::Drop));

    // A trusted peer: what it may not say goes, what nobody here interprets stays.
    let outcome = apply(only_proto, 1, &fields).unwrap();
    assert_eq!(outcome.fields, drops(&[1, 2, 4]));
    assert_eq!(outcome.untrusted, ["Forwarded", "X-Forwarded-For"]);
    assert_eq!(outcome.remote_addr, None);

    // Another peer while somebody is trusted: every header that tells an address goes.
    let policy = ProxyPolicy::new("10.0.0.1", 1, X, true, true).unwrap();
    let outcome = policy
        .apply(peer("10.0.0.2"), &head(&fields), "http")
        .unwrap();
    assert_eq!(outcome.fields, drops(&[1, 2, 3, 4]));
    assert_eq!(
        outcome.untrusted,
        ["Forwarded", "X-Forwarded-For", "X-Real-IP"]
    );

    // Nobody is trusted: as Waitress, which knows nothing of X-Real-IP.
    let policy = ProxyPolicy::new("", 1, only_proto, true, false).unwrap();
    let outcome = policy
        .apply(peer("10.0.0.2"), &head(&fields), "http")
        .unwrap();
    assert_eq!(outcome.fields, drops(&[1, 2, 4]));
    assert!(outcome.untrusted.is_empty());

    // Clearing is off.
    let policy = ProxyPolicy::new("10.0.0.1", 1, X, false, false).unwrap();
    let outcome = policy
        .apply(peer("10.0.0.2"), &head(&fields), "http")
        .unwrap();
    assert_eq!(outcome, ProxyOutcome::default());
}

#[test]
fn peers_are_addresses_networks_unix_or_everybody() {
    let (v4, mapped, v6) = (
        peer("10.1.2.3"),
        peer("::ffff:10.1.2.3"),
        peer("2001:db8::1"),
    );
    let rows: &[(&str, &[ProxyPeer], &[ProxyPeer])] = &[
        ("", &[], &[v4, v6, ProxyPeer::Unix]),
        ("*", &[v4, mapped, v6, ProxyPeer::Unix], &[]),
        (
            "10.1.2.3",
            &[v4, mapped],
            &[v6, ProxyPeer::Unix, peer("10.1.2.4")],
        ),
        ("::ffff:10.1.2.3", &[v4, mapped], &[v6]),
        (
            "10.0.0.0/8,2001:db8::/32",
            &[v4, mapped, v6],
            &[ProxyPeer::Unix, peer("11.0.0.1")],
        ),
        ("192.0.2.1, unix", &[ProxyPeer::Unix], &[v4, v6]),
        ("localhost", &[ProxyPeer::Unix], &[v4, peer("127.0.0.1")]),
    ];
    for (list, trusted, others) in rows {
        let peers = TrustedPeers::parse(list).unwrap();
        assert!(trusted.iter().all(|peer| peers.contain(*peer)), "{list}");
        assert!(others.iter().all(|peer| !peers.contain(*peer)), "{list}");
    }
}

#[test]
fn nonsense_adjustments_are_refused_by_name() {
    let rows: &[(&str, usize, &[&str], &str)] = &[
        ("proxy.example", 1, X, "trusted_proxy"),
        ("10.0.0.1/33", 1, X, "trusted_proxy"),
        ("10.0.0.1 10.0.0.2", 1, X, "trusted_proxy"),
        ("*", 0, X, "trusted_proxy_count"),
        ("*", 1, &["x-real-ip"], "trusted_proxy_headers"),
        (
            "*",
            1,
            &["forwarded", "x-forwarded-for"],
            "trusted_proxy_headers",
        ),
    ];
    for (trusted, count, headers, adjustment) in rows {
        let error = ProxyPolicy::new(trusted, *count, headers, true, false).unwrap_err();
        assert_eq!(
            error.split_whitespace().next(),
            Some(*adjustment),
            "{error}"
        );
    }
}

#[test]
fn a_peer_is_near_on_this_machine_and_in_private_networks() {
    let near = [
        "127.0.0.1",
        "127.8.8.8",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.9",
        "169.254.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
    ];
    let far = [
        "192.0.2.1",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.0",
        "8.8.8.8",
        "2001:db8::1",
        "::ffff:192.0.2.1",
    ];
    for address in near {
        assert!(peer(address).is_near(), "{address}");
    }
    for address in far {
        assert!(!peer(address).is_near(), "{address}");
    }
    assert!(ProxyPeer::Unix.is_near());
}

#[test]
fn nobody_is_trusted_unless_named() {
    let trusts_nobody = |trusted: &str| {
        let policy = ProxyPolicy::new(trusted, 1, &[], true, false).unwrap();
        policy.trusts_nobody()
    };
    assert!(trusts_nobody(""));
    for trusted in ["*", "unix", "10.0.0.0/8"] {
        assert!(!trusts_nobody(trusted), "{trusted}");
    }
}
