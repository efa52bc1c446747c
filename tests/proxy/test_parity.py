"""``trusted_proxy`` and its companions beside Waitress: the same headers, the same environ.

Each row of ``SENT`` goes through each row of ``SETTINGS``, to both servers. A difference that is
meant stands in ``BETTER`` with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.http import render
from tests.support.parity import Pair
from tests.support.target import headwaiter_only

X_ALL = "x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port x-forwarded-by"
HERE = "127.0.0.1"

SETTINGS: dict[str, dict[str, Any]] = {
    "nobody": {},
    "nobody, kept": {"clear_untrusted_proxy_headers": False},
    "another": {"trusted_proxy": "10.9.8.7", "trusted_proxy_headers": X_ALL},
    "peer, all": {"trusted_proxy": HERE, "trusted_proxy_headers": X_ALL},
    "peer, all, kept": {
        "trusted_proxy": HERE,
        "trusted_proxy_headers": X_ALL,
        "clear_untrusted_proxy_headers": False,
    },
    "anybody, all": {"trusted_proxy": "*", "trusted_proxy_headers": X_ALL},
    "count 2": {
        "trusted_proxy": HERE,
        "trusted_proxy_headers": X_ALL,
        "trusted_proxy_count": 2,
    },
    "count 3": {
        "trusted_proxy": HERE,
        "trusted_proxy_headers": X_ALL,
        "trusted_proxy_count": 3,
    },
    "proto alone": {"trusted_proxy": HERE, "trusted_proxy_headers": "x-forwarded-proto"},
    "for alone": {"trusted_proxy": HERE, "trusted_proxy_headers": "x-forwarded-for"},
    "host and port": {
        "trusted_proxy": HERE,
        "trusted_proxy_headers": "x-forwarded-host x-forwarded-port",
    },
    "forwarded": {"trusted_proxy": HERE, "trusted_proxy_headers": "forwarded"},
    "forwarded, count 2": {
        "trusted_proxy": HERE,
        "trusted_proxy_headers": "forwarded",
        "trusted_proxy_count": 2,
    },
    "https by default": {
        "trusted_proxy": HERE,
        "trusted_proxy_headers": X_ALL,
        "url_scheme": "https",
        "server_name": "www.example.org",
    },
}

FOR, HOST, PROTO = "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"
PORT, BY, FWD = "X-Forwarded-Port", "X-Forwarded-By", "Forwarded"

SENT: dict[str, list[tuple[str, str]]] = {
    "nothing": [],
    "one hop": [(FOR, "192.0.2.1"), (HOST, "front.example"), (PROTO, "https"), (PORT, "8443")],
    "for": [(FOR, "192.0.2.1")],
    "for, spaces": [(FOR, "  192.0.2.1 ,  192.0.2.2  ")],
    "for, three hops": [(FOR, "192.0.2.1, 192.0.2.2, 192.0.2.3")],
    "for, repeated": [(FOR, "192.0.2.1"), (FOR, "192.0.2.2")],
    "for with port": [(FOR, "192.0.2.1:4711")],
    "for ipv6": [(FOR, "2001:db8::1")],
    "for ipv6 in brackets": [(FOR, "[2001:db8::1]")],
    "for ipv6 with port": [(FOR, "[2001:db8::1]:4711")],
    "for quoted": [(FOR, '"192.0.2.1"')],
    "for quoted ipv6": [(FOR, '"[2001:db8::1]:4711"')],
    "for empty": [(FOR, "")],
    "for unknown": [(FOR, "unknown")],
    "for a name": [(FOR, "undefined")],
    "for ipv6 with zone": [(FOR, "fe80::1%eth0")],
    "for, empty hop": [(FOR, "192.0.2.1,,192.0.2.2")],
    "host": [(HOST, "front.example")],
    "host with port": [(HOST, "front.example:8080")],
    "host with port 80": [(HOST, "front.example:80")],
    "host, hops": [(HOST, "one.example, two.example, three.example")],
    "host ipv6": [(HOST, "[2001:db8::1]:8080")],
    "host empty": [(HOST, "")],
    "proto https": [(PROTO, "https")],
    "proto http": [(PROTO, "http")],
    "proto upper": [(PROTO, "HTTPS")],
    "proto hops": [(PROTO, "https, http")],
    "proto empty": [(PROTO, "")],
    "port": [(PORT, "8443")],
    "port and proto": [(PORT, "443"), (PROTO, "https")],
    "port hops": [(PORT, "8443, 8444")],
    "port empty": [(PORT, "")],
    "host and proto": [(HOST, "front.example"), (PROTO, "https")],
    "host, port and proto": [(HOST, "front.example"), (PORT, "8443"), (PROTO, "https")],
    "host:port and port": [(HOST, "front.example:1"), (PORT, "2")],
    "by": [(BY, "192.0.2.9")],
    "three of each": [
        (FOR, "192.0.2.1, 192.0.2.2, 192.0.2.3"),
        (HOST, "one.example, two.example, three.example"),
        (PROTO, "https, http, https"),
        (PORT, "1, 2, 3"),
        (BY, "a, b, c"),
    ],
    "forwarded for": [(FWD, "for=192.0.2.1")],
    "forwarded all": [(FWD, "for=192.0.2.1;host=front.example;proto=https;by=192.0.2.9")],
    "forwarded with port": [(FWD, 'for="192.0.2.1:4711";host="front.example:8443";proto=https')],
    "forwarded ipv6": [(FWD, 'for="[2001:db8::1]:4711"')],
    "forwarded hops": [(FWD, "for=192.0.2.1;proto=http, for=192.0.2.2;proto=https")],
    "forwarded upper names": [(FWD, "For=192.0.2.1;Host=front.example;PROTO=https")],
    "forwarded spaces": [(FWD, "for=192.0.2.1 ; proto=https , for=192.0.2.2")],
    "forwarded escaped": [(FWD, 'for="192\\.0.2.1"')],
    "forwarded unknown": [(FWD, "for=unknown")],
    "forwarded obfuscated": [(FWD, "for=_hidden;by=_proxy")],
    "forwarded unknown parameter": [(FWD, "for=192.0.2.1;secret=x")],
    "forwarded empty": [(FWD, "")],
    "forwarded empty element": [(FWD, "for=192.0.2.1,,for=192.0.2.2")],
    "forwarded trailing semicolon": [(FWD, "for=192.0.2.1;")],
    "forwarded repeated": [(FWD, "for=192.0.2.1"), (FWD, "for=192.0.2.2")],
    "forwarded beside x": [(FWD, "for=192.0.2.1"), (FOR, "192.0.2.9"), (PROTO, "https")],
    # malformed
    "for bad quote": [(FOR, '"192.0.2.1')],
    "for bad escape": [(FOR, '"192.0.2.1\\')],
    "host bad quote": [(HOST, 'front.example"')],
    "proto unknown": [(PROTO, "gopher")],
    "port not a number": [(PORT, "https")],
    "forwarded bad quote": [(FWD, 'for="192.0.2.1')],
    "forwarded no value": [(FWD, "for")],
    "forwarded no name": [(FWD, "=192.0.2.1")],
    "forwarded bare word": [(FWD, "nonsense")],
}
# What Waitress takes and headwaiter does not, or the other way round, if the header is trusted.
BETTER = {
    "for ipv6 with port": "Waitress leaves brackets and port in REMOTE_ADDR",
    "for quoted ipv6": "Waitress leaves brackets and port in REMOTE_ADDR",
    "port not a number": "SERVER_PORT would be no number; 400",
    "forwarded no name": "a pair without a name; 400",
    "forwarded spaces": "malformed is what no trusted proxy wrote",
}
NOTICE = "ignore:clear_untrusted_proxy_headers:DeprecationWarning"


@pytest.fixture(scope="module", params=SETTINGS)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    pair = Pair(SETTINGS[request.param])
    yield pair
    pair.close()


@headwaiter_only("it is what is compared with")
@pytest.mark.filterwarnings(NOTICE)
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("sent", SENT)
def test_same_environ_and_status(pair: Pair, sent: str, version: str) -> None:
    ours, theirs = pair.ask(render("/path?query", headers=SENT[sent], version=version))
    if sent in BETTER and ours != theirs:
        status, environ = ours
        peer = (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) if environ else None
        assert (status, peer) in (
            (400, None),
            (200, ("2001:db8::1", "4711")),
            (200, ("192.0.2.2", "that of the connection")),
        )
        return
    assert ours == theirs
