//! What a client sends on one connection: pipelined requests with their bodies, in any reads.

#![no_main]

use headwaiter_http::{BodyDecoder, Decoded, Head, HeadLimits, Refusal};
use libfuzzer_sys::fuzz_target;

const MAX_HEAD: HeadLimits = HeadLimits {
    size: 4096,
    fields: 512,
};
const MAX_BODY: u64 = 4096;

/// What came out of a connection: whole requests, then perhaps the reason for its end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    requests: Vec<(Vec<u8>, Vec<u8>, Vec<u8>)>,
    refused: Option<Refusal>,
}

fuzz_target!(|input: &[u8]| {
    let Some((&step, input)) = input.split_first() else {
        return;
    };
    let want = serve([input].into_iter());
    let step = usize::from(step).max(1);
    assert_eq!(serve(input.chunks(step)), want, "reads of {step} bytes");
    assert_eq!(serve(input.chunks(1)), want, "dripped");

    // Nothing is served twice, and no body holds more than was sent.
    let bytes: usize = want
        .requests
        .iter()
        .map(|(_, target, body)| target.len() + body.len())
        .sum();
    assert!(bytes <= input.len());
});

/// Reads as the engine does: a head, its body, the next head; nothing behind a refusal.
fn serve<'a>(reads: impl Iterator<Item = &'a [u8]>) -> Seen {
    let mut seen = Seen::default();
    let (mut head, mut scanned, mut buffer) = (Head::new(), 0, Vec::new());
    let mut body: Option<(BodyDecoder, Vec<u8>)> = None;
    for read in reads {
        buffer.extend_from_slice(read);
        loop {
            let step = match &mut body {
                None => match head.parse(&buffer, &mut scanned, MAX_HEAD) {
                    Ok(None) => break,
                    Ok(Some(consumed)) => {
                        scanned = 0;
                        buffer.drain(..consumed);
                        BodyDecoder::new(head.framing(), MAX_BODY)
                            .map(|new| body = Some((new, Vec::new())))
                    }
                    Err(refusal) => Err(refusal),
                },
                Some((decoder, data)) => match decoder.decode(&buffer) {
                    Ok(Decoded::Data {
                        data: piece,
                        consumed,
                    }) => {
                        data.extend_from_slice(piece);
                        buffer.drain(..consumed);
                        Ok(())
                    }
                    Ok(Decoded::NeedMore { consumed }) => {
                        buffer.drain(..consumed);
                        break;
                    }
                    Ok(Decoded::Done { consumed }) => {
                        buffer.drain(..consumed);
                        let (_, data) = body.take().expect("matched above");
                        seen.requests
                            .push((head.method().to_vec(), head.target().to_vec(), data));
                        Ok(())
                    }
                    Err(refusal) => Err(refusal),
                },
            };
            if let Err(refusal) = step {
                seen.refused = Some(refusal);
                return seen;
            }
        }
    }
    seen
}
