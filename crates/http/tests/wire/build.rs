//! Heads of parts: the verdict is that of the same head as text.

use crate::corpus::{HEADS_ACCEPTED, HEADS_REFUSED};
use headwaiter_http::{Head, HeadLimits, Refusal, RequestParts};

type Fields<'a> = Vec<(&'a [u8], &'a [u8])>;

const MAX: HeadLimits = HeadLimits {
    size: 262_144,
    fields: 512,
};

/// Splits a head of text where every protocol would; `None` if it is not made of whole lines.
pub(crate) fn parts(input: &[u8]) -> Option<(RequestParts<'_>, Fields<'_>)> {
    let text = input.strip_suffix(b"\r\n\r\n")?;
    let mut lines = text.split(|byte| *byte == b'\r');
    let mut words = lines.next()?.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    let minor = match version.strip_prefix(b"HTTP/1.")? {
        [digit @ b'0'..=b'9'] if words.next().is_none() => digit - b'0',
        _ => return None,
    };
    let mut fields = Vec::new();
    for line in lines {
        let line = line.strip_prefix(b"\n")?;
        let colon = line.iter().position(|byte| *byte == b':')?;
        fields.push((&line[..colon], &line[colon + 1..]));
    }
    let request = RequestParts {
        method,
        target,
        minor,
    };
    Some((request, fields))
}

/// Everything a head says.
#[track_caller]
pub(crate) fn assert_same(one: &Head, other: &Head) {
    assert_eq!(one.method(), other.method());
    assert_eq!(one.target(), other.target());
    assert_eq!((one.path(), one.query()), (other.path(), other.query()));
    assert_eq!(one.authority(), other.authority());
    assert_eq!((one.host(), one.minor()), (other.host(), other.minor()));
    assert_eq!(one.framing(), other.framing());
    assert_eq!(one.keep_alive(), other.keep_alive());
    assert_eq!(one.expects_continue(), other.expects_continue());
    assert!(one.fields().eq(other.fields()));
}

#[test]
fn a_head_of_parts_is_the_head_as_text() {
    let mut compared = 0;
    for input in HEADS_ACCEPTED {
        let Some((request, fields)) = parts(input) else {
            continue;
        };
        let (mut built, mut parsed) = (Head::new(), Head::new());
        assert_eq!(built.build(request, fields, MAX), Ok(()));
        assert_eq!(parsed.parse(input, &mut 0, MAX), Ok(Some(input.len())));
        assert_same(&built, &parsed);
        compared += 1;
    }
    assert!(compared * 2 > HEADS_ACCEPTED.len(), "{compared}");
}

/// Rules about the form of a line have no meaning for parts.
const ABOUT_LINES: [Refusal; 2] = [Refusal::LineFolding, Refusal::SpaceBeforeColon];

#[test]
fn parts_break_the_same_rules_as_text() {
    let mut compared = 0;
    for (input, rule) in HEADS_REFUSED {
        let Some((request, fields)) = parts(input).filter(|_| !ABOUT_LINES.contains(rule)) else {
            continue;
        };
        let mut head = Head::new();
        let shown = input.escape_ascii();
        assert_eq!(head.build(request, fields, MAX), Err(*rule), "{shown}");
        assert_same(&head, &Head::new());
        compared += 1;
    }
    assert!(compared * 2 > HEADS_REFUSED.len(), "{compared}");
}

#[test]
fn control_bytes_are_refused_in_every_part() {
    let controls = [
        (b'\r', Refusal::BareCr),
        (b'\n', Refusal::BareLf),
        (0, Refusal::ControlByte),
    ];
    for (byte, rule) in controls {
        let bad = [b'A', byte, b'B'];
        for place in 0..4 {
            let part = |at: usize, good: &'static [u8]| if at == place { &bad[..] } else { good };
            let request = RequestParts {
                method: part(0, b"GET"),
                target: part(1, b"/"),
                minor: 0,
            };
            let fields = [(part(2, b"Name"), part(3, b"value"))];
            assert_eq!(Head::new().build(request, fields, MAX), Err(rule));
        }
    }
}

#[test]
fn a_head_of_parts_is_bounded_as_text_is() {
    let text = b"GET /path HTTP/1.1\r\nHost: a\r\nA: b\r\n\r\n";
    let (request, _) = parts(text).unwrap();
    let fields: Fields<'_> = vec![(b"Host", b"a"), (b"A", b"b")];
    let built = |size, count| {
        let limits = HeadLimits {
            size,
            fields: count,
        };
        Head::new().build(request, fields.clone(), limits)
    };
    assert_eq!(built(text.len(), 2), Ok(()));
    assert_eq!(built(text.len() - 1, 2), Err(Refusal::HeadTooLarge));
    assert_eq!(built(text.len(), 1), Err(Refusal::TooManyFields));
}

#[test]
fn parts_must_not_be_empty_and_a_later_version_is_the_highest_known() {
    let request = |method, target| RequestParts {
        method,
        target,
        minor: 9,
    };
    let build = |request| {
        let mut head = Head::new();
        let fields: Fields<'_> = vec![(b"Host", b"a")];
        head.build(request, fields, MAX).map(|()| head.minor())
    };
    assert_eq!(build(request(b"GET", b"/")), Ok(1));
    assert_eq!(build(request(b"", b"/")), Err(Refusal::RequestLine));
    assert_eq!(build(request(b"GET", b"")), Err(Refusal::RequestLine));
}
