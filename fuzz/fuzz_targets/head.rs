//! What a client sends as a request head.

#![no_main]

use headwaiter_http::{Framing, Head, HeadLimits, Refusal};
use libfuzzer_sys::fuzz_target;

const MAX: usize = 8 * 1024;
const LIMITS: HeadLimits = HeadLimits {
    size: MAX,
    fields: 512,
};

fuzz_target!(|input: &[u8]| {
    let Some((&cut, input)) = input.split_first() else {
        return;
    };
    let cut = usize::from(cut).min(input.len());

    let (whole, want) = parse(input, &[input.len()]);
    for ends in [vec![cut, input.len()], (0..=input.len()).collect()] {
        let (head, got) = parse(input, &ends);
        assert_eq!(got, want, "the cut changed the verdict");
        assert!(head.fields().eq(whole.fields()), "the cut changed the head");
    }
    match want {
        Ok(Some(size)) => check_accepted(&whole, &input[..size]),
        Ok(None) => assert!(input.len() < MAX, "a head may grow without bound"),
        Err(_) => assert_eq!((whole.target(), whole.field_count()), (&b""[..], 0)),
    }
});

/// Parses `input` in reads that end at `ends`, with another `Head` for each.
fn parse(input: &[u8], ends: &[usize]) -> (Head, Result<Option<usize>, Refusal>) {
    let mut scanned = 0;
    let mut head = Head::new();
    for &end in ends {
        head = Head::new();
        let parsed = head.parse(&input[..end], &mut scanned, LIMITS);
        if parsed != Ok(None) {
            return (head, parsed);
        }
    }
    (head, Ok(None))
}

fn check_accepted(head: &Head, bytes: &[u8]) {
    assert!(bytes.ends_with(b"\r\n\r\n") && bytes.len() <= MAX);
    assert!(head.path().starts_with(b"/") || head.path() == b"*");
    assert!(head.host().is_some() || head.minor() == 0);

    // No reading of the framing fields but one.
    let count = |name: &str| {
        head.fields()
            .filter(|(given, _)| given.eq_ignore_ascii_case(name.as_bytes()))
            .count()
    };
    let (lengths, codings) = (count("content-length"), count("transfer-encoding"));
    let want = match head.framing() {
        Framing::None => (0, 0),
        Framing::Length(_) => (1, 0),
        Framing::Chunked => (0, 1),
    };
    assert_eq!((lengths, codings), want);
    assert!(count("host") <= 1 && count("content-type") <= 1);

    // httparse is laxer and must read the same, except that it knows no HTTP/1.2.
    let mut storage = vec![httparse::EMPTY_HEADER; head.field_count()];
    let mut oracle = httparse::Request::new(&mut storage);
    match oracle.parse(bytes) {
        Err(httparse::Error::Version) => {}
        parsed => {
            assert_eq!(parsed, Ok(httparse::Status::Complete(bytes.len())));
            assert_eq!(oracle.method.map(str::as_bytes), Some(head.method()));
            assert_eq!(oracle.path.map(str::as_bytes), Some(head.target()));
            let theirs = oracle
                .headers
                .iter()
                .map(|field| (field.name.as_bytes(), field.value));
            assert!(head.fields().eq(theirs));
        }
    }
}
