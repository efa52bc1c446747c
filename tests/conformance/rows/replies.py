"""Bodies of every kind and length, and how replies are framed for HTTP/1.0 and HTTP/1.1."""

from __future__ import annotations

import hashlib
import itertools
from functools import partial

from tests.conformance.app.bodies import BODY, LENGTHS
from tests.conformance.model import Failed, Registry, require
from tests.conformance.process import Server

REGISTRY = Registry("replies")
row = REGISTRY.row
PEP = "PEP 3333, Handling the Content-Length Header"


def check_length(server: Server, status: int, method: str, declared: str, kind: str) -> None:
    """One cell of the table: what the client sees, and that nothing is left over behind it."""
    with server.connect() as connection:
        tag = server.tag()
        connection.request(f"/length/{tag}?{status}-{declared}-{kind}", method=method)
        reply = connection.reply_or_none()
        if reply is None:
            raise Failed(f"no reply; bytes received: {connection.parser.leftover[:80]!r}")
        if reply.status == 500 and declared in ("short", "long"):
            return  # the server saw the fault in time: as good as it gets
        require(reply.status == status, f"{reply}")
        bodyless = method == "HEAD" or status in (204, 304)
        _check_fields(reply.all("content-length"), reply.all("transfer-encoding"), status, method)
        if declared == "short" and not bodyless:
            # The bytes missing can never be made good: only the end of the connection tells.
            require(connection.closed(), "bytes are missing and the connection was kept")
            require(not reply.complete, f"{reply}")
            return
        if not reply.complete:
            raise Failed(f"not a whole reply: {reply}")
        want = b"" if bodyless or kind == "empty" else BODY
        if declared == "long" and not bodyless:
            want = BODY[: LENGTHS["long"]]
        require(reply.body == want, f"{reply}: body {bytes(reply.body)!r}")
        # Whatever follows the reply must parse as the next one.
        connection.request(f"/seen/{tag}")
        after = connection.reply_or_none()
        stray = connection.parser.leftover
        require(not stray, f"stray bytes behind the reply: {stray[:40]!r}")
        if after is None:
            require(connection.closed(), "the connection was kept, but no reply came on it")
        else:
            require(after.status == 200, f"the next request got {after}")


def _check_fields(lengths: list[str], codings: list[str], status: int, method: str) -> None:
    if status == 204:
        # RFC 9110 section 8.6, RFC 9112 section 6.1. An application's own Content-Length in a 204
        # is its fault, and may be passed on or dropped; the parser ignores it.
        require(not codings, f"204 with Transfer-Encoding {codings}")
    if status == 304 or method == "HEAD":
        require(len(lengths) <= 1, f"Content-Length {lengths}")


for _status, _method, _declared, _kind in itertools.product(
    (200, 204, 304), ("GET", "HEAD"), LENGTHS, ("list", "generator")
):
    REGISTRY.add(
        f"length-{_status}-{_method}-{_declared}-{_kind}",
        f"{_status} to {_method}, ten bytes from a {_kind}, Content-Length {_declared}",
        f"{PEP}; RFC 9112 section 6.3; waitress#428; gunicorn, cheroot, bjoern, granian",
        partial(check_length, status=_status, method=_method, declared=_declared, kind=_kind),
        quick=_kind == "list" and _method == "GET" and _status == 200,
    )
for _status, _method, _declared in itertools.product((204, 304), ("GET", "HEAD"), ("none",)):
    REGISTRY.add(
        f"empty-{_status}-{_method}",
        f"{_status} to {_method} from an empty list",
        "RFC 9110 sections 15.3.5 and 15.4.5; twisted/twisted#3618",
        partial(check_length, status=_status, method=_method, declared=_declared, kind="empty"),
    )


@row("no-length-204", "a server adds no Content-Length to a 204", "RFC 9110 section 8.6")
def no_length_204(server: Server) -> None:
    values = server.get(f"/length/{server.tag()}?204-none-empty").all("content-length")
    require(not values, f"Content-Length {values}")


@row(
    "head-length",
    "HEAD keeps the Content-Length the application gave for GET",
    "RFC 9110 section 8.6",
)
def head_length(server: Server) -> None:
    with server.connect() as connection:
        connection.request(f"/length/{server.tag()}?200-exact-empty", method="HEAD")
        values = connection.reply().all("content-length")
    require(values == ["10"], f"Content-Length {values}")


