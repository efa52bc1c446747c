//! One line from one request.
//!
//! Rule: bytes of a client reach a line only through [`Room::put`], which escapes and bounds them.

use std::borrow::Cow;
use std::io::Write;
use std::time::Duration;

use headwaiter_http::Head;

use crate::exchange::Exchange;
use crate::net::address::Peer;
use crate::record::Record;
use crate::record::access_log::escape::{JSON, Room, Style, TEXT, WORD};
use crate::record::access_log::format::{AccessLogFormat, Atom, Piece};
use crate::record::recorder::{Phase, spans};

/// Appends the line of `exchange` to `out`, its end included; `date` is the IMF-fixdate of now, and
/// `room` is what the line has for text of clients.
pub(super) fn append(
    out: &mut Vec<u8>,
    format: &AccessLogFormat,
    exchange: &Exchange,
    peer: Peer,
    date: &[u8; 29],
    room: Room,
) {
    let mut line = Line {
        exchange,
        record: &exchange.record,
        peer,
        date,
        spans: spans(&exchange.record),
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
    exchange: &'a Exchange,
    record: &'a Record,
    peer: Peer,
    date: &'a [u8; 29],
    spans: [Option<Duration>; Phase::ALL.len()],
    room: Room,
}

impl<'a> Line<'a> {
    fn atom(&mut self, out: &mut Vec<u8>, atom: &Atom) {
        let head = &self.exchange.head;
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
            Atom::Status => match self.record.status {
                0 => out.push(b'-'),
                status => integer(out, status.into()),
            },
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
            Atom::End => out.extend_from_slice(self.record.end.name().as_bytes()),
            Atom::Reason => self.text(out, self.record.reason.as_bytes()),
            Atom::Worker => match self.record.worker {
                Some(worker) => integer(out, worker.into()),
                None => out.push(b'-'),
            },
            Atom::BytesIn => integer(out, self.record.bytes_in),
            Atom::BytesOut => integer(out, self.record.bytes_out),
        }
    }

    fn json(&mut self, out: &mut Vec<u8>) {
        let head = &self.exchange.head;
        out.extend_from_slice(b"{\"time\":\"");
        self.timestamp(out);
        out.extend_from_slice(b"\",\"client\":");
        let client = self.client();
        self.json_text(out, client.as_bytes());
        let line = self.exchange.first_line.as_slice();
        let target = if line.is_empty() { head.target() } else { line };
        let header = |name| head.field(name).unwrap_or_default();
        for (name, value) in [
            ("method", head.method()),
            ("target", target),
            ("host", head.host().unwrap_or_default()),
            ("referer", header("referer")),
            ("user_agent", header("user-agent")),
            ("end", self.record.end.name().as_bytes()),
            ("reason", self.record.reason.as_bytes()),
        ] {
            key(out, name);
            self.json_text(out, value);
        }
        key(out, "protocol");
        out.push(b'"');
        self.protocol(out);
        out.push(b'"');
        for (name, n) in [
            ("status", self.record.status.into()),
            ("bytes_in", self.record.bytes_in),
            ("bytes_out", self.record.bytes_out),
            ("body_bytes", self.body_bytes()),
        ] {
            key(out, name);
            integer(out, n);
        }
        key(out, "worker");
        match self.record.worker {
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

    /// `text`, a byte a character, as a JSON string.
    fn json_text(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        out.push(b'"');
        self.room.put(out, text, &JSON);
        out.push(b'"');
    }

    fn client(&self) -> Cow<'a, str> {
        match (&self.exchange.client, self.peer) {
            (Some(client), _) => Cow::Borrowed(client),
            (None, Peer::Tcp(address)) => Cow::Owned(address.ip().to_string()),
            (None, Peer::Unix) => Cow::Borrowed("unix"),
        }
    }

    /// `06 Nov 1994 08:49:37` of the IMF-fixdate in the way of the common log format.
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

    /// The same in the way of RFC 3339.
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

    /// The request line, or what came in its place when it is malformed or incomplete.
    fn request_line(&mut self, out: &mut Vec<u8>) {
        let head = &self.exchange.head;
        if head.method().is_empty() {
            return self.text(out, &self.exchange.first_line);
        }
        self.room.put(out, head.method(), &TEXT);
        out.push(b' ');
        self.room.put(out, head.target(), &TEXT);
        out.push(b' ');
        self.protocol(out);
    }

    fn protocol(&self, out: &mut Vec<u8>) {
        if self.exchange.head.method().is_empty() {
            out.push(b'-');
        } else {
            let protocol: &[u8] = match self.exchange.head.minor() {
                0 => b"HTTP/1.0",
                _ => b"HTTP/1.1",
            };
            out.extend_from_slice(protocol);
        }
    }

    fn header(&mut self, out: &mut Vec<u8>, name: &str) {
        self.text(out, self.exchange.head.field(name).unwrap_or_default());
    }

    fn text(&mut self, out: &mut Vec<u8>, text: &[u8]) {
        self.or_hyphen(out, text, &TEXT);
    }

    /// `text`, a hyphen for none.
    fn or_hyphen(&mut self, out: &mut Vec<u8>, text: &[u8], style: &Style) {
        if text.is_empty() {
            out.push(b'-');
        } else {
            self.room.put(out, text, style);
        }
    }

    fn body_bytes(&self) -> u64 {
        self.record.bytes_out.saturating_sub(self.record.reply_head)
    }

    fn total(&self) -> Duration {
        self.spans[Phase::Total as usize].unwrap_or_default()
    }
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // A vector takes everything.
    let _ = out.write_fmt(text);
}

/// `,"name":`
fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn integer(out: &mut Vec<u8>, n: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// Seconds with six digits behind the point.
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

/// The user name of `Authorization: Basic` (RFC 7617); never the password. One of hundreds of bytes is none:
/// it is not decoded, as it would not be shown.
fn user(head: &Head) -> Option<Vec<u8>> {
    let value = head.field("authorization")?;
    let (scheme, token) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let pair = base64(&token[..token.len().min(USER_TOKEN)])?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[..colon].to_vec())
}

/// Decodes standard base64; `None` if it is none.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut have) = (0_u32, 0);
    for &byte in text.trim_ascii().iter().take_while(|byte| **byte != b'=') {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    Some(out)
}

/// Characters of base64 in which the user name has to end.
const USER_TOKEN: usize = 512;

const MONTHS: [&[u8; 3]; 12] = [
    b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec",
];

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use headwaiter_http::HeadLimits;

    use super::*;

    const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

    fn exchange(head: &str) -> Exchange {
        let start = Instant::now();
        let mut exchange = Exchange::new(start);
        let limits = HeadLimits {
            size: 262_144,
            fields: 512,
        };
        let parsed = exchange.head.parse(head.as_bytes(), &mut 0, limits);
        assert!(parsed.unwrap().is_some());
        let record = &mut exchange.record;
        record.head = Some(start + Duration::from_micros(100));
        record.received = record.head;
        record.answered = Some(start + Duration::from_micros(1_500_100));
        record.take(start + Duration::from_micros(100_100), start, 3);
        record.gil = Duration::from_micros(20_000);
        record.ended = record.answered;
        (record.status, record.bytes_out, record.reply_head) = (200, 150, 50);
        exchange
    }

    fn line(format: &str, exchange: &Exchange) -> String {
        line_in(Room::FULL, format, exchange)
    }

    fn line_in(room: Room, format: &str, exchange: &Exchange) -> String {
        let mut out = Vec::new();
        let peer = Peer::Tcp("192.0.2.7:4711".parse().unwrap());
        append(
            &mut out,
            &format.parse().unwrap(),
            exchange,
            peer,
            DATE,
            room,
        );
        let text = String::from_utf8(out).unwrap();
        text.strip_suffix('\n').unwrap().to_owned()
    }

    const PLAIN: &str = "GET /a/b?c=d HTTP/1.1\r\nHost: x\r\nReferer: http://r/\r\nUser-Agent: curl\r\n\
        Authorization: Basic YWxpY2U6c2VjcmV0\r\n\r\n";

    #[test]
    fn combined_is_what_log_analysers_read() {
        assert_eq!(
            line("combined", &exchange(PLAIN)),
            "192.0.2.7 - alice [06/Nov/1994:08:49:37 +0000] \"GET /a/b?c=d HTTP/1.1\" 200 100 \
             \"http://r/\" \"curl\""
        );
    }

    #[test]
    fn atoms_say_where_the_time_went() {
        let exchange = exchange(PLAIN);
        assert_eq!(
            line(
                "%(T)s %(M)s %(D)s %(L)s %(queue)s %(gil)s %(app)s %(app_cpu)s %(flush)s",
                &exchange
            ),
            "1 1500 1500100 1.500100 0.080000 0.020000 1.400000 - 0.000000"
        );
        assert_eq!(
            line(
                "%(m)s %(U)s %(q)s %(H)s %(worker)s %(end)s %(reason)s %({Host}i)s",
                &exchange
            ),
            "GET /a/b c=d HTTP/1.1 3 complete - x"
        );
    }

    #[test]
    fn json_is_json_and_says_the_same() {
        let mut exchange =
            exchange("GET /\"\\ HTTP/1.1\r\nHost: x\r\nUser-Agent: \u{e9}\t\r\n\r\n");
        exchange.record.app_cpu = Some(Duration::from_millis(7));
        let value: serde_json::Value = serde_json::from_str(&line("json", &exchange)).unwrap();
        assert_eq!(value["time"], "1994-11-06T08:49:37Z");
        assert_eq!(value["target"], "/\"\\");
        // A byte a character: what the client sent can be had back.
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
                let mut exchange = exchange(PLAIN);
                exchange.head.clear();
                exchange.client = Some(char::from(byte).to_string().into());
                exchange.first_line = vec![byte; 3];
                let text = line(format, &exchange);
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
        let exchange = exchange(&head);
        let all = format!("%(r)s %(u)s {} %(s)s", "%({x}i)s ".repeat(50));
        for (room, most) in [(Room::FULL, 16 << 10), (Room::SHORT, 2048)] {
            for format in ["combined", "json", &all] {
                let text = line_in(room, format, &exchange);
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
    fn passwords_and_other_schemes_are_not_users() {
        for (field, want) in [
            ("Basic OnNlY3JldA==", "-"),
            ("Bearer YWxpY2U6c2VjcmV0", "-"),
            ("Basic !!", "-"),
            ("basic YSBiOg==", "a\\x20b"),
        ] {
            let head = format!("GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {field}\r\n\r\n");
            assert_eq!(line("%(u)s", &exchange(&head)), want, "{field}");
        }
    }
}
