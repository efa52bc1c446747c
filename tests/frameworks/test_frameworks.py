"""Django, Flask, Pyramid, Bottle and Falcon: what any site does, in a server process each."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.process import ServerProcess, start_server

from .apps import GREETING, lines, told

FRAMEWORKS = ["django", "flask", "pyramid", "bottle", "falcon"]
CONTENT = os.urandom(3 << 20)
BOUNDARY = "----boundary"


def multipart(data: bytes) -> bytes:
    """A form with a field and the file ``file``."""
    return (
        f"--{BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="title"\r\n\r\n'
        "a title\r\n"
        f"--{BOUNDARY}\r\n"
        'Content-Disposition: form-data; name="file"; filename="data.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()  # fmt: skip


@pytest.fixture(scope="module", params=FRAMEWORKS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    framework = request.param
    if importlib.util.find_spec(framework) is None:
        pytest.skip(f"{framework} is not installed")
    path = tmp_path_factory.mktemp(framework) / "file.bin"
    path.write_bytes(CONTENT)
    app = f"tests.frameworks.apps.{framework}_app:app"
    with start_server(app, env={"FRAMEWORK_FILE": str(Path(path))}) as server:
        yield server


def test_get(server: ServerProcess) -> None:
    with server.connect() as client:
        for _ in range(3):
            reply = client.ask("/")
            assert (reply.status, reply.text) == (200, GREETING)
            if reply.closing:  # Waitress, when the framework gave no length
                break
    assert server.ask("/", "HEAD").status in (200, 405)
    assert server.ask("/no/such/page").status == 404


def test_form_post(server: ServerProcess) -> None:
    body = urlencode({"name": "J\u00fcrgen & S\u00f6hne", "other": "x"}).encode()
    headers = [("Content-Type", "application/x-www-form-urlencoded")]
    reply = server.ask("/form", "POST", headers, body)
    assert (reply.status, reply.text) == (200, "J\u00fcrgen & S\u00f6hne")


def test_upload_of_5_mb(server: ServerProcess) -> None:
    data = os.urandom(5_000_000)
    headers = [("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")]
    with server.connect() as client:
        for _ in range(2):
            reply = client.ask("/upload", "POST", headers, multipart(data))
            assert (reply.status, reply.text) == (200, told(data))
            if reply.closing:
                break


def test_upload_after_100_continue(server: ServerProcess) -> None:
    data = os.urandom(100_000)
    body = multipart(data)
    headers = [
        ("Content-Type", f"multipart/form-data; boundary={BOUNDARY}"),
        ("Content-Length", str(len(body))),
        ("Expect", "100-continue"),
    ]
    with server.connect() as client:
        client.request("/upload", "POST", headers)
        assert client.receive(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(body)
        assert client.reply().text == told(data)


def test_streamed_reply(server: ServerProcess) -> None:
    with server.connect() as client:
        for _ in range(2):
            reply = client.ask("/stream")
            assert (reply.status, reply.body) == (200, b"".join(lines()))
            if reply.closing:
                break
    assert reply.framing == "chunked"


def test_file(server: ServerProcess) -> None:
    with server.connect() as client:
        for _ in range(2):
            reply = client.ask("/file")
            assert reply.body == CONTENT
            assert reply.header("Content-Length") == str(len(CONTENT))


def test_error_page(server: ServerProcess) -> None:
    reply = server.ask("/error")
    assert reply.status == 500
    assert b"Traceback" not in reply.body
    assert server.ask("/").status == 200


def test_many_at_once(server: ServerProcess) -> None:
    """Threads share one application; every reply must be its own."""

    def one(number: int) -> str:
        headers = [("Content-Type", "application/x-www-form-urlencoded")]
        return server.ask("/form", "POST", headers, b"name=n%d" % number).text

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(200))) == [f"n{number}" for number in range(200)]
