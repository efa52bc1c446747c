//! Formats the line of a request.
//!
//! Rule: bytes that a client sent get into a line by [`Room::put`] only, which escapes and bounds them.

use std::borrow::Cow;
use std::io::Write;
use std::time::Duration;

use crate::net::address::Peer;
use crate::record::access_log::escape::{JSON, Room, Style, TEXT, WORD};
use crate::record::access_log::format::{AccessLogFormat, Atom, Piece};
use crate::record::access_log::user::user;
use crate::record::{Ended, Phase};

/// Appends the line of `ended` to `out`, line break included. `date` is the present IMF-fixdate (RFC 9110
/// §5.6.7); `room` bounds the text of clients.
pub(super) fn append(
    out: &mut Vec<u8>,
    format: &AccessLogFormat,
    ended: Ended<'_>,
    date: &[u8; 29],
    room: Room,
) {
    let mut line = Line {
        ended,
        date,
        spans: ended.record.spans(),
        room,
    };
    match format {
        AccessLogFormat::Json => line.json(out),
        AccessLogFormat::Text(pieces) => {
            for piece in pieces {
                match piece {
                    Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                    Piece::Atom(atom) => line.atom(out, atom),
                }
            }
        }
    }
    out.push(b'\n');
}

struct Line<'a> {
    ended: Ended<'a>,
    date: &'a [u8; 29],
    spans: [Option<Duration>; Phase::ALL.len()],
    room: Room,
}

impl<'a> Line<'a> {
    fn atom(&mut self, out: &mut Vec<u8>, atom: &Atom) {
        let head = self.ended.head;
        match atom {
            Atom::Client => self.room.put(out, self.client().as_bytes(), &WORD),
            Atom::Hyphen => out.push(b'-'),
            Atom::User => self.or_hyphen(out, &user(head).unwrap_or_default(), &WORD),
            Atom::Time => self.time(out),
            Atom::RequestLine => self.request_line(out),
            Atom::Method => self.text(out, head.method()),
            Atom::Path => self.text(out, head.path()),
            Atom::Query => self.room.put(out, head.query(), &TEXT),
            Atom::Protocol => self.protocol(out),
            Atom::Status => match self.ended.record.status {
                0 => out.push(b'-'),
                status => integer(out, status.into()),
            },
            Atom::ColoredStatus => {
                out.extend_from_slice(color(self.ended.record.status));
                self.atom(out, &Atom::Status);
                out.extend_from_slice(b"\x1b[0m");
            }
            Atom::BodyBytes => integer(out, self.body_bytes()),
            Atom::BodyBytesOrHyphen => match self.body_bytes() {
                0 => out.push(b'-'),
                bytes => integer(out, bytes),
            },
            Atom::Referer => self.header(out, "referer"),
            Atom::UserAgent => self.header(out, "user-agent"),
            Atom::Seconds => integer(out, self.total().as_secs()),
            Atom::Millis => put(out, format_args!("{}", self.total().as_millis())),
            Atom::Micros => put(out, format_args!("{}", self.total().as_micros())),
            Atom::Fraction => seconds(out, self.total()),
            Atom::Process => put(out, format_args!("<{}>", std::process::id())),
            Atom::Header(name) => self.header(out, name),
            Atom::Phase(index) => match self.spans[*index] {
                Some(span) => seconds(out, span),
                None => out.push(b'-'),
            },
            Atom::End => out.extend_from_slice(self.ended.record.end.name().as_bytes()),
            Atom::Rule => self.text(out, self.ended.record.rule.as_bytes()),
            Atom::Worker => match self.ended.record.worker {
                Some(worker) => integer(out, worker.into()),
                None => out.push(b'-'),
            },
            Atom::BytesIn => integer(out, self.ended.record.bytes_in),
            Atom::BytesOut => integer(out, self.ended.record.bytes_out),
        }
    }

