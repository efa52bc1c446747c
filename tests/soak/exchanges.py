"""Well-formed requests, each with the check of its reply."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.support.http import Client, Reply, render

from .bodies import LARGEST, body, difference

# What lets a real file be found out: with sendfile its end is told by the length alone.
NEEDS_LENGTH = ("file",)
KINDS = ("one", "list", "generator", "slow", "write", "mixed", "memory", "file")
HOWS = ("whole", "lines", "pieces", "ignore")


@dataclass
class Exchange:
    """One request as bytes, and what its reply must be."""

    request: bytes
    method: str = "GET"
    status: int = 200
    want: bytes = b""
    shown: str = field(default="")

    def check(self, reply: Reply) -> None:
        assert reply.status == self.status, f"{reply.status} to {self.shown}: {reply.body[:200]!r}"
        assert not reply.closing, f"{self.shown}: the server closes a good connection"
        if self.method != "HEAD":
            wrong = difference(reply.body, self.want)
            assert not wrong, f"{self.shown}: {wrong}"

    def read(self, client: Client) -> Reply:
        """Reads the reply and checks it."""
        reply = client.reply(self.method)
        self.check(reply)
        return reply


def size(source: random.Random, most: int = LARGEST) -> int:
    """Sizes of every order of magnitude up to ``most`` are equally likely."""
    return min(most, int(2 ** source.uniform(0, most.bit_length())))


def download(source: random.Random, least: int = 0, most: int = LARGEST) -> Exchange:
    """A download of any kind."""
    kind, key = source.choice(KINDS), source.randrange(1 << 30)
    length = max(least, size(source, most))
    announced = "?length" if kind in NEEDS_LENGTH or source.random() < 0.5 else ""
    method = "HEAD" if not least and source.random() < 0.05 else "GET"
    target = f"/download/{kind}/{key}/{length}{announced}"
    request = render(target, method, fields(source))
    return Exchange(request, method, want=body(key, length), shown=f"{method} {target}")


def upload(source: random.Random, least: int = 0, most: int = LARGEST // 2) -> Exchange:
    """An upload, framed either way, that the application reads in one of several ways."""
    key, length = source.randrange(1 << 30), max(least, size(source, most))
    data = body(key, length)
    if source.random() < 0.3:
        target, want = f"/echo/{key}/{length}", data
    else:
        target, want = f"/upload/{source.choice(HOWS)}/{key}/{length}", b"ok %d" % length
    if source.random() < 0.5:
        request = render(target, "POST", fields(source), data)
    else:
        chunked = [*fields(source), ("Transfer-Encoding", "chunked")]
        request = render(target, "POST", chunked) + chunks(source, data)
    return Exchange(request, "POST", want=want, shown=f"POST {target}")


def bodiless(source: random.Random) -> Exchange:
    status = source.choice((204, 304))
    target = f"/status/{status}"
    return Exchange(render(target, "GET", fields(source)), status=status, shown=f"GET {target}")


def exchange(source: random.Random, most: int = LARGEST) -> Exchange:
    """Any of them; ``most`` bounds both bodies."""
    kind = source.random()
    if kind < 0.55:
        return download(source, most=most)
    if kind < 0.90:
        return upload(source, most=min(most, LARGEST // 2))
    return bodiless(source)


def chunks(source: random.Random, data: bytes) -> bytes:
    """``data`` in the chunked coding, sometimes with extensions and a trailer."""
    parts, at = [], 0
    largest = max(100, len(data) // source.randrange(1, 50))
    while at < len(data):
        piece = data[at : at + source.randrange(1, largest + 1)]
        extension = b";name=value" if source.random() < 0.01 else b""
        parts.append(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece))
        at += len(piece)
    trailer = b"X-Trailer: end\r\n" if source.random() < 0.2 else b""
    return b"".join(parts) + b"0\r\n" + trailer + b"\r\n"


def fields(source: random.Random) -> list[tuple[str, str]]:
    """A few header fields, now and then a lot of them."""
    many = source.choice((0, 0, 1, 2, 5)) if source.random() < 0.95 else 60
    return [(f"X-Field-{n}", "v" * source.randrange(100)) for n in range(many)]
