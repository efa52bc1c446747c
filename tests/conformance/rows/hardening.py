"""Bytes the standards let a server repair or ignore, and which attacks have used all the same.

A peer that accepts one of these breaks no MUST. It can however disagree about it with a proxy in
front, and that disagreement is what request smuggling is made of.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.conformance.model import Registry
from tests.conformance.rows.wire import CLOSED, CRLF, PROBE, TAG, Refusal, chunked, get, post

REGISTRY = Registry("hardening")
LINE = b"GET /bad/" + TAG + b" HTTP/1.1\r\n"
HOST = b"Host: conformance\r\n\r\n"
FRAMING = frozenset({400, 411, 413, 501})
BODY = Refusal((), in_body=True)
QUICK = {"lf-request-line", "te-with-cl", "obs-fold", "chunk-line-lf", "cl-twice"}


def refuse(
    name: str, says: str, source: str, inputs: bytes | Sequence[bytes], rule: Refusal | None = None
) -> None:
    """Adds one row; ``rule`` carries what differs from a plain refusal."""
    REGISTRY.add(name, says, source, (rule or Refusal(())).of(inputs), quick=name in QUICK)


# -- Line ends ------------------------------------------------------------------------------------

refuse(
    "lf-request-line",
    "a bare LF ends the request line",
    "RFC 9112 section 2.2; waitress CVE-2019-16785",
    b"GET /bad/" + TAG + b" HTTP/1.1\n" + HOST,
)
refuse(
    "lf-field",
    "a bare LF ends a field line",
    "RFC 9112 section 2.2; waitress CVE-2019-16785",
    (get(b"X-Test: a\nX-Other: b"), get(b"X-Test: a\n\r\n")),
)
refuse(
    "lf-everywhere",
    "bare LF throughout",
    "RFC 9112 section 2.2; waitress CVE-2019-16785",
    get(b"X-Test: v").replace(CRLF, b"\n"),
)
refuse(
    "lf-head-end",
    "the empty line ends with a bare LF",
    "RFC 9112 section 2.2",
    LINE + b"Host: conformance\r\n\n",
)
refuse(
    "cr-request-line",
    "a bare CR ends the request line",
    "RFC 9112 section 2.2; waitress CVE-2019-16785",
    (b"GET /bad/" + TAG + b" HTTP/1.1\r" + HOST, b"GET /bad/" + TAG + b" HTTP/1.1\r\r\n" + HOST),
)
refuse(
    "cr-in-value",
    "a bare CR in a field value (the standard also lets it become a space)",
    "RFC 9110 section 5.5; gunicorn#3144; cheroot#717",
    (get(b"X-Test: a\rb"), get(b"X-Test: a\rContent-Length: 5"), get(b"X-Test: a\r\r")),
)
refuse(
    "chunk-line-lf",
    "a bare LF ends a chunk size line",
    "RFC 9112 section 2.2; waitress CVE-2019-16785",
    (chunked(b"5\nhello\r\n0\r\n\r\n"), chunked(b"5\r\nhello\r\n0\n\r\n")),
    BODY,
)
refuse(
    "chunk-data-lf",
    "a bare LF ends chunk data",
    "RFC 9112 section 7.1; waitress CVE-2019-16785",
    chunked(b"5\r\nhello\n0\r\n\r\n"),
    BODY,
)
refuse(
    "trailer-lf",
    "a bare LF ends a trailer line or the trailer section",
    "RFC 9112 section 2.2",
    (chunked(b"0\r\nX-T: v\n\r\n"), chunked(b"0\r\n\n"), chunked(b"0\r\nX-T: a\nX-U: b\r\n\r\n")),
    BODY,
)
refuse(
    "obs-fold",
    "a folded field line (the standard also lets the fold become spaces)",
    "RFC 9112 section 5.2; waitress#503; uwsgi#2775",
    (
        get(b"X-Test: a\r\n b"),
        get(b"X-Test: a\r\n\tb"),
        post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n"),
        post(b"Content-Length:\r\n 5", body=b"hello"),
        get(b"X-Test: a\r\n \r\n b"),
    ),
    Refusal((), FRAMING),
)
refuse(
    "fold-first",
    "whitespace before the first field line",
    "RFC 9112 section 2.2",
    (LINE + b" X-Test: v\r\n" + HOST, LINE + b"\tX-Test: v\r\n" + HOST),
)

# -- Framing fields -------------------------------------------------------------------------------

refuse(
    "te-with-cl",
    "Transfer-Encoding and Content-Length together",
    "RFC 9112 section 6.3; waitress#464",
    (
        chunked(b"0\r\n\r\n", b"Content-Length: 5"),
        post(b"Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
        chunked(b"0\r\n\r\n", b"Content-Length: 0"),
    ),
    Refusal((), FRAMING),
)
refuse(
    "te-on-http10",
    "Transfer-Encoding on HTTP/1.0",
    "RFC 9112 section 6.1; gunicorn 26.0 notes",
    chunked(b"0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0"),
    Refusal((), FRAMING),
)
refuse(
    "te-empty",
    "an empty Transfer-Encoding, and list elements that are empty",
    "RFC 9110 section 5.6.1; waitress CVE-2019-16786",
    (
        post(b"Transfer-Encoding:", b"Content-Length: 5", body=b"hello"),
        post(b"Transfer-Encoding:", body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding: ,chunked", body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding: chunked,", body=b"0\r\n\r\n"),
    ),
    Refusal((), FRAMING),
)
refuse(
    "te-coded",
    "a coding before chunked that no application asked to decode",
    "RFC 9112 section 6.1; waitress CVE-2019-16786",
    (
        post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding: identity, chunked", body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding: chunked;q=1", body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    ),
    Refusal((), FRAMING),
)
refuse(
    "te-unsupported",
    "a transfer coding the server does not support is missing here, not malformed: 501",
    "RFC 9112 section 6.1",
    tuple(
        post(b"Transfer-Encoding: " + coding, body=b"0\r\n\r\n")
        for coding in (b"foo", b"gzip", b"gzip, chunked", b"foo;a=b, chunked")
    ),
    Refusal((), frozenset({501})),
)
refuse(
    "cl-twice",
    "the same length twice (the standard also lets the two become one)",
    "RFC 9110 section 8.6; waitress CVE-2019-16792; cheroot#275",
    (
        post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"),
        post(b"Content-Length: 5, 5", body=b"hello"),
        post(b"Content-Length: 5,", body=b"hello"),
    ),
    Refusal((), FRAMING),
)
refuse(
    "content-type-twice",
    "Content-Type twice: which one a filter in front has read is unknown",
    "RFC 9110 section 5.3; waitress#488",
    post(
        *(b"Content-Type: text/plain", b"Content-Type: text/html", b"Content-Length: 5"),
        body=b"hello",
    ),
)

# -- Chunks ---------------------------------------------------------------------------------------

refuse(
    "chunk-size-space-after",
    "whitespace between a chunk size and its line end",
    "RFC 9112 section 7.1; gunicorn#3060",
    (chunked(b"5 \r\nhello\r\n0\r\n\r\n"), chunked(b"5\t\r\nhello\r\n0\r\n\r\n")),
    BODY,
)
refuse(
    "chunk-extension-space-after",
    "whitespace between a chunk extension and the line end",
    "RFC 9112 section 7.1.1",
    (
        chunked(b"5;a \r\nhello\r\n0\r\n\r\n"),
        chunked(b"5;a=b\t\r\nhello\r\n0\r\n\r\n"),
        chunked(b"5 ; \r\nhello\r\n0\r\n\r\n"),
    ),
    BODY,
)
refuse(
    "chunk-extension-control",
    "a control character, bare CR or bare LF in a chunk extension",
    "RFC 9112 section 7.1.1; waitress CVE-2022-24761; gunicorn#3327",
    tuple(
        chunked(b"5;a=" + value + b"\r\nhello\r\n0\r\n\r\n")
        for value in (b"\n", b"\r", b"\x00", b"\x01", b"b\nX", b"\x7f")
    ),
    BODY,
)
refuse(
    "chunk-extension-flood",
    "chunk extensions without end are work without a body",
    "CVE-2023-39326; CVE-2024-22019",
    chunked(b"1;" + b"x" * 60 + b"=" + b"y" * 200_000 + b"\r\na\r\n0\r\n\r\n"),
    Refusal((), frozenset({400, 413}), in_body=True),
)
refuse(
    "chunk-overhead",
    "one-byte chunks with long extensions: far more framing than body",
    "CVE-2023-39326",
    chunked((b"1;" + b"x" * 100 + b"\r\na\r\n") * 2000 + b"0\r\n\r\n"),
    Refusal((), frozenset({400, 413}), in_body=True),
)
refuse(
    "trailer-flood",
    "trailers without end",
    "CVE-2023-39326; RFC 9112 section 7.1.2",
    chunked(b"0\r\n" + b"X-Trailer: %s\r\n" % (b"v" * 100) * 4000 + b"\r\n"),
    Refusal((), frozenset({400, 413, 431}), in_body=True),
)
refuse(
    "trailer-forbidden",
    "a trailer that claims to frame, route or authenticate the message",
    "RFC 9110 section 6.5.1; gunicorn 26.0 notes",
    tuple(
        chunked(b"0\r\n" + name + b"\r\n\r\n")
        for name in (b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: other")
    ),
    BODY,
)
refuse(
    "trailer-fold",
    "a folded trailer line",
    "RFC 9112 section 5.2",
    chunked(b"0\r\nX-T: a\r\n b\r\n\r\n"),
    BODY,
)

# -- Field lines and the request line -------------------------------------------------------------

refuse(
    "value-control",
    "a control character other than tab in a field value",
    "RFC 9110 section 5.5",
    tuple(get(b"X-Test: a%cb" % byte) for byte in (*range(1, 9), *range(11, 13), 0x1B, 0x1F, 0x7F)),
)
refuse(
    "line-spaces",
    "a request line that is not three words with one space between",
    "RFC 9112 section 3; cheroot#721",
    (
        b"GET  /bad/" + TAG + b" HTTP/1.1\r\n" + HOST,
        b"GET /bad/" + TAG + b"  HTTP/1.1\r\n" + HOST,
        b"GET /bad/" + TAG + b" HTTP/1.1 \r\n" + HOST,
        b" GET /bad/" + TAG + b" HTTP/1.1\r\n" + HOST,
        b"GET\t/bad/" + TAG + b"\tHTTP/1.1\r\n" + HOST,
        b"GET\x0b/bad/" + TAG + b" HTTP/1.1\r\n" + HOST,
    ),
)
refuse(
    "line-without-version",
    "an HTTP/0.9 request line",
    "RFC 9112 section 2.3",
    (b"GET /bad/" + TAG + CRLF + HOST, b"GET /bad/" + TAG + b" HTTP/0.9\r\n" + HOST),
    Refusal((), frozenset({400, 505, CLOSED})),
)
refuse(
    "target-fragment",
    "a fragment in the target, which no client sends",
    "RFC 9112 section 3.2",
    b"GET /bad/" + TAG + b"#fragment HTTP/1.1\r\n" + HOST,
)
refuse(
    "target-userinfo",
    "user information in an absolute target",
    "RFC 9110 section 4.2.4",
    b"GET http://user:word@conformance/bad/" + TAG + b" HTTP/1.1\r\n" + HOST,
)
refuse(
    "host-on-http10",
    "a malformed or repeated Host on HTTP/1.0",
    "RFC 9112 section 3.2",
    (
        get(b"Host: other").replace(b"HTTP/1.1", b"HTTP/1.0"),
        b"GET /bad/" + TAG + b" HTTP/1.0\r\nHost: a/b\r\n\r\n",
    ),
)
refuse(
    "head-too-large",
    "a head larger than any client needs: refused, and the refusal can be read",
    "RFC 6585 section 5",
    (
        get(b"X-Test: " + b"v" * 300_000),
        get(*(b"X-Test-%d: " % n + b"v" * 50 for n in range(6000))),
        b"GET /bad/" + TAG + b"?" + b"q" * 300_000 + b" HTTP/1.1\r\n" + HOST,
    ),
    Refusal((), frozenset({400, 413, 414, 431}), probe=b""),
)
refuse(
    "head-many-fields",
    "an unreasonable number of small fields",
    "RFC 6585 section 5",
    get(*(b"X-%d: v" % n for n in range(20_000))),
    Refusal((), frozenset({400, 413, 431}), probe=PROBE),
)
