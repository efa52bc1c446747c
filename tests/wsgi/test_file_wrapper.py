"""``wsgi.file_wrapper``: real files, things that only look like files, and their ends."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Callable

import pytest

from tests.conftest import Serve
from tests.support.live import LogCatcher
from tests.support.target import IS_WAITRESS, headwaiter_only
from tests.support.wsgi import App, Environ, StartResponse

PLAIN = [("Content-Type", "application/octet-stream")]
DATA = b"".join(b"%08d\n" % n for n in range(200_000))  # 1.8 MB, every position recognisable
SWAPPED = DATA.replace(b"0", b"#")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.write_bytes(DATA)
    return path


def wrapping(
    make: Callable[[], Any], headers: Iterable[tuple[str, str]] = (), block: int | None = None
) -> App:
    """Returns what ``make`` makes through the server's file wrapper."""

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "OPTIONS":
            start_response("200 OK", [("Content-Length", "0")])
            return []
        start_response("200 OK", [*PLAIN, *headers])
        sizes = [block] if block else []
        wrapper: Iterable[bytes] = environ["wsgi.file_wrapper"](make(), *sizes)
        return wrapper

    return app


class Fake:
    """Has ``read`` and ``close`` and nothing else."""

    def __init__(self, data: bytes, most: int = 1 << 30) -> None:
        self.data = io.BytesIO(data)
        self.most = most
        self.closed = threading.Event()

    def read(self, size: int = -1) -> bytes:
        return self.data.read(min(size, self.most) if size >= 0 else self.most)

    def close(self) -> None:
        assert not self.closed.is_set(), "closed twice"
        self.closed.set()


@pytest.mark.parametrize("block", [None, 1, 1000, 65536, 10**7])
@pytest.mark.parametrize("length", [True, False], ids=["length", "no length"])
def test_a_real_file(serve: Serve, path: Path, length: bool, block: int | None) -> None:
    if block == 1:
        path.write_bytes(DATA[:5000])
    size = path.stat().st_size
    headers = [("Content-Length", str(size))] if length else []
    server = serve(wrapping(lambda: path.open("rb"), headers, block))
    with server.connect() as client:
        for _ in range(2):
            reply = client.ask()
            assert reply.body == DATA[:size]
            if not IS_WAITRESS or length:
                assert reply.header("Content-Length") == str(size), "the size of a file is known"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_file_is_closed(serve: Serve, path: Path, method: str) -> None:
    files: list[IO[bytes]] = []
    done = threading.Event()

    class Closing(io.FileIO):
        def close(self) -> None:
            super().close()
            done.set()

    def make() -> Any:
        files.append(Closing(str(path), "rb"))
        return files[0]

    server = serve(wrapping(make, [("Content-Length", str(len(DATA)))]))
    if IS_WAITRESS and method == "HEAD":
        pytest.skip("it sends a body")
    assert server.ask(method=method).status == 200
    assert done.wait(20)
    assert files[0].closed


def test_from_the_current_position(serve: Serve, path: Path) -> None:
    """An application that serves a Range seeks first and gives the length."""

    def make() -> IO[bytes]:
        file = path.open("rb")
        file.seek(900)
        return file

    server = serve(wrapping(make, [("Content-Length", "9000")]))
    with server.connect() as client:
        assert client.ask().body == DATA[900:9900]
        client.expect_open()


class Named(io.BytesIO):
    """A subclass that reads as its base does."""

    name = "data"


class Held(io.FileIO):
    def close(self) -> None:
        super().close()


def spooled(most: int) -> Any:
    file = tempfile.SpooledTemporaryFile(most)  # noqa: SIM115
    file.write(DATA)
    file.seek(0)
    return file


KNOWN: dict[str, Callable[[Path], Any]] = {
    "a real file": lambda path: path.open("rb"),
    "a real file without a buffer": lambda path: path.open("rb", buffering=0),
    "a real file that is written to, too": lambda path: path.open("r+b"),
    "a real file with a close of its own": lambda path: Held(path),
    "a real file's stand-in": lambda path: Forwarding(path.open("rb")),
    "BytesIO": lambda _path: io.BytesIO(DATA),
    "a kind of BytesIO": lambda _path: Named(DATA),
    "BytesIO's stand-in": lambda _path: Forwarding(io.BytesIO(DATA)),
    "a buffer before BytesIO": lambda _path: io.BufferedReader(io.BytesIO(DATA)),
    "a temporary file in memory": lambda _path: spooled(len(DATA) + 1),
    "a temporary file on disk": lambda _path: spooled(10),
}
LENGTHS = {"none": None, "exact": 0, "too long": 10, "a part": -1000}


