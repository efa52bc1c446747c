//! What a client gets of a framed reply, in each form of its body.

use std::io::{Read, Seek, SeekFrom, Write};

use super::*;

const CLOSES: bool = true;
const STAYS: bool = false;

fn context(minor: u8, head: bool, known_length: Option<u64>) -> ReplyContext<'static> {
    ReplyContext {
        minor,
        head,
        keep_alive: true,
        known_length,
        date: b"Sun, 06 Nov 1994 08:49:37 GMT",
        own: b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
        extra: b"",
    }
}

/// A head with the given status, and Content-Length if there is one.
fn head(status: &str, length: Option<&str>) -> ReplyHead {
    let mut head = ReplyHead::new();
    head.begin(status.as_bytes()).unwrap();
    if let Some(length) = length {
        head.field(b"Content-Length", length.as_bytes()).unwrap();
    }
    head
}

/// Bytes that are not copied.
struct Static(&'static [u8]);

impl AsRef<[u8]> for Static {
    fn as_ref(&self) -> &[u8] {
        self.0
    }
}

impl Held for Static {}

/// Appends pieces of a body in one of its forms.
type Append = fn(&mut ReplyFraming, &'static [u8], &mut Outgoing);

fn copy(framing: &mut ReplyFraming, data: &'static [u8], out: &mut Outgoing) {
    framing.copy(data, out.tail()).unwrap();
}

fn copy_or_hold(framing: &mut ReplyFraming, data: &'static [u8], out: &mut Outgoing) {
    let hold = |len| Box::new(Static(&data[..len])) as Box<dyn Held>;
    framing.copy_or_hold(data, hold, out).unwrap();
}

fn fill(framing: &mut ReplyFraming, data: &'static [u8], out: &mut Outgoing) {
    let fill = |to: &mut [u8]| {
        to.copy_from_slice(data);
        Ok::<_, ()>(())
    };
    framing.fill(data.len(), fill, out.tail()).unwrap().unwrap();
}

fn file(framing: &mut ReplyFraming, data: &'static [u8], out: &mut Outgoing) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"before").unwrap();
    file.write_all(data).unwrap();
    framing.file(file, 6, data.len() as u64, out);
}

const FORMS: [Append; 4] = [copy, copy_or_hold, fill, file];

/// All bytes, those in files included.
fn bytes(mut out: Outgoing) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in out.take_parts().iter() {
        if let Part::File { file, offset, left } = part {
            let mut file = file.try_clone().unwrap();
            file.seek(SeekFrom::Start(*offset)).unwrap();
            file.take(*left).read_to_end(&mut bytes).unwrap();
        } else {
            bytes.extend_from_slice(part.memory().unwrap());
        }
    }
    bytes
}

/// Appends the `pieces`, which `|` separates, in each form; then the client gets `want` behind the head.
#[track_caller]
fn check(
    (mut head, context): (ReplyHead, ReplyContext<'_>),
    pieces: &'static str,
    want: &str,
    ends: (u64, bool, bool),
) {
    for form in FORMS {
        let (mut framing, mut out) = (ReplyFraming::default(), Outgoing::default());
        let length = framing.head(&mut head, &context, out.tail());
        for piece in pieces.split('|') {
            form(&mut framing, piece.as_bytes(), &mut out);
        }
        let (mismatch, closes) = framing.finish(out.tail());
        let reply = bytes(out);
        let (head, body) = reply.split_at(length as usize);
        assert!(head.ends_with(b"\r\n\r\n"), "{}", head.escape_ascii());
        let got = (mismatch.missing, mismatch.overlong, closes);
        assert_eq!((str::from_utf8(body).unwrap(), got), (want, ends));
    }
}

#[test]
fn bodies_are_framed_as_the_head_says() {
    let ok = |length| head("200 OK", length);
    let (new, old) = (context(1, false, None), context(0, false, None));
    let known = |length| context(1, false, Some(length));
    let of_head = context(1, true, None);
    let (none, not_modified) = ("204 No Content", "304 Not Modified");
    // Bytes that are missing, whether bytes were dropped, whether the connection closes.
    let (fits, too_long) = ((0, false, STAYS), (0, true, STAYS));
    let chunks = "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    let cases = [
        // An empty chunk would end the body.
        ((ok(None), new), "ab||c", chunks, fits),
        ((ok(None), new), "", "0\r\n\r\n", fits),
        // An old client reads until the connection ends.
        ((ok(None), old), "ab|c", "abc", (0, false, CLOSES)),
        ((ok(Some("3")), old), "abc", "abc", fits),
        // The length of the application comes before the one that the server knows.
        ((ok(Some("3")), new), "ab|c", "abc", fits),
        ((ok(None), known(3)), "ab|c", "abc", fits),
        ((ok(Some("3")), known(9)), "abc", "abc", fits),
        ((ok(None), known(0)), "", "", fits),
        // Bytes beyond the length are dropped, also those of a piece that begins within it.
        ((ok(Some("3")), new), "ab|cd", "abc", too_long),
        ((ok(Some("2")), new), "ab|cd", "ab", too_long),
        ((ok(Some("0")), new), "a", "", too_long),
        // The client would wait for the rest of the body.
        ((ok(Some("5")), new), "ab", "ab", (3, false, CLOSES)),
        // There is no body, even if there is a length.
        ((ok(Some("5")), of_head), "ab", "", fits),
        ((head(none, None), new), "a", "", fits),
        ((head(not_modified, Some("5")), new), "a", "", fits),
    ];
    for (framed, pieces, want, ends) in cases {
        check(framed, pieces, want, ends);
    }
}

#[test]
fn the_application_and_the_server_may_close() {
    let mut asked = head("200 OK", Some("1"));
    asked.field(b"Connection", b"close").unwrap();
    let mut drains = context(1, false, Some(1));
    drains.keep_alive = false;
    for framed in [
        (asked, context(1, false, None)),
        (head("200 OK", None), drains),
    ] {
        check(framed, "a", "a", (0, false, CLOSES));
    }
}

#[test]
fn a_body_is_full_when_more_bytes_would_be_dropped() {
    for (length, is_head, body, want) in [
        (None, false, "ab", false),
        (Some("2"), false, "a", false),
        // A byte too many shows that the application is wrong.
        (Some("2"), false, "ab", false),
        (Some("2"), false, "abc", true),
        (None, true, "", true),
        (Some("2"), true, "", true),
    ] {
        let (mut framing, mut out) = (ReplyFraming::default(), Vec::new());
        let mut head = head("200 OK", length);
        framing.head(&mut head, &context(1, is_head, None), &mut out);
        framing.copy(body.as_bytes(), &mut out).unwrap();
        assert_eq!(framing.is_full(), want, "{length:?} {is_head} {body}");
    }
}

#[test]
fn many_bytes_are_held_in_their_chunk() {
    static MANY: [u8; BY_REFERENCE] = [b'x'; BY_REFERENCE];
    for (length, held) in [(BY_REFERENCE, true), (BY_REFERENCE - 1, false)] {
        let (mut framing, mut out) = (ReplyFraming::default(), Outgoing::default());
        framing.head(
            &mut head("200 OK", None),
            &context(1, false, None),
            out.tail(),
        );
        out.tail().clear();
        copy_or_hold(&mut framing, &MANY[..length], &mut out);
        framing.finish(out.tail());
        assert_eq!(out.single().is_none(), held);
        let chunk = format!("{length:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(length));
        assert!(bytes(out) == chunk.as_bytes());
    }
}

#[test]
fn bytes_without_memory_count_as_written() {
    let (mut framing, mut out) = (ReplyFraming::default(), Vec::new());
    let mut head = head("200 OK", None);
    framing.head(&mut head, &context(1, false, None), &mut out);
    let before = out.clone();
    let fill = |_: &mut [u8]| -> Result<(), ()> { unreachable!("no buffer for it") };
    // More than any allocation may have.
    let filled = framing.fill(isize::MAX as usize, fill, &mut out);
    assert!(filled.is_err());
    assert_eq!(out, before);
    assert_eq!(framing.written, isize::MAX as u64);
}

#[test]
fn a_fill_that_fails_says_so() {
    let (mut framing, mut out) = (ReplyFraming::default(), Vec::new());
    let mut head = head("200 OK", Some("2"));
    framing.head(&mut head, &context(1, false, None), &mut out);
    let filled = framing.fill(2, |_| Err("no bytes"), &mut out);
    assert_eq!(filled, Ok(Err("no bytes")));
}
