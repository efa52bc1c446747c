//! What decoding a chunked body costs for each byte on the wire (`make microbench`).
//!
//! The bodies are those that cost most: chunks of one byte plain, and with as much of an extension as one
//! byte of data pays for; pieces as a JSON encoder yields them; and, to compare with, large chunks.

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use headwaiter_http::{BodyDecoder, Decoded, Framing};

fn main() {
    divan::main();
}

#[divan::bench(args = ["1", "1;e=123456789", "2", "8", "1000", "4000"])]
fn decode(bencher: Bencher<'_, '_>, size_line: &str) {
    let digits = size_line.split(';').next().unwrap_or_default();
    let size = usize::from_str_radix(digits, 16).expect("a size");
    let chunk = format!("{size_line}\r\n{}\r\n", "x".repeat(size));
    let body = chunk.repeat(WIRE / chunk.len()) + "0\r\n\r\n";
    let mut kept: Vec<u8> = Vec::with_capacity(body.len());
    bencher
        .counter(BytesCount::of_slice(body.as_bytes()))
        .bench_local(|| {
            kept.clear();
            let mut decoder = BodyDecoder::new(Framing::Chunked, u64::MAX).expect("no limit");
            let mut rest = black_box(body.as_bytes());
            loop {
                match decoder.decode(rest).expect("a sound body") {
                    Decoded::Data { data, consumed } => {
                        kept.extend_from_slice(data);
                        rest = &rest[consumed..];
                    }
                    Decoded::Done { .. } => break,
                    Decoded::NeedMore { .. } => unreachable!("it is there whole"),
                }
            }
        });
}

/// Bytes of a body, framing included: a read of the engine.
const WIRE: usize = 64 * 1024;