    fn json(&mut self, out: &mut Vec<u8>) {
        let head = self.ended.head;
        out.extend_from_slice(b"{\"time\":\"");
        self.timestamp(out);
        out.extend_from_slice(b"\",\"client\":");
        let client = self.client();
        self.json_text(out, client.as_bytes());
        let line = self.ended.first_line;
        let target = if line.is_empty() { head.target() } else { line };
        let header = |name| head.field(name).unwrap_or_default();
        for (name, value) in [
            ("method", head.method()),
            ("target", target),
            ("host", head.host().unwrap_or_default()),
            ("referer", header("referer")),
            ("user_agent", header("user-agent")),
            ("end", self.ended.record.end.name().as_bytes()),
            ("reason", self.ended.record.rule.as_bytes()),
        ] {
            key(out, name);
            self.json_text(out, value);
        }
        key(out, "protocol");
        out.push(b'"');
        self.protocol(out);
        out.push(b'"');
        for (name, n) in [
            ("status", self.ended.record.status.into()),
            ("bytes_in", self.ended.record.bytes_in),
            ("bytes_out", self.ended.record.bytes_out),
            ("body_bytes", self.body_bytes()),
        ] {
            key(out, name);
            integer(out, n);
        }
        key(out, "worker");
        match self.ended.record.worker {
            Some(worker) => integer(out, worker.into()),
            None => out.extend_from_slice(b"null"),
        }
        for ((_, name), span) in Phase::ALL.iter().zip(self.spans) {
            key(out, name);
            match span {
                Some(span) => seconds(out, span),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b'}');
    }

    /// Appends `text` as a JSON string, with one character per byte.
    fn json_text(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        out.push(b'"');
        self.room.put(out, text, &JSON);
        out.push(b'"');
    }

    fn client(&self) -> Cow<'a, str> {
        match (self.ended.client, self.ended.peer) {
            (Some(client), _) => Cow::Borrowed(client),
            (None, Peer::Tcp(address)) => Cow::Owned(address.ip().to_string()),
            (None, Peer::Unix) => Cow::Borrowed("unix"),
        }
    }

    /// Appends the date in the common log format: `[06/Nov/1994:08:49:37 +0000]`.
    fn time(&self, out: &mut Vec<u8>) {
        let date = self.date;
        out.push(b'[');
        for (part, behind) in [
            (&date[5..7], &b"/"[..]),
            (&date[8..11], b"/"),
            (&date[12..16], b":"),
            (&date[17..25], b" +0000]"),
        ] {
            out.extend_from_slice(part);
            out.extend_from_slice(behind);
        }
    }

    /// Appends the date as RFC 3339 writes it: `1994-11-06T08:49:37Z`.
    fn timestamp(&self, out: &mut Vec<u8>) {
        let date = self.date;
        let month = MONTHS
            .iter()
            .position(|month| date[8..11] == **month)
            .map_or(0, |index| index + 1);
        out.extend_from_slice(&date[12..16]);
        put(out, format_args!("-{month:02}-"));
        out.extend_from_slice(&date[5..7]);
        out.push(b'T');
        out.extend_from_slice(&date[17..25]);
        out.push(b'Z');
    }

    /// Appends the request line; of a malformed or incomplete head, its first line.
    fn request_line(&mut self, out: &mut Vec<u8>) {
        let head = self.ended.head;
        if head.method().is_empty() {
            return self.text(out, self.ended.first_line);
        }
        self.room.put(out, head.method(), &TEXT);
        out.push(b' ');
        self.room.put(out, head.target(), &TEXT);
        out.push(b' ');
        self.protocol(out);
    }

    fn protocol(&self, out: &mut Vec<u8>) {
        if self.ended.head.method().is_empty() {
            out.push(b'-');
        } else {
            let protocol: &[u8] = match self.ended.head.minor() {
                0 => b"HTTP/1.0",
                _ => b"HTTP/1.1",
            };
            out.extend_from_slice(protocol);
        }
    }

    fn header(&mut self, out: &mut Vec<u8>, name: &str) {
        self.text(out, self.ended.head.field(name).unwrap_or_default());
    }

    fn text(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        self.or_hyphen(out, text, &TEXT);
    }

