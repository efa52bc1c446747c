//! What a client sends as a chunked body.

#![no_main]

use headwaiter_http::{BodyDecoder, Decoded, Framing, Refusal};
use libfuzzer_sys::fuzz_target;

const MAX: u64 = 4096;

fuzz_target!(|input: &[u8]| {
    let Some((&cut, input)) = input.split_first() else {
        return;
    };
    let cut = usize::from(cut).min(input.len());

    let want = decode(input, &[input.len()]);
    assert_eq!(
        decode(input, &[cut, input.len()]),
        want,
        "the cut changed the verdict"
    );
    assert_eq!(
        decode(input, &Vec::from_iter(0..=input.len())),
        want,
        "dripping changed the verdict"
    );
    if let Ok((data, end)) = want {
        assert!(data.len() as u64 <= MAX);
        let taken = end.unwrap_or(input.len());
        assert!(data.len() <= taken, "more data than bytes");
        if let Some(end) = end {
            assert!(input[..end].ends_with(b"\r\n\r\n"));
        }
    }
});

/// Decodes `input` in reads that end at `ends`; with the end of the body once it is there.
fn decode(input: &[u8], ends: &[usize]) -> Result<(Vec<u8>, Option<usize>), Refusal> {
    let mut body = BodyDecoder::new(Framing::Chunked, MAX)?;
    let (mut out, mut at) = (Vec::new(), 0);
    for &end in ends {
        loop {
            let given = &input[at..end];
            let run = body.plain_run();
            let decoded = body.decode(given).inspect_err(|refusal| {
                assert_eq!(
                    body.decode(b"0\r\n\r\n"),
                    Err(*refusal),
                    "a refusal is final"
                );
            })?;
            match decoded {
                Decoded::Data { data, consumed } => {
                    assert!(!data.is_empty() && given[..consumed].ends_with(data));
                    assert!(run == 0 || data.len() as u64 <= run);
                    out.extend_from_slice(data);
                    at += consumed;
                }
                Decoded::NeedMore { consumed } => {
                    assert_eq!(consumed, given.len(), "input was held back");
                    assert!(!body.is_done());
                    at += consumed;
                    break;
                }
                Decoded::Done { consumed } => {
                    assert!(consumed <= given.len() && body.is_done());
                    return Ok((out, Some(at + consumed)));
                }
            }
        }
    }
    Ok((out, None))
}
