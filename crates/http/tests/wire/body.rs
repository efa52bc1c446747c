//! Request bodies on the wire: every row of the corpus whole, cut, dripped, and with more behind it.

use crate::corpus::{CHUNKED_ACCEPTED, CHUNKED_REFUSED, PROBE};
use headwaiter_http::{BodyDecoder, Decoded, Framing, Refusal};

const MAX: u64 = 1 << 30;

/// Decodes `input` in reads that end at `ends`. `Some`: the body was complete after so many bytes.
fn decode_in_reads(
    body: &mut BodyDecoder,
    input: &[u8],
    ends: impl IntoIterator<Item = usize>,
) -> Result<(Vec<u8>, Option<usize>), Refusal> {
    let mut out = Vec::new();
    let mut at = 0;
    for end in ends {
        loop {
            let run = body.plain_run();
            match body.decode(&input[at..end])? {
                Decoded::Data { data, consumed } => {
                    assert!(!data.is_empty() && consumed <= end - at);
                    assert!(input[at..at + consumed].ends_with(data));
                    assert!(run == 0 || consumed as u64 <= run, "the run held framing");
                    out.extend_from_slice(data);
                    at += consumed;
                }
                Decoded::NeedMore { consumed } => {
                    assert_eq!(consumed, end - at, "input held back");
                    assert!(!body.is_done());
                    at += consumed;
                    break;
                }
                Decoded::Done { consumed } => {
                    assert!(body.is_done());
                    return Ok((out, Some(at + consumed)));
                }
            }
        }
    }
    Ok((out, None))
}

#[track_caller]
fn check(framing: Framing, input: &[u8], want: &Result<(Vec<u8>, Option<usize>), Refusal>) {
    let decode = |input: &[u8], ends: &[usize]| {
        let mut body = BodyDecoder::new(framing, MAX)?;
        decode_in_reads(&mut body, input, ends.iter().copied())
    };
    let shown = input.escape_ascii();
    let len = input.len();
    assert_eq!(decode(input, &[len]), *want, "{shown}");
    assert_eq!(
        decode(input, &Vec::from_iter(0..=len)),
        *want,
        "dripped: {shown}"
    );
    for cut in 0..len {
        assert_eq!(decode(input, &[cut, len]), *want, "cut at {cut}: {shown}");
    }
    let followed = [input, PROBE].concat();
    assert_eq!(
        decode(&followed, &[followed.len()]),
        *want,
        "followed: {shown}"
    );
}

#[test]
fn chunked_bodies_decode_and_end_where_they_end() {
    for (input, data) in CHUNKED_ACCEPTED {
        check(
            Framing::Chunked,
            input,
            &Ok((data.to_vec(), Some(input.len()))),
        );
    }
}

#[test]
fn malformed_chunked_bodies_name_their_rule() {
    for (input, want) in CHUNKED_REFUSED {
        check(Framing::Chunked, input, &Err(*want));
    }
}

#[test]
fn plain_bodies_end_after_their_length() {
    check(Framing::None, b"", &Ok((Vec::new(), Some(0))));
    check(Framing::Length(0), b"", &Ok((Vec::new(), Some(0))));
    check(
        Framing::Length(5),
        b"hello",
        &Ok((b"hello".to_vec(), Some(5))),
    );
}

/// gunicorn#3382: what is cut off is never complete.
#[test]
fn a_truncated_body_is_never_done() {
    for (input, data) in CHUNKED_ACCEPTED {
        for cut in 0..input.len() {
            let mut body = BodyDecoder::new(Framing::Chunked, MAX).unwrap();
            let (decoded, end) = decode_in_reads(&mut body, &input[..cut], [cut]).unwrap();
            assert!(data.starts_with(&decoded));
            assert_eq!(end, None, "{} cut at {cut}", input.escape_ascii());
        }
    }
}

#[test]
fn a_refusal_is_final() {
    let mut body = BodyDecoder::new(Framing::Chunked, MAX).unwrap();
    assert_eq!(body.decode(b"x"), Err(Refusal::ChunkSize));
    assert_eq!(body.decode(b"0\r\n\r\n"), Err(Refusal::ChunkSize));
    assert!(!body.is_done());
    assert_eq!(body.plain_run(), 0);
}

