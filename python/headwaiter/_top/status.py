"""Asks a server's admin endpoint for its status, over TCP or a Unix socket.

``command.py`` calls :func:`fetch` once a second. Every failure is an :class:`Unreachable` with a
sentence for people; nothing is retried here.
"""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

Status = dict[str, Any]
DEFAULT_PORT = 9090
TIMEOUT = 3.0
MAX_ANSWER = 16 << 20  # enough for thousands of workers
NO_STATUS = "its answer is not a status: is it headwaiter's admin endpoint?"


class Unreachable(Exception):
    """The endpoint gave no status; the message says why."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=TIMEOUT)
        self._path = path

    def connect(self) -> None:
        if not hasattr(socket, "AF_UNIX"):
            raise OSError("this Python has no Unix sockets")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def fetch(address: str) -> Status:
    """The present status of the server whose admin endpoint is at ``address``.

    ``address`` is what the adjustment ``admin`` takes: ``host:port``, ``[ipv6]:port``, a port, or
    the path of a Unix socket. ``unix:`` and ``http://`` may precede it.

    Raises:
        Unreachable: No connection, no answer in time, or one that is not a status.
        ValueError: ``address`` has no such form.
    """
    connection = _connection(address)
    try:
        connection.request("GET", "/status.json", headers={"Connection": "close"})
        reply = connection.getresponse()
        body = reply.read(MAX_ANSWER)
        if reply.status != 200:
            raise Unreachable(f"it answered {reply.status}: is it headwaiter's admin endpoint?")
        status = json.loads(body)
        if not isinstance(status, dict) or "server" not in status:
            raise Unreachable(NO_STATUS)
    except socket.timeout:
        raise Unreachable(f"no answer within {TIMEOUT:.0f} s") from None
    except OSError as error:
        raise Unreachable(error.strerror or str(error)) from None
    except (http.client.HTTPException, ValueError, RecursionError):
        raise Unreachable(NO_STATUS) from None
    finally:
        connection.close()
    return status


def _connection(address: str) -> http.client.HTTPConnection:
    if address.startswith("unix:"):
        return _UnixConnection(address[len("unix:") :])
    if address.startswith("http://"):
        address = address[len("http://") :].rstrip("/")
    elif "/" in address:
        return _UnixConnection(address)
    host, _, port = address.rpartition(":")
    if address.isdecimal():
        host, port = "", address
    elif host.count(":") and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"{address!r}: write an IPv6 address in brackets, [::1]:{DEFAULT_PORT}")
    elif not host and port == address:
        host, port = address, str(DEFAULT_PORT)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{address!r} is not of the form HOST:PORT, and no path of a Unix socket")
    return http.client.HTTPConnection(host.strip("[]") or "127.0.0.1", int(port), timeout=TIMEOUT)
