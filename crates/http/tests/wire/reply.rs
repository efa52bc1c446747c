//! Reply heads, to the byte, and what an application may not put into them.

use headwaiter_http::{
    BodyFraming, BodyKind, ReplyContext, ReplyError, ReplyHead, Taken, own_lines, write_chunk_head,
};

const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

const CONTEXT: ReplyContext<'_> = ReplyContext {
    minor: 1,
    head: false,
    keep_alive: true,
    known_length: None,
    date: DATE,
    own: b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
    extra: b"",
};

fn begun(status: &str, fields: &[(&str, &str)]) -> ReplyHead {
    let mut head = ReplyHead::new();
    head.begin(status.as_bytes()).unwrap();
    for (name, value) in fields {
        head.field(name.as_bytes(), value.as_bytes()).unwrap();
    }
    head
}

/// The head on the wire, with `|` for CRLF, and how the body is framed.
fn finished(
    status: &str,
    fields: &[(&str, &str)],
    context: &ReplyContext<'_>,
) -> (String, BodyFraming) {
    let mut out = b"before ".to_vec();
    let framing = begun(status, fields).finish(context, &mut out);
    let text = String::from_utf8(out).unwrap().replace("\r\n", "|");
    (text.strip_prefix("before ").unwrap().to_owned(), framing)
}

#[test]
fn a_head_tells_its_fields_in_order() {
    assert_eq!(begun("200 OK", &[]).fields().count(), 0);
    let head = begun(
        "404 Not: Found",
        &[
            ("A", "1"),
            ("Content-Length", "3"),
            ("B", ""),
            ("a", " x: y\u{ff}\t"),
            ("Connection", "close"),
        ],
    );
    let fields: Vec<(&[u8], &[u8])> = head.fields().collect();
    let last = " x: y\u{ff}\t".as_bytes();
    assert_eq!(fields, [(&b"A"[..], &b"1"[..]), (b"B", b""), (b"a", last)]);
    assert_eq!((head.status(), head.content_length()), (404, Some(3)));
}

const DATE_LINE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT|";

#[test]
fn lines_come_in_order_and_the_server_adds_its_own() {
    let fields = [
        ("Content-Type", "text/plain"),
        ("Content-Length", "3"),
        ("X-Tab", "a\tb"),
    ];
    let own = own_lines(b"headwaiter");
    let context = ReplyContext {
        own: &own,
        extra: b"Server-Timing: a\r\n",
        ..CONTEXT
    };
    let (text, framing) = finished("200 OK", &fields, &context);
    let want = "HTTP/1.1 200 OK|Content-Type: text/plain|X-Tab: a\tb|Content-Length: 3|";
    assert_eq!(
        text,
        format!("{want}{DATE_LINE}Server: headwaiter|Server-Timing: a||")
    );
    assert_eq!(
        framing,
        BodyFraming {
            kind: BodyKind::Length(3),
            close: false
        }
    );
}

#[test]
fn date_and_server_of_the_application_stay() {
    let fields = [
        ("date", "today"),
        ("SERVER", "mine"),
        ("Content-Length", "0"),
    ];
    let own = own_lines(b"headwaiter");
    let context = ReplyContext {
        own: &own,
        ..CONTEXT
    };
    let (text, _) = finished("200 OK", &fields, &context);
    let want = "HTTP/1.1 200 OK|date: today|SERVER: mine|Content-Length: 0||";
    assert_eq!(text, want);
}

/// Every combination of what decides the framing, on one screen.
#[test]
fn framing_follows_status_method_version_and_length() {
    use BodyKind::{Chunked, Length, None as NoBody, UntilClose};
    // status, HEAD, minor, the application's length, the server's, kind, what is written, close
    type Row = (
        u16,
        bool,
        u8,
        Option<u64>,
        Option<u64>,
        BodyKind,
        &'static str,
        bool,
    );
    let rows: &[Row] = &[
        (
            200,
            false,
            1,
            Some(5),
            None,
            Length(5),
            "Content-Length: 5|",
            false,
        ),
        (
            200,
            false,
            1,
            Some(5),
            Some(6),
            Length(5),
            "Content-Length: 5|",
            false,
        ),
        (
            200,
            false,
            1,
            None,
            Some(6),
            Length(6),
            "Content-Length: 6|",
            false,
        ),
        (
            200,
            false,
            1,
            None,
            Some(0),
            Length(0),
            "Content-Length: 0|",
            false,
        ),
        (
            200,
            false,
            1,
            None,
            None,
            Chunked,
            "Transfer-Encoding: chunked|",
            false,
        ),
        (
            200,
            false,
            0,
            Some(5),
            None,
            Length(5),
            "Content-Length: 5|",
            false,
        ),
        (
            200,
            false,
            0,
            None,
            Some(6),
            Length(6),
            "Content-Length: 6|",
            false,
        ),
        (200, false, 0, None, None, UntilClose, "", true),
        (
            200,
            true,
            1,
            Some(5),
            None,
            NoBody,
            "Content-Length: 5|",
            false,
        ),
        (200, true, 1, None, None, NoBody, "", false),
        // A framework that strips the body of HEAD makes the server count zero bytes.
        (200, true, 1, None, Some(0), NoBody, "", false),
        (200, true, 0, None, None, NoBody, "", false),
        (204, false, 1, Some(0), None, NoBody, "", false),
        (204, false, 1, None, Some(3), NoBody, "", false),
        (
            304,
            false,
            1,
            Some(5),
            None,
            NoBody,
            "Content-Length: 5|",
            false,
        ),
        (304, false, 1, None, Some(0), NoBody, "", false),
        (
            500,
            false,
            1,
            Some(5),
            None,
            Length(5),
            "Content-Length: 5|",
            false,
        ),
    ];
    for &(status, head, minor, given, known_length, kind, written, close) in rows {
        let length = given.map(|length: u64| length.to_string());
        let fields = Vec::from_iter(length.iter().map(|length| ("Content-Length", &**length)));
        let context = ReplyContext {
            head,
            minor,
            known_length,
            ..CONTEXT
        };
        let shown = format!("{status} {context:?} {given:?}");
        let (text, framing) = finished(&format!("{status} X"), &fields, &context);
        assert_eq!(framing, BodyFraming { kind, close }, "{shown}");
        let connection = match (close, minor) {
            (true, _) => "Connection: close|",
            (false, 0) => "Connection: Keep-Alive|",
            (false, _) => "",
        };
        let want = format!("HTTP/1.{minor} {status} X|{written}{DATE_LINE}{connection}|");
        assert_eq!(text, want, "{shown}");
    }
}

