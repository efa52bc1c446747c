"""A strict, incremental parser of HTTP/1 replies (RFC 9112). Bytes in, replies out, no sockets.

It is the judge of framing, so it repairs nothing: what it cannot parse is a :class:`Failed` row.
``client.py`` feeds it. Replies to ``HEAD`` have no body whatever their fields say, so the parser is
told the methods of the requests it should expect replies to, in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.conformance.model import Failed

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) ([\t\x20-\x7e\x80-\xff]*)\Z")
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*\Z")
SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(;.*)?\Z", re.DOTALL)


@dataclass
class Reply:
    """One reply; ``complete`` is false while bytes of it are missing."""

    minor: int
    status: int
    reason: str
    fields: list[tuple[str, str]]
    framing: str  # "none", "length", "chunked" or "close"
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False

    def all(self, name: str) -> list[str]:
        """Values of every field called ``name``, in order."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def one(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    @property
    def announces_close(self) -> bool:
        """The reply says that the connection ends with it (RFC 9112 section 9.3)."""
        options = [o.strip().lower() for v in self.all("connection") for o in v.split(",")]
        if "close" in options or self.framing == "close":
            return True
        return self.minor == 0 and "keep-alive" not in options

    def __str__(self) -> str:
        state = "" if self.complete else ", incomplete"
        return f"{self.status} ({self.framing}, {len(self.body)} bytes{state})"


class ReplyParser:
    """Feed bytes with :meth:`feed` and end of stream with :meth:`finish`; read ``replies``."""

    def __init__(self, methods: Iterable[str] = ()) -> None:
        self.replies: list[Reply] = []
        self.interim: list[Reply] = []  # 1xx
        self.finished = False
        self.received = 0
        self.methods = list(methods)  # of the requests, in order
        self._buffer = bytearray()
        self._missing = 0  # bytes of the body (framing "length") or of the chunk still to come
        self._in_chunk = False
        self._trailers = False

    @property
    def complete(self) -> int:
        """How many whole replies have arrived."""
        return sum(reply.complete for reply in self.replies)

    @property
    def leftover(self) -> bytes:
        """Bytes that belong to no reply head yet."""
        return bytes(self._buffer)

    def feed(self, data: bytes) -> None:
        self.received += len(data)
        self._buffer += data
        while self._step():
            pass

    def finish(self) -> None:
        """The server closed: completes a reply that is delimited by the end of the stream."""
        self.finished = True
        if self.replies and not self.replies[-1].complete and self.replies[-1].framing == "close":
            self.replies[-1].complete = True

    def _step(self) -> bool:
        """Makes one step of progress; false when more bytes are needed."""
        if not self.replies or self.replies[-1].complete:
            return self._head()
        reply = self.replies[-1]
        if reply.framing == "close":
            reply.body += self._buffer
            self._buffer.clear()
            return False
        if reply.framing == "length" or self._in_chunk:
            return self._counted(reply)
        return self._chunk_line(reply)

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head, self._buffer = bytes(self._buffer[:end]), self._buffer[end + 4 :]
        lines = head.split(b"\r\n")
        match = STATUS_LINE.match(lines[0])
        if match is None:
            raise Failed(f"malformed status line {lines[0][:80]!r}")
        fields = [_field(line) for line in lines[1:]]
        status = int(match[2])
        reply = Reply(int(match[1]), status, match[3].decode("latin-1"), fields, "none")
        if status < 200:
            self.interim.append(reply)
            reply.complete = True
            return True
        index = len(self.replies)
        method = self.methods[index] if index < len(self.methods) else "GET"
        self.replies.append(reply)
        reply.framing = self._framing(reply, method)
        reply.complete = reply.framing == "none" or (
            reply.framing == "length" and self._missing == 0
        )
        return True

    def _framing(self, reply: Reply, method: str) -> str:
        """RFC 9112 section 6.3, steps 1 to 8 as far as they concern replies."""
        lengths, codings = reply.all("content-length"), reply.all("transfer-encoding")
        if method == "HEAD" or reply.status in (204, 304):
            return "none"
        if codings:
            if lengths:
                raise Failed("reply carries both Transfer-Encoding and Content-Length")
            if [c.lower() for c in codings] != ["chunked"]:
                raise Failed(f"reply carries Transfer-Encoding {codings}")
            if reply.minor == 0:
                raise Failed("chunked reply in an HTTP/1.0 message")
            return "chunked"
        if lengths:
            if len(lengths) > 1 or not re.fullmatch("[0-9]+", lengths[0]):
                raise Failed(f"reply carries Content-Length {lengths}")
            self._missing = int(lengths[0])
            return "length"
        return "close"

    def _counted(self, reply: Reply) -> bool:
        taken = self._buffer[: self._missing]
        reply.body += taken
        del self._buffer[: len(taken)]
        self._missing -= len(taken)
        if self._missing:
            return False
        if not self._in_chunk:
            reply.complete = True
            return True
        if len(self._buffer) < 2:
            return False
        if self._buffer[:2] != b"\r\n":
            raise Failed("chunk data is not followed by CRLF")
        del self._buffer[:2]
        self._in_chunk = False
        return True

    def _chunk_line(self, reply: Reply) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._trailers:
            if not line:
                self._trailers = False
                reply.complete = True
            else:
                _field(line)
            return True
        match = SIZE.match(line)
        if match is None:
            raise Failed(f"malformed chunk size line {line[:80]!r}")
        self._missing = int(match[1], 16)
        self._trailers = self._missing == 0
        self._in_chunk = self._missing > 0
        return True


def _field(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    if not colon or not TOKEN.match(name) or not VALUE.match(value):
        raise Failed(f"malformed reply header line {line[:80]!r}")
    return name.decode("ascii"), value.decode("latin-1").strip(" \t")
