"""Clients that vanish: before, during and after their request."""

from __future__ import annotations

import threading
import time

from tests.conformance.model import Registry, require
from tests.conformance.process import Server
from tests.conformance.rows.clients import answers

REGISTRY = Registry("clients")
row = REGISTRY.row
# What a connection has sent when it is reset.
SENT = {
    "nothing": b"",
    "half-head": b"GET /seen/x HTTP/1.1\r\nHost: co",
    "half-body": b"POST /seen/x HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nten bytes!",
    "half-chunk": b"POST /seen/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
    "request": b"GET /seen/x HTTP/1.1\r\nHost: h\r\n\r\n",
    "large-request": b"GET /big/x?64-65536-generator HTTP/1.1\r\nHost: h\r\n\r\n",
    "pipeline": b"GET /seen/x HTTP/1.1\r\nHost: h\r\n\r\n" * 5,
}


def check_vanish(server: Server, sent: bytes, count: int) -> None:
    """Up to ``count`` connections are reset having sent this; every worker must be there after.

    Fewer if the server takes them slowly: what is asked is that it survives them.
    """
    deadline = time.monotonic() + 2 * server.patience
    for _ in range(count):
        if time.monotonic() > deadline:
            break
        connection = server.connect()
        connection.send(sent)
        connection.vanish()
    # One request for each worker, all at once: a worker lost to one of the departed is missed.
    with_workers(server)
    answers(server, f"{count} clients gone")


def with_workers(server: Server) -> None:
    """As many requests at once as there are workers, each of which holds its worker."""
    tags = [server.tag() for _ in range(server.launcher.threads)]
    opened = [server.connect() for _ in tags]
    try:
        for tag, connection in zip(tags, opened):
            connection.request(f"/block/{tag}")
        blocked = [bool(server.wait_for(tag, "blocked")) for tag in tags]
        for tag in tags:
            server.release(tag)
        for connection in opened:
            connection.reply()
        require(all(blocked), f"{blocked.count(False)} of {len(tags)} workers are gone")
    finally:
        for tag, connection in zip(tags, opened):
            server.release(tag)
            connection.socket.close()


for _name, _sent in SENT.items():
    REGISTRY.add(
        f"vanish-{_name}",
        f"clients reset the connection having sent: {_name.replace('-', ' ')}",
        "waitress CVE-2022-31015, CVE-2024-49769; waitress#418",
        lambda server, sent=_sent: check_vanish(server, sent, 40),  # type: ignore[misc]
        quick=_name == "half-body",
    )


@row(
    "connect-and-reset",
    "five hundred connections opened and reset at once",
    "waitress CVE-2024-49769",
)
def connect_and_reset(server: Server) -> None:
    check_vanish(server, b"", 500)


@row(
    "vanish-mid-reply",
    "a client that leaves while its reply is made frees the worker",
    "waitress#308",
)
def vanish_mid_reply(server: Server) -> None:
    for _ in range(server.launcher.threads + 1):
        with server.connect(receive_buffer=8192) as connection:
            connection.request(f"/endless/{server.tag()}")
            connection.body_so_far(50_000)
            connection.vanish()
    with_workers(server)


@row(
    "abandoned-unserved",
    "requests of clients that left while they waited for a worker are not run",
    "waitress#308, waitress#310",
    quick=True,
)
def abandoned_unserved(server: Server) -> None:
    busy = [server.tag() for _ in range(server.launcher.threads)]
    left = [server.tag() for _ in range(6)]
    opened = [server.connect() for _ in busy]
    try:
        for tag, connection in zip(busy, opened):
            connection.request(f"/block/{tag}")
        for tag in busy:
            require(server.wait_for(tag, "blocked"), "not every worker took up a request")
        waiting = [server.connect() for _ in left]
        for tag, connection in zip(left, waiting):
            connection.request(f"/seen/{tag}")
        # No event tells that the server has read the requests, or seen the resets: it gets a
        # moment for each.
        pause = threading.Event()
        pause.wait(0.1)
        for connection in waiting:
            connection.vanish()
        pause.wait(0.1)
    finally:
        for tag, connection in zip(busy, opened):
            server.release(tag)
            connection.reply_or_none()
            connection.socket.close()
    with_workers(server)  # whatever was queued before these has been run or dropped
    ran = [tag for tag in left if server.noted(tag, "call")]
    require(not ran, f"{len(ran)} of {len(left)} were run for nobody")
