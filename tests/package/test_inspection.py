"""What may be a WSGI application, by a look at it: nothing here is ever called."""

from __future__ import annotations

import functools
import operator
import unittest.mock
from types import SimpleNamespace
from typing import Any

import pytest

from headwaiter import create_server
from headwaiter._inspection import fault, is_application, signature


def wsgi(environ: Any, start_response: Any) -> Any: ...
def other_names(a: Any, b: Any, c: Any = 3) -> Any: ...
def anything(*args: Any, **keywords: Any) -> Any: ...
def one_and_more(environ: Any, *rest: Any) -> Any: ...
def only_positional(environ: Any, start_response: Any, /) -> Any: ...
def optional(environ: Any = None, start_response: Any = None) -> Any: ...
def keyword(environ: Any, start_response: Any, *, debug: bool = False) -> Any: ...
def lenient(config: Any = None, debug: bool = False) -> Any: ...
def get_wsgi_app(environ: Any = None, start_response: Any = None) -> Any: ...


class Instance:
    def __call__(self, environ: Any, start_response: Any) -> Any: ...


class Static:
    @staticmethod
    def __call__(environ: Any, start_response: Any) -> Any: ...


class Iterated:
    """An application that is a class: each request makes an object, which is the reply."""

    def __init__(self, environ: Any, start_response: Any) -> None: ...


class Methods:
    def handle(self, environ: Any, start_response: Any) -> Any: ...

    @classmethod
    def shared(cls, environ: Any, start_response: Any) -> Any: ...


class Meta(type):
    def __call__(cls, *args: Any) -> Any: ...


class Callable(metaclass=Meta): ...


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


def wrapped(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **keywords: Any) -> Any: ...

    return wrapper


