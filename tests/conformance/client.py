"""Sockets for the rows: one blocking connection, and many at once.

:class:`Connection` is for rows that talk step by step. :func:`exchange_all` sends many prepared
byte sequences over many connections at once and is what makes "cut at every byte" affordable.
Both set ``TCP_NODELAY``: what is sent in two pieces leaves in two segments.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from types import TracebackType

from tests.conformance.model import Failed
from tests.conformance.replies import Reply, ReplyParser

RECEIVE = 1 << 16


class Connection:
    """A blocking connection whose every wait is bounded by ``patience`` seconds."""

    def __init__(self, port: int, patience: float, *, receive_buffer: int | None = None) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(patience)
        self.patience = patience
        if receive_buffer is not None:  # before connect: it bounds the window that is offered
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError:
            self.socket.close()
            raise
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.parser = ReplyParser()
        self._taken = 0

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Sends all of ``data``; a server that has already closed is not an error here."""
        with suppress(ConnectionError):
            self.socket.sendall(data)

    def request(
        self, target: str, *fields: str, method: str = "GET", minor: int = 1, body: bytes = b""
    ) -> None:
        """Sends one well-formed request, with a Content-Length if it has a body."""
        lines = [f"{method} {target} HTTP/1.{minor}", "Host: conformance", *fields]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.expect(method)
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def expect(self, method: str) -> None:
        """The next reply answers a request of this method."""
        self.parser.methods.append(method)

    def reply(self) -> Reply:
        """The next reply, complete; fails the row if it does not come or is cut short."""
        reply = self.reply_or_none()
        if reply is None:
            if self.parser.finished:
                raise Failed(f"connection closed without a reply, got {self.parser.leftover!r}")
            raise Failed(f"no reply within {self.patience:g} s")
        if not reply.complete:
            how = "cut short" if self.parser.finished else "not finished in time"
            raise Failed(f"reply {how}: {reply}")
        return reply

    def reply_or_none(self) -> Reply | None:
        """The next reply as far as it came; None if not even its head did."""
        deadline = time.monotonic() + self.patience
        while len(self.parser.replies) <= self._taken or not self.parser.replies[-1].complete:
            if not self._receive(deadline):
                break
        if len(self.parser.replies) <= self._taken:
            return None
        self._taken += 1
        return self.parser.replies[self._taken - 1]

    def body_so_far(self, length: int) -> bytes:
        """Waits until ``length`` body bytes of the newest reply are here; returns what is."""
        deadline = time.monotonic() + self.patience
        while not self.parser.replies or len(self.parser.replies[-1].body) < length:
            if not self._receive(deadline):
                break
        return bytes(self.parser.replies[-1].body) if self.parser.replies else b""

    def wait_interim(self) -> Reply | None:
        """The first 1xx reply, or None if something else came first or nothing did."""
        deadline = time.monotonic() + self.patience
        while not self.parser.interim and not self.parser.replies:
            if not self._receive(deadline):
                break
        return self.parser.interim[0] if self.parser.interim else None

    def closed(self) -> bool:
        """The server ends the connection within ``patience``; later replies are parsed too."""
        deadline = time.monotonic() + self.patience
        while not self.parser.finished:
            if not self._receive(deadline):
                break
        return self.parser.finished

    def half_close(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def vanish(self) -> None:
        """Resets the connection."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _receive(self, deadline: float) -> bool:
        """Reads once; false at end of stream or when time is up."""
        left = deadline - time.monotonic()
        if left <= 0 or self.parser.finished:
            return False
        self.socket.settimeout(left)
        try:
            data = self.socket.recv(RECEIVE)
        except socket.timeout:
            return False
        except ConnectionError:
            data = b""
        finally:
            self.socket.settimeout(self.patience)
        if data:
            self.parser.feed(data)
            return True
        self.parser.finish()
        return False


def ask(port: int, request: bytes, patience: float) -> Reply | None:
    """Sends ``request`` on its own connection; the reply, if a whole one came."""
    with Connection(port, patience) as connection:
        connection.send(request)
        reply = connection.reply_or_none()
    return reply if reply is not None and reply.complete else None


class Exchange:
    """One connection of :func:`exchange_all`: the pieces to send, and what came back."""

    stream: socket.socket  # from open() on

    def __init__(
        self, pieces: Sequence[bytes], *, then: bytes = b"", half_close: bool = False
    ) -> None:
        self.pieces = pieces
        self.then = then  # sent behind the first reply, if the connection goes on
        self.half_close = half_close
        self.parser = ReplyParser()
        self.closed = False
        self.problem: str | None = None  # a malformed reply

    def open(self, port: int) -> None:
        self.stream = socket.socket()
        self.stream.settimeout(2.0)
        self.stream.connect(("127.0.0.1", port))
        self.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, piece: bytes) -> None:
        with suppress(ConnectionError, socket.timeout):
            self.stream.sendall(piece)

    def finish_sending(self) -> None:
        if self.half_close:
            with suppress(OSError):
                self.stream.shutdown(socket.SHUT_WR)

    def receive(self) -> None:
        try:
            data = self.stream.recv(RECEIVE)
        except (ConnectionError, socket.timeout):
            data = b""
        try:
            if data:
                self.parser.feed(data)
                self._go_on()
            else:
                self.closed = True
                self.parser.finish()
        except Failed as failure:
            self.problem = str(failure)

    def _go_on(self) -> None:
        """After a whole reply: closes the sending side if it was the last, or else sends ``then``.

        Closing is what clients do, and a server may wait for it (RFC 9112 section 9.6). Whatever
        was to be pipelined has been sent by now: a server that read on would have read it.
        """
        replies = self.parser.replies
        if not replies or not replies[-1].complete:
            return
        if replies[-1].announces_close:
            self.then = b""
            with suppress(OSError):
                self.stream.shutdown(socket.SHUT_WR)
        elif self.then:
            self.send(self.then)
            self.then = b""

    def summary(self) -> str:
        """What came back, for messages."""
        replies = ", then ".join(str(reply) for reply in self.parser.replies) or "no reply"
        return f"{replies}, connection {'closed' if self.closed else 'left open'}"


def exchange_all(
    port: int,
    exchanges: Iterable[Exchange],
    *,
    parallel: int,
    patience: float,
    done: Callable[[Exchange], bool],
    between: Callable[[], object],
) -> None:
    """Runs exchanges, ``parallel`` at a time, until each is closed, ``done`` or out of patience.

    ``between`` is called between two rounds of pieces: a round trip on another connection, so that
    the server has most likely read one piece before the next is sent. No sleep could promise more.
    """
    waiting = list(exchanges)
    while waiting:
        batch, waiting = waiting[:parallel], waiting[parallel:]
        opened: list[Exchange] = []
        try:
            for exchange in batch:
                opened.append(exchange)
                exchange.open(port)
            for turn in range(max(len(exchange.pieces) for exchange in batch)):
                if turn:
                    between()
                for exchange in batch:
                    if turn < len(exchange.pieces):
                        exchange.send(exchange.pieces[turn])
            for exchange in batch:
                exchange.finish_sending()
            _collect(batch, patience, done)
        finally:
            for exchange in opened:
                exchange.stream.close()


def _collect(batch: Sequence[Exchange], patience: float, done: Callable[[Exchange], bool]) -> None:
    with selectors.DefaultSelector() as selector:
        for exchange in batch:
            selector.register(exchange.stream, selectors.EVENT_READ, exchange)
        deadline = time.monotonic() + patience
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                exchange = key.data
                exchange.receive()
                if exchange.closed or exchange.problem or done(exchange):
                    selector.unregister(exchange.stream)
