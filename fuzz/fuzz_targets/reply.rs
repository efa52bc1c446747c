//! What an application says in `start_response`: a line of status, then `name: value` lines.

#![no_main]

use headwaiter_http::{BodyKind, ReplyContext, ReplyHead, Taken, own_lines};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&flags, input)) = input.split_first() else {
        return;
    };
    let flag = |bit: u8| flags >> bit & 1 == 1;
    let mut lines = input.split(|&byte| byte == b'\n');
    let mut reply = ReplyHead::new();
    if reply.begin(lines.next().unwrap_or_default()).is_err() {
        assert!(!reply.started());
        return;
    }
    let mut accepted = 0;
    for line in lines.take(60) {
        let colon = line
            .iter()
            .position(|&byte| byte == b':')
            .unwrap_or(line.len());
        let (name, value) = (&line[..colon], line.get(colon + 1..).unwrap_or_default());
        let own_line = !name.eq_ignore_ascii_case(b"content-length")
            && !name.eq_ignore_ascii_case(b"connection");
        accepted += usize::from(reply.field(name, value) == Ok(Taken::Yes) && own_line);
    }
    let ident = if flag(4) { "headwaiter" } else { "" };
    let context = ReplyContext {
        minor: flags & 1,
        head: flag(1),
        keep_alive: flag(2),
        known_length: flag(3).then_some(42),
        date: b"Sun, 06 Nov 1994 08:49:37 GMT",
        own: &own_lines(ident.as_bytes()),
        extra: b"",
    };
    let mut out = Vec::new();
    let framing = reply.finish(&context, &mut out);

    let mut storage = [httparse::EMPTY_HEADER; 80];
    let mut parsed = httparse::Response::new(&mut storage);
    assert_eq!(
        parsed.parse(&out),
        Ok(httparse::Status::Complete(out.len())),
        "not one head"
    );
    assert_eq!(
        (parsed.version, parsed.code),
        (Some(context.minor), Some(reply.status()))
    );

    let all = |wanted: &'static str| {
        parsed
            .headers
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(wanted))
    };
    let (lengths, codings) = (
        all("content-length").count(),
        all("transfer-encoding").count(),
    );
    assert_eq!(codings, usize::from(framing.kind == BodyKind::Chunked));
    match framing.kind {
        BodyKind::Length(_) => assert_eq!((lengths, codings), (1, 0)),
        BodyKind::Chunked => assert_eq!((lengths, codings, context.minor), (0, 1, 1)),
        BodyKind::None => assert!(lengths <= 1),
        BodyKind::UntilClose => assert!(lengths == 0 && framing.close),
    }
    assert!(framing.close || context.keep_alive);
    let says_close = all("connection").any(|field| field.value == b"close");
    assert_eq!(says_close, framing.close);
    assert!(all("date").count() >= 1);

    // Nothing of the application's is lost, and the server adds no line but its own.
    let own = lengths
        + codings
        + all("connection").count()
        + usize::from(!ident.is_empty())
        + usize::from(all("date").any(|field| field.value == context.date));
    assert!((accepted..=accepted + own).contains(&parsed.headers.len()));
});