@row(
    "length-single-part",
    "the length of a one-part list is the body's",
    PEP,
)
def length_single_part(server: Server) -> None:
    reply = server.get(f"/kind/{server.tag()}?sized")
    require(reply.body == b"sized", f"{reply}: body {bytes(reply.body)!r}")


_KINDS = {
    **dict.fromkeys(("list", "tuple", "generator", "iterator", "map", "set"), b"abcd"),
    "sized": b"sized",
    "getitem": b"old",
    "bytes": b"",
    "empty-list": b"",
    "empty-parts": b"abcd",
    "only-empty-parts": b"",
}


def check_kind(server: Server, kind: str, want: bytes, minor: int) -> None:
    reply = server.get(f"/kind/{server.tag()}?{kind}", minor=minor)
    require(reply.status == 200, f"{reply}")
    require(reply.body == want, f"{reply}: body {bytes(reply.body)!r}")
    if minor == 0:
        require(reply.framing in ("close", "length"), f"{reply} to HTTP/1.0")


for _name, _want in _KINDS.items():
    for _minor in (0, 1):
        REGISTRY.add(
            f"kind-{_name}-1.{_minor}",
            f"a body from `{_name}` over HTTP/1.{_minor}",
            "PEP 3333, Buffering and Streaming",
            partial(check_kind, kind=_name, want=_want, minor=_minor),
            quick=_name == "generator",
        )


def check_not_bytes(server: Server, kind: str) -> None:
    with server.connect() as connection:
        connection.request(f"/kind/{server.tag()}?{kind}")
        reply = connection.reply_or_none()
    require(reply is not None and reply.status == 500, f"the client got {reply}")


for _name in ("str", "none-part", "none", "number"):
    REGISTRY.add(
        f"kind-{_name}",
        f"a body that is no iterable of bytes ({_name}): 500, no crash",
        "PEP 3333, Unicode issues",
        partial(check_not_bytes, kind=_name),
    )


def check_big(server: Server, parts: int, size: int, how: str, minor: int) -> None:
    reply = server.get(f"/big/{server.tag()}?{parts}-{size}-{how}", minor=minor)
    digest = hashlib.sha256()
    for number in range(parts):
        digest.update(bytes([number % 251]) * size)
    require(len(reply.body) == parts * size, f"{reply}, not {parts * size} bytes")
    require(hashlib.sha256(reply.body).digest() == digest.digest(), "the bytes differ")


for _parts, _size, _how, _minor in (
    (1, 5_000_000, "list", 1),
    (80, 65_536, "list", 1),
    (80, 65_536, "length", 1),
    (80, 65_536, "generator", 1),
    (80, 65_536, "generator", 0),
    (20_000, 10, "generator", 1),
):
    REGISTRY.add(
        f"big-{_parts}x{_size}-{_how}-1.{_minor}",
        f"{_parts} parts of {_size} bytes ({_how}) arrive intact over HTTP/1.{_minor}",
        "RFC 9112 section 6",
        partial(check_big, parts=_parts, size=_size, how=_how, minor=_minor),
    )


@row(
    "streamed",
    "what an iterable yields is on its way before it is asked for more",
    "PEP 3333, Buffering and Streaming; waitress#49",
    quick=True,
)
def streamed(server: Server) -> None:
    tag = server.tag()
    with server.connect() as connection:
        connection.request(f"/stepwise/{tag}")
        early = connection.body_so_far(6)
        in_time = not server.noted(tag, "gave-up")
        server.release(tag)
        reply = connection.reply()
    require(early[:6] == b"first," and in_time, "the first part came only with the end")
    require(reply.body == b"first,second", f"body {bytes(reply.body)!r}")


@row(
    "http10-not-chunked",
    "a reply to HTTP/1.0 is never chunked",
    "RFC 9112 section 6.1; fastwsgi",
)
def http10_not_chunked(server: Server) -> None:
    with server.connect() as connection:
        connection.request(f"/kind/{server.tag()}?generator", minor=0)
        reply = connection.reply()
        require(not reply.all("transfer-encoding"), "Transfer-Encoding to an HTTP/1.0 client")
        require(reply.body == b"abcd", f"{reply}: body {bytes(reply.body)!r}")
        require(connection.closed() or reply.framing == "length", "the end cannot be found")
