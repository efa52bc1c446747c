"""``start_response``, the ``write`` callable it returns, and ``exc_info``."""

from __future__ import annotations

from tests.conformance.app.responses import BAD_STARTS
from tests.conformance.model import Failed, Registry, require
from tests.conformance.process import Server

REGISTRY = Registry("start_response")
row = REGISTRY.row
PEP = "PEP 3333, The start_response() Callable"


@row("late", "it may be called as late as the first next() of the iterable", PEP, quick=True)
def late(server: Server) -> None:
    reply = server.get(f"/late-start/{server.tag()}")
    require((reply.status, bytes(reply.body)) == (201, b"late"), f"{reply}")


@row("never", "an application that never calls it gets the client a 500", PEP)
def never(server: Server) -> None:
    reply = server.get(f"/never-start/{server.tag()}")
    require(reply.status == 500, f"{reply}")


@row("twice", "a second call without exc_info is an error", f"{PEP}; granian, uWSGI, fastwsgi")
def twice(server: Server) -> None:
    tag = server.tag()
    with server.connect() as connection:
        connection.request(f"/start-twice/{tag}")
        reply = connection.reply_or_none()
    require(server.noted(tag, "raised"), "the second call was accepted")
    require(reply is not None and reply.status == 500, f"the client got {reply}")


@row(
    "replace",
    "exc_info before any byte was sent replaces status and headers",
    f"{PEP}; gunicorn, cheroot",
    quick=True,
)
def replace(server: Server) -> None:
    reply = server.get(f"/replace/{server.tag()}")
    require(reply.status == 503 and reply.reason == "Replaced", f"{reply} {reply.reason!r}")
    require(not reply.all("x-first"), "headers of the first call were sent too")
    require(reply.all("x-second") == ["1"], f"X-Second: {reply.all('x-second')}")
    require(reply.body == b"replaced", f"body {bytes(reply.body)!r}")


@row(
    "replace-late",
    "exc_info after bytes were sent is raised again, and the reply is cut short",
    f"{PEP}",
)
def replace_late(server: Server) -> None:
    tag = server.tag()
    with server.connect() as connection:
        connection.request(f"/replace-late/{tag}")
        reply = connection.reply_or_none()
        closed = connection.closed()
    require(server.noted(tag, "reraised"), "start_response accepted it")
    require(reply is None or reply.status == 200, f"the client got {reply}")
    require(closed, "the connection was kept")
    if reply is not None and reply.framing != "close":
        require(not reply.complete, f"the client takes it for a whole reply: {reply}")


@row("write", "bytes given to write() precede those of the iterable", f"{PEP}; granian", quick=True)
def write(server: Server) -> None:
    reply = server.get(f"/write/{server.tag()}")
    require(reply.body == b"one,two,three", f"{reply}: {bytes(reply.body)!r}")


@row("write-only", "a reply may consist of write() alone", PEP)
def write_only(server: Server) -> None:
    reply = server.get(f"/write-only/{server.tag()}")
    require(reply.body == b"written", f"{reply}: {bytes(reply.body)!r}")


@row(
    "write-at-once",
    "what is given to write() is on its way before write() returns",
    "PEP 3333, The write() Callable",
)
def write_at_once(server: Server) -> None:
    tag = server.tag()
    with server.connect() as connection:
        connection.request(f"/stepwise-write/{tag}")
        early = connection.body_so_far(6)
        in_time = not server.noted(tag, "gave-up")
        server.release(tag)
        reply = connection.reply()
    require(early[:6] == b"first," and in_time, "the first part came only with the end")
    require(reply.body == b"first,second", f"body {bytes(reply.body)!r}")


@row("reason", "the reason phrase is sent as given", "PEP 3333; granian, fastwsgi")
def reason(server: Server) -> None:
    reply = server.get(f"/reason/{server.tag()}")
    require(
        (reply.status, reply.reason) == (299, "Odd But Fine"), f"{reply.status} {reply.reason!r}"
    )


def check_bad_start(server: Server, case: str) -> None:
    """An error of the application: the client gets a 500, and nothing of it on the wire."""
    with server.connect() as connection:
        connection.request(f"/bad-start/{server.tag()}?{case}")
        reply = connection.reply_or_none()
        connection.closed() if reply is None else None
    if reply is None:
        raise Failed("no reply")
    require(not reply.all("x-injected"), "the injected header is on the wire")
    require(reply.status == 500, f"the client got {reply}")


for _case in BAD_STARTS:
    if not _case.endswith(("-crlf", "-cr", "-lf", "-nul", "-end")):
        REGISTRY.add(
            f"bad-{_case}",
            f"a wrong call ({_case.replace('-', ': ', 1)}) is a 500, not a crash and not a reply",
            "PEP 3333; granian CVE-2026-42545",
            lambda server, case=_case: check_bad_start(server, case),  # type: ignore[misc]
        )
