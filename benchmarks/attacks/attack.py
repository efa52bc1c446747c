"""What every attack is made of: where it takes place, its clients, and its row in the table.

An attack is set up, run and stopped, in this order and once, in the attackers' process. It ends
when its time is over, when it has sent what it may, or when its count is reached, whichever comes
first.
"""

from __future__ import annotations

import abc
import collections
import selectors
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks.attacks.wire import Client

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Mapping

MOST_BYTES = 2 << 30
"""What all clients of an attack may send together."""
GLANCE_SECONDS = 0.05
EVERY_PROBE = ("health", "view", "admin", "visit")


@dataclass(frozen=True)
class Ground:
    """The server under attack and what the attack may use."""

    port: int
    admin: int
    end: float
    """The monotonic clock at which the attack stops."""
    scale: float = 1.0
    """A share of the full counts, for trying things."""

    def over(self) -> bool:
        return time.monotonic() >= self.end

    def left(self) -> float:
        """Seconds until the end."""
        return max(0.0, self.end - time.monotonic())

    def count(self, full: int) -> int:
        return max(1, round(full * self.scale))


class Attack(abc.ABC):
    """One attack on one server."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.clients: list[Client] = []
        self.tally: collections.Counter[str] = collections.Counter()

    @abc.abstractmethod
    def set_up(self) -> None:
        """Open the connections."""

    @abc.abstractmethod
    def run(self) -> None:
        """Attack until the ground's end, or until the count is reached."""

    def stop(self) -> None:
        """Close everything."""
        for client in self.clients:
            client.close()

    def enlist(
        self,
        plans: Iterable[Iterable[bytes]],
        *,
        reads: bool = True,
        port: int | None = None,
        window: int | None = None,
    ) -> None:
        """Connect a client per plan; whoever is refused is counted and left out."""
        for plan in plans:
            if self.ground.over():
                break
            try:
                client = Client(port or self.ground.port, iter(plan), reads=reads, window=window)
            except OSError:
                self.tally["refused"] += 1
            else:
                self.clients.append(client)
        self.tally["connections"] = len(self.clients)

    def drive(
        self,
        done: Callable[[Client], bool] = lambda client: False,
        seconds: float | None = None,
    ) -> None:
        """Let all clients send and read whenever they can, until each is done or the time is over.

        A client that neither reads nor has anything left to send stays open and is done.
        """
        end = self.ground.end
        if seconds is not None:
            end = min(end, time.monotonic() + seconds)
        with selectors.DefaultSelector() as selector:
            for client in self.clients:
                if client.events() and not done(client):
                    selector.register(client.connection, client.events(), client)
            while selector.get_map() and time.monotonic() < end:
                for key, events in selector.select(GLANCE_SECONDS):
                    self._turn(selector, key.data, events, done)

    def _turn(
        self,
        selector: selectors.BaseSelector,
        client: Client,
        events: int,
        done: Callable[[Client], bool],
    ) -> None:
        before = client.events()
        try:
            if events & selectors.EVENT_READ:
                replies = client.replies
                self.tally["bytes read"] += client.receive()
                self.tally["replies"] += client.replies - replies
            if events & selectors.EVENT_WRITE:
                self.tally["bytes sent"] += client.send()
        except OSError:
            self.tally["cut by the server"] += 1
            selector.unregister(client.connection)
            client.close()
            return
        if self.tally["bytes sent"] >= MOST_BYTES:
            client.silence()
        after = client.events()
        if not after or done(client):
            selector.unregister(client.connection)
        elif after != before:
            selector.modify(client.connection, after, client)

    def each_second(
        self, connections: list[socket.socket], act: Callable[[socket.socket], int]
    ) -> None:
        """One action per connection and second, evenly spread, until the time is over.

        `act` says how many bytes it sent or read; whichever it is, it makes an end at an `OSError`.
        """
        standing = collections.deque(connections)
        pause = 1.0 / max(1, len(standing))
        due = time.monotonic()
        while standing and not self.ground.over():
            due += pause
            time.sleep(min(max(0.0, due - time.monotonic()), self.ground.left()))
            connection = standing.popleft()
            try:
                self.tally["single bytes"] += act(connection)
            except BlockingIOError:
                standing.append(connection)
            except OSError:
                self.tally["cut by the server"] += 1
            else:
                standing.append(connection)


@dataclass(frozen=True)
class Row:
    """An attack in one strength, and the server that it meets."""

    name: str
    title: str
    make: Callable[[Ground], Attack]
    settings: Mapping[str, str] = field(default_factory=dict)
    """Flags of headwaiter beyond those of every row; `{directory}` is an empty directory."""
    probes: tuple[str, ...] = EVERY_PROBE
    """Whom the watchdog can ask: not a view where every worker is stuck."""
    files: int | None = None
    """The server's descriptor limit."""
    address_space: int | None = None
    """The server's limit of address space, in bytes."""
    stretch: float = 1.0
    """How much longer than others it takes."""
    ours: bool = False
    """Whether it is about something that only headwaiter has."""
