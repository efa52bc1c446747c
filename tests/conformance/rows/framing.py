"""Bytes the standards forbid a server to serve: RFC 9110 and RFC 9112 say MUST, or fix a grammar.

Each row is data; ``wire.py`` says what it is put through. Where a standard leaves the server a
choice the row is in ``hardening.py`` instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.conformance.model import Registry
from tests.conformance.rows.wire import CLOSED, CRLF, PROBE, TAG, Refusal, chunked, get, post

REGISTRY = Registry("framing")
SMUGGLED = b"GET /smuggled/" + TAG + b" HTTP/1.1\r\nHost: conformance\r\n\r\n"
LINE = b"GET /bad/" + TAG + b" HTTP/1.1\r\n"
HOST = b"Host: conformance\r\n\r\n"
SPLIT = b"%x\r\n" % len(SMUGGLED)  # as a chunk size, it makes the smuggled request chunk data
FRAMING = frozenset({400, 411, 413, 501})
VERSION = frozenset({400, 505})


def refuse(
    name: str, says: str, source: str, inputs: bytes | Sequence[bytes], rule: Refusal | None = None
) -> None:
    """Adds one row; ``rule`` carries what differs from a plain refusal."""
    REGISTRY.add(name, says, source, (rule or Refusal(())).of(inputs), quick=name in QUICK)


QUICK = {
    *("te-not-chunked-last", "te-unknown-with-cl", "cl-different", "cl-sign", "chunk-size-sign"),
    *("name-space-colon", "host-missing", "chunk-data-too-long", "te-vt-before"),
}
TE = Refusal((), FRAMING)
BODY = Refusal((), frozenset({400}), in_body=True)

# -- Transfer-Encoding ----------------------------------------------------------------------------

refuse(
    "te-not-chunked-last",
    "a request whose last transfer coding is not chunked has no reliable length",
    "RFC 9112 section 6.3; waitress CVE-2019-16786",
    (
        post(b"Transfer-Encoding: chunked, gzip", body=SMUGGLED),
        post(b"Transfer-Encoding: chunked, identity", body=SMUGGLED),
    ),
    TE,
)
refuse(
    "te-unknown-with-cl",
    "Content-Length is never the fallback for an unknown transfer coding",
    "RFC 9112 section 6.3; gunicorn CVE-2024-6827; waitress CVE-2019-16786",
    tuple(
        post(b"Content-Length: 5", b"Transfer-Encoding: " + coding, body=b"hello")
        for coding in (b"gzip", b"identity", b"xchunked", b"chunkedx", b'"chunked"', b"chunk ed")
    ),
    TE,
)
refuse(
    "te-unknown",
    "a transfer coding the server does not understand: 501 or 400, never an empty body",
    "RFC 9112 section 6.1",
    tuple(
        post(b"Transfer-Encoding: " + coding, body=SMUGGLED)
        for coding in (b"gzip", b"identity", b"xchunked", b"compress", b"chunked-ish")
    ),
    TE,
)
refuse(
    "te-chunked-twice",
    "chunked applied twice is malformed",
    "RFC 9112 section 7.1; waitress#464, waitress#474",
    (
        chunked(b"0\r\n\r\n").replace(b"chunked\r\n", b"chunked, chunked\r\n"),
        chunked(b"0\r\n\r\n", b"Transfer-Encoding: chunked"),
    ),
    TE,
)
refuse(
    "te-conflicting-lines",
    "two Transfer-Encoding lines that disagree, in either order and any case",
    "RFC 9112 section 6.3; gunicorn CVE-2024-1135",
    (
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n"),
        post(b"transfer-encoding: identity", b"TRANSFER-ENCODING: x", body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding: CHUNKED", b"transfer-Encoding: gzip", body=b"0\r\n\r\n"),
    ),
    TE,
)
for _byte, _name in (
    *((0x0B, "vt"), (0x0C, "ff"), (0x1C, "fs"), (0x1D, "gs"), (0x1E, "rs"), (0x1F, "us")),
    *((0x85, "nel"), (0xA0, "nbsp"), (0x00, "nul"), (0x08, "bs"), (0x7F, "del")),
):
    for _side in ("before", "after"):
        _value = b"%cchunked" % _byte if _side == "before" else b"chunked%c" % _byte
        refuse(
            f"te-{_name}-{_side}",
            f"byte 0x{_byte:02x} {_side} `chunked` is part of the value, not whitespace",
            "RFC 9110 section 5.6.3; waitress CVE-2019-16789; gunicorn#3091",
            post(b"Content-Length: 5", b"Transfer-Encoding: " + _value, body=b"0\r\n\r\n"),
            TE,
        )
refuse(
    "te-with-cl-closes",
    "Transfer-Encoding beats Content-Length, and the connection must end with this request",
    "RFC 9112 section 6.3",
    (
        chunked(b"0\r\n\r\n", b"Content-Length: 5"),
        chunked(SPLIT + SMUGGLED + b"\r\n0\r\n\r\n", b"Content-Length: 4"),
    ),
    Refusal((), FRAMING, may_serve=True),
)
refuse(
    "te-on-http10-closes",
    "Transfer-Encoding in an HTTP/1.0 request is faulty framing: the connection must end with it",
    "RFC 9112 section 6.1",
    chunked(b"0\r\n\r\n", b"Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"),
    Refusal((), FRAMING, may_serve=True),
)

# -- Content-Length -------------------------------------------------------------------------------

refuse(
    "cl-different",
    "two different lengths, on two lines or in one list",
    "RFC 9112 section 6.3; waitress CVE-2019-16792",
    (
        post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"),
        post(b"Content-Length: 6", b"Content-Length: 5", body=b"hello!"),
        post(b"Content-Length: 5, 6", body=b"hello!"),
    ),
    TE,
)
_INVALID = {
    "sign": (b"+5", b"-5", b"-0", b"-1"),
    "prefix": (b"0x5", b"0o5", b"0b1", b"5h"),
    "separator": (b"5_0", b"5 0", b"5.0", b"5e0", b"5;", b"1,000"),
    "empty": (b"", b" ", b"\t"),
    "quoted": (b'"5"', b"'5'"),
    "letters": (b"five", b"NaN", b"5a", b"a5"),
    "control": (b"5\x0b", b"\x0b5", b"5\x0c", b"5\x85", b"\xa05", b"5\x00"),
    "unicode-digits": (b"\xb2", "٥".encode(), b"\xb9", "５".encode()),  # noqa: RUF001
}
for _name, _values in _INVALID.items():
    refuse(
        f"cl-{_name}",
        f"Content-Length that is not plain decimal digits ({_name})",
        "RFC 9112 section 6.3; waitress CVE-2022-24761; cheroot#737",
        tuple(post(b"Content-Length: " + value, body=b"hello") for value in _values),
        TE,
    )
refuse(
    "cl-overflow",
    "a length beyond 63, 64 or 128 bits is never wrapped round",
    "RFC 9110 section 8.6; uwsgi#2775",
    tuple(
        post(b"Content-Length: %d" % value, body=b"hello")
        for value in (2**64 + 5, 2**63, 2**64, 2**128 + 5, 10**30 + 5)
    ),
    Refusal((), FRAMING, may_wait=True, in_body=True),
)

# -- Chunks ---------------------------------------------------------------------------------------

_SIZES = {
    "sign": (b"+5", b"-5", b"-0"),
    "prefix": (b"0x5", b"0X5", b"x5"),
    "separator": (b"5_0", b"5.0", b"5,5", b"5 5"),
    "letters": (b"g", b"5g", b"five", b'"5"'),
    "empty": (b"", b";ext=1"),
    "whitespace-before": (b" 5", b"\t5", b"\x0b5"),
    "control": (b"5\x00", b"5\x0b", b"5\x85", b"5\xa0", b"\xb2"),
}
for _name, _values in _SIZES.items():
    refuse(
        f"chunk-size-{_name}",
        f"a chunk size that is not hexadecimal digits ({_name})",
        "RFC 9112 section 7.1; waitress CVE-2022-24761; gunicorn#3060",
        tuple(chunked(size + b"\r\nhello\r\n0\r\n\r\n") for size in _values),
        BODY,
    )
refuse(
    "chunk-size-overflow",
    "a chunk size beyond 64 bits is never wrapped round",
    "RFC 9112 section 7.1",
    tuple(
        chunked(size + b"\r\nhello\r\n0\r\n\r\n")
        for size in (b"10000000000000005", b"f" * 17, b"1" + b"0" * 32 + b"5", b"ffffffffffffffff")
    ),
    Refusal((), frozenset({400, 413}), in_body=True, may_wait=True),
)
refuse(
    "chunk-data-too-long",
    "chunk data that goes on where its CRLF should be",
    "RFC 9112 section 7.1",
    (
        chunked(b"5\r\nhello!\r\n0\r\n\r\n"),
        chunked(b"5\r\nhelloXX0\r\n\r\n"),
        chunked(b"5\r\nhello0\r\n\r\n"),
    ),
    BODY,
)
refuse(
    "chunk-data-cr-only",
    "chunk data followed by CR and something else than LF",
    "RFC 9112 section 7.1",
    chunked(b"5\r\nhello\r0\r\n\r\n"),
    BODY,
)
refuse(
    "chunk-line-cr-only",
    "a bare CR does not end a chunk size line",
    "RFC 9112 section 2.2; waitress CVE-2019-16785",
    (chunked(b"5\rhello\r\n0\r\n\r\n"), chunked(b"5\r\rhello\r\n0\r\n\r\n")),
    BODY,
)
refuse(
    "chunk-last-crlf-missing",
    "what follows the last chunk is a trailer line or the empty line, not a new request",
    "RFC 9112 section 7.1; gunicorn#3327",
    chunked(b"5\r\nhello\r\n0\r\n"),
    BODY,
)
refuse(
    "trailer-not-a-field",
    "a trailer line that is no field, which a lax server would take for the next request",
    "RFC 9112 section 7.1.2; gevent CVE-2023-41419; eventlet CVE-2025-58068",
    (
        chunked(b"0\r\nbad trailer\r\n\r\n"),
        chunked(b"0\r\nX-T : v\r\n\r\n"),
        chunked(b"0\r\n: v\r\n\r\n"),
        chunked(b"0\r\nX\x00T: v\r\n\r\n"),
    ),
    BODY,
)
refuse(
    "chunk-truncated",
    "a chunked body the client never finished is never handed over as a whole one",
    "RFC 9112 section 8; gunicorn#3382",
    tuple(
        chunked(body)
        for body in (b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r\n", b"5\r\nhello\r\n0", b"5")
    ),
    Refusal((), frozenset({400, CLOSED}), in_body=True, probe=b"", half_close=True),
)
refuse(
    "cl-truncated",
    "a body shorter than its Content-Length is never handed over as a whole one",
    "RFC 9112 section 8",
    (post(b"Content-Length: 50", body=b"hello"), post(b"Content-Length: 1")),
    Refusal((), frozenset({400, 408, CLOSED}), in_body=True, probe=b"", half_close=True),
)
refuse(
    "head-truncated",
    "a head that ends with the connection is no request",
    "RFC 9112 section 8",
    (LINE + b"Host: conformance\r\n", LINE, LINE[:9], LINE + b"Host: conformance\r\n\r"),
    Refusal((), frozenset({400, 408, CLOSED}), probe=b"", half_close=True),
)

# -- Field lines ----------------------------------------------------------------------------------

refuse(
    "name-space-colon",
    "whitespace between a field's name and its colon",
    "RFC 9112 section 5.1; gunicorn#2176; cheroot#738",
    (
        get(b"X-Test : v"),
        get(b"X-Test\t: v"),
        get(b"X-Test \t : v"),
        get(b"Content-Length : 0"),
        post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
        post(b"Transfer-Encoding\t: chunked", body=b"0\r\n\r\n"),
    ),
)
refuse(
    "name-not-a-token",
    "a field name with a byte that is no token character",
    "RFC 9110 section 5.1; gunicorn#3364",
    tuple(
        get(b"X%cTest: v" % byte)
        for byte in (*b'"(),/;<=>?@[\\]{}', *range(0x20), 0x20, 0x7F, 0x80, 0x85, 0xA0, 0xE9, 0xFF)
        if byte not in b"\r\n"  # line ends have rows of their own
    ),
)
refuse(
    "name-unicode-space",
    "a byte some languages call whitespace, at either end of a name",
    "RFC 9110 section 5.1; gunicorn#3091",
    tuple(
        get(line)
        for line in (
            *(b"Content-Length\xa0: 5", b"\xa0Content-Length: 5", b"X-Test\x85: v"),
            *(b"\x0bX-Test: v", b"X-Test\x0c: v"),
        )
    ),
)
refuse(
    "name-empty",
    "a field line without a name",
    "RFC 9112 section 5; cheroot#720",
    get(b": v"),
)
refuse("line-no-colon", "a field line without a colon", "RFC 9112 section 5", get(b"X-Test"))
refuse(
    "value-nul",
    "a NUL in a field value",
    "RFC 9110 section 5.5; gunicorn#3144; cheroot#714",
    (get(b"X-Test: a\x00b"), get(b"X-Test: \x00"), get(b"X-Test: a\x00")),
)

# -- Host -----------------------------------------------------------------------------------------

refuse(
    "host-missing",
    "HTTP/1.1 without Host",
    "RFC 9112 section 3.2; waitress#462",
    (LINE + CRLF, LINE + b"X-Test: v\r\n\r\n"),
)
refuse(
    "host-twice",
    "Host twice, even if equal",
    "RFC 9112 section 3.2; waitress#462",
    (get(b"Host: conformance"), get(b"Host: other"), get(b"hOST: conformance")),
)
refuse(
    "host-invalid",
    "a Host that is not a host and an optional port",
    "RFC 9112 section 3.2; waitress#498",
    tuple(
        LINE + b"Host: " + host + b"\r\n\r\n"
        for host in (
            *(b"a b", b"a/b", b"a?b", b"a#b", b"a@b", b"a\\b", b"a:port", b"a:80:80"),
            *(b"[::1", b"::1", b"[::1]x", b"a<b", b"a\x7fb", b"http://a"),
        )
    ),
)

# -- The request line -----------------------------------------------------------------------------

refuse(
    "version-malformed",
    "a version that is not HTTP/ and two digits round a dot",
    "RFC 9112 section 2.3; waitress#503",
    tuple(
        b"GET /bad/" + TAG + b" " + version + CRLF + HOST
        for version in (
            *(b"http/1.1", b"HTTP/1.1x", b"HTTP/11", b"HTTP/1.", b"HTTP/.1", b"HTTP/1.10"),
            *(b"HTTP/01.1", b"HTP/1.1", b"HTTP/1,1", b"HTTP 1.1", b"HTTP/a.b", b"HTTP/-1.1"),
        )
    ),
    Refusal((), VERSION),
)
refuse(
    "version-major",
    "a major version other than 1: 505",
    "RFC 9110 section 15.6.6; waitress#503",
    tuple(
        b"GET /bad/" + TAG + b" " + version + CRLF + HOST
        for version in (b"HTTP/2.0", b"HTTP/9.9", b"HTTP/3.1")
    ),
    Refusal((), VERSION),
)
refuse(
    "h2-preface",
    "the HTTP/2 connection preface, sent to a server that was not asked",
    "RFC 9113 section 3.4",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    Refusal((), frozenset({400, 505, CLOSED})),
)
refuse(
    "method-not-a-token",
    "a method with a byte that is no token character, or none at all",
    "RFC 9110 section 9.1",
    tuple(
        method + b" /bad/" + TAG + b" HTTP/1.1\r\n" + HOST
        for method in (b"GE(T", b"GE\x00T", b"G\xc9T", b"GE@T", b'"GET"', b"GET:", b"")
    ),
    Refusal((), frozenset({400, 501})),
)
refuse(
    "target-control",
    "a control character in the target",
    "RFC 9112 section 3.2",
    tuple(
        b"GET /bad/" + TAG + b"%c HTTP/1.1\r\n" % byte + HOST for byte in (0, 1, 8, 0x1B, 0x1F, 127)
    ),
)
refuse(
    "target-spaces",
    "a target with a space in it",
    "RFC 9112 section 3.2",
    (
        b"GET /bad/" + TAG + b" x HTTP/1.1\r\n" + HOST,
        b"GET /bad/" + TAG + b" HTTP/1.1 HTTP/1.1\r\n" + HOST,
    ),
)
refuse(
    "target-relative",
    "a target that is neither a path, an absolute URI nor `*`",
    "RFC 9112 section 3.2; gunicorn 26.0 notes",
    (
        b"GET bad/" + TAG + b" HTTP/1.1\r\n" + HOST,
        b"GET ?" + TAG + b" HTTP/1.1\r\n" + HOST,
        b"GET conformance:80 HTTP/1.1\r\nX-Tag: " + TAG + CRLF + HOST,
        b"GET * HTTP/1.1\r\nX-Tag: " + TAG + CRLF + HOST,
    ),
)
refuse(
    "target-authority-malformed",
    "an absolute URI without a host, or with what cannot be one",
    "RFC 9110 section 4.2.1; waitress#498",
    tuple(
        b"GET http://" + authority + b"/bad/" + TAG + b" HTTP/1.1\r\n" + HOST
        for authority in (b"", b"[::1", b"a:b:c", b"a:x", b"a\\b")
    ),
)
refuse(
    "garbage",
    "bytes that are no HTTP at all",
    "RFC 9112 section 2.2",
    (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)) + b"\r\n\r\n",
        b"hello\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\xff" * 32 + b"\r\n\r\n",
    ),
    Refusal((), frozenset({400, 505, CLOSED})),
)

# -- More than one fault --------------------------------------------------------------------------

refuse(
    "refused-then-pipelined",
    "several requests behind a refused one on one connection: none is served",
    "waitress CVE-2024-49768",
    get(b"X Bad: v") + PROBE * 4,
)
