"""What an actor does over one connection: well-behaved clients, and slow ones.

A scenario gets the actor and returns when its connection is done with; any exception that leaves it
is an unexplained error.
"""

from __future__ import annotations

import random
import socket
import time
from dataclasses import dataclass, field
from typing import Callable

from tests.support.http import Address, Client, render

from .bodies import body, difference
from .exchanges import Exchange, download, exchange, size, upload
from .tally import Tally

PATIENCE = 60.0
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
SMALL_WINDOW = 8192


@dataclass
class Actor:
    """One client of the crowd: its address book, its dice and its count."""

    address: Address
    source: random.Random
    tally: Tally
    opened: list[Client] = field(default_factory=list)

    def connect(self, window: int | None = None) -> Client:
        self.opened.append(Client(self.address, PATIENCE, window))
        self.tally.add("connections")
        return self.opened[-1]

    def close_all(self) -> None:
        while self.opened:
            self.opened.pop().close()

    def send(self, client: Client, *exchanges: Exchange) -> None:
        """Sends requests in one go or in random cuts."""
        data = b"".join(one.request for one in exchanges)
        self.tally.add("requests", len(exchanges))
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(self.source.choice((0, 0, 0, 1, 3, 8))):
            at = self.source.randrange(len(data)) if data else 0
            client.send(data[:at])
            data = data[at:]
        client.send(data)

    def receive(self, client: Client, one: Exchange) -> None:
        reply = one.read(client)
        self.tally.add("replies")
        self.tally.add("bytes", len(reply.body))


Scenario = Callable[[Actor], None]


def keep_alive(actor: Actor) -> None:
    """Several exchanges in turn over one connection."""
    client = actor.connect()
    for _ in range(actor.source.randrange(1, 20)):
        one = exchange(actor.source, most=1 << 17)
        actor.send(client, one)
        actor.receive(client, one)


def pipeline(actor: Actor) -> None:
    """Many requests without waiting for a reply; the replies come in order."""
    client = actor.connect()
    for _ in range(actor.source.randrange(1, 4)):
        several = [exchange(actor.source, 1 << 13) for _ in range(actor.source.randrange(2, 30))]
        actor.send(client, *several)
        for one in several:
            actor.receive(client, one)


def large(actor: Actor) -> None:
    """One large body either way: through temporary files on both sides."""
    client = actor.connect()
    make = actor.source.choice((download, upload))
    one = make(actor.source, least=1 << 16)
    actor.send(client, one)
    actor.receive(client, one)


def slow_reader(actor: Actor) -> None:
    """Reads a large reply in small pieces with pauses, then the rest."""
    client = actor.connect(window=SMALL_WINDOW)
    one = download(actor.source, least=1 << 18, most=1 << 21)
    actor.send(client, one)
    for _ in range(actor.source.randrange(10, 60)):
        client.buffer += client.sock.recv(actor.source.randrange(1, 8192))
        time.sleep(actor.source.random() * 0.02)
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    actor.receive(client, one)


def slow_writer(actor: Actor) -> None:
    """Sends a request in small pieces with pauses."""
    client = actor.connect()
    one = exchange(actor.source, most=1 << 14)
    actor.tally.add("requests")
    data, pieces = one.request, actor.source.randrange(5, 40)
    for _ in range(pieces):
        step = actor.source.randrange(1, max(2, 2 * len(one.request) // pieces))
        client.send(data[:step])
        data = data[step:]
        time.sleep(actor.source.random() * 0.02)
    client.send(data)
    actor.receive(client, one)


def old_protocol(actor: Actor) -> None:
    """HTTP/1.0: the end of the connection may be the end of the body."""
    client = actor.connect()
    key, length = actor.source.randrange(1 << 30), size(actor.source)
    kind = actor.source.choice(("one", "list", "generator", "write", "memory"))
    actor.tally.add("requests")
    client.request(f"/download/{kind}/{key}/{length}", version="1.0")
    reply = client.reply()
    assert reply.status == 200
    assert reply.framing in ("length", "close"), f"{reply.framing} to HTTP/1.0"
    wrong = difference(reply.body, body(key, length))
    assert not wrong, f"HTTP/1.0 {kind}: {wrong}"
    actor.tally.add("replies")
    client.expect_closed()


def expecting(actor: Actor) -> None:
    """Waits for ``100 Continue`` before it sends the body."""
    client = actor.connect()
    key, length = actor.source.randrange(1 << 30), 1 + size(actor.source, 1 << 17)
    headers = [("Expect", "100-continue"), ("Content-Length", str(length))]
    actor.tally.add("requests")
    client.send(render(f"/echo/{key}/{length}", "POST", headers))
    assert client.receive(len(CONTINUE)) == CONTINUE
    client.send(body(key, length))
    reply = client.reply("POST")
    wrong = difference(reply.body, body(key, length))
    assert not wrong, f"after 100 Continue: {wrong}"
    actor.tally.add("replies")


def half_closed(actor: Actor) -> None:
    """Says that it will send nothing more, and still gets every reply whole."""
    client = actor.connect()
    several = [exchange(actor.source, 1 << 16) for _ in range(actor.source.randrange(1, 6))]
    actor.send(client, *several)
    client.half_close()
    for one in several:
        actor.receive(client, one)
    client.expect_closed()


def failing(actor: Actor) -> None:
    """The application raises before it answers: 500, and the connection ends."""
    client = actor.connect()
    good = [exchange(actor.source, 1 << 10) for _ in range(actor.source.randrange(4))]
    actor.send(client, *good)
    actor.tally.add("requests")
    client.request("/fail/call")
    for one in good:
        actor.receive(client, one)
    reply = client.reply()
    assert reply.status == 500
    client.expect_closed()
    actor.tally.add("failed by the application")


def failing_midway(actor: Actor) -> None:
    """The application raises inside its reply: the client can tell that the end is missing."""
    client = actor.connect()
    actor.tally.add("requests")
    client.request("/fail/middle")
    head = client.head()
    assert head.status == 200
    assert head.framing == "chunked"
    assert not client.expect_cut().endswith(b"0\r\n\r\n"), "a broken reply looks complete"
    actor.tally.add("failed by the application")


def idle(actor: Actor) -> None:
    """A connection that stays open unused for a while, and then serves."""
    client = actor.connect()
    time.sleep(actor.source.random() * 0.5)
    one = exchange(actor.source, most=1 << 12)
    actor.send(client, one)
    actor.receive(client, one)


SCENARIOS: tuple[tuple[Scenario, int], ...] = (
    (keep_alive, 20),
    (pipeline, 10),
    (large, 10),
    (slow_reader, 6),
    (slow_writer, 6),
    (old_protocol, 4),
    (expecting, 4),
    (half_closed, 5),
    (failing, 2),
    (failing_midway, 2),
    (idle, 4),
)
