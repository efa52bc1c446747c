"""What an application may return, and how each kind is framed on the wire."""

from __future__ import annotations

import array
import logging
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Callable

import pytest

from tests.conftest import Serve
from tests.support.live import LogCatcher
from tests.support.target import FLUSH_AT_ONCE, IS_WAITRESS, headwaiter_only
from tests.support.wsgi import Environ, StartResponse

PLAIN = [("Content-Type", "text/plain")]


def returning(make: Callable[[], Any], headers: list[tuple[str, str]] = PLAIN) -> Any:
    """An application that returns what ``make`` makes."""

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", list(headers))
        result: Iterable[bytes] = make()
        return result

    return app


class OldSequence:
    """Iterable through ``__getitem__`` only."""

    def __getitem__(self, index: int) -> bytes:
        return (b"a", b"b", b"c")[index]


class OneWithLength:
    """A custom iterable of one chunk that knows its length."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"abc"])


class Liar(OneWithLength):
    """Says one and gives three."""

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"a", b"b", b"c"])


class OwnIterator:
    """An iterator that is no generator."""

    def __init__(self) -> None:
        self.left = [b"a", b"b", b"c"]

    def __iter__(self) -> OwnIterator:
        return self

    def __next__(self) -> bytes:
        if not self.left:
            raise StopIteration
        return self.left.pop(0)


KINDS: dict[str, tuple[Callable[[], Any], str]] = {
    # what is returned, and the framing on HTTP/1.1 when the application gave no Content-Length
    "list of one": (lambda: [b"abc"], "length"),
    "tuple of one": (lambda: (b"abc",), "length"),
    "own iterable of one": (OneWithLength, "length"),
    "list": (lambda: [b"a", b"b", b"c"], "chunked"),
    "tuple": (lambda: (b"a", b"bc"), "chunked"),
    "list with empty ones": (lambda: [b"", b"a", b"", b"", b"bc", b""], "chunked"),
    "generator": (lambda: (c for c in (b"a", b"b", b"c")), "chunked"),
    "generator with empty ones": (lambda: (c for c in (b"", b"ab", b"", b"c", b"")), "chunked"),
    "own iterator": (OwnIterator, "chunked"),
    "getitem": (OldSequence, "chunked"),
    "set": (lambda: {b"abc"}, "length"),
    "dict": (lambda: {b"abc": 1}, "length"),
    "map": (lambda: map(bytes, [(97, 98), (99,)]), "chunked"),
    "iterator over a list": (lambda: iter([b"abc"]), "chunked"),
}


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_without_a_length(serve: Serve, kind: str, version: str) -> None:
    make, framing = KINDS[kind]
    server = serve(returning(make))
    with server.connect() as client:
        reply = client.ask(version=version)
        assert reply.body == b"abc"
        if version == "1.0" and framing == "chunked":
            framing = "close"
        summed = isinstance(make(), (list, tuple))  # a server may add up what is all there
        assert reply.framing == framing or (summed and reply.framing == "length")
        if reply.closing or version == "1.0":
            client.expect_closed()
        else:
            client.expect_open()


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_with_a_length(serve: Serve, kind: str, version: str) -> None:
    server = serve(returning(KINDS[kind][0], [*PLAIN, ("Content-Length", "3")]))
    with server.connect() as client:
        headers = [("Connection", "keep-alive")]
        for _ in range(3):  # every kind leaves the connection usable
            reply = client.ask(version=version, headers=headers)
            assert (reply.framing, reply.body) == ("length", b"abc")


EMPTY: dict[str, Callable[[], Any]] = {
    "list": list,
    "tuple": tuple,
    "generator": lambda: (chunk for chunk in list[bytes]()),
    "one empty": lambda: [b""],
    "some empty": lambda: [b"", b"", b""],
    "generator of empty": lambda: (c for c in (b"", b"")),
}


@pytest.mark.parametrize("length", [None, "0"])
@pytest.mark.parametrize("kind", EMPTY)
def test_empty_bodies(serve: Serve, kind: str, length: str | None) -> None:
    headers = [*PLAIN, ("Content-Length", length)] if length else PLAIN
    server = serve(returning(EMPTY[kind], headers))
    with server.connect() as client:
        reply = client.ask()
        assert (reply.status, reply.body) == (200, b"")
        if not IS_WAITRESS:  # it closes after some of these
            client.expect_open()


@headwaiter_only("it trusts __len__ and cuts the reply")
def test_a_wrong_len_does_not_corrupt_the_connection(serve: Serve) -> None:
    """``__len__`` says one chunk, three come: the client must not get more bytes than announced."""
    server = serve(returning(Liar))
    with server.connect() as client:
        reply = client.ask()
        assert reply.body in (b"a", b"abc")
        if not reply.closing:
            client.expect_open()


WRONG = {
    "str": lambda: ["text"],
    "str as the iterable": lambda: "text",
    "int": lambda: [1],
    "None inside": lambda: [None],
    "None": lambda: None,
    "not iterable": lambda: 7,
    "tuple": lambda: [(b"a",)],
}


@headwaiter_only("the head is gone before it looks at the data")
@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_types_are_a_500(serve: Serve, logs: LogCatcher, wrong: str) -> None:
    server = serve(returning(WRONG[wrong]))
    with server.connect() as client:
        assert client.ask().status == 500
    logs.wait_for("", logging.ERROR)
    assert server.ask().status == 500, "the server goes on"


@pytest.mark.parametrize("make", [bytearray, memoryview, lambda b: array.array("B", b)])
def test_bytes_like_objects(serve: Serve, make: Callable[[bytes], Any]) -> None:
    """PEP 3333 asks for ``bytes``; others are either sent right or refused, never garbled."""
    server = serve(returning(lambda: [make(b"abc")]))
    with server.connect() as client:
        try:
            reply = client.ask()
        except (AssertionError, ConnectionResetError):
            assert IS_WAITRESS
            return
        assert (reply.status, reply.body) == (200, b"abc") or reply.status == 500


ROWS = bytes(range(256)) * 4096
BUFFERS: dict[str, tuple[Callable[[], Any], bytes]] = {
    "empty": (bytearray, b""),
    "large": (lambda: bytearray(ROWS), ROWS),
    "gaps": (lambda: memoryview(ROWS)[::2], ROWS[::2]),
    "backwards": (lambda: memoryview(ROWS)[::-1], ROWS[::-1]),
    "two dimensions": (lambda: memoryview(ROWS).cast("B", (256, 4096)), ROWS),
}


@headwaiter_only("it sends some of them and fails with others")
@pytest.mark.parametrize("stream", [False, True], ids=["list", "stream"])
@pytest.mark.parametrize("kind", BUFFERS)
def test_buffers_of_all_shapes(serve: Serve, kind: str, stream: bool) -> None:
    make, expected = BUFFERS[kind]
    server = serve(returning(lambda: (iter if stream else list)([b"<", make(), b">"])))
    with server.connect() as client:
        for version in ("1.1", "1.0"):
            headers = [("Connection", "keep-alive")] if version == "1.1" else []
            assert client.ask(version=version, headers=headers).body == b"<" + expected + b">"


@headwaiter_only("it sends what the buffer holds when it sends")
def test_a_buffer_that_is_used_again(serve: Serve) -> None:
    """As with ``readinto``: what was yielded is what is sent."""

    def blocks() -> Iterator[Any]:
        buffer = bytearray(300_000)
        for n in range(20):
            buffer[:] = bytes([n]) * len(buffer)
            yield buffer

    expected = b"".join(bytes([n]) * 300_000 for n in range(20))
    server = serve(returning(blocks))
    with server.connect(receive_buffer=4096) as client:
        assert client.ask().body == expected


def test_a_subclass_of_bytes(serve: Serve) -> None:
    class Safe(bytes):
        def __len__(self) -> int:
            return 99

    server = serve(returning(lambda: [Safe(b"abc")], [*PLAIN, ("Content-Length", "3")]))
    assert server.ask().body == b"abc"


@pytest.mark.filterwarnings("ignore:send_bytes:DeprecationWarning")
def test_each_chunk_leaves_when_it_is_yielded(serve: Serve) -> None:
    """Server-sent events: the client has the first chunk before the second exists."""
    release = threading.Semaphore(0)

    def app(_environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        for number in range(5):
            yield b"data: %d\n\n" % number
            assert release.acquire(timeout=20), "the client never got the chunk"

    server = serve(app, **FLUSH_AT_ONCE)
    with server.connect() as client:
        client.request()
        assert client.head().framing == "chunked"
        for number in range(5):
            event = b"data: %d\n\n" % number
            piece = b"%x\r\n%s\r\n" % (len(event), event)
            assert client.receive(len(piece)).lower() == piece
            release.release()
        assert client.receive(5) == b"0\r\n\r\n"


@headwaiter_only("it closes after a chunked reply")
def test_chunks_keep_their_bytes_and_order(serve: Serve) -> None:
    """Chunks of every size around the buffers, all framings, over one connection."""
    sizes = [0, 1, 2, 1023, 4096, 16384, 65535, 65536, 65537, 300000, 3, 1 << 20, 7]
    chunks = [
        bytes((n + i) % 251 for i in range(251)) * (s // 251 + 1) for n, s in enumerate(sizes)
    ]
    chunks = [chunk[:size] for chunk, size in zip(chunks, sizes)]
    whole = b"".join(chunks)

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        known = [("Content-Length", str(len(whole)))] if environ["PATH_INFO"] == "/known" else []
        start_response("200 OK", [*PLAIN, *known])
        return iter(list(chunks))

    server = serve(app)
    with server.connect() as client:
        for target in ("/known", "/chunked", "/known", "/chunked"):
            assert client.ask(target).body == whole, target


@pytest.mark.parametrize("size", [1 << 10, 1 << 16, 1 << 20, 5 << 20])
def test_a_large_single_chunk(serve: Serve, size: int) -> None:
    data = bytes(range(256)) * (size // 256)
    server = serve(returning(lambda: [data]))
    with server.connect() as client:
        assert client.ask().body == data
        assert client.ask().body == data


def test_an_infinite_iterator_ends_at_the_length(serve: Serve, logs: LogCatcher) -> None:
    """An iterator that never stops must not hold a worker beyond the bytes it announced."""
    closed = threading.Event()

    def forever() -> Iterator[bytes]:
        try:
            while not closed.wait(0):
                yield b"x" * 1000
        finally:
            closed.set()

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*PLAIN, ("Content-Length", "5000")])
        return forever()

    server = serve(app)
    with server.connect() as client:
        assert client.ask().body == b"x" * 5000
        ended = closed.wait(0 if IS_WAITRESS else 5)  # Waitress iterates on and throws it away
        closed.set()
        assert ended or IS_WAITRESS
    logs.wait_for("Content-Length", logging.WARNING)
