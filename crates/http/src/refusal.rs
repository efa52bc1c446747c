//! Why a request was not served: one table of rules, and the reply of each rule.
//!
//! This crate refuses what breaks a rule of the wire; the engine refuses for the other reasons. Logs and metrics
//! show the name of the rule, the client gets the sentence. A reply never contains bytes of the request, so
//! that no client can choose what the server says.

use std::fmt;

use crate::reply::write_own_lines;

/// Declares [`Refusal`] and its table in one place: documentation, variant, status, rule, sentence.
macro_rules! refusals {
    ($($(#[$doc:meta])+ $variant:ident = $status:literal, $rule:literal, $text:literal;)+) => {
        /// Why a request was not served.
        ///
        /// After any of them the connection closes and nothing behind the refused request on the same
        /// connection is served.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Refusal {
            $($(#[$doc])+ $variant,)+
        }

        impl Refusal {
            /// Every refusal, in the order of the table.
            pub const ALL: &'static [Refusal] = &[$(Refusal::$variant,)+];

            const fn row(self) -> Row {
                match self {
                    $(Refusal::$variant => Row { status: $status, rule: $rule, text: $text },)+
                }
            }
        }
    };
}

struct Row {
    status: u16,
    rule: &'static str,
    text: &'static str,
}

refusals! {
    // Bytes that no head can hold.

    /// The first byte is a TLS record of type handshake.
    TlsHello = 400, "tls-hello", "This port speaks plain HTTP, and the request was TLS.";
    /// A control byte in the head, NUL included (RFC 9110 §5.5).
    ControlByte = 400, "control-byte", "The request head holds a control byte.";
    /// CR without LF (RFC 9112 §2.2).
    BareCr = 400, "bare-cr", "The request head holds a CR that no LF follows.";
    /// LF without CR. RFC 9112 §2.2 lets a server accept it as the end of a line; where a proxy in front does
    /// not, requests can be smuggled past it.
    BareLf = 400, "bare-lf", "The request head holds an LF without a CR before it.";
    /// More empty lines before the request-line than a sloppy client sends (RFC 9112 §2.2).
    EmptyLines = 400, "empty-lines", "Too many empty lines came before the request line.";

    // The request-line (RFC 9112 §3).

    /// Not three parts with one space between each; HTTP/0.9 included.
    RequestLine = 400, "request-line", "The request line is malformed.";
    /// The method is not a token of upper-case letters and symbols, or is absurdly long.
    Method = 400, "method", "The request method is malformed.";
    /// CONNECT asks for a tunnel, which an origin server does not offer (RFC 9110 §9.3.6).
    Connect = 501, "connect", "This server is not a tunnel and does not serve CONNECT.";
    /// The major version is not 1; an HTTP/2 preface ends here (RFC 9110 §15.6.6).
    Version = 505, "version", "This server speaks HTTP/1.0 and HTTP/1.1.";
    /// The request-target fits none of the forms its method allows (RFC 9112 §3.2).
    Target = 400, "target", "The request target is malformed.";
    /// The authority of an absolute-form target is malformed, empty or has userinfo (RFC 9110 §4.2).
    Authority = 400, "authority", "The authority of the request target is malformed.";

    // Header fields (RFC 9112 §5).

    /// A field line has no colon, or a name that is not a token.
    FieldName = 400, "field-name", "A header field name is malformed.";
    /// Whitespace between field name and colon (RFC 9112 §5.1).
    SpaceBeforeColon = 400, "space-before-colon", "A header field name is followed by whitespace.";
    /// A line that starts with whitespace: folding, or fields before the first (RFC 9112 §5.2, §2.2).
    LineFolding = 400, "line-folding", "A header line starts with whitespace.";
    /// The head outgrew `max_request_header_size` (RFC 6585 §5).
    HeadTooLarge = 431, "head-too-large", "The request head exceeds max_request_header_size.";
    /// There are more than `max_request_header_fields` (RFC 6585 §5).
    TooManyFields = 431, "too-many-fields", "The request has more header fields than max_request_header_fields.";
    /// HTTP/1.1 without Host (RFC 9112 §3.2).
    HostMissing = 400, "host-missing", "An HTTP/1.1 request must have a Host header.";
    /// More than one Host (RFC 9112 §3.2).
    HostRepeated = 400, "host-repeated", "The request has more than one Host header.";
    /// Host is not `uri-host [":" port]` (RFC 9112 §3.2, RFC 3986 §3.2.2).
    HostInvalid = 400, "host-invalid", "The Host header is malformed.";
    /// More than one Content-Type, which is a single value (RFC 9110 §8.3).
    ContentTypeRepeated = 400, "content-type-repeated", "The request has more than one Content-Type header.";
    /// More than one Content-Length, equal or not (RFC 9112 §6.3).
    ContentLengthRepeated = 400, "content-length-repeated", "The request has more than one Content-Length header.";
    /// Content-Length is not a plain decimal number (RFC 9112 §6.2).
    ContentLengthInvalid = 400, "content-length-invalid", "The Content-Length header is malformed.";
    /// Content-Length beside Transfer-Encoding (RFC 9112 §6.3 rule 3).
    LengthAndCoding = 400, "length-and-coding", "The request has both Content-Length and Transfer-Encoding.";
    /// More than one Transfer-Encoding line.
    TransferEncodingRepeated = 400, "transfer-encoding-repeated", "The request has more than one Transfer-Encoding header.";
    /// Transfer-Encoding is not a list of codings; or `chunked` is not its last member, or comes twice; or a
    /// member is empty, which a recipient may ignore (RFC 9110 §5.6.1), so that parsers disagree.
    TransferEncodingInvalid = 400, "transfer-encoding-invalid", "The Transfer-Encoding header is malformed.";
    /// Transfer-Encoding has a coding that is not `chunked` (RFC 9112 §6.1).
    TransferEncodingUnknown = 501, "transfer-encoding-unknown", "The only Transfer-Encoding this server takes is chunked.";
    /// Transfer-Encoding in an HTTP/1.0 request (RFC 9112 §6.1).
    TransferEncodingOnHttp10 = 400, "transfer-encoding-on-http10", "An HTTP/1.0 request must not have a Transfer-Encoding header.";

    // Bodies (RFC 9112 §7).

    /// A chunk size is not 1 to 16 hexadecimal digits, or its line does not end in CRLF.
    ChunkSize = 400, "chunk-size", "A chunk size is malformed.";
    /// A chunk extension does not follow RFC 9112 §7.1.1.
    ChunkExtension = 400, "chunk-extension", "A chunk extension is malformed.";
    /// Chunk data is not followed by CRLF.
    ChunkEnd = 400, "chunk-end", "A chunk is longer than its size says.";
    /// Padded sizes, extensions and trailers are much longer than the data.
    ChunkOverhead = 400, "chunk-overhead", "Chunk extensions and trailers outweigh the request body.";
    /// A trailer line does not follow the rules of header fields (RFC 9112 §7.1.2).
    Trailer = 400, "trailer", "A trailer field is malformed.";
    /// A field that frames, routes or authorises a request came as a trailer (RFC 9110 §6.5.1).
    TrailerForbidden = 400, "trailer-forbidden", "A trailer field has a name that trailers must not have.";
    /// The body outgrew `max_request_body_size`.
    BodyTooLarge = 413, "body-too-large", "The request body exceeds max_request_body_size.";
    /// The client stopped sending in the middle of a request.
    Truncated = 400, "truncated", "The request ended before it was complete.";

    // What a trusted proxy said (RFC 7239 and its forerunners).

    /// A `Forwarded` that does not follow RFC 7239 §4 where a trusted proxy wrote it.
    Forwarded = 400, "forwarded", "The Forwarded header is malformed.";
    /// The believed element of `X-Forwarded-For` is neither an address nor a name.
    ForwardedFor = 400, "x-forwarded-for", "The X-Forwarded-For header is malformed.";
    /// The believed element of `X-Forwarded-Host` is not a host.
    ForwardedHost = 400, "x-forwarded-host", "The X-Forwarded-Host header is malformed.";
    /// An `X-Forwarded-Proto` is neither `http` nor `https`.
    ForwardedProto = 400, "x-forwarded-proto", "The X-Forwarded-Proto header is malformed.";
    /// An `X-Forwarded-Port` is not a port.
    ForwardedPort = 400, "x-forwarded-port", "The X-Forwarded-Port header is malformed.";

    // Time and capacity: raised by the engine.

    /// The head was not complete within `header_timeout`.
    HeaderTimeout = 408, "header-timeout", "The request head did not arrive in time.";
    /// The body made no progress for `body_timeout`.
    BodyTimeout = 408, "body-timeout", "The request body did not arrive in time.";
    /// `queue_limit` tasks were waiting already.
    QueueFull = 503, "queue-full", "The server has too many requests waiting.";
    /// The task waited longer than `queue_timeout`.
    QueueTimeout = 503, "queue-timeout", "The request waited too long for a worker.";
    /// Temporary files have reached `spool_limit` or `spool_files`, or memory `inbuf_total`.
    SpoolFull = 503, "spool-full", "The server has no room for the request.";
    /// The server is shutting down.
    Draining = 503, "draining", "The server is shutting down.";
    /// The application or the server failed before the reply began.
    Internal = 500, "internal", "The server failed to answer the request.";
}

impl Refusal {
    /// The status code of the reply.
    pub fn status(self) -> u16 {
        self.row().status
    }

    /// The reason phrase that goes with [`status`](Self::status) (RFC 9110 §15).
    pub fn reason(self) -> &'static str {
        match self.status() {
            400 => "Bad Request",
            408 => "Request Timeout",
            413 => "Content Too Large",
            431 => "Request Header Fields Too Large",
            500 => "Internal Server Error",
            501 => "Not Implemented",
            503 => "Service Unavailable",
            505 => "HTTP Version Not Supported",
            status => unreachable!("no refusal has status {status}"),
        }
    }

    /// The name of the rule, for logs and metrics: lower case, words joined by hyphens, unique.
    pub fn rule(self) -> &'static str {
        self.row().rule
    }

    /// One sentence for the client.
    pub fn text(self) -> &'static str {
        self.row().text
    }

    /// Appends the whole reply to `out`: head and, unless `head_only`, a body of one line.
    ///
    /// `date` is the IMF-fixdate of now, `own` the lines of `Date` and `Server`
    /// ([`own_lines`](crate::own_lines)). Every refusal carries `Connection: close`; a 503 also
    /// `Retry-After`. No byte of the request appears in it.
    pub fn write_reply(self, out: &mut Vec<u8>, date: &[u8; 29], own: &[u8], head_only: bool) {
        let (reason, text) = (self.reason(), self.text());
        let mut number = itoa::Buffer::new();

        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(number.format(self.status()).as_bytes());
        out.push(b' ');
        out.extend_from_slice(reason.as_bytes());
        out.extend_from_slice(b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ");
        let length = reason.len() + SEPARATOR.len() + text.len() + 1;
        out.extend_from_slice(number.format(length).as_bytes());
        out.extend_from_slice(b"\r\n");
        write_own_lines(own, date, out);
        if self.status() == 503 {
            out.extend_from_slice(b"Retry-After: ");
            out.extend_from_slice(RETRY_AFTER_SECONDS);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"Connection: close\r\n\r\n");
        if !head_only {
            for part in [reason, SEPARATOR, text, "\n"] {
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
}

/// The rule and its sentence, as a log record shows them.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule(), self.text())
    }
}

impl std::error::Error for Refusal {}

const SEPARATOR: &str = "\n\n";

/// Seconds: overload is short, and a proxy that retries with another server does not wait at all.
const RETRY_AFTER_SECONDS: &[u8] = b"1";

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::own_lines;

    const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

    #[test]
    fn rules_are_unique_kebab_case_names_with_one_sentence_each() {
        let mut seen = HashSet::new();
        for refusal in Refusal::ALL {
            let (rule, text) = (refusal.rule(), refusal.text());
            assert!(seen.insert(rule), "{rule} twice");
            assert!(
                rule.bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')),
                "{rule}"
            );
            assert!(
                text.ends_with('.') && text.matches(". ").count() == 0,
                "{rule}: {text}"
            );
            assert!(text.is_ascii(), "{rule}: Content-Length counts bytes");
        }
    }

    #[test]
    fn every_reply_is_one_complete_response() {
        for refusal in Refusal::ALL {
            let mut reply = Vec::new();
            refusal.write_reply(&mut reply, DATE, &own_lines(b"headwaiter"), false);
            let mut storage = [httparse::EMPTY_HEADER; 16];
            let mut parsed = httparse::Response::new(&mut storage);
            let head = parsed.parse(&reply).unwrap().unwrap();
            assert_eq!(parsed.code, Some(refusal.status()));
            assert_eq!(parsed.reason, Some(refusal.reason()));
            let field = |name: &str| {
                parsed
                    .headers
                    .iter()
                    .find(|h| h.name.eq_ignore_ascii_case(name))
                    .map(|h| h.value)
            };
            assert_eq!(field("connection"), Some(&b"close"[..]));
            assert_eq!(field("date"), Some(&DATE[..]));
            assert_eq!(field("server"), Some(&b"headwaiter"[..]));
            assert_eq!(field("retry-after").is_some(), refusal.status() == 503);
            let length = std::str::from_utf8(field("content-length").unwrap()).unwrap();
            assert_eq!(
                length.parse::<usize>().unwrap(),
                reply.len() - head,
                "{refusal}"
            );
        }
    }

    #[test]
    fn head_only_and_ident_are_honoured() {
        let own = own_lines(b"");
        let mut full = Vec::new();
        Refusal::Target.write_reply(&mut full, DATE, &own, false);
        let mut bare = Vec::new();
        Refusal::Target.write_reply(&mut bare, DATE, &own, true);
        assert!(full.starts_with(&bare) && bare.ends_with(b"\r\n\r\n"));
        assert!(!String::from_utf8(full).unwrap().contains("Server:"));
    }
}
