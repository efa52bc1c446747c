"""The application under attack keeps to PEP 3333, and its log handler blocks when it is told to."""

from __future__ import annotations

import io
import logging
import threading
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from benchmarks.apps import attacked
from benchmarks.apps.attacked import ACCESS_LOGGER, BLOCKED, GREETING, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator


def call(path: str, body: bytes = b"") -> bytes:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST" if body else "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": io.BytesIO(body),
    }
    setup_testing_defaults(environ)
    started: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        started.append(status)

    iterable = validator(attacked.app)(environ, start_response)
    got = b"".join(iterable)
    iterable.close()  # type: ignore[attr-defined]
    assert started == ["200 OK"]
    return got


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", GREETING),
        ("/unknown/5", GREETING),
        ("/sleep/0", GREETING),
        ("/drips/5", b"xxxxx"),
        ("/stream/2", b"x" * 2 * MIB),
        ("/whole/2", b"x" * 2 * MIB),
    ],
)
def test_views_answer_what_attackers_ask_for(path: str, body: bytes) -> None:
    assert call(path) == body


def test_uploads_are_counted() -> None:
    assert call("/upload", b"x" * (MIB + 5)) == b"%d" % (MIB + 5)


def test_a_visit_needs_a_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(call("/visit")) == len(GREETING)
    monkeypatch.setattr(attacked, "__file__", "/nonexistent")
    with pytest.raises(FileNotFoundError):
        call("/visit")


@pytest.fixture
def access_log() -> Iterator[logging.Logger]:
    logger = logging.getLogger(ACCESS_LOGGER)
    level, propagates = logger.level, logger.propagate
    logger.setLevel(logging.INFO)
    yield logger
    BLOCKED.free.set()
    logger.removeHandler(BLOCKED)
    logger.setLevel(level)
    logger.propagate = propagates


def test_the_handler_holds_whoever_logs_until_it_is_released(access_log: logging.Logger) -> None:
    call("/block")
    call("/block")
    assert access_log.handlers.count(BLOCKED) == 1
    thread = threading.Thread(target=access_log.info, args=("a line",))
    thread.start()
    assert not BLOCKED.free.is_set()
    assert thread.is_alive()
    call("/release")
    thread.join()
