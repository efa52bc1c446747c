"""The Unix socket of ``headwaiter ctl``: one line of JSON asks, one line answers.

Rules: only the owner connects (mode 0600); no client makes the parent wait, and what a client may
send is bounded; an answer may come later, such as the result of a reload.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import socket
import stat
from typing import Any, Callable

MOST_CLIENTS = 16
LONGEST_REQUEST = 4096
LONGEST_ANSWER = 32768


class ControlError(RuntimeError):
    """The socket cannot be made; the message says why."""


class Client:
    """A connection that asks one thing."""

    def __init__(self, sock: socket.socket, close: Callable[[Client], None]) -> None:
        self.socket = sock
        self._close = close
        self.received = b""
        self.awaits = ""
        """The request whose answer comes later."""

    def answer(self, status: int, text: str) -> None:
        """Answer and close. ``status`` is the exit status of ``headwaiter ctl``."""
        line = json.dumps({"status": status, "text": text[-LONGEST_ANSWER:]}).encode() + b"\n"
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, len(line) * 2)
            self.socket.send(line)
        self._close(self)


class ControlSocket:
    """The listening socket and its clients; ``ask`` gets each request."""

    def __init__(
        self,
        path: str,
        selector: selectors.BaseSelector,
        ask: Callable[[Client, dict[str, Any]], None],
        adopted: dict[str, Any] | None = None,
    ) -> None:
        self.path = path
        self._selector = selector
        self._ask = ask
        self._clients: set[Client] = set()
        if adopted is None:
            self._socket = bound(path)
            self._inode = os.stat(path).st_ino
        else:
            self._socket, self._inode = _adopted(adopted["socket"]), adopted["inode"]
            for written in adopted["clients"]:
                client = self._add(_adopted(written["socket"]))
                client.received, client.awaits = written["received"].encode(), written["awaits"]
        self._spare = os.dup(self._socket.fileno())
        selector.register(self._socket, selectors.EVENT_READ, self._accept)

    def state(self, keep: Callable[[int], int]) -> dict[str, Any]:
        """The socket and its clients, for JSON. ``keep`` is called with descriptors."""
        return {
            "path": self.path,
            "socket": keep(self._socket.fileno()),
            "inode": self._inode,
            "clients": [
                {
                    "socket": keep(client.socket.fileno()),
                    "received": client.received.decode("utf-8", "replace"),
                    "awaits": client.awaits,
                }
                for client in self._clients
            ],
        }

    def answer(self, awaits: str, status: int, text: str) -> None:
        """Answer the clients that wait for the end of such a request."""
        for client in [client for client in self._clients if client.awaits == awaits]:
            client.answer(status, text)

    def _accept(self, _events: int) -> None:
        try:
            sock, _ = self._socket.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._refuse()
            return
        sock.setblocking(False)
        if len(self._clients) >= MOST_CLIENTS:
            sock.close()
            return
        self._add(sock)

    def _add(self, sock: socket.socket) -> Client:
        client = Client(sock, self._forget)
        self._clients.add(client)
        self._selector.register(sock, selectors.EVENT_READ, lambda _: self._read(client))
        return client

    def _refuse(self) -> None:
        """Close the next connection, with the descriptor that is kept for this. If it stayed in
        the backlog, the socket would be readable for ever."""
        os.close(self._spare)
        with contextlib.suppress(OSError):
            self._socket.accept()[0].close()
        self._spare = os.dup(self._socket.fileno())

    def _read(self, client: Client) -> None:
        try:
            data = client.socket.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.received += data
        if not data or len(client.received) > LONGEST_REQUEST:
            self._forget(client)
        elif client.received.endswith(b"\n"):
            line, client.received = client.received, b""
            try:
                request = json.loads(line)
                if not isinstance(request, dict):
                    raise ValueError(line)
            except ValueError:
                client.answer(2, "not a request")
            else:
                self._ask(client, request)

    def _forget(self, client: Client) -> None:
        if client in self._clients:
            self._clients.discard(client)
            self._selector.unregister(client.socket)
            client.socket.close()

    def close(self) -> None:
        """Close everything, and remove the socket unless somebody has replaced it."""
        for client in list(self._clients):
            self._forget(client)
        self._selector.unregister(self._socket)
        self._socket.close()
        os.close(self._spare)
        with contextlib.suppress(OSError):
            if os.stat(self.path).st_ino == self._inode:
                os.unlink(self.path)


def _adopted(descriptor: int) -> socket.socket:
    sock = socket.socket(fileno=descriptor)
    sock.setblocking(False)
    return sock


def bound(path: str) -> socket.socket:
    """A listening socket at ``path``. A socket that nobody serves is replaced.

    Raises:
        ControlError: It cannot be made, or somebody serves it.
    """
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        _remove_stale(path)
        sock.bind(path)
        sock.listen(MOST_CLIENTS)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        why = "another server uses it" if error.errno == errno.EADDRINUSE else error.strerror
        raise ControlError(f"control: {path}: {why or error}") from None
    finally:
        os.umask(mask)
    return sock


def _remove_stale(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return  # not ours to remove: bind fails
    except FileNotFoundError:
        return
    # A socket of another type: the kernel looks only whether somebody has the path. To a stream
    # socket macOS would say the same of a server whose backlog is full as of none.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            pass