@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("at", [0, 900, len(DATA), len(DATA) + 5], ids="at {}".format)
@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("kind", KNOWN)
def test_the_length_of_what_is_sent_is_known(
    serve: Serve, path: Path, logs: LogCatcher, kind: str, length: str, at: int, version: str
) -> None:
    """From where it stands to its end; a Content-Length beyond that is corrected."""
    expected, extra = DATA[at:], LENGTHS[length]
    headers = []
    if extra is not None:
        expected = expected[: max(0, len(expected) + extra)]
        headers = [("Content-Length", str(max(0, len(DATA[at:]) + extra)))]

    def make() -> Any:
        file = KNOWN[kind](path)
        getattr(file, "file", file).seek(at)
        return file

    if IS_WAITRESS and (kind.endswith("stand-in") or not expected or length == "a part"):
        pytest.skip("it cannot seek those, and gets others wrong")
    server = serve(wrapping(make, headers))
    with server.connect() as client:
        reply = client.ask(headers=[("Connection", "keep-alive")], version=version)
        assert reply.header("Content-Length") == str(len(expected))
        assert reply.body == expected
        client.expect_open()
    assert not logs.matching(lambda record: "Content-Length" in record.getMessage())


@headwaiter_only("a real file's length is put in its place")
@pytest.mark.parametrize("status", ["200 OK", "304 Not Modified"])
def test_a_length_that_is_about_another_body_stays(serve: Serve, status: str) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response(status, [*PLAIN, ("Content-Length", "1000")])
        wrapper: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(b"short"))
        return wrapper

    method = "HEAD" if status.startswith("200") else "GET"
    assert serve(app).ask(method=method).header("Content-Length") == "1000"


class Seekable(Fake):
    """Could be asked for its length, which might be dear."""

    def seek(self, *_arguments: int) -> int:
        raise AssertionError("was sought")

    tell = seek


class Cutting(io.BytesIO):
    """Reads in its own way."""

    def read(self, size: int | None = -1) -> bytes:
        return super().read(size).replace(b"0", b"")


def with_a_read(read: Callable[[int], bytes]) -> Any:
    file: Any = Named(DATA)
    file.read = read
    return file


def swapping(file: IO[bytes]) -> Callable[[int], bytes]:
    return lambda size: file.read(size).replace(b"0", b"#")


UNKNOWN: dict[str, tuple[Callable[[], Any], bytes]] = {
    "seekable": (lambda: Seekable(DATA), DATA),
    "a read of its class": (lambda: Cutting(DATA), DATA.replace(b"0", b"")),
    "a read of another's": (
        lambda: with_a_read(io.BufferedReader(io.BytesIO(SWAPPED)).read1),
        SWAPPED,
    ),
    "another method": (lambda: with_a_read(io.BytesIO(b"a\nb").readline), b"a\nb"),
    "a function": (lambda: with_a_read(swapping(io.BytesIO(DATA))), SWAPPED),
}


@headwaiter_only("it seeks whatever can be sought")
@pytest.mark.parametrize("kind", UNKNOWN)
def test_what_reads_in_its_own_way_is_read(serve: Serve, kind: str) -> None:
    make, expected = UNKNOWN[kind]
    assert serve(wrapping(make)).ask().body == expected


@headwaiter_only("it sends what is there when it sends")
def test_bytes_that_change_after_they_were_returned(serve: Serve) -> None:
    """``BytesIO`` is sent without a copy, and what the application does with it is not seen."""
    data = bytes(range(256)) * (16 << 12)

    class Kept(io.BytesIO):
        def close(self) -> None:
            self.seek(0)
            self.write(bytes(len(data)))

    server = serve(wrapping(lambda: Kept(data)))
    with server.connect(receive_buffer=4096) as client:
        client.request()
        assert client.head().header("Content-Length") == str(len(data))
        assert client.receive(len(data)) == data


@headwaiter_only("it logs nothing")
def test_a_part_of_a_file_is_no_mistake(serve: Serve, path: Path, logs: LogCatcher) -> None:
    """PEP 3333: the server stops at Content-Length. Others are warned about, once a minute."""

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        kind = environ["PATH_INFO"]
        start_response("200 OK", [*PLAIN, ("Content-Length", "10")])
        if kind == "/list":
            return [DATA]
        if kind == "/short":
            return [b"short"]
        file: Any = path.open("rb") if kind == "/real" else Fake(DATA)
        wrapper: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
        return wrapper

    server = serve(app)
    for kind in ("/real", "/fake", "/list", "/list", "/list"):
        assert server.ask(kind).body == DATA[:10]
    with server.connect() as client:
        client.request("/short")
        assert client.expect_cut().endswith(b"short")
    logs.wait_for("shorter than its Content-Length")
    longer = logs.matching(lambda record: "longer than its" in record.getMessage())
    assert [record.getMessage().partition(":")[0] for record in longer] == ["/list"]


