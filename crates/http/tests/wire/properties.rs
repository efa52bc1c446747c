//! Properties that hold for any input, tried on what proptest makes of the grammar and on plain noise.

use headwaiter_http::{
    BodyDecoder, BodyKind, Decoded, Framing, Head, HeadLimits, ProxyPeer, ProxyPolicy, Refusal,
    ReplyContext, ReplyHead, Taken, own_lines, percent_decode, write_chunk_head,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::build::{assert_same, parts};
use crate::corpus::{HEADS_ACCEPTED, HEADS_REFUSED};

const MAX: HeadLimits = HeadLimits {
    size: 1 << 16,
    fields: 512,
};

/// A head that is mostly well-formed: a row of the corpus with a few bytes overwritten.
fn nearly_a_head() -> impl Strategy<Value = Vec<u8>> {
    let rows: Vec<&'static [u8]> = HEADS_ACCEPTED
        .iter()
        .copied()
        .chain(HEADS_REFUSED.iter().map(|(head, _)| *head))
        .collect();
    let edits = vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (prop::sample::select(rows), edits, vec(any::<u8>(), 0..16)).prop_map(|(row, edits, tail)| {
        let mut head = row.to_vec();
        for (at, byte) in edits {
            let at = at.index(head.len());
            head[at] = byte;
        }
        head.extend(tail);
        head
    })
}

/// Where reads end: any cuts, and the whole.
fn reads(cuts: &[prop::sample::Index], len: usize) -> Vec<usize> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(len + 1)).collect();
    ends.push(len);
    ends.sort_unstable();
    ends
}

fn parse_in_reads(input: &[u8], ends: &[usize]) -> (Head, Result<Option<usize>, Refusal>) {
    let (mut head, mut scanned) = (Head::new(), 0);
    for &end in ends {
        match head.parse(&input[..end], &mut scanned, MAX) {
            Ok(None) => {}
            parsed => return (head, parsed),
        }
    }
    (head, Ok(None))
}

fn decode_in_reads(input: &[u8], ends: &[usize]) -> Result<(Vec<u8>, Option<usize>), Refusal> {
    let mut body = BodyDecoder::new(Framing::Chunked, 1 << 20)?;
    let (mut out, mut at) = (Vec::new(), 0);
    for &end in ends {
        loop {
            match body.decode(&input[at..end])? {
                Decoded::Data { data, consumed } => {
                    out.extend_from_slice(data);
                    at += consumed;
                }
                Decoded::NeedMore { consumed } => {
                    at += consumed;
                    break;
                }
                Decoded::Done { consumed } => return Ok((out, Some(at + consumed))),
            }
        }
    }
    Ok((out, None))
}

