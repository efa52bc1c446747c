//! Request heads on the wire: every row of the corpus whole, cut, dripped, and with more behind it.

use crate::corpus::{HEADS_ACCEPTED, HEADS_REFUSED, PROBE};
use headwaiter_http::{Framing, Head, HeadLimits, Refusal};

const MAX: HeadLimits = HeadLimits {
    size: 262_144,
    fields: 512,
};

/// Parses `buf` as reads of these lengths would, with another `Head` for each: nothing but the offset
/// may be carried from one to the next.
fn parse_in_reads(
    buf: &[u8],
    ends: impl IntoIterator<Item = usize>,
    max: HeadLimits,
) -> Result<Option<usize>, Refusal> {
    let mut scanned = 0;
    for end in ends {
        let parsed = Head::new().parse(&buf[..end], &mut scanned, max);
        if parsed != Ok(None) {
            return parsed;
        }
        assert!(
            scanned + 1 >= end,
            "searched {scanned} of {end} bytes: reads would be searched twice"
        );
    }
    Ok(None)
}

#[track_caller]
fn check(input: &[u8], want: Result<usize, Refusal>) {
    let want = want.map(Some);
    let shown = input.escape_ascii();
    let len = input.len();
    assert_eq!(parse_in_reads(input, [len], MAX), want, "{shown}");
    assert_eq!(
        parse_in_reads(input, 1..=len, MAX),
        want,
        "dripped: {shown}"
    );
    for cut in 0..len {
        assert_eq!(
            parse_in_reads(input, [cut, len], MAX),
            want,
            "cut at {cut}: {shown}"
        );
    }
    let followed = [input, PROBE].concat();
    assert_eq!(
        parse_in_reads(&followed, [followed.len()], MAX),
        want,
        "followed: {shown}"
    );
}

#[test]
fn every_refused_row_names_its_rule() {
    for (input, want) in HEADS_REFUSED {
        check(input, Err(*want));
    }
}

#[test]
fn every_accepted_row_takes_exactly_its_bytes() {
    for input in HEADS_ACCEPTED {
        check(input, Ok(input.len()));
    }
}

/// The corpus has a row for every rule about heads and these are all: a new rule needs a new row.
#[test]
fn every_rule_has_a_row_or_a_test() {
    let elsewhere = [Refusal::HeadTooLarge, Refusal::TooManyFields];
    let about_heads =
        |rule: &Refusal| (*rule as usize) <= Refusal::TransferEncodingOnHttp10 as usize;
    for rule in Refusal::ALL.iter().filter(|rule| about_heads(rule)) {
        let found = HEADS_REFUSED.iter().any(|(_, named)| named == rule);
        assert!(found || elsewhere.contains(rule), "{rule}");
    }
}

#[track_caller]
fn parsed(input: &str) -> Head {
    let mut head = Head::new();
    assert_eq!(
        head.parse(input.as_bytes(), &mut 0, MAX),
        Ok(Some(input.len())),
        "{input}"
    );
    head
}

#[test]
fn parts_are_byte_exact() {
    let head = parsed("PUT //a%2Fb?x=%20?y HTTP/1.1\r\nHost: h:1\r\nX-A:  b c\t\r\nx-a: d\r\n\r\n");
    assert_eq!(head.method(), b"PUT");
    assert_eq!(head.target(), b"//a%2Fb?x=%20?y");
    assert_eq!(
        (head.path(), head.query()),
        (&b"//a%2Fb"[..], &b"x=%20?y"[..])
    );
    assert_eq!((head.authority(), head.host()), (None, Some(&b"h:1"[..])));
    assert_eq!(head.field("X-a"), Some(&b"b c"[..]));
    assert_eq!(head.field("x-b"), None);
    let fields: Vec<_> = head.fields().collect();
    let want: [(&[u8], &[u8]); 3] = [(b"Host", b"h:1"), (b"X-A", b"b c"), (b"x-a", b"d")];
    assert_eq!(fields, want);
    assert_eq!(head.field_count(), 3);
    assert!(!head.is_safe() && !head.is_head());
}