#[test]
fn a_connection_that_must_close_says_so() {
    for minor in [0, 1] {
        let context = ReplyContext {
            keep_alive: false,
            minor,
            ..CONTEXT
        };
        let (text, framing) = finished("200 OK", &[("Content-Length", "0")], &context);
        assert!(
            framing.close && text.contains("|Connection: close|"),
            "{text}"
        );
    }
}

#[test]
fn status_lines_are_checked() {
    use ReplyError::{ReasonMalformed, StatusMalformed, StatusOutOfRange};
    let rows: &[(&[u8], Result<u16, ReplyError>)] = &[
        (b"200 OK", Ok(200)),
        (b"404 Not Found", Ok(404)),
        (b"200", Ok(200)),
        (b"200 ", Ok(200)),
        (b"299 \xdcber\tgut", Ok(299)),
        (b"100 Continue", Err(StatusOutOfRange)),
        (b"199 x", Err(StatusOutOfRange)),
        (b"200 OK", Ok(200)),
        (b"599 x", Ok(599)),
        (b"", Err(StatusMalformed)),
        (b"20", Err(StatusMalformed)),
        (b"2000 x", Err(StatusMalformed)),
        (b"200OK", Err(StatusMalformed)),
        (b"200\tOK", Err(StatusMalformed)),
        (b" 200 OK", Err(StatusMalformed)),
        (b"+20 OK", Err(StatusMalformed)),
        (b"OK", Err(StatusMalformed)),
        (b"2x0 OK", Err(StatusMalformed)),
        (b"099 x", Err(StatusOutOfRange)),
        (b"000 x", Err(StatusOutOfRange)),
        (b"600 x", Ok(600)),
        (b"999 x", Ok(999)),
        (b"200 OK\r\nX: y", Err(ReasonMalformed)),
        (b"200 O\nK", Err(ReasonMalformed)),
        (b"200 O\x00K", Err(ReasonMalformed)),
        (b"200 O\x7fK", Err(ReasonMalformed)),
    ];
    for (status, want) in rows {
        let mut head = ReplyHead::new();
        let got = head.begin(status).map(|()| head.status());
        assert_eq!(got, *want, "{}", status.escape_ascii());
        assert_eq!(head.started(), want.is_ok());
    }
    assert!(
        finished("200", &[], &CONTEXT)
            .0
            .starts_with("HTTP/1.1 200 |"),
        "RFC 9112 §4"
    );
}

#[test]
fn what_an_application_says_of_its_connection() {
    use Taken::{Dropped, Yes};
    // name, value, what becomes of it, whether the connection closes
    let rows: &[(&str, &str, Taken, bool)] = &[
        ("Connection", "close", Yes, true),
        ("CONNECTION", "Close", Yes, true),
        ("Connection", " close ,\tclose", Yes, true),
        ("Connection", "close, X-Mine", Dropped, true),
        ("Connection", "keep-alive, close", Dropped, true), // RFC 9112 §9.3: close wins
        ("Connection", "keep-alive", Dropped, false),
        ("connection", "Keep-Alive", Dropped, false),
        ("Connection", "closed", Dropped, false),
        ("Connection", "Upgrade", Dropped, false), // the Upgrade field beside it is an error
        ("Connection", "", Dropped, false),
        ("Keep-Alive", "timeout=5, max=100", Dropped, false),
        ("Proxy-Connection", "keep-alive", Dropped, false),
        ("Proxy-Connection", "close", Dropped, false), // was never a field of HTTP
    ];
    for (name, value, taken, closes) in rows {
        for minor in [0, 1] {
            let mut head = begun("200 OK", &[("Content-Length", "4")]);
            let got = head.field(name.as_bytes(), value.as_bytes());
            assert_eq!(got, Ok(*taken), "{name}: {value}");
            let mut out = Vec::new();
            let context = ReplyContext { minor, ..CONTEXT };
            let framing = head.finish(&context, &mut out);
            let context = ReplyContext {
                keep_alive: !closes,
                ..context
            };
            let (want, _) = finished("200 OK", &[("Content-Length", "4")], &context);
            let text = String::from_utf8(out).unwrap().replace("\r\n", "|");
            assert_eq!((text, framing.close), (want, *closes), "{name}: {value}");
        }
    }
}

