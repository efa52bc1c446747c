"""Any bytes at all: a reply or a closed connection, never the end of the server."""

from __future__ import annotations

import random
from collections.abc import Iterable

from tests.conformance.model import Failed, Registry
from tests.conformance.process import Server
from tests.conformance.rows.wire import CRLF, TAG, cuts, get, post, run_cases

REGISTRY = Registry("hardening")
SEED = 20260421  # fixed: a row that fails must fail again


def survive(server: Server, inputs: Iterable[bytes]) -> None:
    """Sends each input and the end of the stream; the runner notices if the server is gone.

    The client's half-close spares the wait where a server takes the bytes for half a request.
    """
    cases = [[data] for data in inputs]
    run_cases(
        server,
        cases,
        done=lambda exchange: exchange.parser.complete > 0,
        half_close=True,
        interleave=False,
    )
    if not server.ping():
        raise Failed("the server no longer answers")


PLACES = {
    "method": b"G%cT /bad/" + TAG + b" HTTP/1.1\r\nHost: conformance\r\n\r\n",
    "target": b"GET /bad/" + TAG + b"%c HTTP/1.1\r\nHost: conformance\r\n\r\n",
    "query": b"GET /bad/" + TAG + b"?%c HTTP/1.1\r\nHost: conformance\r\n\r\n",
    "version": b"GET /bad/" + TAG + b" HTTP/1%c1\r\nHost: conformance\r\n\r\n",
    "name": b"GET /bad/" + TAG + b" HTTP/1.1\r\nHost: conformance\r\nX%cY: v\r\n\r\n",
    "value": b"GET /bad/" + TAG + b" HTTP/1.1\r\nHost: conformance\r\nX-Y: a%cb\r\n\r\n",
    "host": b"GET /bad/" + TAG + b" HTTP/1.1\r\nHost: a%cb\r\n\r\n",
}
for _place, _template in PLACES.items():

    def _every_byte(server: Server, template: bytes = _template) -> None:
        step = 1 if server.cuts > 16 else 7
        survive(server, (template % byte for byte in range(0, 256, step)))

    REGISTRY.add(
        f"any-byte-in-{_place}",
        f"each of the 256 bytes in the {_place}: never a crash",
        "granian CVE-2026-42544",
        _every_byte,
    )


@REGISTRY.row("random-bytes", "random bytes and damaged requests: never a crash", "granian#527")
def random_bytes(server: Server) -> None:
    source = random.Random(SEED)
    valid = (
        get(b"X-Test: v", path=b"/seen/" + TAG),
        post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n", path=b"/seen/" + TAG),
    )
    inputs = [source.randbytes(source.randrange(1, 200)) for _ in range(40)]
    for number in range(160):
        damaged = bytearray(valid[number % 2])
        for _ in range(source.randrange(1, 4)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        inputs.append(bytes(damaged))
    survive(server, inputs)


@REGISTRY.row("truncated", "a request cut off at any byte: never a crash", "waitress#418")
def truncated(server: Server) -> None:
    whole = post(b"Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n")
    survive(server, (first for first, _ in cuts(server, whole, len(whole))))


@REGISTRY.row(
    "linear-value",
    "a long value with a fault at its end costs no more than reading it",
    "waitress CVE-2020-5236",
    quick=True,
)
def linear_value(server: Server) -> None:
    before = server.cpu_seconds()
    survive(server, [get(b"X-Test: " + b"x \t" * 66_000 + b"\x10")] * 3)
    after = server.cpu_seconds()
    if before is not None and after is not None and after - before > 0.5:
        raise Failed(f"three requests of 200 KiB took {after - before:.2f} s of CPU time")


@REGISTRY.row(
    "dripped-head-linear",
    "a large head that comes in many pieces is not searched from its start each time",
    "waitress CVE-2020-5236",
)
def dripped_head_linear(server: Server) -> None:
    data = get(*(b"X-Test-%d: v" % n for n in range(75)), path=b"/seen/" + TAG)
    before = server.cpu_seconds()
    with server.connect() as connection:
        for at in range(len(data)):
            connection.send(data[at : at + 1])
        connection.reply()
    after = server.cpu_seconds()
    if before is not None and after is not None and after - before > 0.5:
        raise Failed(f"a head of {len(data)} single bytes took {after - before:.2f} s of CPU time")


@REGISTRY.row(
    "refusal-echoes-nothing",
    "a refusal repeats nothing of the request, so that it can carry no script",
    "CVE-2012-0053; gunicorn#1858",
    quick=True,
)
def refusal_echoes_nothing(server: Server) -> None:
    script = b"<script>alert(1)</script>"
    for data in (
        b"GET /" + script + b" x HTTP/1.1\r\n\r\n",
        get(b"X-Test " + script + b": v"),
        get(b"X-Test: " + script + b"\x00"),
        script + b" / HTTP/1.1\r\nHost: conformance\r\n\r\n",
        b"GET / HTTP/" + script + CRLF + CRLF,
        post(b"Transfer-Encoding: " + script),
    ):
        with server.connect() as connection:
            connection.send(data)
            connection.half_close()
            reply = connection.reply_or_none()
        if reply is not None and reply.status >= 400:
            shown = bytes(reply.body) + repr(reply.fields).encode()
            if b"script" in shown:
                raise Failed(f"{reply.status} to {data[:60]!r} repeats it: {shown[:120]!r}")


@REGISTRY.row(
    "refusal-says-close",
    "a refusal carries `Connection: close`, a length and a date",
    "RFC 9112 section 9.6; RFC 9110 section 6.6.1",
)
def refusal_says_close(server: Server) -> None:
    with server.connect() as connection:
        connection.send(get(b"X Bad: v"))
        reply = connection.reply()
    if not reply.announces_close or (reply.minor == 0 and not reply.one("connection")):
        raise Failed(f"{reply.status} without Connection: close")
    if reply.framing != "length" or reply.one("date") is None:
        raise Failed(f"{reply.status} without Content-Length or Date: {reply.fields}")


@REGISTRY.row(
    "refusal-readable",
    "a refusal can be read by a client that is still sending",
    "RFC 9112 section 9.6; devpi/devpi#921",
)
def refusal_readable(server: Server) -> None:
    with server.connect() as connection:
        # A body nobody asked for behind a refused head: closing without reading it would have the
        # kernel reset the connection, and the reset overtake the reply.
        connection.send(post(b"Content-Length: 2000000", b"X Bad: v", body=b"x" * 1_000_000))
        connection.send(b"x" * 1_000_000)
        reply = connection.reply()
    if reply.status not in (400, 413):
        raise Failed(f"status {reply.status}")
