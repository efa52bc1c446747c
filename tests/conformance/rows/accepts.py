"""Valid requests that must be served, once and as sent: so that refusing everything fails too."""

from __future__ import annotations

from tests.conformance.model import Registry
from tests.conformance.rows.wire import CRLF, TAG, Acceptance, chunked, get, post

REGISTRY = Registry("accepts")
PATH = b"/seen/" + TAG
NAME = TAG.decode("ascii")
INNER = b"GET /x HTTP/1.1\r\nHost: conformance\r\n\r\n"
TCHARS = b"!#$%&'*+-.^`|~aZ09"
QUICK = {"get", "chunked", "content-length", "absolute-form", "value-bytes"}


def accept(name: str, says: str, source: str, check: Acceptance) -> None:
    REGISTRY.add(name, says, source, check, quick=name in QUICK)


def line(text: bytes, *fields: bytes) -> bytes:
    """A request with this request line and Host."""
    return CRLF.join([text, b"Host: conformance", *fields, b"", b""])


# -- Request lines --------------------------------------------------------------------------------

accept(
    "get",
    "a plain GET",
    "RFC 9112 section 3",
    Acceptance(
        get(path=PATH + b"?a=1&b=2"),
        {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": "/seen/" + NAME,
            "QUERY_STRING": "a=1&b=2",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "conformance",
        },
    ),
)
accept(
    "http10",
    "HTTP/1.0 without any field",
    "RFC 1945; RFC 9112 section 3.2",
    Acceptance(
        b"GET " + PATH + b" HTTP/1.0\r\n\r\n",
        {"SERVER_PROTOCOL": "HTTP/1.0"},
        absent=("HTTP_HOST",),
    ),
)
accept(
    "http12",
    "a minor version the server does not know is served as the highest it does",
    "RFC 9110 section 2.5",
    Acceptance(line(b"GET " + PATH + b" HTTP/1.2"), {"REQUEST_METHOD": "GET"}),
)
accept(
    "empty-line-first",
    "an empty line before the request line is ignored",
    "RFC 9112 section 2.2",
    Acceptance(CRLF + get(path=PATH), {"REQUEST_METHOD": "GET"}),
)
for _method in ("PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "BREW", "M-SEARCH", "get"):
    accept(
        f"method-{_method}",
        f"the method {_method} reaches the application as sent, or is said to be unknown",
        "RFC 9110 sections 9.1 and 15.6.2",
        Acceptance(
            line(_method.encode("ascii") + b" " + PATH + b" HTTP/1.1", b"Content-Length: 0"),
            {"REQUEST_METHOD": _method},
            statuses=frozenset({200, 405, 501, *((400,) if _method == "get" else ())}),
        ),
    )
accept(
    "head",
    "HEAD reaches the application as HEAD, and its reply has no body",
    "RFC 9110 section 9.3.2",
    Acceptance(line(b"HEAD " + PATH + b" HTTP/1.1"), {"REQUEST_METHOD": "HEAD"}),
)
accept(
    "absolute-form",
    "an absolute target: its authority is the host, whatever Host says",
    "RFC 9112 section 3.2.2; waitress#467, waitress#498",
    Acceptance(
        b"GET http://other.example:81" + PATH + b"?q HTTP/1.1\r\nHost: conformance\r\n\r\n",
        {
            "PATH_INFO": "/seen/" + NAME,
            "QUERY_STRING": "q",
            "HTTP_HOST": "other.example:81",
        },
    ),
)
accept(
    "asterisk-form",
    "OPTIONS * is about the server as a whole",
    "RFC 9112 section 3.2.4",
    Acceptance(
        line(b"OPTIONS * HTTP/1.1", b"X-Tag: " + TAG),
        {"REQUEST_METHOD": "OPTIONS"},
        # A server may answer for itself; what it may not do is refuse the form.
        statuses=frozenset({200, 204, 404, 405}),
    ),
)
accept(
    "double-slash",
    "a path that begins with two slashes is a path, not an authority; it may become one slash",
    "RFC 9112 section 3.2.1",
    Acceptance(
        line(b"GET //seen/" + TAG + b"//x HTTP/1.1"),
        {"PATH_INFO": (f"//seen/{NAME}//x", f"/seen/{NAME}//x")},
    ),
)
accept(
    "percent-encoded",
    "PATH_INFO is percent-decoded, byte by byte, and read as Latin-1",
    "PEP 3333, Unicode issues; RFC 3875 section 4.1.5",
    Acceptance(
        line(b"GET " + PATH + b"/caf%C3%A9%20%2f%25 HTTP/1.1"),
        {"PATH_INFO": f"/seen/{NAME}/caf\u00c3\u00a9 /%"},
    ),
)
accept(
    "query-verbatim",
    "QUERY_STRING is not decoded, and only the first question mark divides",
    "RFC 3875 section 4.1.7",
    Acceptance(
        line(b"GET " + PATH + b"?a=%20+?&/;%zz HTTP/1.1"), {"QUERY_STRING": "a=%20+?&/;%zz"}
    ),
)
accept(
    "long-target",
    "a target of 4,000 bytes",
    "RFC 9112 section 3",
    Acceptance(
        line(b"GET " + PATH + b"?" + b"q" * 3950 + b" HTTP/1.1"),
        {"QUERY_STRING": "q" * 3950},
    ),
)

# -- Fields ---------------------------------------------------------------------------------------

accept(
    "name-tokens",
    "every token character in a field name",
    "RFC 9110 section 5.6.2",
    Acceptance(get(b"X-" + TCHARS + b": v", path=PATH)),
)
accept(
    "value-bytes",
    "bytes above 0x7f in a value reach the application as Latin-1",
    "RFC 9110 section 5.5; PEP 3333; granian CVE-2026-42544",
    Acceptance(
        get(b"X-Test: caf\xc3\xa9 \xff\x80", path=PATH),
        {"HTTP_X_TEST": "caf\u00c3\u00a9 \u00ff\u0080"},
    ),
)
accept(
    "value-whitespace",
    "whitespace round a value is not part of it; inside, it is",
    "RFC 9112 section 5.1",
    Acceptance(
        get(b"X-Left: \t v", b"X-Right: v \t ", b"X-None:v", b"X-In: a \t b", b"X-E:", path=PATH),
        {
            "HTTP_X_LEFT": "v",
            "HTTP_X_RIGHT": "v",
            "HTTP_X_NONE": "v",
            "HTTP_X_IN": "a \t b",
            "HTTP_X_E": "",
        },
    ),
)
accept(
    "value-visible",
    "every visible character in a value",
    "RFC 9110 section 5.5",
    Acceptance(
        get(b"X-Test: " + bytes(range(0x21, 0x7F)), path=PATH),
        {"HTTP_X_TEST": bytes(range(0x21, 0x7F)).decode("ascii")},
    ),
)
accept(
    "repeated-field",
    "lines of one name are joined in order",
    "RFC 9110 section 5.2; RFC 3875 section 4.1.18",
    Acceptance(
        get(b"X-Test: a", b"X-Other: o", b"x-test: b, c", b"X-TEST: d", path=PATH),
        {"HTTP_X_OTHER": "o", "HTTP_X_TEST": ("a, b, c, d", "a,b, c,d")},
    ),
)
accept(
    "many-fields",
    "eighty fields, as a browser behind several proxies sends",
    "RFC 9110 section 5.4",
    Acceptance(
        get(*(b"X-%d: value %d" % (n, n) for n in range(80)), path=PATH),
        {"HTTP_X_0": "value 0", "HTTP_X_79": "value 79"},
    ),
)
accept(
    "large-field",
    "a field of 7,000 bytes, as single sign-on cookies are",
    "RFC 9110 section 5.4",
    Acceptance(get(b"Cookie: " + b"c" * 7000, path=PATH), {"HTTP_COOKIE": "c" * 7000}),
)
for _host in ("a", "a.example:8080", "A-b.EXAMPLE.", "127.0.0.1:1", "[::1]", "[::1]:8080", "a_b"):
    accept(
        f"host-{_host}",
        f"`Host: {_host}` is a valid host",
        "RFC 3986 section 3.2.2",
        Acceptance(
            b"GET " + PATH + b" HTTP/1.1\r\nHost: " + _host.encode("ascii") + b"\r\n\r\n",
            {"HTTP_HOST": _host},
        ),
    )
accept(
    "upgrade-ignored",
    "an offer to upgrade that the server does not take up changes nothing",
    "RFC 9110 section 7.8; RFC 9113 section 3.1",
    Acceptance(
        get(
            *(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c"),
            *(b"HTTP2-Settings: AAMAAABkAAQAAP__",),
            path=PATH,
        ),
        {"REQUEST_METHOD": "GET"},
    ),
)
accept(
    "te-field",
    "`TE: trailers` is not Transfer-Encoding",
    "RFC 9110 section 10.1.4",
    Acceptance(get(b"TE: trailers", path=PATH), {"HTTP_TE": "trailers"}),
)

# -- Bodies ---------------------------------------------------------------------------------------

accept(
    "content-length",
    "a body of known length",
    "RFC 9112 section 6.2",
    Acceptance(
        post(
            *(b"Content-Length: 5", b"Content-Type: text/plain;charset=utf-8"),
            path=PATH,
            body=b"he\x00\xffo",
        ),
        {"CONTENT_LENGTH": "5", "CONTENT_TYPE": "text/plain;charset=utf-8"},
        b"he\x00\xffo",
        absent=("HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE"),
    ),
)
accept(
    "content-length-zero",
    "a body of length zero",
    "RFC 9112 section 6.2",
    Acceptance(post(b"Content-Length: 0", path=PATH), {"REQUEST_METHOD": "POST"}),
)
accept(
    "content-length-zeros",
    "leading zeros are digits",
    "RFC 9110 section 8.6",
    Acceptance(post(b"Content-Length: 0005", path=PATH, body=b"hello"), body=b"hello"),
)
accept(
    "get-with-body",
    "a GET with a body: it is framed like any other",
    "RFC 9110 section 9.3.1",
    Acceptance(get(b"Content-Length: 5", path=PATH) + b"hello", body=b"hello"),
)
accept(
    "post-without-body",
    "a POST with neither length nor coding has no body",
    "RFC 9112 section 6.3",
    Acceptance(post(path=PATH), {"REQUEST_METHOD": "POST"}),
)
accept(
    "body-like-a-request",
    "a body that looks like a request is a body",
    "RFC 9112 section 6",
    Acceptance(
        post(b"Content-Length: %d" % len(INNER), path=PATH, body=INNER),
        body=INNER,
    ),
)
_CHUNKED = {
    "chunked": ("chunks", b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", b"hello world"),
    "chunked-empty": ("no chunks but the last", b"0\r\n\r\n", b""),
    "chunked-hex": (
        "sizes in upper and lower case, with leading zeros",
        b"A\r\n0123456789\r\n00b\r\n0123456789a\r\n000\r\n\r\n",
        b"01234567890123456789a",
    ),
    "chunked-binary": (
        "data that looks like framing",
        b"5\r\n\r\n0\r\n\r\n0\r\n\r\n",
        b"\r\n0\r\n",
    ),
    "chunked-extension": (
        "extensions, plain and quoted",
        b'5;a;b=c;d="e f"\r\nhello\r\n0;last\r\n\r\n',
        b"hello",
    ),
    "chunked-extension-space": (
        "white space around the `;` and the `=` of an extension, which recipients must remove",
        b'5; a=b\r\nhello\r\n1 ;\ta = "b"; c\r\n!\r\n0 ;last\r\n\r\n',
        b"hello!",
    ),
    "chunked-tiny": (
        "one byte in each of 6,000, as clients send that flush every token",
        b"1\r\nx\r\n" * 6000 + b"0\r\n\r\n",
        b"x" * 6000,
    ),
    "chunked-trailer": (
        "trailer fields",
        b"5\r\nhello\r\n0\r\nX-Checksum: 1\r\nX-More: 2\r\n\r\n",
        b"hello",
    ),
    "chunked-trailer-type": (
        "a trailer field that describes the content, which a recipient may ignore",
        b"5\r\nhello\r\n0\r\nVary: *\r\nContent-Type: text/plain\r\n\r\n",
        b"hello",
    ),
}
for _name, (_says, _data, _body) in _CHUNKED.items():
    accept(
        _name,
        f"a chunked body: {_says}",
        "RFC 9112 section 7.1",
        Acceptance(
            chunked(_data, path=PATH), body=_body, absent=("HTTP_X_CHECKSUM", "CONTENT_TYPE")
        ),
    )
accept(
    "chunked-case",
    "transfer codings are case-insensitive, and whitespace round them is not part of them",
    "RFC 9112 section 7",
    Acceptance(
        post(b"TRANSFER-encoding: \t ChunKED \t", path=PATH, body=b"2\r\nok\r\n0\r\n\r\n"),
        body=b"ok",
    ),
)