def wrapped_in_full(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(environ: Any, start_response: Any) -> Any: ...

    return wrapper


def create_app() -> Any: ...


PASS = {
    "a function": wsgi,
    "other names": other_names,
    "any arguments": anything,
    "one and more": one_and_more,
    "positional only": only_positional,
    "defaults": optional,
    "a keyword with a default": keyword,
    "two defaults, and no name of a factory": lenient,
    "a name of a factory, and names of WSGI": get_wsgi_app,
    "an object": Instance(),
    "a static call": Static(),
    "a class": Iterated,
    "a method": Methods().handle,
    "a class method": Methods.shared,
    "a class that its own class makes": Callable,
    "C code": operator.itemgetter(0),
    "a function in C": len,
    "a class in C": dict,
    "a mock": unittest.mock.Mock(),
    "a mock of a factory": unittest.mock.Mock(spec=create_app),
    "a magic mock": unittest.mock.MagicMock(),
    "an asynchronous mock": unittest.mock.AsyncMock(),
    "a partial": functools.partial(other_names, 1),
    "a partial of a factory": functools.partial(create_app),
    "a cached function": functools.lru_cache(create_app),
    "a decorator around a factory": wrapped(create_app),
    "a decorator around an ASGI application": wrapped(asgi),
    "a decorator that adapts an ASGI application": wrapped_in_full(asgi),
}


@pytest.mark.parametrize("application", PASS.values(), ids=PASS)
def test_what_may_be_an_application(application: Any) -> None:
    assert fault(application) is None


class AsgiInstance:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class Derived(AsgiInstance): ...


class Plain: ...


def sync_asgi(scope: Any, receive: Any, send: Any) -> Any: ...
async def asynchronous(environ: Any, start_response: Any) -> Any: ...
async def anything_async(*args: Any) -> None: ...
async def generated(scope: Any, receive: Any, send: Any) -> Any:
    yield


def configured(config: Any, **settings: Any) -> Any: ...
def three(a: Any, b: Any, c: Any) -> Any: ...
def needs_keyword(environ: Any, start_response: Any, *, debug: bool) -> Any: ...
def make_app(config: Any = None, debug: bool = False) -> Any: ...


class ForOne:
    def __call__(self, request: Any) -> Any: ...


SAYS = {
    "an ASGI function": (asgi, "asgi", "is an ASGI application, not a WSGI application"),
    "an ASGI object": (AsgiInstance(), "asgi", "(tests's AsgiInstance)"),
    "an object of a derived class": (Derived(), "asgi", "(tests's Derived)"),
    "a method": (AsgiInstance().__call__, "asgi", "is an ASGI application"),
    "three names of ASGI": (sync_asgi, "asgi", "is an ASGI application"),
    "async, whatever it takes": (anything_async, "asgi", "is an ASGI application"),
    "an async generator": (generated, "asgi", "is an ASGI application"),
    "async WSGI": (asynchronous, "other", "write def, without async"),
    "a factory": (create_app, "factory", "takes no arguments, and a WSGI application takes env"),
    "a factory with an argument": (configured, "factory", "takes config, and"),
    "a factory with defaults": (make_app, "factory", "takes config, debug, and"),
    "an object for one": (ForOne(), "factory", "takes request, and"),
    "three arguments": (three, "other", "takes a, b, c, and"),
    "a keyword without a default": (needs_keyword, "other", "needs the keyword debug"),
    "a class that takes nothing": (Plain, "class", "made without arguments"),
}


@pytest.mark.parametrize(("application", "kind", "text"), SAYS.values(), ids=SAYS)
def test_what_is_no_application(application: Any, kind: str, text: str) -> None:
    found = fault(application)
    assert found is not None
    assert found.kind == kind
    assert text in found.text


def test_applications_of_frameworks() -> None:
    flask, bottle, falcon = map(pytest.importorskip, ("flask", "bottle", "falcon"))
    for application in (flask.Flask("x"), bottle.Bottle(), falcon.App()):
        assert fault(application) is None
        assert is_application(application)
    falcon_asgi = pytest.importorskip("falcon.asgi")
    found = fault(falcon_asgi.App())
    assert found is not None
    assert found.text.startswith("is an ASGI application (falcon's App)")


def test_both_of_django() -> None:
    asgi_of, wsgi_of = map(
        pytest.importorskip, ("django.core.handlers.asgi", "django.core.handlers.wsgi")
    )
    assert fault(wsgi_of.WSGIHandler.__new__(wsgi_of.WSGIHandler)) is None
    found = fault(asgi_of.ASGIHandler.__new__(asgi_of.ASGIHandler))
    assert found is not None
    assert found.kind == "asgi"


@pytest.mark.parametrize("module", ["starlette.applications", "fastapi", "quart", "litestar"])
def test_asgi_frameworks(module: str) -> None:
    package = pytest.importorskip(module)
    name = {"starlette.applications": "Starlette", "fastapi": "FastAPI", "quart": "Quart"}
    made = getattr(package, name.get(module, "Litestar"))
    found = fault(made("x") if module == "quart" else made())
    assert found is not None
    assert found.kind == "asgi"


def test_an_application_for_a_server_of_its_own() -> None:
    """Such as aiohttp's: its class has a ``__call__``, for another purpose."""
    made = type("Application", (), {"__module__": "aiohttp.web_app", "__call__": lambda self: self})
    found = fault(made())
    assert found is not None
    assert found.text == "is an application for aiohttp's own server, not a WSGI application"


def test_a_signature_is_that_of_the_code_that_runs() -> None:
    taken = signature(wrapped_in_full(asgi))
    assert taken is not None
    assert taken.names == ("environ", "start_response")
    lies = SimpleNamespace(__signature__="anything")
    assert signature(lies) is None


def test_programs_are_told_too() -> None:
    with pytest.raises(TypeError, match="the application is an ASGI application"):
        create_server(asgi, listen="127.0.0.1:0")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the application takes no arguments"):
        create_server(create_app, listen="127.0.0.1:0")  # type: ignore[arg-type]
