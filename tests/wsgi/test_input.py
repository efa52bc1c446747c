"""``wsgi.input`` beside ``io.BytesIO``: the same calls must give the same answers.

Each row of ``CALLS`` runs once per body and once per way a body can arrive (in memory, spooled to a
file, chunked), on both objects, and every result is compared.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.http import chunked, render
from tests.support.target import IS_WAITRESS, headwaiter_only
from tests.support.wsgi import Environ, StartResponse

Call = tuple[str, tuple[Any, ...]]


def call(name: str, *arguments: Any) -> Call:
    return name, arguments


def lines_of(body: Any, count: int) -> list[bytes]:
    """The first ``count`` lines by iteration."""
    found = []
    for line in body:
        found.append(line)
        if len(found) == count:
            break
    return found


CALLS: dict[str, list[Call]] = {
    "read all": [call("read"), call("read"), call("tell")],
    "read -1": [call("read", -1), call("read", -1)],
    "read None": [call("read", None), call("read", None)],
    "read very negative": [call("read", -1000)],
    "read 0": [call("read", 0), call("tell"), call("read")],
    "read in parts": [call("read", 1), call("read", 3), call("tell"), call("read", 10**6)],
    "read more than there is": [call("read", 10**9), call("read", 10**9)],
    "read huge": [call("read", 2**62)],
    "part, then all": [call("read", 2), call("read"), call("read")],
    "readline": [call("readline")] * 5,
    "readline -1": [call("readline", -1)] * 3,
    "readline None": [call("readline", None)] * 3,
    "readline 0": [call("readline", 0), call("readline")],
    "readline short": [call("readline", 2)] * 8,
    "readline exact": [call("readline", 5), call("readline", 1), call("readline", 6)],
    "readline long": [call("readline", 10**6), call("readline", 10**6)],
    "readlines": [call("readlines"), call("readlines")],
    "readlines -1": [call("readlines", -1)],
    "readlines None": [call("readlines", None)],
    "readlines 0": [call("readlines", 0)],
    "readlines hint 1": [call("readlines", 1), call("tell"), call("readlines", 1)],
    "readlines hint": [call("readlines", 7), call("readlines", 7), call("readlines")],
    "readlines big hint": [call("readlines", 10**9)],
    "iterate": [call("__iterate__", 10**9), call("read")],
    "iterate, then read": [call("__iterate__", 1), call("read", 2), call("readline"), call("read")],
    "read, then iterate": [call("read", 2), call("__iterate__", 2), call("tell")],
    "next": [call("__next__"), call("__next__"), call("tell")],
    "seek and tell": [
        call("seek", 3),
        call("tell"),
        call("read", 2),
        call("seek", 0),
        call("readline"),
        call("seek", 1, 0),
        call("read"),
    ],
    "seek from here": [call("read", 4), call("seek", -2, 1), call("read", 3), call("seek", 1, 1)],
    "seek from the end": [call("seek", 0, 2), call("read"), call("seek", -2, 2), call("read")],
    "seek beyond": [call("seek", 10**7), call("tell"), call("read"), call("seek", 0), call("read")],
    "read twice": [call("read"), call("seek", 0), call("read"), call("seek", 0), call("readlines")],
}
WAITRESS_DIFFERS_ON_FILES = ("read very negative", "read huge", "readlines hint")
BODIES = {
    "empty": b"",
    "one line": b"hello\n",
    "no newline": b"hello",
    "lines": b"first\nsecond\n\n\nfifth",
    "carriage returns": b"a\r\nb\rc\n\rd\r\n",
    "newlines": b"\n\n\n\n",
    "binary": bytes(range(256)),
    "large": b"".join(b"%d,%s\n" % (n, b"x" * (n % 97)) for n in range(3000)),
    "long line": b"y" * 70000 + b"\nend",
}
ARRIVALS: dict[str, dict[str, Any]] = {
    "memory": {},
    "file": {"inbuf_overflow": 16},
    "chunked": {},
    "chunked to a file": {"inbuf_overflow": 16},
}


def play(body: Any, calls: Iterable[Call]) -> list[Any]:
    """The result of each call, or the type of its exception."""
    results: list[Any] = []
    for name, arguments in calls:
        try:
            if name == "__iterate__":
                results.append(lines_of(body, *arguments))
            else:
                results.append(getattr(body, name)(*arguments))
        except (ValueError, TypeError, StopIteration, OSError) as error:
            results.append(type(error))
    return results


def request(body: bytes, arrival: str) -> bytes:
    if arrival.startswith("chunked"):
        pieces = [body[n : n + 1000] for n in range(0, len(body), 1000)]
        return render("/", "POST", [("Transfer-Encoding", "chunked")], chunked(*pieces))
    return render("/", "POST", body=body)


class Player:
    """Plays the calls it is given on ``wsgi.input``."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.results: list[Any] = []

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        self.results = play(environ["wsgi.input"], self.calls)
        start_response("200 OK", [("Content-Length", "0")])
        return []


