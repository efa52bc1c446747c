"""Constant load over connections that stay: every reply is compared, and no connection may end.

``Load`` runs client threads in the block that it is used for. A connection that the server closes,
a reply that asks to close, and a reply that is wrong, cut or missing are failures, which
``failures`` lists. As a command (``python -m tests.processes.load HOST:PORT SECONDS``) it loads a
server that serves ``tests.processes.loaded:application`` and prints what it counted.
"""

from __future__ import annotations

import random
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

from tests.soak.exchanges import download, exchange, upload
from tests.soak.scenarios import Actor
from tests.soak.tally import Tally
from tests.support.http import Address, Client, render

PATIENCE = 30.0
# How many clients of each kind.
CROWD = {"keep_alive": 4, "pipelines": 2, "uploads": 2, "downloads": 2, "sleepers": 4, "idlers": 8}
IDLE_SECONDS = 0.5
PIECES, PAUSE = 8, 0.005


class Load:
    """Clients of every kind in ``crowd``; ``counts`` has what they did so far."""

    def __init__(self, address: Address, crowd: dict[str, int] | None = None) -> None:
        self.address = address
        self.failures: list[str] = []
        self.tally = Tally()
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(kind, number), name=f"{kind}-{number}")
            for kind, many in (crowd or CROWD).items()
            for number in range(many)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def counts(self) -> dict[str, int]:
        return self.tally.snapshot()

    def _run(self, kind: str, number: int) -> None:
        actor = Actor(self.address, random.Random(f"{kind} {number}"), self.tally)
        round_of = ROUNDS[kind]
        client: Client | None = None
        while not self._over.is_set():
            try:
                client = client or actor.connect()
                round_of(actor, client, self._over)
            except (OSError, AssertionError) as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                self.failures.append(f"{kind}: {error!r} in {where.name}")
                client = None
                self._over.wait(0.05)
        actor.close_all()


def keep_alive(actor: Actor, client: Client, _over: threading.Event) -> None:
    one = exchange(actor.source, most=1 << 12)
    actor.send(client, one)
    actor.receive(client, one)


def pipelines(actor: Actor, client: Client, _over: threading.Event) -> None:
    several = [exchange(actor.source, 1 << 10) for _ in range(actor.source.randrange(2, 20))]
    actor.send(client, *several)
    for one in several:
        actor.receive(client, one)


def uploads(actor: Actor, client: Client, _over: threading.Event) -> None:
    one = upload(actor.source, least=1 << 16)
    actor.send(client, one)
    actor.receive(client, one)


def slow_uploads(actor: Actor, client: Client, over: threading.Event) -> None:
    """In pieces with pauses, so that many a server has to leave while it reads one."""
    one = upload(actor.source, least=1 << 16)
    size = len(one.request) // PIECES + 1
    for start in range(0, len(one.request), size):
        client.send(one.request[start : start + size])
        over.wait(PAUSE)
    actor.tally.add("requests")
    actor.receive(client, one)


def downloads(actor: Actor, client: Client, _over: threading.Event) -> None:
    one = download(actor.source, least=1 << 18)
    actor.send(client, one)
    actor.receive(client, one)


def sleepers(actor: Actor, client: Client, _over: threading.Event) -> None:
    _pid(actor, client, "/sleep/1")


def idlers(actor: Actor, client: Client, over: threading.Event) -> None:
    """A request now and then: in between the connection is idle, and has to stay."""
    _pid(actor, client, "/pid")
    over.wait(IDLE_SECONDS * (1 + actor.source.random()))


def newcomers(actor: Actor, client: Client, _over: threading.Event) -> None:
    """A connection for one request."""
    with actor.connect() as other:
        _pid(actor, other, "/pid")
    actor.opened.pop()


def _pid(actor: Actor, client: Client, target: str) -> None:
    actor.tally.add("requests")
    client.send(render(target))
    reply = client.reply()
    assert reply.status == 200, f"{reply.status} to {target}"
    assert not reply.closing, f"{target}: the server closes a good connection"
    assert reply.body.isdigit(), f"{reply.body[:200]!r} to {target}"
    actor.tally.add("replies")


ROUNDS: dict[str, Callable[[Actor, Client, threading.Event], Any]] = {
    kind.__name__: kind
    for kind in (
        *(keep_alive, pipelines, uploads, slow_uploads, downloads),
        *(sleepers, idlers, newcomers),
    )
}


def main(where: str, seconds: str) -> int:
    host, _, port = where.rpartition(":")
    began = time.monotonic()
    with Load((host, int(port))) as load:
        while time.monotonic() < began + float(seconds):
            time.sleep(0.2)
    for failure in load.failures[:20]:
        print(failure)
    print(f"{load.counts}, {len(load.failures)} failures in {time.monotonic() - began:.1f} s")
    return 1 if load.failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
