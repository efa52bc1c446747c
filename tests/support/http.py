"""A strict HTTP/1.1 client over a raw socket.

Sends exactly the bytes it is given and accepts only what RFC 9112 allows a server to send: anything
else is an ``AssertionError`` that shows the bytes. Every wait is bounded by the socket's timeout.
"""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Union

Address = Union[tuple[str, int], str]
"""``(host, port)``, or the path of a Unix socket."""

TIMEOUT = 10.0
STATUS_LINE = re.compile(rb"HTTP/(1\.[01]) ([1-9]\d\d) ([\t \x21-\x7e\x80-\xff]*)\Z")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\Z")
CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}\Z")
ONCE = ("content-length", "transfer-encoding", "date", "server", "connection", "location")
MAX_HEAD = 65536


@dataclass
class Reply:
    """One reply as it came over the wire, 1xx ones in ``interim``."""

    version: str
    status: int
    reason: str
    headers: list[tuple[str, str]]
    framing: str
    """``none``, ``length``, ``chunked`` or ``close``."""
    body: bytes = b""
    chunks: list[bytes] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Values of every field called ``name``, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of the field ``name``, or None; a repeated field is an error."""
        values = self.all(name)
        assert len(values) < 2, f"{name} repeated: {values}"
        return values[0] if values else None

    @property
    def closing(self) -> bool:
        """Whether the server announced that it will close the connection after this reply."""
        return (self.header("Connection") or "").lower() == "close"

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")


class Client:
    """One connection."""

    def __init__(
        self,
        address: Address,
        timeout: float = TIMEOUT,
        receive_buffer: int | None = None,
        source: str | None = None,
    ) -> None:
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self.sock = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer is not None:  # before connecting: it sets the window that is offered
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source is not None:
            self.sock.bind((source, 0))
        self.sock.settimeout(timeout)
        try:
            self.sock.connect(address)
        except BaseException:
            self.sock.close()
            raise
        self.buffer = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Closes with a RST, as a client that crashed would."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def half_close(self) -> None:
        """Says that nothing more will be sent; replies are still read."""
        self.sock.shutdown(socket.SHUT_WR)

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def request(
        self,
        target: str = "/",
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        version: str = "1.1",
    ) -> None:
        """Sends one request; ``body`` gets a Content-Length, and 1.1 a Host if none is given."""
        self.send(render(target, method, headers, body, version))

    def ask(
        self,
        target: str = "/",
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        version: str = "1.1",
    ) -> Reply:
        """Sends one request and reads its reply."""
        self.request(target, method, headers, body, version)
        return self.reply(method)

    def reply(self, method: str = "GET") -> Reply:
        """Reads one whole reply to a request of ``method``."""
        interim = []
        while True:
            reply = self._head(method)
            if reply.status >= 200:
                break
            interim.append(reply.status)
        reply.interim = interim
        if reply.framing == "length":
            reply.body = self._exactly(int(reply.header("Content-Length") or 0))
        elif reply.framing == "chunked":
            reply.chunks = self._chunks()
            reply.body = b"".join(reply.chunks)
        elif reply.framing == "close":
            reply.body = self.rest()
        return reply

    def head(self, method: str = "GET") -> Reply:
        """Reads a head only, leaving the body on the wire (1xx replies are skipped)."""
        reply = self._head(method)
        while reply.status < 200:
            reply = self._head(method)
        return reply

    def rest(self) -> bytes:
        """Everything up to the end of the stream."""
        parts, self.buffer = [self.buffer], b""
        try:
            while data := self.sock.recv(1 << 18):
                parts.append(data)
        except OSError:  # what came before a reset can still be asked for
            self.buffer = b"".join(parts)
            raise
        return b"".join(parts)

    def expect_closed(self) -> None:
        """Asserts that the server closes the connection and sends nothing more."""
        left = self.rest()
        assert left == b"", f"left over before the close: {left[:200]!r}"

    def expect_cut(self) -> bytes:
        """Reads until the server closes or resets the connection; what came is returned."""
        try:
            return self.rest()
        except ConnectionResetError:
            data, self.buffer = self.buffer, b""
            return data

    def expect_open(self) -> None:
        """Asserts that nothing is left over and that the connection serves another request."""
        assert self.buffer == b"", f"left over: {self.buffer[:200]!r}"
        self.ask("/", "OPTIONS")
        assert self.buffer == b"", f"left over: {self.buffer[:200]!r}"

    def receive(self, size: int) -> bytes:
        """Exactly ``size`` raw bytes."""
        return self._exactly(size)

    def _more(self) -> bool:
        data = self.sock.recv(1 << 18)
        self.buffer += data
        return bool(data)

    def _exactly(self, size: int) -> bytes:
        parts, missing = [self.buffer[:size]], size - len(self.buffer)
        self.buffer = self.buffer[size:]
        while missing > 0:
            data = self.sock.recv(min(missing, 1 << 20))
            assert data, f"connection closed {missing} bytes before the end of a {size} byte body"
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def _line(self) -> bytes:
        while b"\n" not in self.buffer:
            assert len(self.buffer) < MAX_HEAD, "line without an end"
            assert self._more(), f"connection closed inside a line: {self.buffer[:200]!r}"
        line, self.buffer = self.buffer.split(b"\n", 1)
        assert line.endswith(b"\r"), f"bare LF after {line!r}"
        assert b"\r" not in line[:-1], f"bare CR in {line!r}"
        return line[:-1]

    def _head(self, method: str) -> Reply:
        line = self._line()
        found = STATUS_LINE.match(line)
        assert found, f"bad status line {line!r}"
        headers = []
        while line := self._line():
            pair = FIELD.match(line)
            assert pair, f"bad header line {line!r}"
            headers.append((pair[1].decode("ascii"), pair[2].decode("latin-1")))
        reply = Reply(
            found[1].decode(), int(found[2]), found[3].decode("latin-1"), headers, framing="none"
        )
        reply.framing = framing(reply, method)
        return reply

    def _chunks(self) -> list[bytes]:
        chunks = []
        while True:
            line = self._line()
            assert CHUNK_SIZE.match(line), f"bad chunk size {line!r}"
            size = int(line, 16)
            if not size:
                break
            chunks.append(self._exactly(size))
            assert self._line() == b"", "chunk longer than its size"
        assert self._line() == b"", "unexpected trailer"
        return chunks


class Endpoint:
    """Something to connect to; ``disconnect`` closes every connection that a test left open."""

    def __init__(self) -> None:
        self.addresses: list[Address] = []
        self._clients: list[Client] = []

    @property
    def address(self) -> Address:
        """The first address."""
        return self.addresses[0]

    def connect(self, timeout: float = TIMEOUT, receive_buffer: int | None = None) -> Client:
        client = Client(self.address, timeout, receive_buffer)
        self._clients.append(client)
        return client  # not the last in the list: another thread may have appended one

    def ask(
        self,
        target: str = "/",
        method: str = "GET",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        version: str = "1.1",
    ) -> Reply:
        """One request over a connection of its own."""
        with Client(self.address) as client:
            return client.ask(target, method, headers, body, version)

    def disconnect(self) -> None:
        while self._clients:
            self._clients.pop().close()


def framing(reply: Reply, method: str) -> str:
    """How the end of the body is found (RFC 9112 section 6.3), asserting that it is unambiguous."""
    for name in ONCE:
        assert len(reply.all(name)) < 2, f"{name} repeated: {reply.all(name)}"
    length, coding = reply.header("Content-Length"), reply.header("Transfer-Encoding")
    assert length is None or coding is None, "Content-Length beside Transfer-Encoding"
    assert length is None or re.fullmatch(r"\d+", length), f"Content-Length: {length!r}"
    assert coding in (None, "chunked"), f"Transfer-Encoding: {coding!r}"
    if reply.status < 200 or reply.status == 204:  # RFC 9110 section 8.6, RFC 9112 section 6.1
        assert (length, coding) == (None, None), f"{reply.status} with framing headers"
    if method == "HEAD" or reply.status < 200 or reply.status in (204, 304):
        return "none"
    if coding:
        assert reply.version == "1.1", "chunked in an HTTP/1.0 reply"
        return "chunked"
    if length is not None:
        return "length"
    assert reply.closing or reply.version == "1.0", "body without an end on a kept connection"
    return "close"


def render(
    target: str = "/",
    method: str = "GET",
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
    version: str = "1.1",
) -> bytes:
    """One request as bytes."""
    lines, names = [f"{method} {target} HTTP/{version}"], set()
    for name, value in headers:
        lines.append(f"{name}: {value}")
        names.add(name.lower())
    if version == "1.1" and "host" not in names:
        lines.insert(1, "Host: example.com")
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def chunked(*chunks: bytes) -> bytes:
    """A body in the chunked coding."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