    /// Appends `text`, or a hyphen if it is empty.
    fn or_hyphen(&mut self, out: &mut Vec<u8>, text: &[u8], style: &Style) {
        if text.is_empty() {
            out.push(b'-');
        } else {
            self.room.put(out, text, style);
        }
    }

    fn body_bytes(&self) -> u64 {
        self.ended
            .record
            .bytes_out
            .saturating_sub(self.ended.record.reply_head)
    }

    fn total(&self) -> Duration {
        self.spans[Phase::Total as usize].unwrap_or_default()
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(text);
}

/// Appends `,"name":`.
fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn integer(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Appends seconds with six decimals.
fn seconds(out: &mut Vec<u8>, span: Duration) {
    integer(out, span.as_secs());
    let mut digits = *b".000000";
    let mut micros = span.subsec_micros();
    for digit in digits[1..].iter_mut().rev() {
        *digit += (micros % 10) as u8;
        micros /= 10;
    }
    out.extend_from_slice(&digits);
}

/// The escape sequence (ECMA-48, SGR) for a class of statuses: green, cyan, yellow or red.
fn color(status: u16) -> &'static [u8] {
    match status {
        200..=299 => b"\x1b[32m",
        300..=399 => b"\x1b[36m",
        400..=499 => b"\x1b[33m",
        _ => b"\x1b[31m",
    }
}

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

#[cfg(test)]
mod tests {
    use crate::sys::instant::Instant;

    use headwaiter_http::{Head, HeadLimits};

    use super::*;
    use crate::record::Record;

    const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

    /// Owns what an [`Ended`] borrows.
    struct Request {
        head: Head,
        record: Record,
        first_line: Vec<u8>,
        client: Option<String>,
    }

    fn request(text: &str) -> Request {
        let start = Instant::now();
        let mut head = Head::new();
        let limits = HeadLimits {
            size: 262_144,
            fields: 512,
        };
        let parsed = head.parse(text.as_bytes(), &mut 0, limits);
        assert!(parsed.unwrap().is_some());
        let mut record = Record::new(start);
        record.head = Some(start + Duration::from_micros(100));
        record.received = record.head;
        record.answered = Some(start + Duration::from_micros(1_500_100));
        let asked = start + Duration::from_micros(80_100);
        record.take(start + Duration::from_micros(100_100), asked, 3);
        record.ended = record.answered;
        (record.status, record.bytes_out, record.reply_head) = (200, 150, 50);
        Request {
            head,
            record,
            first_line: Vec::new(),
            client: None,
        }
    }

    fn line(format: &str, request: &Request) -> String {
        line_in(Room::FULL, format, request)
    }

    fn line_in(room: Room, format: &str, request: &Request) -> String {
        let mut out = Vec::new();
        let ended = Ended {
            record: &request.record,
            head: &request.head,
            first_line: &request.first_line,
            client: request.client.as_deref(),
            route: None,
            peer: Peer::Tcp("192.0.2.7:4711".parse().unwrap()),
        };
        append(&mut out, &format.parse().unwrap(), ended, DATE, room);
        let text = String::from_utf8(out).unwrap();
        text.strip_suffix('\n').unwrap().to_owned()
    }

    const PLAIN: &str = "GET /a/b?c=d HTTP/1.1\r\nHost: x\r\nReferer: http://r/\r\nUser-Agent: curl\r\n\
        Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n";

    #[test]
    fn combined_is_what_log_analysers_read() {
        assert_eq!(
            line("combined", &request(PLAIN)),
            "192.0.2.7 - alice [06/Nov/1994:08:49:37 +0000] \"GET /a/b?c=d HTTP/1.1\" 200 100 \
             \"http://r/\" \"curl\""
        );
    }

