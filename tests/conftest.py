"""Fixtures shared by all black-box tests, and the suite's marks."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Callable

import pytest

from .support.live import LOGGER, LiveServer, LogCatcher
from .support.target import IS_WAITRESS
from .support.wsgi import App

Serve = Callable[..., LiveServer]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes more than about three seconds")
    if IS_WAITRESS:  # it leaves the temporary files of large bodies to the garbage collector
        unclosed = "ignore::pytest.PytestUnraisableExceptionWarning"
        config.addinivalue_line("filterwarnings", unclosed)


@pytest.fixture
def logs() -> Iterator[LogCatcher]:
    """Everything that the server logs during the test."""
    catcher = LogCatcher()
    logger = logging.getLogger(LOGGER)
    level = logger.level
    logger.addHandler(catcher)
    logger.setLevel(logging.DEBUG)
    yield catcher
    logger.removeHandler(catcher)
    logger.setLevel(level)


@pytest.fixture
def serve(logs: LogCatcher) -> Iterator[Serve]:
    """Starts servers in this process: ``serve(app, **settings)``; all are closed at the end."""
    servers: list[LiveServer] = []

    def start(app: App, **settings: Any) -> LiveServer:
        servers.append(LiveServer(app, **settings))
        return servers[-1]

    yield start
    for server in servers:
        server.close()
