"""Heads made from a grammar of usual and unusual pieces, read by h11 and by the server.

Only what both accept is compared: method, target, version, fields, body, and how many requests
there were on the connection. What one of them refuses is the business of other rows. The pieces are
combined by a generator with a fixed seed: a row that fails must fail again.
"""

from __future__ import annotations

import importlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

from tests.conformance.client import Exchange
from tests.conformance.model import Failed, Registry, Skipped
from tests.conformance.process import Server
from tests.conformance.rows.wire import PROBE, TAG, describe, run_cases

REGISTRY = Registry("differential")
SEED = 20260422
HEADS = 60  # per row

METHODS = (b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"PROPFIND", b"HEAD")
TARGETS = (
    b"/seen/" + TAG,
    b"/seen/" + TAG + b"?",
    b"/seen/" + TAG + b"?a=1&b=%20c",
    b"/seen/" + TAG + b"/a%2Fb/../c;p=1",
    b"/seen/" + TAG + b"//double///slash",
    b"/seen/" + TAG + b"/%C3%A9?q=%C3%A9",
    b"/seen/" + TAG + b"/a:b@c!$&'()*+,;=~",
    b"http://conformance/seen/" + TAG + b"?absolute",
)
VERSIONS = (b"HTTP/1.1",) * 4 + (b"HTTP/1.0",)
FIELDS = (
    b"Accept: */*",
    b"Accept-Encoding: gzip, deflate, br",
    b"accept-language:en;q=0.5",
    b"User-Agent: \t Mozilla/5.0 (X11; Linux x86_64)  ",
    b'COOKIE: a=1; b="two"; c=%20',
    b"X-Empty:",
    b"X-Empty-Spaces:   \t ",
    b"X-Twice: 1",
    b"X-Twice: 2",
    b"x-TWICE:3",
    b"X-Colons: a:b::c",
    b"X-Latin: caf\xe9 \xff",
    b"X-Tabs: a\tb\t\tc",
    b"X-!#$%&'*+-.^`|~: odd",
    b'If-None-Match: W/"x,y"',
    b"Authorization: Basic dXNlcjp3b3Jk",
    b'Content-Type: application/json; charset="utf-8"',
    b"Range: bytes=0-1, 5-",
    b"TE: trailers, deflate",
    b"X-Long: " + b"long " * 200,
)
BODIES: tuple[tuple[tuple[bytes, ...], bytes], ...] = (
    ((), b""),
    ((b"Content-Length: 0",), b""),
    ((b"Content-Length: 11",), b"hello world"),
    ((b"content-length:\t11 ",), b"GET / HTTP/"),
    ((b"Transfer-Encoding: chunked",), b"5\r\nhello\r\n006\r\n world\r\n0\r\n\r\n"),
    ((b"transfer-ENCODING:Chunked",), b'b;x="y"\r\nhello world\r\n00\r\nX-T: 1\r\n\r\n'),
    ((b"Transfer-Encoding: chunked",), b"0\r\n\r\n"),
)
# Damage that some parsers repair: what they make of it is where they differ.
DAMAGE = (
    (b": ", b" : "),
    (b": ", b":\x0b"),
    (b"\r\n", b"\n"),
    (b"\r\n", b"\r\n "),
    (b" ", b"  "),
    (b" ", b"\t"),
    (b"chunked", b"chunked "),
    (b"chunked", b"chunked, identity"),
    (b"Content-Length: 11", b"Content-Length: +11"),
    (b"Content-Length: 11", b"Content-Length: 11\r\nContent-Length: 11"),
    (b"Content-Length: 11", b"Content-Length: 11, 11"),
    (b"5\r\nhello", b"5 \r\nhello"),
    (b"5\r\nhello", b"0x5\r\nhello"),
    (b"X-", b"X_"),
    (b"Host", b"host"),
    (b"HTTP/1.1", b"HTTP/1.2"),
)


@dataclass
class Reading:
    """What one parser made of the first request."""

    method: str
    target: bytes
    fields: dict[str, str]
    body: bytes = b""
    minor: str = "1.1"
    requests: int = field(default=1)


def make(source: random.Random, *, damaged: bool) -> bytes:
    """One request, valid or damaged in one place, with the probe behind it."""
    framing, body = source.choice(BODIES)
    fields = source.sample(FIELDS, source.randrange(0, 9))
    fields.insert(source.randrange(len(fields) + 1), b"Host: conformance")
    for line in framing:
        fields.insert(source.randrange(len(fields) + 1), line)
    version = source.choice(VERSIONS)
    if body and not any(line.lower().startswith(b"content-length") for line in framing):
        version = b"HTTP/1.1"  # chunked on HTTP/1.0 is not valid
    first = b" ".join((source.choice(METHODS), source.choice(TARGETS), version))
    data = b"\r\n".join([first, *fields, b"", b""]) + body
    if damaged:
        old, new = source.choice([pair for pair in DAMAGE if pair[0] in data])
        places = data.split(old)
        at = source.randrange(1, len(places))
        data = old.join(places[:at]) + new + old.join(places[at:])
    return data + PROBE


