//! Request heads. All end with an empty line, unless what is wrong shows earlier.

use headwaiter_http::Refusal;

use super::Refused;

/// A head with one more field line after a valid Host, or a whole request-line before it.
macro_rules! head {
    (line $line:literal) => {
        concat!($line, "\r\nHost: a\r\n\r\n").as_bytes()
    };
    (field $field:literal) => {
        concat!("POST / HTTP/1.1\r\nHost: a\r\n", $field, "\r\n\r\n").as_bytes()
    };
    (host $host:literal) => {
        concat!("GET / HTTP/1.1\r\nHost:", $host, "\r\n\r\n").as_bytes()
    };
}

/// As `head!(field ...)`, for bytes that are not UTF-8.
macro_rules! raw_field {
    ($field:literal) => {
        const {
            const BEFORE: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\n";
            const FIELD: &[u8] = $field;
            const AFTER: &[u8] = b"\r\n\r\n";
            const SIZE: usize = BEFORE.len() + FIELD.len() + AFTER.len();
            const fn join() -> [u8; SIZE] {
                let mut joined = [0; SIZE];
                let mut at = 0;
                while at < SIZE {
                    joined[at] = if at < BEFORE.len() {
                        BEFORE[at]
                    } else if at < BEFORE.len() + FIELD.len() {
                        FIELD[at - BEFORE.len()]
                    } else {
                        AFTER[at - BEFORE.len() - FIELD.len()]
                    };
                    at += 1;
                }
                joined
            }
            &join()
        }
    };
}

