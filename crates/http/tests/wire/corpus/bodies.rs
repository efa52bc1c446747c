//! Chunked bodies, from after the head.

use headwaiter_http::Refusal;

use super::Refused;

/// Bytes of a whole body, and what they decode to.
pub(crate) const CHUNKED_ACCEPTED: &[(&[u8], &[u8])] = &[
    (b"0\r\n\r\n", b""),
    (b"000\r\n\r\n", b""),
    (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"0000000000000005\r\nhello\r\n0\r\n\r\n", b"hello"),
    (
        b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n",
        b"01234567890123456789",
    ),
    (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
    (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"), // data that looks like the end
    (b"1;a\r\nx\r\n0;b;c\r\n\r\n", b"x"),
    (b"1;a=b;c=\"d;\\\" \";e\r\nx\r\n0\r\n\r\n", b"x"),
    (b"1;a=\"\"\r\nx\r\n0\r\n\r\n", b"x"),
    // White space where RFC 9112 §7.1.1 has it, which recipients must remove (RFC 9110 §5.6.3).
    (b"5; a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"5 ;a=b\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"5 \t ;a\r\nhello\r\n0\r\n\r\n", b"hello"),
    (
        b"5\t; \ta \t=\t b ; c =\"d\"\t;e;f\r\nhello\r\n0 ;g\r\n\r\n",
        b"hello",
    ),
    (b"0\r\nA: b\r\nEmpty:\r\nX-Check: 1\t\xff\r\n\r\n", b""),
    (b"0\r\nContent-Length-X: 5\r\n\r\n", b""),
    (b"0\r\nVary: *\r\nContent-Type: text/plain\r\n\r\n", b""), // in other projects' suites
];

pub(crate) const CHUNKED_REFUSED: &[Refused] = &[
    // Sizes (CVE-2022-24761 and its kin elsewhere).
    (b"\r\n", Refusal::ChunkSize),
    (b";a\r\n", Refusal::ChunkSize),
    (b"+5\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (b"-5\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (b"0x5\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (b"1_0\r\n", Refusal::ChunkSize),
    (b"5h\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (b" 5\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (b"5 \r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (b"5 \t\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (b"5 5;a\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (b" 5;a\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (b"5\t\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (b"\xd9\xa5\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize), // Arabic 5
    (b"\xb2\r\n", Refusal::ChunkSize),
    (
        b"00000000000000005\r\nhello\r\n0\r\n\r\n",
        Refusal::ChunkSize,
    ),
    (
        b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        Refusal::ChunkSize,
    ), // 5 if it wraps
    (b"ffffffffffffffff\r\n", Refusal::BodyTooLarge),
    (b"5\r\nhello\r\nfffffffffffffffb\r\n", Refusal::BodyTooLarge), // 0 if the sum wraps
    // Line ends (CVE-2019-16785).
    (b"5\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (b"5\rhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (b"5\r\nhello\n0\r\n\r\n", Refusal::ChunkEnd),
    (b"5\r\nhello\r0\r\n\r\n", Refusal::ChunkEnd),
    (b"5\r\nhello0\r\n\r\n", Refusal::ChunkEnd),
    (b"5\r\nhello!\r\n0\r\n\r\n", Refusal::ChunkEnd),
    (b"0\n\n", Refusal::ChunkSize),
    (b"0\r\n\n", Refusal::Trailer),
    (b"0\r\n\rX", Refusal::Trailer),
    // Extensions (gunicorn#3327, RFC 9112 §7.1.1).
    (b"5;\r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;;a\r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5; \r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5; ;a\r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;a \r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;a= \r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;a=b \r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (
        b"5;a=\"b\"\t\r\nhello\r\n0\r\n\r\n",
        Refusal::ChunkExtension,
    ),
    (b"5;a=b c\r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;a =b =c\r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;\x0ba\r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5; a\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;a b\r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;a=\r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;a=b=c\r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;a=\"b\r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;a\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;a\rb\r\nhello\r\n0\r\n\r\n", Refusal::ChunkSize),
    (b"5;a\x00\r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    (b"5;\xff\r\nhello\r\n0\r\n\r\n", Refusal::ChunkExtension),
    // Trailers (CVE-2023-41419, CVE-2025-58068).
    (b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n", Refusal::Trailer),
    (b"0\r\nNoColon\r\n\r\n", Refusal::Trailer),
    (b"0\r\n: b\r\n\r\n", Refusal::Trailer),
    (b"0\r\nA : b\r\n\r\n", Refusal::Trailer),
    (b"0\r\n A: b\r\n\r\n", Refusal::Trailer),
    (b"0\r\nA: b\r\n c\r\n\r\n", Refusal::Trailer),
    (b"0\r\nA: b\n\r\n", Refusal::Trailer),
    (b"0\r\nA: b\rC: d\r\n\r\n", Refusal::Trailer),
    (b"0\r\nA: \x00\r\n\r\n", Refusal::Trailer),
    (b"0\r\n\xa0A: b\r\n\r\n", Refusal::Trailer),
    (b"0\r\nContent-Length: 5\r\n\r\n", Refusal::TrailerForbidden),
    (
        b"0\r\nA: b\r\ntransfer-ENCODING: chunked\r\n\r\n",
        Refusal::TrailerForbidden,
    ),
    (b"0\r\nHost: b\r\n\r\n", Refusal::TrailerForbidden),
    (
        b"0\r\nProxy-Authorization: b\r\n\r\n",
        Refusal::TrailerForbidden,
    ),
];
