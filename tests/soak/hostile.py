"""Clients that break off, send nonsense, or vanish.

What becomes of an exchange that the client broke off itself is explained by that; what these actors
check is that nothing but a well-formed reply ever comes back, and that whatever stands behind a
refused request is never served.
"""

from __future__ import annotations

import time

from tests.support.http import Client, render

from .exchanges import download, exchange, upload
from .scenarios import SMALL_WINDOW, Actor, Scenario

PROBE = render("/upload/ignore/0/0")
# Refused whatever the rest of the connection looks like; the status where the RFC leaves no choice.
MALFORMED: tuple[tuple[bytes, int], ...] = (
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n folded\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400),
    (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    (b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", 413),
    (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\n",
        400,
    ),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 300_000 + b"\r\n\r\n", 431),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
)


def leave(actor: Actor, client: Client) -> None:
    """Closes or resets, as the dice say."""
    actor.tally.add("broken off by the client")
    if actor.source.random() < 0.5:
        client.reset()
    else:
        client.close()


def break_off_sending(actor: Actor) -> None:
    """Leaves at any offset of a request."""
    client = actor.connect()
    one = upload(actor.source) if actor.source.random() < 0.5 else exchange(actor.source)
    client.send(one.request[: actor.source.randrange(len(one.request))])
    leave(actor, client)


def break_off_reading(actor: Actor) -> None:
    """Leaves at any offset of a reply."""
    client = actor.connect(window=actor.source.choice((None, SMALL_WINDOW)))
    one = download(actor.source, least=1000)
    actor.send(client, one)
    wanted = actor.source.randrange(len(one.want))
    while wanted > 0:
        data = client.sock.recv(min(wanted, 65536))
        assert data, "the reply ended early"
        wanted -= len(data)
    leave(actor, client)


def leave_queued(actor: Actor) -> None:
    """Leaves behind requests that nobody waits for any more."""
    for _ in range(actor.source.randrange(1, 10)):
        client = actor.connect()
        actor.send(client, *(exchange(actor.source, 1 << 12) for _ in range(3)))
        leave(actor, client)


def connect_and_reset(actor: Actor) -> None:
    """Many connections that never say a word."""
    for _ in range(actor.source.randrange(1, 50)):
        actor.tally.add("broken off by the client")
        actor.connect().reset()


def half_a_request(actor: Actor) -> None:
    """Closes its sending side inside a request: the connection ends, the rest is not made up."""
    client = actor.connect()
    one = upload(actor.source, least=100, most=1 << 15)
    client.send(one.request[: actor.source.randrange(1, len(one.request) - 5)])
    client.half_close()
    left = client.expect_cut()
    assert b" 200 " not in left[:20], f"half of {one.shown} was served: {left[:100]!r}"
    actor.tally.add("broken off by the client")


def malformed(actor: Actor) -> None:
    """A refusal with its status, a closed connection, and nothing behind it served."""
    client = actor.connect()
    good = [exchange(actor.source, 1 << 10) for _ in range(actor.source.randrange(3))]
    bad, status = actor.source.choice(MALFORMED)
    actor.tally.add("requests", len(good) + 1)
    client.send(b"".join(one.request for one in good) + bad + PROBE)
    for one in good:
        actor.receive(client, one)
    reply = client.reply()
    assert reply.status == status, f"{reply.status} to {bad[:80]!r}"
    assert reply.closing
    client.expect_closed()
    actor.tally.add("refused")


def damaged(actor: Actor) -> None:
    """A request with a few bytes changed: any well-formed replies, then the end."""
    client = actor.connect()
    data = bytearray(upload(actor.source, most=1 << 12).request)
    for _ in range(actor.source.randrange(1, 5)):
        data[actor.source.randrange(len(data))] = actor.source.randrange(256)
    actor.tally.add("requests")
    client.send(bytes(data))
    client.half_close()
    method = bytes(data).partition(b" ")[0].decode("latin-1")
    client.buffer = client.rest()
    while client.buffer:
        reply = client.reply(method)
        actor.tally.add("refused" if reply.status >= 400 else "replies")


def noise(actor: Actor) -> None:
    """Random bytes."""
    client = actor.connect()
    client.send(actor.source.randbytes(actor.source.randrange(1, 5000)))
    client.half_close()
    client.buffer = client.rest()
    if client.buffer:  # what may be half a request is not answered
        assert client.reply().status >= 400
        actor.tally.add("refused")
    client.expect_closed()


def silent_reader(actor: Actor) -> None:
    """Asks for more than fits anywhere, reads nothing for a while, and leaves."""
    client = actor.connect(window=SMALL_WINDOW)
    actor.send(client, download(actor.source, least=1 << 20))
    time.sleep(actor.source.random())
    leave(actor, client)


SCENARIOS: tuple[tuple[Scenario, int], ...] = (
    (break_off_sending, 8),
    (break_off_reading, 8),
    (leave_queued, 4),
    (connect_and_reset, 2),
    (half_a_request, 4),
    (malformed, 8),
    (damaged, 5),
    (noise, 3),
    (silent_reader, 2),
)
