//! What reading a request head and writing a reply head cost (`make microbench`).
//!
//! The inputs are the exchanges of `benchmarks/`: hello, a browser's fifteen fields, and a head that
//! comes in pieces, which must not cost more than its bytes.

use divan::{Bencher, black_box, black_box_drop};
use headwaiter_http::{Head, HeadLimits, ReplyContext, ReplyHead};

const HELLO: &[u8] = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n";

const BROWSER: &[u8] = b"GET /menu/today?table=12 HTTP/1.1\r\n\
    Host: localhost:8080\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Cache-Control: max-age=0\r\n\
    Cookie: sessionid=3f2b7c0a9d8e4f1b6a5c4d3e2f1a0b9c; csrftoken=Zk3vQ9xT7bN1mL5p; theme=dark\r\n\
    DNT: 1\r\n\
    Referer: http://localhost:8080/menu/today?table=12&guests=4\r\n\
    Sec-Fetch-Dest: document\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-User: ?1\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    X-Requested-With: XMLHttpRequest\r\n\r\n";

const POST: &[u8] = b"POST /orders HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
    Content-Length: 10240\r\n\r\n";

const LIMITS: HeadLimits = HeadLimits {
    size: 1 << 18,
    fields: 512,
};

fn main() {
    // Enough that two runs agree; arguments come after it, so `--sample-count` still has its say.
    divan::Divan::default()
        .sample_count(200)
        .sample_size(1000)
        .config_with_args()
        .main();
}

/// As the engine does: the head's buffers are those of an earlier request.
#[divan::bench(args = ["hello", "browser", "post"])]
fn parse(bencher: Bencher<'_, '_>, which: &str) {
    let bytes = match which {
        "hello" => HELLO,
        "browser" => BROWSER,
        _ => POST,
    };
    let mut head = Head::new();
    bencher.bench_local(|| {
        head.clear();
        let parsed = head.parse(black_box(bytes), &mut 0, LIMITS);
        assert_eq!(parsed.ok().flatten(), Some(bytes.len()));
    });
}

/// The same bytes, 64 more of them at each look.
#[divan::bench]
fn parse_in_pieces(bencher: Bencher<'_, '_>) {
    let mut head = Head::new();
    bencher.bench_local(|| {
        head.clear();
        let mut scanned = 0;
        let mut parsed = None;
        for end in (64..BROWSER.len()).step_by(64).chain([BROWSER.len()]) {
            parsed = head
                .parse(black_box(&BROWSER[..end]), &mut scanned, LIMITS)
                .ok()
                .flatten();
        }
        assert_eq!(parsed, Some(BROWSER.len()));
    });
}

#[divan::bench(args = [2, 8])]
fn write_reply_head(bencher: Bencher<'_, '_>, fields: usize) {
    let context = ReplyContext {
        minor: 1,
        head: false,
        keep_alive: true,
        known_length: None,
        date: b"Sun, 06 Nov 1994 08:49:37 GMT",
        own: b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nServer: headwaiter\r\n",
        extra: b"",
    };
    let mut head = ReplyHead::new();
    let mut out = Vec::new();
    bencher.bench_local(|| {
        head.clear();
        out.clear();
        head.begin(black_box(b"200 OK")).unwrap();
        for (name, value) in &REPLY_FIELDS[..fields] {
            head.field(black_box(name), value).unwrap();
        }
        black_box_drop(head.finish(&context, &mut out));
        assert!(out.ends_with(b"\r\n\r\n"));
    });
}

const REPLY_FIELDS: [(&[u8], &[u8]); 8] = [
    (b"Content-Type", b"text/html; charset=utf-8"),
    (b"Content-Length", b"5120"),
    (b"Cache-Control", b"private, max-age=60"),
    (b"Vary", b"Accept-Language, Cookie"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"X-Frame-Options", b"DENY"),
    (b"Referrer-Policy", b"same-origin"),
    (
        b"Set-Cookie",
        b"sessionid=3f2b7c0a9d8e4f1b6a5c4d3e2f1a0b9c; HttpOnly; Path=/; SameSite=Lax",
    ),
];