#[test]
fn the_body_is_bounded_to_the_byte() {
    assert!(BodyDecoder::new(Framing::Length(10), 10).is_ok());
    assert_eq!(
        BodyDecoder::new(Framing::Length(11), 10).err(),
        Some(Refusal::BodyTooLarge)
    );
    for (input, want) in [
        (&b"5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n"[..], Ok(10)),
        (
            b"5\r\nhello\r\n6\r\nhello!\r\n0\r\n\r\n",
            Err(Refusal::BodyTooLarge),
        ),
        (b"b\r\n", Err(Refusal::BodyTooLarge)), // before a byte of it has come
    ] {
        let mut body = BodyDecoder::new(Framing::Chunked, 10).unwrap();
        let got = decode_in_reads(&mut body, input, [input.len()]).map(|(data, _)| data.len());
        assert_eq!(got, want, "{}", input.escape_ascii());
    }
}

#[test]
fn plain_runs_can_be_received_elsewhere() {
    let mut body = BodyDecoder::new(Framing::Length(10), MAX).unwrap();
    assert_eq!(body.plain_run(), 10);
    body.advance(7);
    assert_eq!((body.plain_run(), body.is_done()), (3, false));
    body.advance(3);
    assert_eq!((body.plain_run(), body.is_done()), (0, true));

    let mut body = BodyDecoder::new(Framing::Chunked, MAX).unwrap();
    assert_eq!(body.plain_run(), 0);
    assert_eq!(body.decode(b"a\r\n"), Ok(Decoded::NeedMore { consumed: 3 }));
    assert_eq!(body.plain_run(), 10);
    body.advance(10);
    assert_eq!(body.plain_run(), 0);
    assert_eq!(
        body.decode(b"\r\n0\r\n\r\nrest"),
        Ok(Decoded::Done { consumed: 7 })
    );
}

/// Feeds copies of `unit` until refused; returns how many were taken, or `None` if all were.
fn taken(unit: &str, copies: usize) -> Option<(usize, Refusal)> {
    let mut body = BodyDecoder::new(Framing::Chunked, MAX).unwrap();
    (0..copies).find_map(|taken| {
        decode_in_reads(&mut body, unit.as_bytes(), [unit.len()])
            .err()
            .map(|why| (taken, why))
    })
}

/// Clients that send every token of a JSON encoder, or every key stroke, as a chunk.
#[test]
fn plain_chunks_of_any_size_pass_for_ever() {
    let kibibyte = "x".repeat(0x400);
    for unit in [
        "1\r\nx\r\n",
        "2\r\nxy\r\n",
        "00000001\r\nx\r\n",
        "1; a=b\r\nx\r\n",
        &format!("400;signature={}\r\n{kibibyte}\r\n", "0".repeat(64)),
    ] {
        assert_eq!(taken(unit, 100_000), None, "{unit:.20}");
    }
}

/// CVE-2023-39326 and the chunk-extension family: what is not data is bounded by the data.
#[test]
fn framing_can_not_dwarf_the_data() {
    // A chunk of one byte pays for 18 bytes of framing; a body may owe 16 KiB.
    let unit = |extension: usize| format!("1;{}\r\nx\r\n", "e".repeat(extension));
    assert_eq!(unit(12).len() - 1, 18);
    assert_eq!(taken(&unit(12), 100_000), None);
    let refused = |unit: &str, after: usize| {
        let (chunks, why) = taken(unit, 100_000).unwrap_or_else(|| panic!("for ever: {unit:.40}"));
        assert_eq!((chunks, why), (after, Refusal::ChunkOverhead), "{unit:.40}");
    };
    refused(&unit(13), 16_368);
    refused("0000000000000001\r\nx\r\n", 8_184);
    refused(&unit(1000), 16);
    refused(&unit(20_000), 0);
    refused(&format!("0\r\n{}", "A: b\r\n".repeat(3000)), 0);

    // Nothing is saved up: a large chunk pays off what is owed, and no more.
    let mut body = BodyDecoder::new(Framing::Chunked, MAX).unwrap();
    let large = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
    let long = unit(16_000);
    for (input, want) in [
        (&large, Ok(0x10_0000)),
        (&long, Ok(1)),
        (&large, Ok(0x10_0000)),
        (&long, Ok(1)),
        (&long, Err(Refusal::ChunkOverhead)),
    ] {
        let got = decode_in_reads(&mut body, input.as_bytes(), [input.len()]);
        assert_eq!(got.map(|(data, _)| data.len()), want);
    }
}