@pytest.mark.parametrize("arrival", ARRIVALS)
@pytest.mark.parametrize("name", CALLS)
def test_calls_answer_as_those_of_bytesio(serve: Serve, name: str, arrival: str) -> None:
    if IS_WAITRESS and "file" in arrival and name in WAITRESS_DIFFERS_ON_FILES:
        pytest.skip("Waitress hands out the file itself")
    player = Player()
    player.calls = CALLS[name]
    server = serve(player, **ARRIVALS[arrival])
    with server.connect() as client:
        for title, body in BODIES.items():
            client.send(request(body, arrival))
            assert client.reply().status == 200
            assert player.results == play(io.BytesIO(body), CALLS[name]), title


@headwaiter_only("a buffer accepts what BytesIO accepts, and its exceptions differ by size")
@pytest.mark.parametrize(
    "wrong",
    [
        call("read", "1"),
        call("read", 1.5),
        call("readline", "1"),
        call("readlines", "1"),
        call("seek", "1"),
        call("seek", -1),
        call("seek", 0, 9),
        call("read", 1, 2),
    ],
    ids=str,
)
@pytest.mark.parametrize("arrival", ["memory", "file"])
def test_wrong_arguments_raise_as_those_of_bytesio(serve: Serve, wrong: Call, arrival: str) -> None:
    player = Player()
    player.calls = [wrong, call("read")]
    server = serve(player, **ARRIVALS[arrival])
    server.ask("/", "POST", body=b"some body longer than the overflow")
    expected = play(io.BytesIO(b"some body longer than the overflow"), player.calls)
    assert player.results[1] == expected[1], "a refused call moved the position"
    assert player.results[0] in (TypeError, ValueError, OSError)
    assert (player.results[0] is TypeError) == (expected[0] is TypeError)


def test_sizes_that_are_integers_by_index(serve: Serve) -> None:
    """NumPy's integers and bools count as sizes wherever Python's own do."""

    class Two:
        def __index__(self) -> int:
            return 2

    player = Player()
    player.calls = [call("read", Two()), call("readline", Two()), call("read", True)]
    serve(player).ask("/", "POST", body=b"abcdefg")
    assert player.results == [b"ab", b"cd", b"e"]


def test_results_are_bytes(serve: Serve) -> None:
    player = Player()
    player.calls = [call("read", 1), call("readline"), call("readlines"), call("seek", 0)]
    serve(player).ask("/", "POST", body=b"abc\ndef\nghi")
    assert [type(result) for result in player.results] == [bytes, bytes, list, int]


def test_an_unread_body_does_not_become_the_next_request(serve: Serve) -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    server = serve(app)
    smuggled = render("/smuggled") * 20
    with server.connect() as client:
        for _ in range(3):
            assert client.ask("/", "POST", body=smuggled).body == b"ok"
        client.send(render("/", "POST", [("Transfer-Encoding", "chunked")], chunked(smuggled)))
        assert client.reply().body == b"ok"
        client.expect_open()


def test_ten_megabytes_unread_on_a_kept_connection(serve: Serve) -> None:
    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    server = serve(app)
    with server.connect() as client:
        assert client.ask("/", "POST", body=bytes(10 << 20)).body == b"ok"
        assert client.ask("/").body == b"ok"


def test_expect_continue_is_answered_before_the_body(serve: Serve) -> None:
    player = Player()
    player.calls = [call("read")]
    server = serve(player)
    with server.connect() as client:
        headers = [("Expect", "100-continue"), ("Content-Length", "4")]
        client.send(render("/", "POST", headers))
        interim = b"HTTP/1.1 100 Continue\r\n\r\n"
        assert client.receive(len(interim)) == interim
        client.send(b"body")
        assert client.reply().status == 200
        assert player.results == [b"body"]
        client.expect_open()


def test_fieldstorage_style_parsing(serve: Serve) -> None:
    """A multipart body read line by line, as form parsers do."""
    parts: list[bytes] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        while line := body.readline(1 << 16):
            parts.append(line)
        start_response("200 OK", [("Content-Length", "0")])
        return []

    head = b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n'
    body = head + b"v" * 200000 + b"\r\n--x--\r\n"
    serve(app).ask("/", "POST", [("Content-Type", "multipart/form-data; boundary=x")], body=body)
    assert b"".join(parts) == body
    assert max(map(len, parts)) == 1 << 16


@headwaiter_only("threads read its buffers one at a time only if they take care of that")
@pytest.mark.parametrize("way", ["readline", "read"])
def test_threads_that_read_at_once_never_get_the_same_bytes(serve: Serve, way: str) -> None:
    """The body is on disk, so that each read may let another thread go first."""
    lines = [b"%07d\n" % n for n in range(100_000)]
    got: list[bytes] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"]
        read = body.readline if way == "readline" else lambda: body.read(8)
        together = threading.Barrier(4)

        def take() -> None:
            together.wait()
            while data := read():
                got.append(data)

        threads = [threading.Thread(target=take) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        start_response("200 OK", [("Content-Length", "0")])
        return []

    server = serve(app, inbuf_overflow=1000)
    assert server.ask("/", "POST", body=b"".join(lines)).status == 200
    assert sorted(got) == lines


@pytest.mark.parametrize("wrap", [io.TextIOWrapper, io.BufferedReader])
def test_wrappers_of_the_standard_library(serve: Serve, wrap: Any) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = wrap(environ["wsgi.input"]).read()
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [body.encode() if isinstance(body, str) else body]

    assert serve(app).ask(method="POST", body=b"one\ntwo").body == b"one\ntwo"