#[test]
fn fields_are_checked() {
    use ReplyError::{
        ContentLengthConflict, ContentLengthMalformed, HopByHop, NameMalformed, ValueMalformed,
    };
    let rows: &[(&[u8], &[u8], ReplyError)] = &[
        (b"", b"x", NameMalformed),
        (b"A B", b"x", NameMalformed),
        (b"A:", b"x", NameMalformed),
        (b"A\r\nB", b"x", NameMalformed),
        (b"A\x00", b"x", NameMalformed),
        (b"\xc4", b"x", NameMalformed),
        (b"A", b"x\r\nSet-Cookie: y", ValueMalformed),
        (b"A", b"x\ny", ValueMalformed),
        (b"A", b"x\ry", ValueMalformed),
        (b"A", b"x\x00", ValueMalformed),
        (b"A", b"\x7f", ValueMalformed),
        (b"TE", b"x", HopByHop),
        (b"Trailer", b"x", HopByHop),
        (b"Trailers", b"x", HopByHop),
        (b"Transfer-ENCODING", b"chunked", HopByHop),
        (b"Upgrade", b"x", HopByHop),
        (b"Proxy-Authenticate", b"x", HopByHop),
        (b"Proxy-Authorization", b"x", HopByHop),
        (b"Content-Length", b"", ContentLengthMalformed),
        (b"Content-Length", b"+4", ContentLengthMalformed),
        (b"Content-Length", b"-4", ContentLengthMalformed),
        (b"Content-Length", b"4, 4", ContentLengthMalformed),
        (
            b"Content-Length",
            b"18446744073709551616",
            ContentLengthMalformed,
        ),
        (b"content-length", b"5", ContentLengthConflict),
    ];
    for (name, value, want) in rows {
        let mut head = begun("200 OK", &[("Content-Length", "4")]);
        assert_eq!(
            head.field(name, value),
            Err(*want),
            "{}",
            name.escape_ascii()
        );
        let mut out = Vec::new();
        head.finish(&CONTEXT, &mut out);
        let clean = finished("200 OK", &[("Content-Length", "4")], &CONTEXT).0;
        assert_eq!(
            out,
            clean.replace('|', "\r\n").into_bytes(),
            "an error leaves a trace"
        );
    }
    let mut head = begun(
        "200 OK",
        &[("Content-Length", " 4 "), ("CONTENT-LENGTH", "4")],
    );
    assert_eq!(head.content_length(), Some(4));
    assert_eq!(head.field(b"X", b"\xe4 obs-text"), Ok(Taken::Yes));
    assert_eq!(
        ReplyHead::new().field(b"A", b"b"),
        Err(ReplyError::NotBegun)
    );
}

/// `start_response` again with `exc_info`: nothing of the first reply may be left.
#[test]
fn beginning_again_starts_over() {
    let mut head = begun(
        "200 OK",
        &[("Content-Length", "4"), ("Date", "x"), ("Server", "x")],
    );
    head.begin(b"500 Oops").unwrap();
    assert_eq!((head.status(), head.content_length()), (500, None));
    let mut out = Vec::new();
    head.finish(
        &ReplyContext {
            own: &own_lines(b"i"),
            ..CONTEXT
        },
        &mut out,
    );
    let text = String::from_utf8(out).unwrap().replace("\r\n", "|");
    let want = "HTTP/1.1 500 Oops|Transfer-Encoding: chunked|";
    assert_eq!(text, format!("{want}{DATE_LINE}Server: i||"));
    head.clear();
    assert!(!head.started());
}

#[test]
fn a_length_is_only_ever_shortened() {
    // (status, what the application says, what there is, what is sent)
    for (status, said, most, sent) in [
        ("200 OK", "10", 7, Some(7)),
        ("200 OK", "5", 7, Some(5)),
        ("200 OK", "10", 0, Some(0)),
        ("304 Not Modified", "10", 0, Some(10)),
    ] {
        let mut head = begun(status, &[("Content-Length", said)]);
        head.shorten(most);
        assert_eq!(head.content_length(), sent, "{status} {said} {most}");
    }
    let mut head = begun("200 OK", &[]);
    head.shorten(7);
    assert_eq!(head.content_length(), None);
}

#[test]
fn chunk_heads_are_hexadecimal_without_padding() {
    for len in [1, 9, 10, 15, 16, 255, 4096, 0xabcdef, usize::MAX] {
        let mut out = Vec::new();
        write_chunk_head(&mut out, len);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{len:x}\r\n"));
    }
}