@headwaiter_only("it waits for the rest")
def test_a_file_that_is_truncated_while_it_is_sent(serve: Serve, path: Path) -> None:
    """The reply is cut; it is neither padded nor does the connection go on."""
    big = path.with_name("big")
    with big.open("wb") as file:
        file.truncate(64 << 20)
    server = serve(wrapping(lambda: big.open("rb"), [("Content-Length", str(64 << 20))]))
    with server.connect(receive_buffer=65536) as client:
        client.request()
        assert client.head().status == 200
        client.receive(100)
        os.truncate(big, 1 << 20)
        assert len(client.expect_cut()) < 64 << 20
    assert server.ask(method="OPTIONS").status == 200


FAKES: dict[str, Callable[[], Any]] = {
    "BytesIO": lambda: io.BytesIO(DATA),
    "read and close only": lambda: Fake(DATA),
    "short reads": lambda: Fake(DATA, 777),
    "BufferedReader over BytesIO": lambda: io.BufferedReader(io.BytesIO(DATA)),
}


@pytest.mark.parametrize("length", [True, False], ids=["length", "no length"])
@pytest.mark.parametrize("fake", FAKES)
def test_things_like_files(serve: Serve, fake: str, length: bool) -> None:
    headers = [("Content-Length", str(len(DATA)))] if length else []
    server = serve(wrapping(FAKES[fake], headers))
    for _ in range(2):
        assert server.ask().body == DATA


class Swapping:
    """Stands in front of a real file, which it names, and hands out something else."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def read(self, size: int = -1) -> bytes:
        return self.file.read(size).replace(b"0", b"#")

    def close(self) -> None:
        self.file.close()


class Forwarding:
    """Stands for a real file, as Django's ``File`` does."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.read = file.read
        self.close = file.close


def temporary(path: Path) -> Any:
    file = tempfile.NamedTemporaryFile(dir=path.parent)  # noqa: SIM115
    file.write(path.read_bytes())
    file.seek(0)
    return file


def compressed(path: Path) -> Any:
    with gzip.open(path.with_suffix(".gz"), "wb") as file:
        file.write(path.read_bytes())
    return io.BufferedReader(gzip.open(path.with_suffix(".gz")))


class Raw(io.FileIO):
    def readinto(self, buffer: Any) -> int:
        got = super().readinto(buffer)
        buffer[:got] = bytes(buffer[:got]).replace(b"0", b"#")
        return got


STANDS: dict[str, tuple[Callable[[Path], Any], bytes]] = {
    "with a read of its own": (lambda path: Swapping(path.open("rb")), SWAPPED),
    "with the file's read": (lambda path: Forwarding(path.open("rb")), DATA),
    "tempfile's": (temporary, DATA),
    "a buffer before gzip": (compressed, DATA),
    "a buffer before a file of its own": (lambda path: io.BufferedReader(Raw(path)), SWAPPED),
}


@pytest.mark.parametrize("stand", STANDS)
def test_an_object_in_front_of_a_file(serve: Serve, path: Path, stand: str) -> None:
    """What the application's object reads is what it means, whatever file is behind it."""
    make, expected = STANDS[stand]
    assert serve(wrapping(lambda: make(path))).ask().body == expected


def test_things_like_files_are_closed(serve: Serve) -> None:
    fake = Fake(DATA)
    assert serve(wrapping(lambda: fake)).ask().body == DATA
    assert fake.closed.wait(20)


UNSIZED = [Path("/proc/version"), Path("/proc/kallsyms"), Path("/sys/devices/system/cpu/online")]


@headwaiter_only("it believes the size")
@pytest.mark.parametrize("length", [True, False], ids=["length", "no length"])
@pytest.mark.parametrize("version", ["1.1", "1.0"])
@pytest.mark.parametrize("unsized", UNSIZED, ids=str)
def test_a_file_with_a_size_that_is_not_its_length(
    serve: Serve, unsized: Path, version: str, length: bool
) -> None:
    """Empty, or a page long, as files of /proc and /sys say."""
    try:
        expected, size = unsized.read_bytes(), unsized.stat().st_size
    except OSError:
        pytest.skip("not on this system")
    assert size != len(expected)
    headers = [("Content-Length", str(size))] if length and size else []
    with serve(wrapping(lambda: unsized.open("rb"), headers)).connect() as client:
        reply = client.ask(headers=[("Connection", "keep-alive")], version=version)
        assert reply.body == expected
        if len(expected) < 65536:
            assert reply.header("Content-Length") == str(len(expected))
            client.expect_open()