proptest! {
    #[test]
    fn cuts_never_change_the_verdict_on_a_head(
        input in nearly_a_head(),
        cuts in vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let (whole, want) = parse_in_reads(&input, &[input.len()]);
        let (cut, got) = parse_in_reads(&input, &reads(&cuts, input.len()));
        prop_assert_eq!(got, want);
        prop_assert_eq!(whole.target(), cut.target());
        prop_assert!(whole.fields().eq(cut.fields()));
    }

    /// What is accepted as text is accepted as parts, and says the same.
    #[test]
    fn a_head_of_parts_is_the_head_as_text(input in nearly_a_head()) {
        let (head, parsed) = parse_in_reads(&input, &[input.len()]);
        if let Ok(Some(size)) = parsed
            && let Some((request, fields)) = parts(&input[..size])
        {
            let mut built = Head::new();
            prop_assert_eq!(built.build(request, fields, MAX), Ok(()));
            assert_same(&built, &head);
        }
    }

    /// httparse is laxer: it must accept what is accepted here, and read the same from it.
    #[test]
    fn httparse_agrees_on_what_is_accepted(input in nearly_a_head()) {
        let (head, parsed) = parse_in_reads(&input, &[input.len()]);
        if let Ok(Some(size)) = parsed {
            let mut storage = [httparse::EMPTY_HEADER; 64];
            let mut oracle = httparse::Request::new(&mut storage);
            let theirs = oracle.parse(&input);
            // It knows no later 1.x, which RFC 9110 §2.5 has a server treat as 1.1.
            prop_assume!(theirs != Err(httparse::Error::Version));
            prop_assert_eq!(theirs, Ok(httparse::Status::Complete(size)));
            prop_assert_eq!(oracle.method.unwrap().as_bytes(), head.method());
            prop_assert_eq!(oracle.path.unwrap().as_bytes(), head.target());
            prop_assert_eq!(oracle.version, Some(head.minor()));
            let theirs = oracle.headers.iter().map(|field| (field.name.as_bytes(), field.value));
            prop_assert!(head.fields().eq(theirs));
        }
    }

    #[test]
    fn noise_never_panics_and_takes_no_more_than_it_has(input in vec(any::<u8>(), 0..256)) {
        if let Ok(Some(size)) = Head::new().parse(&input, &mut 0, MAX) {
            prop_assert!(size <= input.len());
        }
        if let Ok((data, Some(end))) = decode_in_reads(&input, &[input.len()]) {
            prop_assert!(end <= input.len() && data.len() < end);
        }
    }

    /// What is chunked as replies are decodes as requests do, however it was cut.
    #[test]
    fn chunked_round_trips(
        chunks in vec(vec(any::<u8>(), 1..600), 0..6),
        tail in vec(any::<u8>(), 0..20),
        cuts in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut wire = Vec::new();
        for chunk in &chunks {
            write_chunk_head(&mut wire, chunk.len());
            wire.extend_from_slice(chunk);
            wire.extend_from_slice(headwaiter_http::CHUNK_END);
        }
        wire.extend_from_slice(headwaiter_http::LAST_CHUNK);
        let end = wire.len();
        wire.extend(tail);
        let decoded = decode_in_reads(&wire, &reads(&cuts, wire.len()));
        prop_assert_eq!(decoded, Ok((chunks.concat(), Some(end))));
    }

    /// Nothing an application says can make more or less than one reply.
    #[test]
    fn a_finished_head_is_one_response(
        code in 200u16..600,
        reason in "[ -~\\t]{0,20}",
        fields in vec(("[!-~]{1,12}", vec(any::<u8>(), 0..12)), 0..6),
        length in proptest::option::of(0u64..1000),
        minor in 0u8..2,
        head in any::<bool>(),
        keep_alive in any::<bool>(),
    ) {
        let mut reply = ReplyHead::new();
        reply.begin(format!("{code} {reason}").as_bytes()).unwrap();
        let mut accepted = 0;
        for (name, value) in &fields {
            let own_line = !["content-length", "connection"].contains(&&*name.to_ascii_lowercase());
            accepted += usize::from(reply.field(name.as_bytes(), value) == Ok(Taken::Yes) && own_line);
        }
        prop_assert_eq!(reply.fields().count(), accepted);
        let date = b"Sun, 06 Nov 1994 08:49:37 GMT";
        let context = ReplyContext {
            minor, head, keep_alive, known_length: length, date, own: &own_lines(b"headwaiter"), extra: b"",
        };
        let mut out = Vec::new();
        let framing = reply.finish(&context, &mut out);
        let mut storage = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Response::new(&mut storage);
        prop_assert_eq!(parsed.parse(&out), Ok(httparse::Status::Complete(out.len())));
        prop_assert_eq!((parsed.version, parsed.code), (Some(minor), Some(code)));
        let count = |wanted: &str| {
            parsed.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(wanted)).count()
        };
        let chunked = count("transfer-encoding");
        prop_assert_eq!(chunked, usize::from(framing.kind == BodyKind::Chunked));
        prop_assert!(chunked + count("content-length") <= 1);
        prop_assert!(framing.close || keep_alive);
        prop_assert!(parsed.headers.len() >= accepted);
    }

    #[test]
    fn percent_decoding_is_undone_by_encoding_every_byte(bytes in vec(any::<u8>(), 0..64)) {
        let encoded: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        let mut decoded = Vec::new();
        percent_decode(encoded.as_bytes(), &mut decoded);
        prop_assert_eq!(decoded, bytes);
    }

    /// What an untrusted peer says changes nothing but which fields are seen.
    #[test]
    fn an_untrusted_peer_changes_nothing(value in "[ -~]{0,40}", which in 0usize..6) {
        let names = ["X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
            "X-Forwarded-Port", "X-Forwarded-By", "Forwarded"];
        let input = format!("GET / HTTP/1.0\r\n{}: {value}\r\n\r\n", names[which]);
        let mut head = Head::new();
        prop_assert_eq!(head.parse(input.as_bytes(), &mut 0, MAX), Ok(Some(input.len())));
        let policy = ProxyPolicy::new("10.0.0.1", 1, &names[..5], true, false).unwrap();
        let mut outcome = policy.apply(ProxyPeer::Unix, &head, "http").unwrap();
        prop_assert_eq!(outcome.fields.len(), 1);
        outcome.fields.clear();
        prop_assert_eq!(outcome, headwaiter_http::ProxyOutcome::default());
        let trusting = ProxyPolicy::new("*", 1, &names[..5], true, false).unwrap();
        let _ = trusting.apply(ProxyPeer::Unix, &head, "http"); // any verdict, no panic
    }
}