    #[test]
    fn atoms_say_where_the_time_went() {
        let request = request(PLAIN);
        assert_eq!(
            line(
                "%(T)s %(M)s %(D)s %(L)s %(queue)s %(gil)s %(app)s %(app_cpu)s %(flush)s",
                &request
            ),
            "1 1500 1500100 1.500100 0.080000 0.020000 1.400000 - 0.000000"
        );
        assert_eq!(
            line(
                "%(m)s %(U)s %(q)s %(H)s %(worker)s %(end)s %(reason)s %({Host}i)s",
                &request
            ),
            "GET /a/b c=d HTTP/1.1 3 complete - x"
        );
    }

    #[test]
    fn a_status_is_colored_by_its_class() {
        let mut request = request(PLAIN);
        for (status, want) in [
            (200, "\x1b[32m200\x1b[0m"),
            (304, "\x1b[36m304\x1b[0m"),
            (404, "\x1b[33m404\x1b[0m"),
            (500, "\x1b[31m500\x1b[0m"),
            (0, "\x1b[31m-\x1b[0m"),
        ] {
            request.record.status = status;
            assert_eq!(line("%(colored)s", &request), want);
        }
    }

    #[test]
    fn json_is_json_and_says_the_same() {
        let mut request = request("GET /\"\\ HTTP/1.1\r\nHost: x\r\nUser-Agent: \u{e9}\t\r\n\r\n");
        request.record.app_cpu = Some(Duration::from_millis(7));
        let value: serde_json::Value = serde_json::from_str(&line("json", &request)).unwrap();
        assert_eq!(value["time"], "1994-11-06T08:49:37Z");
        assert_eq!(value["target"], "/\"\\");
        // One character per byte: a reader can restore what the client sent.
        assert_eq!(value["user_agent"], "\u{c3}\u{a9}");
        assert_eq!(
            (&value["status"], &value["app_cpu"]),
            (&200.into(), &0.007.into())
        );
    }

    #[test]
    fn no_byte_of_a_client_reaches_a_line_unescaped() {
        for format in ["combined", "json", "%(f)s", "%(h)s %(u)s"] {
            for byte in (1..=255_u8).filter(|byte| !matches!(byte, b'\r' | b'\n')) {
                let mut request = request(PLAIN);
                request.head.clear();
                request.client = Some(char::from(byte).to_string());
                request.first_line = vec![byte; 3];
                let text = line(format, &request);
                assert!(
                    text.bytes().all(|b| matches!(b, b' '..=b'~')),
                    "{format} {byte}"
                );
                if format == "combined" {
                    assert_eq!(text.matches('"').count(), 6, "{byte}");
                } else if format == "json" {
                    serde_json::from_str::<serde_json::Value>(&text).unwrap();
                }
            }
        }
    }

    #[test]
    fn no_request_makes_a_line_long() {
        let long = "\u{ff}".repeat(20_000);
        let head = format!(
            "GET /{} HTTP/1.1\r\nHost: x\r\nReferer: {long}\r\nUser-Agent: {long}\r\nX: {long}\r\n\
             Authorization: Basic {}\r\n\r\n",
            "a".repeat(60_000),
            "YWFh".repeat(10_000),
        );
        let request = request(&head);
        let all = format!("%(r)s %(u)s {} %(s)s", "%({x}i)s ".repeat(50));
        for (room, most) in [(Room::FULL, 16 << 10), (Room::SHORT, 2048)] {
            for format in ["combined", "json", &all] {
                let text = line_in(room, format, &request);
                assert!(text.len() < most, "{format}: {}", text.len());
                assert!(text.contains(r"\...") || text.contains(r"\u2026"), "{text}");
                match format {
                    "combined" => assert!(text.ends_with(r#"\...""#), "{text}"),
                    "json" => {
                        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                        assert!(value["target"].as_str().unwrap().ends_with("aaa\u{2026}"));
                        assert_eq!(value["status"], 200);
                    }
                    _ => assert!(text.ends_with(r"\...  200"), "{text}"),
                }
            }
        }
    }

    #[test]
    fn a_user_with_a_space_is_one_field() {
        let head = "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YSBiOg==\r\n\r\n";
        assert_eq!(line("%(u)s", &request(head)), r"a\x20b");
    }
}
