"""Applications that a look at them could not tell from WSGI: the first request says what is wrong.

The client gets a 500 as for any error; the log has one message with what to write.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.live import LogCatcher
from tests.support.target import headwaiter_only
from tests.support.wsgi import App

pytestmark = headwaiter_only("its messages are others")


def app(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [])
    return [b""]


async def reply() -> list[bytes]:
    return []


async def replies() -> Any:
    yield b""


def returning(value: Any) -> App:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return value() if callable(value) and value is not app else value

    return application


class Iterated:
    """An iterable whose own code fails."""

    def __iter__(self) -> Iterator[bytes]:
        raise TypeError("no rows today")


def anything(*arguments: Any) -> App:
    """A factory that takes whatever comes."""
    return app


WRONG: dict[str, tuple[Any, str]] = {
    "None": (returning(None), "not None (NoneType). Is a return missing?"),
    "text": (returning("hello"), "not 'hello' (str). Return a list of one item: [text.encode()]"),
    "a number": (returning(7), "the application must return an iterable of bytes, not 7 (int)"),
    "a coroutine": (
        returning(reply),
        "(coroutine). It is async: serve an ASGI application with an ASGI server, or wrap it by"
        " a2wsgi.ASGIMiddleware",
    ),
    "an async generator": (returning(replies), "(async_generator). It is async: serve an ASGI"),
    "a factory": (anything, "(function). It seems to be a factory, which returns the application:"),
    "a partial that takes too little": (
        functools.partial(lambda environ: []),
        "takes 1 positional argument but 2 were given. A WSGI application takes environ and"
        " start_response: is this one a factory (headwaiter --factory), or an ASGI application?",
    ),
    "an error of the iterable": (returning(Iterated), "TypeError: no rows today"),
}


@pytest.mark.parametrize(("application", "message"), WRONG.values(), ids=WRONG)
def test_the_log_says_what_to_write(
    serve: Serve, logs: LogCatcher, application: App, message: str
) -> None:
    server = serve(application)
    with server.connect() as client:
        assert client.ask().status == 500
    record = logs.wait_for("Exception while serving /", logging.ERROR)
    text = logging.Formatter().format(record)
    assert message in text
    assert server.ask().status == 500, "the server goes on"


def test_a_type_error_inside_the_application_stays_what_it_is(
    serve: Serve, logs: LogCatcher
) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        return len(environ, start_response)  # type: ignore[call-arg]

    server = serve(application)
    with server.connect() as client:
        assert client.ask().status == 500
    record = logs.wait_for("Exception while serving /", logging.ERROR)
    text = logging.Formatter().format(record)
    assert "TypeError: len() takes exactly one argument (2 given)" in text
    assert "in application" in text
    assert "factory" not in text