#[test]
fn target_forms_give_path_query_and_host() {
    // target, path, query, effective host; Host is always `a`
    let rows = [
        ("/", "/", "", "a"),
        ("/?", "/", "", "a"),
        ("/p?q", "/p", "q", "a"),
        ("http://b/p?q", "/p", "q", "b"),
        ("http://b:8/", "/", "", "b:8"),
        ("http://b", "/", "", "b"), // an empty path is "/" (RFC 9110 §4.2.3)
        ("http://b?q", "/", "q", "b"),
        ("HTTPS://[::1]/http://c/", "/http://c/", "", "[::1]"),
        ("*", "*", "", "a"),
    ];
    for (target, path, query, host) in rows {
        let head = parsed(&format!("OPTIONS {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(head.target(), target.as_bytes());
        assert_eq!(head.path(), path.as_bytes(), "{target}");
        assert_eq!(head.query(), query.as_bytes(), "{target}");
        assert_eq!(head.host(), Some(host.as_bytes()), "{target}");
    }
}

#[test]
fn the_connection_persists_as_rfc_9112_says() {
    let rows = [
        ("HTTP/1.1", "", true),
        ("HTTP/1.1", "Connection: close\r\n", false),
        ("HTTP/1.1", "Connection: keep-alive, CLOSE\r\n", false),
        ("HTTP/1.1", "Connection: x\r\nConnection: Close\r\n", false),
        ("HTTP/1.1", "Connection: closed\r\n", true),
        ("HTTP/1.0", "", false),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", true),
        (
            "HTTP/1.0",
            "Connection: keep-alive\r\nConnection: close\r\n",
            false,
        ),
        ("HTTP/1.9", "", true),
    ];
    for (version, fields, want) in rows {
        let head = parsed(&format!("GET / {version}\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(head.keep_alive(), want, "{version} {fields}");
        assert_eq!(head.minor(), u8::from(version != "HTTP/1.0"));
    }
}

#[test]
fn continue_is_expected_only_before_a_body_on_http_1_1() {
    let rows = [
        (
            "HTTP/1.1",
            "Expect: 100-continue\r\nContent-Length: 1\r\n",
            true,
        ),
        (
            "HTTP/1.1",
            "Expect: 100-CONTINUE\r\nTransfer-Encoding: chunked\r\n",
            true,
        ),
        (
            "HTTP/1.1",
            "Expect: 100-continue\r\nContent-Length: 0\r\n",
            false,
        ),
        ("HTTP/1.1", "Expect: 100-continue\r\n", false),
        ("HTTP/1.1", "Expect: tea\r\nContent-Length: 1\r\n", false),
        (
            "HTTP/1.0",
            "Expect: 100-continue\r\nContent-Length: 1\r\n",
            false,
        ),
    ];
    for (version, fields, want) in rows {
        let head = parsed(&format!("PUT / {version}\r\nHost: a\r\n{fields}\r\n"));
        assert_eq!(head.expects_continue(), want, "{version} {fields}");
    }
}

/// The server looks at the length of a name before it compares bytes.
#[test]
fn a_field_whose_name_is_as_long_as_another_is_not_taken_for_it() {
    let head = parsed(
        "PUT / HTTP/1.1\r\nHost: a\r\nFrom: b\r\nAccept: 100-continue\r\nUser-Agent: close\r\n\
        Content-Type: a/b\r\nX-Request-Id: c\r\nContent-Length: 1\r\nAccept-Charset: 2\r\n\
        X-Forwarded-Proto: chunked\r\n\r\n",
    );
    assert!(!head.expects_continue());
    assert!(head.keep_alive());
    assert_eq!(head.framing(), Framing::Length(1));
    assert_eq!(head.host(), Some(&b"a"[..]));
}

#[test]
fn framing_comes_from_the_fields() {
    let framing = |fields| parsed(&format!("PUT / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).framing();
    assert_eq!(framing(""), Framing::None);
    assert_eq!(framing("Content-Length: 0\r\n"), Framing::Length(0));
    assert_eq!(framing("Content-Length: 0042\r\n"), Framing::Length(42));
    assert_eq!(framing("Transfer-Encoding: Chunked\r\n"), Framing::Chunked);
    assert_eq!(framing("Content_Length: 7\r\n"), Framing::None);
}

#[test]
fn safe_methods_are_the_four_of_rfc_9110() {
    for (method, safe) in [
        ("GET", true),
        ("HEAD", true),
        ("OPTIONS", true),
        ("TRACE", true),
        ("POST", false),
        ("PROPFIND", false),
    ] {
        let head = parsed(&format!("{method} / HTTP/1.0\r\n\r\n"));
        assert_eq!(
            (head.is_safe(), head.is_head()),
            (safe, method == "HEAD"),
            "{method}"
        );
    }
}

#[test]
fn the_head_is_bounded_to_the_byte() {
    let exact = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let len = exact.len();
    for (input, max, want) in [
        (exact.to_vec(), len, Ok(Some(len))),
        (exact.to_vec(), len - 1, Err(Refusal::HeadTooLarge)),
        ([exact.as_slice(), PROBE].concat(), len, Ok(Some(len))),
        (
            exact[..len - 1].to_vec(),
            len - 1,
            Err(Refusal::HeadTooLarge),
        ), // will not fit any more
        (
            [b"\r\n", exact.as_slice()].concat(),
            len,
            Err(Refusal::HeadTooLarge),
        ),
    ] {
        let max = HeadLimits { size: max, ..MAX };
        assert_eq!(parse_in_reads(&input, [input.len()], max), want);
        assert_eq!(parse_in_reads(&input, 1..=input.len(), max), want);
    }
}

#[test]
fn fields_are_counted_but_a_malformed_line_is_named_first() {
    let many = |count: usize, last: &str| {
        let fields = "a:\r\n".repeat(count - 1);
        format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}{last}\r\n\r\n").into_bytes()
    };
    let fits = many(511, "a:");
    let too_many = many(512, "a:");
    let more = HeadLimits { fields: 513, ..MAX };
    for (input, limits) in [(&fits, MAX), (&too_many, more)] {
        let want = Ok(Some(input.len()));
        assert_eq!(parse_in_reads(input, [input.len()], limits), want);
    }
    let malformed = many(600, "a");
    for (input, want) in [
        (too_many, Refusal::TooManyFields),
        (malformed, Refusal::FieldName),
    ] {
        assert_eq!(parse_in_reads(&input, [input.len()], MAX), Err(want));
        assert_eq!(parse_in_reads(&input, 1..=input.len(), MAX), Err(want));
    }
}

/// CVE-2026-42544 was one byte that ended a server. Here: which bytes may stand where, all 256 of them.
#[test]
fn every_byte_at_every_place_is_judged() {
    type Rule = fn(u8) -> bool;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    let places: [(&str, &str, Rule); 5] = [
        ("G", "T / HTTP/1.1\r\nHost: a\r\n\r\n", |b| {
            (b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
                && !b.is_ascii_lowercase()
        }),
        ("GET /a", "c HTTP/1.1\r\nHost: a\r\n\r\n", |b| {
            b.is_ascii_graphic() && b != b'#'
        }),
        ("GET / HTTP/1.", "\r\nHost: a\r\n\r\n", |b| {
            b.is_ascii_digit()
        }),
        ("GET / HTTP/1.1\r\nHost: a\r\nN", "ame: v\r\n\r\n", |b| {
            b == b':'
        }),
        ("GET / HTTP/1.1\r\nHost: a\r\nName: v", "w\r\n\r\n", |b| {
            b == b'\t' || (b >= b' ' && b != 0x7f)
        }),
    ];
    for (before, after, rule) in places {
        for byte in 0..=255 {
            let input = [before.as_bytes(), &[byte], after.as_bytes()].concat();
            let in_name = before.ends_with('N') && token(byte);
            let got = Head::new().parse(&input, &mut 0, MAX);
            assert_eq!(
                got.is_ok(),
                rule(byte) || in_name,
                "{}",
                input.escape_ascii()
            );
        }
    }
}

/// A client that is refused must not be listened to until its head ends, if it ever does.
#[test]
fn refusals_do_not_wait_for_the_rest() {
    // What was refused at its last byte, and not before.
    let rows: [(&[u8], Refusal); 8] = [
        (b"\x16", Refusal::TlsHello),
        (b"GET /\x00", Refusal::ControlByte),
        (b"GET / HTTP/1.1\r\nA: b\rc", Refusal::BareCr),
        (b"GET / HTTP/1.1\r\nA: b\n", Refusal::BareLf),
        (b"\r\n\r\n\r\n\r\n\r\n", Refusal::EmptyLines),
        (b"GET / HTTP/2.0\r\n", Refusal::Version),
        (b"GET / HTTP/1.1\r\nNo Colon\r\n", Refusal::FieldName),
        (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n", Refusal::LineFolding),
    ];
    for (input, want) in rows {
        let shown = input.escape_ascii();
        assert_eq!(
            parse_in_reads(input, 0..input.len(), MAX),
            Ok(None),
            "too early: {shown}"
        );
        assert_eq!(
            parse_in_reads(input, 0..=input.len(), MAX),
            Err(want),
            "{shown}"
        );
        assert_eq!(
            parse_in_reads(input, [input.len()], MAX),
            Err(want),
            "{shown}"
        );
    }
}

#[test]
fn a_complete_head_leaves_the_offset_ready_for_the_next() {
    let input = [PROBE, PROBE].concat();
    let (mut head, mut scanned) = (Head::new(), 0);
    assert_eq!(head.parse(&input[..20], &mut scanned, MAX), Ok(None));
    assert_eq!(head.parse(&input, &mut scanned, MAX), Ok(Some(PROBE.len())));
    assert_eq!(scanned, 0);
    assert_eq!(
        head.parse(&input[PROBE.len()..], &mut scanned, MAX),
        Ok(Some(PROBE.len()))
    );
}

#[test]
fn a_refused_or_unfinished_head_is_empty() {
    let mut head = Head::new();
    for input in [
        &b"GET /secret HTTP/1.1\r\nHost: a b\r\n\r\n"[..],
        b"GET /secret HTTP/1.1\r\nHo",
    ] {
        assert!(!matches!(head.parse(input, &mut 0, MAX), Ok(Some(_))));
        assert_eq!(
            (head.method(), head.target(), head.field_count()),
            (&b""[..], &b""[..], 0)
        );
        assert_eq!((head.host(), head.framing()), (None, Framing::None));
    }
}