def read_by_h11(data: bytes) -> Reading | None:
    """h11's reading, or None if it refuses the first request or wants more of it."""
    try:
        h11 = importlib.import_module("h11")
    except ImportError:
        raise Skipped("h11 is not installed") from None
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    connection.receive_data(data)
    reading: Reading | None = None
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                reading = Reading(
                    event.method.decode("ascii"),
                    bytes(event.target),
                    environ_names(event.headers),
                    minor=event.http_version.decode("ascii"),
                )
            elif isinstance(event, h11.Data) and reading is not None:
                reading.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return None
    except h11.RemoteProtocolError:
        return None
    if reading is not None and connection.their_state is h11.DONE:
        # Still keep-alive in h11's eyes: what is left must be the probe, or something smuggled.
        left = connection.trailing_data[0]
        reading.requests = 1 + left.count(b" HTTP/1.")
    return reading


def environ_names(fields: Any) -> dict[str, str]:
    """Fields under the names CGI gives them, lines of one name joined (RFC 3875 section 4.1.18)."""
    named: dict[str, str] = {}
    for name, value in fields:
        key = "HTTP_" + name.decode("ascii").upper().replace("-", "_")
        if b"_" in name or key in SKIPPED:
            continue
        text = value.decode("latin-1")
        named[key] = f"{named[key]}, {text}" if key in named else text
    return {key: commas_alike(text) for key, text in named.items()}


def commas_alike(value: str) -> str:
    """Whether lines are joined with a space behind the comma is the server's choice."""
    return re.sub(r"[ \t]*,[ \t]*", ", ", value)


# Framing is compared by its effect; CGI has names of its own for the body's length and type.
SKIPPED = {
    *("HTTP_CONTENT_LENGTH", "HTTP_CONTENT_TYPE", "HTTP_TRANSFER_ENCODING", "HTTP_CONNECTION"),
    *("HTTP_TRAILER", "HTTP_HOST"),  # Host: the authority of an absolute target replaces it
    "HTTP_X_FROM_PROCESS",  # an environ made of the process's is the business of another row
}


def read_by_server(server: Server, tag: str) -> Reading | None:
    """What the application saw of the first request, or None if it saw none."""
    seen = [e for e in server.noted(tag, "seen") if not e["path"].startswith("/probe/")]
    if not seen:
        return None
    environ = seen[0]["environ"]
    fields = {
        key: commas_alike(value)
        for key, value in environ.items()
        if key.startswith("HTTP_") and key not in SKIPPED and isinstance(value, str)
    }
    target = environ.get("REQUEST_URI") or environ.get("RAW_URI")
    if target is None:
        query = environ.get("QUERY_STRING", "")
        target = environ["PATH_INFO"] + (f"?{query}" if query else "")
    return Reading(
        environ["REQUEST_METHOD"],
        target.encode("latin-1"),
        fields,
        seen[0]["body"].encode("latin-1"),
        environ["SERVER_PROTOCOL"].partition("/")[2],
        len(server.noted(tag, "call")),
    )


def compare(theirs: Reading, ours: Reading) -> Iterator[str]:
    """Every difference that matters."""
    if theirs.method != ours.method:
        yield f"method {ours.method!r}, h11 {theirs.method!r}"
    if path_of(theirs.target) != path_of(ours.target):
        yield f"target {ours.target!r}, h11 {theirs.target!r}"
    if theirs.fields != ours.fields:
        for name in {**theirs.fields, **ours.fields}:
            if theirs.fields.get(name) != ours.fields.get(name):
                yield f"{name} {ours.fields.get(name)!r}, h11 {theirs.fields.get(name)!r}"
    if theirs.body != ours.body:
        yield f"body {ours.body!r}, h11 {theirs.body!r}"
    if ours.requests > theirs.requests:
        yield f"{ours.requests} requests, h11 {theirs.requests}"


def path_of(target: bytes) -> bytes:
    """A target without its authority, decoded: servers keep more or less of it as sent."""
    if not target.startswith(b"/"):
        target = b"/" + target.partition(b"//")[2].partition(b"/")[2]
    return unquote_to_bytes(target.rstrip(b"?"))


def check_heads(server: Server, number: int, *, damaged: bool) -> None:
    source = random.Random(f"{SEED}-{number}-{damaged}")
    count = HEADS if server.cuts > 16 else HEADS // 4
    requests = [make(source, damaged=damaged) for _ in range(count)]
    readings = [read_by_h11(data) for data in requests]
    tagged = run_cases(
        server,
        [[data] for data in requests],
        done=lambda exchange: exchange.parser.complete > 1,
        half_close=True,
        interleave=False,
    )
    differences = []
    for (tag, exchange), theirs in zip(tagged, readings):
        ours = read_by_server(server, tag)
        if theirs is not None and ours is not None:
            theirs.target = theirs.target.replace(TAG, tag.encode("ascii"))
            differences += [(text, exchange) for text in compare(theirs, ours)]
    if differences:
        raise Failed(_told(differences))


def _told(differences: list[tuple[str, Exchange]]) -> str:
    text, exchange = differences[0]
    more = f" (and {len(differences) - 1} more)" if len(differences) > 1 else ""
    return f"{text}{more}; {describe(exchange)}"


for _number in range(5):
    for _damaged in (False, True):
        _word = "damaged" if _damaged else "valid"
        REGISTRY.add(
            f"{_word}-{_number + 1}",
            f"{HEADS} {_word} requests mean the same to the application as to h11",
            "RFC 9112; h11",
            partial(check_heads, number=_number, damaged=_damaged),
            quick=_number == 0,
        )