def test_a_file_that_is_one_hole(serve: Serve, path: Path) -> None:
    """Has no blocks either, but all its bytes."""
    with path.open("wb") as file:
        file.truncate(100_000)
    assert serve(wrapping(lambda: path.open("rb"))).ask().body == bytes(100_000)


@headwaiter_only("it sends nothing")
def test_a_file_that_is_open_for_writing_only(serve: Serve, path: Path) -> None:
    server = serve(wrapping(lambda: path.open("ab", buffering=0)))
    assert server.ask().status == 500


def test_arguments_by_keyword(serve: Serve) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        wrapper = environ["wsgi.file_wrapper"]
        if environ["PATH_INFO"] == "/both":
            blocks: Iterable[bytes] = wrapper(file=io.BytesIO(DATA[:100]), block_size=10)
        else:
            blocks = wrapper(io.BytesIO(DATA[:100]), block_size=10)
        return [block + b"." for block in blocks]

    expected = b"".join(DATA[at : at + 10] + b"." for at in range(0, 100, 10))
    server = serve(app)
    assert server.ask("/one").body == server.ask("/both").body == expected


@headwaiter_only("it reads nothing")
@pytest.mark.parametrize("block", [0, -1])
def test_a_block_size_that_is_none(serve: Serve, path: Path, block: int) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        wrapper: Iterable[bytes] = environ["wsgi.file_wrapper"](io.BytesIO(DATA), block)
        return wrapper

    assert serve(app).ask().body == DATA


def test_a_pipe(serve: Serve) -> None:
    """Has a descriptor but neither size nor position."""

    def make() -> IO[bytes]:
        reader, writer = os.pipe()
        os.write(writer, b"through a pipe")
        os.close(writer)
        return os.fdopen(reader, "rb")

    assert serve(wrapping(make)).ask().body == b"through a pipe"


@headwaiter_only("an error there ends the reply without a trace")
def test_read_raising(serve: Serve) -> None:
    class Broken(Fake):
        def read(self, size: int = -1) -> bytes:
            raise OSError("read failed")

    broken = Broken(b"")
    server = serve(wrapping(lambda: broken))
    assert server.ask().status == 500
    assert broken.closed.wait(20)


def test_the_wrapper_can_be_iterated_by_middleware(serve: Serve, path: Path) -> None:
    """Middleware that knows nothing of it must be able to read it."""

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        inner = wrapping(lambda: path.open("rb"), block=4096)
        result = inner(environ, start_response)
        try:
            for chunk in result:
                assert 0 < len(chunk) <= 4096
                yield chunk.replace(b"0", b"#")
        finally:
            if hasattr(result, "close"):
                result.close()

    assert serve(app).ask().body == DATA.replace(b"0", b"#")


def test_an_empty_file(serve: Serve, path: Path) -> None:
    path.write_bytes(b"")
    server = serve(wrapping(lambda: path.open("rb")))
    with server.connect() as client:
        reply = client.ask()
        assert (reply.status, reply.body) == (200, b"")


@headwaiter_only("chunk sizes are missing from the file's part")
def test_a_file_after_written_data(serve: Serve, path: Path) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)(b"before ")
        wrapper: Iterable[bytes] = environ["wsgi.file_wrapper"](path.open("rb"))
        return wrapper

    assert serve(app).ask().body == b"before " + DATA


def test_an_aborted_download_closes_the_file(serve: Serve, path: Path) -> None:
    closed = threading.Event()

    class Closing(io.FileIO):
        def close(self) -> None:
            super().close()
            closed.set()

    big = path.with_name("big")
    with big.open("wb") as file:
        file.truncate(256 << 20)
    server = serve(wrapping(lambda: Closing(str(big), "rb"), [("Content-Length", str(256 << 20))]))
    client = server.connect(receive_buffer=65536)
    client.request()
    client.receive(1000)
    client.reset()
    assert closed.wait(20)


@headwaiter_only("a download there is read through Python")
def test_silent_readers_of_files_hold_no_worker(serve: Serve, path: Path) -> None:
    big = path.with_name("big")
    with big.open("wb") as file:
        file.truncate(256 << 20)
    server = serve(
        wrapping(lambda: big.open("rb"), [("Content-Length", str(256 << 20))]), threads=2
    )
    clients = [server.connect(receive_buffer=4096) for _ in range(8)]
    for client in clients:
        client.request()
    for client in clients:
        assert client.head().status == 200
    assert server.ask(method="OPTIONS").status == 200
    for client in clients:
        client.reset()
