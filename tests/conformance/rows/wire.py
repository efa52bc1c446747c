"""Drives the rows that are bytes: whole, cut at byte boundaries, dripped, with a probe behind.

The probe is a second, valid request on the same connection, in the same bytes. Behind a refused
request it must never reach the application: a server that takes the refused bytes for something
else than a proxy in front of it did lets a client smuggle one. Every case carries its own tag, so
that what the application saw of it is found in the journal whichever connection it came by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.conformance.client import Exchange, exchange_all
from tests.conformance.model import Failed
from tests.conformance.process import Server

CRLF = b"\r\n"
#: Stands for the case's tag in the tables. As long as any tag, so that cuts fall where they should.
TAG = b"tag000000x"
PROBE = b"GET /probe/" + TAG + b" HTTP/1.1\r\nHost: conformance\r\n\r\n"
CLOSED = 0  # in a set of statuses: closing without a word is right too
#: Which conforming refusals a row may get unless it says otherwise. RFC 9112 asks for 400 by name
#: in most places; a more telling 4xx is as good.
REFUSED = frozenset({400})


def get(*lines: bytes, path: bytes = b"/bad/" + TAG) -> bytes:
    """A GET with these header lines after a valid Host."""
    head = [b"GET " + path + b" HTTP/1.1", b"Host: conformance", *lines, b"", b""]
    return CRLF.join(head)


def post(*lines: bytes, body: bytes = b"", path: bytes = b"/bad/" + TAG) -> bytes:
    """A POST with these header lines after a valid Host; framing fields are the caller's."""
    head = [b"POST " + path + b" HTTP/1.1", b"Host: conformance", *lines, b"", b""]
    return CRLF.join(head) + body


def chunked(body: bytes, *lines: bytes, path: bytes = b"/bad/" + TAG) -> bytes:
    """A POST whose chunked body is exactly ``body``."""
    return post(*lines, b"Transfer-Encoding: chunked", body=body, path=path)


@dataclass(frozen=True)
class Refusal:
    """One refused input, or several that one rule covers (only the first is cut)."""

    inputs: Sequence[bytes]
    allowed: frozenset[int] = REFUSED
    #: The fault is in the body: a server that streams bodies has started the application by then.
    in_body: bool = False
    #: The standard lets the server serve this one request, but not what follows it.
    may_serve: bool = False
    #: The request asks for more body than will come: waiting for it is not serving it.
    may_wait: bool = False
    probe: bytes = PROBE
    half_close: bool = False

    def of(self, inputs: bytes | Sequence[bytes]) -> Refusal:
        """The same rule for these inputs."""
        return replace(self, inputs=(inputs,) if isinstance(inputs, bytes) else tuple(inputs))

    def __call__(self, server: Server) -> None:
        refused = self._run(server, [[data + self.probe] for data in self.inputs])
        if not refused:
            return  # it waits for more body, and would do so at every cut
        first = self.inputs[0] + self.probe
        self._run(server, cuts(server, first, len(self.inputs[0])))
        self._run(server, [dripped(first)], interleave=False)

    def _run(
        self, server: Server, cases: Iterable[Sequence[bytes]], *, interleave: bool = True
    ) -> bool:
        """Fails the row on any case that is neither refused nor waited on; true if none waits."""
        tagged = run_cases(
            server,
            cases,
            done=self._decided,
            half_close=self.half_close,
            interleave=interleave,
        )
        for tag, exchange in tagged:
            problem = self._judge(server, tag, exchange)
            if problem:
                raise Failed(f"{problem}; {describe(exchange)}")
        return all(exchange.closed for _, exchange in tagged)

    def _judge(self, server: Server, tag: str, exchange: Exchange) -> str | None:
        calls = [event["path"] for event in server.noted(tag, "call")]
        for name in ("/probe", "/smuggled"):
            if any(path.startswith(name) for path in calls):
                return f"{name[1:]} request behind it was served"
        if exchange.problem:
            return exchange.problem
        if exchange.parser.complete > 1:
            return "more than one reply"
        served = bool(server.noted(tag, "body") or server.noted(tag, "seen"))
        if calls and not self.in_body and not self.may_serve:
            return "the application was called"
        if served and not self.may_serve:
            return "the application got a whole body"
        if not exchange.closed:
            if self.may_wait and not exchange.parser.replies:
                return None
            return "not closed"
        return self._judge_status(exchange, started=bool(calls))

    def _decided(self, exchange: Exchange) -> bool:
        """Nothing that could still come would make this a refusal."""
        replies = exchange.parser.replies
        if exchange.parser.complete != 1 or self.may_serve:
            return exchange.parser.complete > 1
        return replies[0].status < 400

    def _judge_status(self, exchange: Exchange, *, started: bool) -> str | None:
        if not exchange.parser.replies:
            silent = CLOSED in self.allowed or (self.in_body and started)
            return None if silent else "closed without a reply"
        status = exchange.parser.replies[0].status
        if status in self.allowed or (self.may_serve and status == 200):
            return None
        if self.in_body and started and status >= 400:
            return None  # the application's own answer to the failed read
        return f"status {status}"


