"""Exceptions at every moment, and ``close()`` exactly once in every exit."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from tests.conformance.app.faults import EXCEPTIONS, SECRET
from tests.conformance.model import Failed, Registry, require
from tests.conformance.process import Server

REGISTRY = Registry("errors")
row = REGISTRY.row
PEP = "PEP 3333, Error Handling"

_EARLY = {
    "before": "before start_response",
    "after": "after start_response",
    "first": "in the first next()",
    "empty": "after an empty part",
}
_LATE = {
    "write": "after a write()",
    "later": "in the second next()",
    "sized": "in the second next(), with half of Content-Length sent",
}


def check_early(server: Server, moment: str, kind: str) -> None:
    """Nothing was sent: the client gets a whole 500, without the application's text."""
    with server.connect() as connection:
        connection.request(f"/raise/{server.tag()}?{moment}-{kind}")
        reply = connection.reply()
    require(reply.status == 500, f"the client got {reply}")
    require(SECRET.encode() not in reply.body, "the exception's text was sent to the client")
    require(server.get(f"/seen/{server.tag()}").status == 200, "the next request failed")


def check_late(server: Server, moment: str, minor: int) -> None:
    """Bytes were sent: the reply is cut short, visibly, and nothing else is written into it."""
    with server.connect() as connection:
        connection.request(f"/raise/{server.tag()}?{moment}", minor=minor)
        reply = connection.reply_or_none()
        require(connection.closed(), "the connection was kept")
    if reply is not None and reply.status == 500:
        require(reply.complete, f"{reply}")  # the server still held the first bytes back
        return
    if reply is None:
        raise Failed("no reply")
    require(reply.status == 200, f"the client got {reply}")
    require(reply.body in (b"", b"x" * 10), f"body {bytes(reply.body[:60])!r}")
    if reply.framing != "close":
        require(not reply.complete, f"the client takes it for a whole reply: {reply}")
    require(server.get(f"/seen/{server.tag()}").status == 200, "the next request failed")


for _moment, _words in _EARLY.items():
    for _kind in EXCEPTIONS:
        REGISTRY.add(
            f"early-{_moment}-{_kind}",
            f"{_kind} {_words}: a whole 500, and the server lives on",
            f"{PEP}; uWSGI",
            partial(check_early, moment=_moment, kind=_kind),
            quick=_kind == "ValueError",
        )
for _moment, _words in _LATE.items():
    for _minor in (0, 1):
        REGISTRY.add(
            f"late-{_moment}-1.{_minor}",
            f"an exception {_words} over HTTP/1.{_minor}: the reply ends short, and visibly so",
            f"{PEP}; RFC 9112 section 8; granian, pyruvate",
            partial(check_late, moment=_moment, minor=_minor),
            quick=_minor == 1,
        )


def closes(server: Server, tag: str) -> int:
    """How often close() was called, once it has been; a late second call is waited for too."""
    server.wait_for(tag, "close")
    server.ping()
    return len(server.noted(tag, "close"))


def check_close(server: Server, target: str, method: str) -> None:
    tag = server.tag()
    with server.connect() as connection:
        connection.request(target.replace("TAG", tag), method=method)
        with suppress(Failed):  # what the reply looks like is the business of other rows
            connection.reply_or_none()
    count = closes(server, tag)
    require(count == 1, f"close() was called {count} times")


for _name, _target, _method, _says in (
    ("done", "/close/TAG?200", "GET", "a reply that went well"),
    ("head", "/close/TAG?200", "HEAD", "HEAD"),
    ("204", "/close/TAG?204", "GET", "a 204"),
    ("304", "/close/TAG?304", "GET", "a 304"),
    ("error-first", "/raise/TAG?first", "GET", "an exception in the first next()"),
    ("error-later", "/raise/TAG?later", "GET", "an exception in a later next()"),
    ("never-started", "/close-unstarted/TAG", "GET", "start_response was never called"),
    ("raises", "/close/TAG?raises", "GET", "a close() that itself raises"),
):
    REGISTRY.add(
        f"close-{_name}",
        f"close() is called exactly once: {_says}",
        "PEP 3333, Specification Details; pyruvate",
        partial(check_close, target=_target, method=_method),
        quick=_name in ("done", "error-later"),
    )


@row(
    "close-client-gone",
    "close() is called exactly once when the client leaves in the middle of the reply",
    "PEP 3333, Specification Details",
    quick=True,
)
def close_client_gone(server: Server) -> None:
    tag = server.tag()
    with server.connect() as connection:
        connection.request(f"/endless/{tag}")
        connection.body_so_far(100_000)
        connection.vanish()
    count = closes(server, tag)
    require(count == 1, f"close() was called {count} times")


@row(
    "close-same-thread",
    "close() is called by the thread that ran the application: its connections live there",
    "granian#306; netbox-proxbox#662",
)
def close_same_thread(server: Server) -> None:
    for target in ("/close/{}?200", "/raise/{}?later"):
        tag = server.tag()
        with server.connect() as connection:
            connection.request(target.format(tag))
            connection.reply_or_none()
        closed = server.wait_for(tag, "close")
        called = server.noted(tag, "call")
        require(closed and called, "close() was never called")
        require(closed[0]["thread"] == called[0]["thread"], "another thread called close()")
