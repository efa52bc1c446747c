"""The environ of headwaiter beside that of Waitress, key by key, for the same bytes.

``tests.support.parity`` lists the differences that are meant; anything else is a failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.http import chunked, render
from tests.support.parity import Pair
from tests.support.target import headwaiter_only

MANY = [(f"X-Header-{n}", f"value {n}") for n in range(60)]
BROWSER = [
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"),
    ("Accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "de,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Connection", "keep-alive"),
    ("Cookie", "a=1; b=2"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Cache-Control", "max-age=0"),
    ("Referer", "http://example.com/?q=1"),
    ("If-None-Match", 'W/"etag"'),
    ("Range", "bytes=0-99"),
]

REQUESTS = {
    "plain": render("/"),
    "1.0": b"GET /old HTTP/1.0\r\n\r\n",
    "1.0 keep-alive": b"GET /old HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: h\r\n\r\n",
    "browser": render("/page?x=1&y=2", headers=BROWSER),
    "many headers": render("/", headers=MANY),
    "repeated": render("/", headers=[("X-A", "1"), ("X-B", "2"), ("x-a", "3")]),
    "repeated accept": render("/", headers=[("Accept", "a/b"), ("Accept", "c/d")]),
    "empty value": render("/", headers=[("X-Empty", "")]),
    "padded value": render("/", headers=[("X-Pad", "  a \t b  ")]),
    "latin-1 value": render("/", headers=[("X-Latin", "\xe4\xf6\xfc")]),
    "utf-8 value": render("/", headers=[("X-Utf8", "\u20ac".encode().decode("latin-1"))]),
    "underscore name": render("/", headers=[("X_Spoof", "1"), ("X-Real", "2")]),
    "dotted name": render("/", headers=[("X.Dot", "1"), ("X!bang", "2")]),
    "content headers on GET": render("/", headers=[("Content-Type", "text/x")]),
    "zero length": render("/", "POST", [("Content-Type", "text/plain")], b""),
    "form": render("/f", "POST", [("Content-Type", "application/x-www-form-urlencoded")], b"a=b"),
    "no content type": render("/f", "POST", body=b"raw"),
    "chunked": render("/c", "POST", [("Transfer-Encoding", "chunked")], chunked(b"ab", b"c")),
    "expect": render("/e", "POST", [("Expect", "100-continue")], b"abc"),
    "head": render("/h", "HEAD"),
    "put": render("/p", "PUT", body=b"x"),
    "delete": render("/d", "DELETE"),
    "options": render("/o", "OPTIONS"),
    "escapes": render("/%61%20%C3%A9%2F%3f?%61=%20+"),
    "bad escapes": render("/%zz%4%"),
    "semicolons": render("/a;b=c/d;e?f;g"),
    "double slash": render("//double//slash"),
    "dots": render("/a/../b/./c"),
    "empty query": render("/?"),
    "question marks": render("/a?b?c"),
    "absolute": render("http://example.com/abs/path?q"),
    "host with port": render("/", headers=[("Host", "example.com:8080")]),
    "ipv6 host": render("/", headers=[("Host", "[::1]:8080")]),
    "forwarded, untrusted": render(
        "/",
        headers=[
            ("X-Forwarded-For", "1.2.3.4"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "evil"),
            ("X-Forwarded-Port", "99"),
            ("X-Forwarded-By", "p"),
            ("Forwarded", "for=1.2.3.4"),
        ],
    ),
    "authorization": render("/", headers=[("Authorization", "Basic eA==")]),
    "hop by hop": render("/", headers=[("TE", "trailers"), ("Upgrade", "h2c")]),
}
SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "prefix": {"url_prefix": "/p"},
    "scheme and names": {"url_scheme": "https", "server_name": "www.example.org", "ident": "me"},
    "headers kept": {"clear_untrusted_proxy_headers": False},
}


@pytest.fixture(scope="module", params=SETTINGS)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    pair = Pair(SETTINGS[request.param])
    yield pair
    pair.close()


@headwaiter_only("it is what is compared with")
@pytest.mark.filterwarnings("ignore:clear_untrusted_proxy_headers:DeprecationWarning")
@pytest.mark.parametrize("name", REQUESTS)
def test_environ_equals_that_of_waitress(pair: Pair, name: str) -> None:
    ours, theirs = pair.ask(REQUESTS[name])
    assert ours == theirs
    assert ours[1] is not None, "the application was not called"