@dataclass(frozen=True)
class Acceptance:
    """A valid request: served once with 200, and seen by the application as sent.

    The probe is sent behind the reply, not pipelined (which has rows of its own): it shows that the
    server has found the request's end.
    """

    data: bytes
    #: Environ entries the application must see: the value, or the values it may have.
    seen: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    body: bytes = b""
    absent: Sequence[str] = ()  # environ entries there must not be
    statuses: frozenset[int] = frozenset({200})

    def __call__(self, server: Server) -> None:
        self._run(server, [[self.data]])
        self._run(server, cuts(server, self.data, len(self.data)))
        self._run(server, [dripped(self.data)], interleave=False)

    def _run(
        self, server: Server, cases: Iterable[Sequence[bytes]], *, interleave: bool = True
    ) -> None:
        tagged = run_cases(
            server,
            cases,
            done=lambda exchange: exchange.parser.complete > 1,
            then=PROBE,
            interleave=interleave,
        )
        for tag, exchange in tagged:
            problem = exchange.problem or self._judge(server, tag, exchange)
            if problem:
                raise Failed(f"{problem}; {describe(exchange)}")

    def _judge(self, server: Server, tag: str, exchange: Exchange) -> str | None:
        replies = exchange.parser.replies
        if not replies or not replies[0].complete:
            return "no whole reply"
        if replies[0].status not in self.statuses:
            return f"status {replies[0].status}"
        if replies[0].status != 200:
            return None
        # What is told of the probe carries the same tag: the path tells the two apart.
        seen = [e for e in server.noted(tag, "seen") if not e["path"].startswith("/probe/")]
        if len(seen) != 1:
            return f"the application saw it {len(seen)} times"
        return self._judge_seen(seen[0], tag) or self._judge_probe(server, tag, exchange)

    def _judge_seen(self, event: dict[str, Any], tag: str) -> str | None:
        for key, value in self.seen.items():
            got = event["environ"].get(key)
            right = (value,) if isinstance(value, str) else value
            if got not in [text.replace(TAG.decode("ascii"), tag) for text in right]:
                return f"environ[{key!r}] is {got!r}, not {value!r}"
        for key in self.absent:
            if key in event["environ"]:
                return f"environ has {key!r}: {event['environ'][key]!r}"
        if event["body"] != self.body.decode("latin-1"):
            return f"the body seen is {event['body'][:80]!r}"
        return None

    def _judge_probe(self, server: Server, tag: str, exchange: Exchange) -> str | None:
        if len(exchange.parser.replies) > 1:
            second = exchange.parser.replies[1]
            if second.status != 200 or not second.complete:
                return "the valid request behind it was not served"
        elif not exchange.closed:
            return "the valid request behind it got no reply"
        # Closing after any reply is a server's right; `persistence` judges how it says so.
        return None


def run_cases(
    server: Server,
    cases: Iterable[Sequence[bytes]],
    *,
    done: Callable[[Exchange], bool],
    then: bytes = b"",
    half_close: bool = False,
    interleave: bool = True,
) -> list[tuple[str, Exchange]]:
    """Runs the cases, each under a tag of its own; ends with a round trip on another connection.

    The round trip comes before anyone reads the journal: a request wrongly queued by one of the
    cases is ahead of it.
    """
    tagged: list[tuple[str, Exchange]] = []
    for pieces in cases:
        tag = server.tag()
        name = tag.encode("ascii")
        exchange = Exchange(fill(pieces, name), then=then.replace(TAG, name), half_close=half_close)
        if b"".join(pieces).startswith(b"HEAD "):
            exchange.parser.methods = ["HEAD"]  # whose reply has no body
        tagged.append((tag, exchange))
    exchange_all(
        server.port,
        [exchange for _, exchange in tagged],
        parallel=server.launcher.parallel,
        patience=server.patience,
        done=done,
        between=server.ping if interleave else lambda: None,
    )
    server.ping()
    return tagged


def cuts(server: Server, data: bytes, last: int) -> list[list[bytes]]:
    """``data`` in two pieces, once per byte boundary up to just behind offset ``last``.

    Long inputs, and all of them in a quick run, are cut at evenly spread places instead.
    """
    places = range(1, min(last + 2, len(data)))
    step = max(1, -(-len(places) // server.cuts))
    return [[data[:place], data[place:]] for place in places[::step]]


def dripped(data: bytes) -> list[bytes]:
    """``data`` byte by byte; long inputs in a thousand pieces."""
    step = max(1, len(data) // 1000)
    return [data[at : at + step] for at in range(0, len(data), step)]


def describe(exchange: Exchange) -> str:
    """The exchange for a message, bounded."""
    pieces = list(exchange.pieces)
    if len(pieces) > 2:
        sent = f"dripped {b''.join(pieces)[:120]!r}"
    elif len(pieces) == 2:
        sent = f"cut at {len(pieces[0])} of {b''.join(pieces)[:120]!r}"
    else:
        sent = f"whole {pieces[0][:200]!r}"
    return f"{exchange.summary()} to {sent}"


def fill(pieces: Sequence[bytes], tag: bytes) -> list[bytes]:
    """Puts the tag in place of :data:`TAG`, which a cut may have split."""
    filled, out, at = b"".join(pieces).replace(TAG, tag), [], 0
    for piece in pieces:
        out.append(filled[at : at + len(piece)])
        at += len(piece)
    return out
