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


@headwaiter_only("it leaves the client waiting for the rest")
def test_a_file_shorter_than_announced(serve: Serve, path: Path) -> None:
    server = serve(wrapping(lambda: path.open("rb"), [("Content-Length", str(len(DATA) + 10))]))
    with server.connect() as client:
        client.request()
        assert client.head().status == 200
        assert client.expect_cut() == DATA
    assert server.ask(method="OPTIONS").status == 200


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


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="such files are /proc's")
def test_a_file_that_says_it_is_empty(serve: Serve) -> None:
    expected = Path("/proc/version").read_bytes()
    app = wrapping(lambda: open("/proc/version", "rb"))  # noqa: SIM115
    if IS_WAITRESS:
        pytest.skip("it believes the size")
    assert serve(app).ask().body == expected


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
