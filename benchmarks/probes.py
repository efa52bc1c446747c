"""Requests that a server may be fast at because it does not do the work.

Four requests ask a server of its own whether the application gets what was sent: a path in percent
encoding, a field of 20 KiB, a body of all byte values, the same body chunked. A refusal (4xx, 501)
is a right answer, since it is one that a client can act upon; a different path, a cut field, a
shorter body, a lost connection are wrong. A peer that is wrong about what a scenario is about has
no place in that scenario's ranking: see `Scenario.probes`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.process import Answer, Server, ServerError, exchange, free_port, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.peers import Peer

APP = "benchmarks.apps.probed:app"
RIGHT = "right"
ANSWER_SECONDS = 3.0

TEXT = "/café/a b"
PATH = "/caf%C3%A9/a%20b"
LONG = "0123456789abcdef" * 1280
BODY = bytes(range(256)) * 40
CHUNK = 1000


@dataclass(frozen=True)
class Probe:
    """One request, and what the application must have seen of it."""

    title: str
    sent: bytes
    seen: tuple[str, Any]
    """The name of what the application tells, and the right value."""
    wrong: str
    """What is said of a server whose application saw something else."""


def told(data: bytes) -> list[Any]:
    return [len(data), hashlib.sha256(data).hexdigest()]


def chunked(body: bytes) -> bytes:
    """A POST of `body` in chunks."""
    pieces = [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))
    return request("POST", "/", headers={"Transfer-Encoding": "chunked"}) + framed


PROBES: dict[str, Probe] = {
    "path": Probe(
        f"the path `{PATH}`", request("GET", PATH), ("path", TEXT), "paths are not decoded"
    ),
    "field": Probe(
        "a header field of 20 KiB",
        request("GET", "/", headers={"X-Long": LONG}),
        ("field", told(LONG.encode())),
        "a field of 20 KiB arrives as another",
    ),
    "body": Probe(
        "10 KB of all byte values",
        request("POST", "/", BODY),
        ("body", told(BODY)),
        "a body arrives as another",
    ),
    "chunked": Probe(
        "the same, chunked",
        chunked(BODY),
        ("body", told(BODY)),
        "a chunked body arrives as another",
    ),
}


def judge(probe: Probe, answer: Answer) -> str:
    """`right`, `refused: STATUS`, or what is wrong."""
    if 400 <= answer.status < 500 or answer.status == 501:
        return f"refused: {answer.status}"
    if answer.status != 200:
        return f"wrong: {probe.title} is answered {answer.status}"
    name, right = probe.seen
    try:
        seen = json.loads(answer.body)[name]
    except (ValueError, KeyError, TypeError):
        return f"wrong: {probe.title} gets another answer than the application's"
    return RIGHT if seen == right else f"wrong: {probe.wrong}"


@functools.cache
def verdicts(peer: Peer) -> Mapping[str, str]:
    """What each probe says of the peer, asked once, of a server started for it.

    Raises:
        ServerError: It does not start.
    """
    port = free_port()
    found = {}
    with Server(peer.command(port, APP), port, None) as server:
        server.wait_ready(request("GET", "/"))
        for name, probe in PROBES.items():
            try:
                answer = exchange(port, probe.sent, ANSWER_SECONDS)
            except OSError as error:
                lost = str(error) or type(error).__name__
                found[name] = f"wrong: {probe.title} gets no answer ({lost})"
            else:
                found[name] = judge(probe, answer)
    return found


def wrong(peer: Peer, names: tuple[str, ...]) -> str | None:
    """The first of these probes that the peer answers wrongly, in words."""
    if not names or peer.ceiling:
        return None
    try:
        found = verdicts(peer)
    except ServerError:
        return None  # the measurement will meet the same, and say so
    return next((found[name] for name in names if found[name].startswith("wrong")), None)


def answers(peers: list[Peer]) -> dict[str, dict[str, str]]:
    """The verdicts of all that could be asked."""
    found = {}
    for peer in peers:
        if not peer.ceiling:
            with contextlib.suppress(ServerError):
                found[peer.name] = dict(verdicts(peer))
    return found