pub(crate) const HEADS_REFUSED: &[Refused] = &[
    // Not HTTP at all.
    (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        Refusal::TlsHello,
    ),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Refusal::Version),
    (b"\r\n\r\n\x00\r\nQUIT\n", Refusal::ControlByte), // PROXY protocol, version 2
    (
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        Refusal::RequestLine,
    ),
    (b"\x05\x01\x00", Refusal::ControlByte), // SOCKS
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x16\r\n", // a byte of TLS, but not the first one
        Refusal::ControlByte,
    ),
    (b"SSH-2.0-OpenSSH_9.9\r\n", Refusal::RequestLine),
    // Line ends (CVE-2019-16785).
    (b"GET / HTTP/1.1\nHost: a\r\n\r\n", Refusal::BareLf),
    (b"GET / HTTP/1.1\r\nHost: a\n\r\n", Refusal::BareLf),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\n", Refusal::BareLf),
    (b"GET / HTTP/1.1\nHost: a\n\n", Refusal::BareLf),
    (b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::BareLf),
    (b"GET / HTTP/1.1\rHost: a\r\n\r\n", Refusal::BareCr),
    (b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", Refusal::BareCr),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n",
        Refusal::BareCr,
    ),
    (
        b"GET / HTTP/1.1\r\nA: b\rTransfer-Encoding: chunked\r\nHost: a\r\n\r\n",
        Refusal::BareCr,
    ),
    (
        b"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Refusal::EmptyLines,
    ),
    // NUL and other controls (gunicorn#3144, cheroot#738).
    (
        b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        Refusal::ControlByte,
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nA: b\x00c\r\n\r\n",
        Refusal::ControlByte,
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nA: b\x7fc\r\n\r\n",
        Refusal::ControlByte,
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nA\x0b: b\r\n\r\n",
        Refusal::ControlByte,
    ),
    // The request-line.
    (head!(line "GET"), Refusal::RequestLine),
    (head!(line "GET /"), Refusal::RequestLine), // HTTP/0.9
    (head!(line "GET / "), Refusal::RequestLine),
    (head!(line " GET / HTTP/1.1"), Refusal::RequestLine),
    (head!(line "GET  / HTTP/1.1"), Refusal::RequestLine),
    (head!(line "GET /  HTTP/1.1"), Refusal::RequestLine),
    (head!(line "GET / HTTP/1.1 "), Refusal::RequestLine), // cheroot#230
    (head!(line "GET /a b HTTP/1.1"), Refusal::RequestLine),
    (head!(line "GET\t/\tHTTP/1.1"), Refusal::RequestLine),
    (head!(line "GET / HTTP/1.1\t"), Refusal::RequestLine),
    (head!(line "GET / http/1.1"), Refusal::RequestLine),
    (head!(line "GET / HTTP/1"), Refusal::RequestLine),
    (head!(line "GET / HTTP/1.10"), Refusal::RequestLine),
    (head!(line "GET / HTTP/01.1"), Refusal::RequestLine),
    (head!(line "GET / HTTP/1,1"), Refusal::RequestLine),
    (head!(line "GET / HTTPS/1.1"), Refusal::RequestLine),
    (head!(line "GET / HTTP/0.9"), Refusal::Version),
    (head!(line "GET / HTTP/2.0"), Refusal::Version),
    (head!(line "GET / HTTP/9.9"), Refusal::Version), // waitress#503
    (head!(line "get / HTTP/1.1"), Refusal::Method),
    (head!(line "G(T / HTTP/1.1"), Refusal::Method),
    (head!(line "GET/ / HTTP/1.1"), Refusal::Method),
    (head!(line "GET\t / HTTP/1.1"), Refusal::Method),
    (b"G\xc9T / HTTP/1.1\r\nHost: a\r\n\r\n", Refusal::Method),
    (
        head!(line "AVERYLONGMETHODNAMETHATNOBODYUSES / HTTP/1.1"),
        Refusal::Method,
    ),
    (head!(line "CONNECT a:80 HTTP/1.1"), Refusal::Connect),
    (head!(line "CONNECT / HTTP/1.1"), Refusal::Connect),
    // Forms of the target (gunicorn 26.0.0).
    (head!(line "GET * HTTP/1.1"), Refusal::Target),
    (head!(line "OPTIONS *a HTTP/1.1"), Refusal::Target),
    (head!(line "GET a:80 HTTP/1.1"), Refusal::Target),
    (head!(line "GET relative/path HTTP/1.1"), Refusal::Target),
    (head!(line "GET ?query HTTP/1.1"), Refusal::Target),
    (head!(line "GET /a#fragment HTTP/1.1"), Refusal::Target),
    (head!(line "GET /a\tb HTTP/1.1"), Refusal::Target),
    (
        b"GET /h\xc3\xb6 HTTP/1.1\r\nHost: a\r\n\r\n",
        Refusal::Target,
    ),
    (head!(line "GET ftp://a/ HTTP/1.1"), Refusal::Target),
    (head!(line "GET http:/a HTTP/1.1"), Refusal::Target),
    (head!(line "GET http:// HTTP/1.1"), Refusal::Authority),
    (head!(line "GET http:///path HTTP/1.1"), Refusal::Authority),
    (head!(line "GET http://:80/ HTTP/1.1"), Refusal::Authority),
    (
        head!(line "GET http://user@a/ HTTP/1.1"),
        Refusal::Authority,
    ),
    (
        head!(line "GET http://a:99999/ HTTP/1.1"),
        Refusal::Authority,
    ),
    (head!(line "GET http://a:b/ HTTP/1.1"), Refusal::Authority),
    (head!(line "GET http://[::1/ HTTP/1.1"), Refusal::Authority),
    (head!(line "GET http://a\\b/ HTTP/1.1"), Refusal::Authority),
    // Field lines.
    (head!(field "NoColon"), Refusal::FieldName),
    (head!(field ": value"), Refusal::FieldName), // cheroot#720
    (head!(field "Na me: x"), Refusal::FieldName),
    (head!(field "Na\"me: x"), Refusal::FieldName),
    (head!(field "Na(me): x"), Refusal::FieldName),
    (head!(field "{name}: x"), Refusal::FieldName),
    (
        raw_field!(b"Transfer-Encoding\xa0: chunked"),
        Refusal::FieldName,
    ), // gunicorn#3091
    (
        raw_field!(b"Transfer-Encoding\x85: chunked"),
        Refusal::FieldName,
    ),
    (raw_field!(b"\xffName: x"), Refusal::FieldName),
    (
        head!(field "Transfer-Encoding : chunked"),
        Refusal::SpaceBeforeColon,
    ), // gunicorn#2176
    (
        head!(field "Transfer-Encoding\t: chunked"),
        Refusal::SpaceBeforeColon,
    ),
    (
        head!(field "Transfer-Encoding\x0b: chunked"),
        Refusal::ControlByte,
    ),
    (head!(field "A: b\r\n folded"), Refusal::LineFolding), // waitress#503
    (head!(field "A: b\r\n\tfolded"), Refusal::LineFolding),
    (head!(field "A: b\r\n "), Refusal::LineFolding),
    (
        head!(field "Transfer-Encoding:\r\n chunked"),
        Refusal::LineFolding,
    ),
    (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", Refusal::LineFolding), // RFC 9112 §2.2
    // Host (waitress#462, waitress#498).
    (b"GET / HTTP/1.1\r\n\r\n", Refusal::HostMissing),
    (b"GET / HTTP/1.1\r\nHost_: a\r\n\r\n", Refusal::HostMissing),
    (
        b"GET http://b/ HTTP/1.1\r\nX: y\r\n\r\n",
        Refusal::HostMissing,
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        Refusal::HostRepeated,
    ),
    (
        b"GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n",
        Refusal::HostRepeated,
    ),
    (
        b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
        Refusal::HostRepeated,
    ),
    (b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", Refusal::HostInvalid),
    (
        b"GET http://b/ HTTP/1.1\r\nHost: a/b\r\n\r\n",
        Refusal::HostInvalid,
    ),
    (head!(host " a b"), Refusal::HostInvalid),
    (head!(host " a, b"), Refusal::HostInvalid),
    (head!(host " a/b"), Refusal::HostInvalid),
    (head!(host " u@a"), Refusal::HostInvalid),
    (head!(host " http://a"), Refusal::HostInvalid),
    (head!(host " a:80:80"), Refusal::HostInvalid),
    (head!(host " :80"), Refusal::HostInvalid),
    (head!(host " ::1"), Refusal::HostInvalid),
    (
        b"GET / HTTP/1.1\r\nHost: h\xf6st\r\n\r\n",
        Refusal::HostInvalid,
    ),
    // Content-Type (waitress#466).
    (
        head!(field "Content-Type: a/b\r\ncontent-type: a/b"),
        Refusal::ContentTypeRepeated,
    ),
    // Content-Length (CVE-2019-16792, CVE-2022-24761, CVE-2021-32715, cheroot#275, uwsgi#2775).
    (
        head!(field "Content-Length: 5\r\nContent-Length: 5"),
        Refusal::ContentLengthRepeated,
    ),
    (
        head!(field "Content-Length: 5\r\ncontent-LENGTH: 6"),
        Refusal::ContentLengthRepeated,
    ),
    (
        head!(field "Content-Length: 5, 5"),
        Refusal::ContentLengthInvalid,
    ),
    (
        head!(field "Content-Length:"),
        Refusal::ContentLengthInvalid,
    ),
    (
        head!(field "Content-Length: -1"),
        Refusal::ContentLengthInvalid,
    ),
    (
        head!(field "Content-Length: +5"),
        Refusal::ContentLengthInvalid,
    ),
    (
        head!(field "Content-Length: 0x5"),
        Refusal::ContentLengthInvalid,
    ),
    (
        head!(field "Content-Length: 1_0"),
        Refusal::ContentLengthInvalid,
    ),
    (
        head!(field "Content-Length: 5 5"),
        Refusal::ContentLengthInvalid,
    ),
    (
        head!(field "Content-Length: 5;"),
        Refusal::ContentLengthInvalid,
    ),
    (
        head!(field "Content-Length: \"5\""),
        Refusal::ContentLengthInvalid,
    ),
    (
        head!(field "Content-Length: \u{0665}"),
        Refusal::ContentLengthInvalid,
    ), // Arabic 5
    (
        raw_field!(b"Content-Length: \xb2"),
        Refusal::ContentLengthInvalid,
    ), // superscript 2
    (
        raw_field!(b"Content-Length: 5\xa0"),
        Refusal::ContentLengthInvalid,
    ),
    (
        head!(field "Content-Length: 000000000000000000005"),
        Refusal::ContentLengthInvalid,
    ),
    (
        head!(field "Content-Length: 111111111111111111111111111111"),
        Refusal::ContentLengthInvalid,
    ),
    (
        head!(field "Content-Length: 9223372036854775808"),
        Refusal::BodyTooLarge,
    ), // 2^63
    (
        head!(field "Content-Length: 18446744073709551616"),
        Refusal::BodyTooLarge,
    ), // 2^64
    (
        head!(field "Content-Length: 18446744073709551621"),
        Refusal::BodyTooLarge,
    ), // 5 if it wraps
    // Transfer-Encoding (CVE-2019-16786, CVE-2019-16789, CVE-2024-1135, CVE-2024-6827, waitress#464).
    (
        head!(field "Transfer-Encoding:"),
        Refusal::TransferEncodingInvalid,
    ),
    (
        head!(field "Transfer-Encoding: gzip"),
        Refusal::TransferEncodingUnknown,
    ),
    (
        head!(field "Transfer-Encoding: identity"),
        Refusal::TransferEncodingUnknown,
    ),
    (
        head!(field "Transfer-Encoding: gzip, chunked"),
        Refusal::TransferEncodingUnknown,
    ),
    (
        head!(field "Transfer-Encoding: chunked, gzip"),
        Refusal::TransferEncodingInvalid,
    ),
    (
        head!(field "Transfer-Encoding: chunked, chunked"),
        Refusal::TransferEncodingInvalid,
    ),
    (
        head!(field "Transfer-Encoding: chunked,"),
        Refusal::TransferEncodingInvalid,
    ),
    (
        head!(field "Transfer-Encoding: ,chunked"),
        Refusal::TransferEncodingInvalid,
    ),
    (
        head!(field "Transfer-Encoding: chunked;q=1"),
        Refusal::TransferEncodingInvalid,
    ),
    (
        head!(field "Transfer-Encoding: gzip, chunked ;"),
        Refusal::TransferEncodingInvalid,
    ),
    (
        head!(field "Transfer-Encoding: chunked, gzip, chunked"),
        Refusal::TransferEncodingInvalid,
    ),
    (
        head!(field "Transfer-Encoding: gzip,, chunked"),
        Refusal::TransferEncodingInvalid,
    ),
    (
        head!(field "Transfer-Encoding: gzip;level=9 , CHUNKED"),
        Refusal::TransferEncodingUnknown,
    ),
    (
        head!(field "Transfer-Encoding: xchunked"),
        Refusal::TransferEncodingUnknown,
    ),
    (
        head!(field "Transfer-Encoding: \"chunked\""),
        Refusal::TransferEncodingInvalid,
    ),
    (
        raw_field!(b"Transfer-Encoding: \xa0chunked"),
        Refusal::TransferEncodingInvalid,
    ),
    (
        raw_field!(b"Transfer-Encoding: chunked\x85"),
        Refusal::TransferEncodingInvalid,
    ),
    (
        head!(field "Transfer-Encoding: \x0bchunked"),
        Refusal::ControlByte,
    ),
    (
        head!(field "Transfer-Encoding: chunked\x0c"),
        Refusal::ControlByte,
    ),
    (
        head!(field "Transfer-Encoding: chunked\x1c"),
        Refusal::ControlByte,
    ),
    (
        head!(field "Transfer-Encoding: \x1fchunked"),
        Refusal::ControlByte,
    ),
    (
        head!(field "Transfer-Encoding: chunked\x00"),
        Refusal::ControlByte,
    ),
    (
        head!(field "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        Refusal::TransferEncodingRepeated,
    ),
    (
        head!(field "Transfer-Encoding: gzip\r\ntransfer-ENCODING: chunked"),
        Refusal::TransferEncodingRepeated,
    ),
    (
        head!(field "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        Refusal::LengthAndCoding,
    ),
    (
        head!(field "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        Refusal::LengthAndCoding,
    ),
    (
        head!(field "Transfer-Encoding: gzip\r\nContent-Length: 5"),
        Refusal::LengthAndCoding,
    ),
    (
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        Refusal::TransferEncodingOnHttp10,
    ),
];

pub(crate) const HEADS_ACCEPTED: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.7\r\nHost: a\r\n\r\n", // answered as 1.1 (RFC 9110 §2.5)
    b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /?a=/b?c HTTP/1.1\r\nHost:\r\n\r\n",
    b"GET //a//b/%2F/../.;x=y|{}^`<>[]\\\" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://b HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET hTTps://[::1]:443/p?q HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 00000000000000000005\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \t5 \t\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTRANSFER-encoding:ChUnKeD\r\n\r\n",
    // Not these fields: the binding drops names with underscores, and so they frame nothing.
    b"POST / HTTP/1.1\r\nHost: a\r\nContent_Length: x\r\nTransfer_Encoding: gzip\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nEmpty:\r\nTabs:\t\ta\tb\t\t\r\nLatin: h\xf6\xff\x80\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09azAZ: :::\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\nCookie: a\r\nCookie: b\r\n\r\n",
    b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n",
];
