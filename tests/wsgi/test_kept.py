"""What one request has is not what another has: neither objects that an application keeps beyond
its request, nor strings and addresses that the server keeps for the next one.
"""

from __future__ import annotations

import io
import sys
import sysconfig
from collections.abc import Iterable
from typing import Any

import pytest

from tests.conftest import Serve
from tests.support.http import Client
from tests.support.target import headwaiter_only
from tests.support.wsgi import Environ, StartResponse

OBJECTS = ("wsgi.input", "waitress.client_disconnected")
HAS_GIL = not sysconfig.get_config_var("Py_GIL_DISABLED")


def answer(start_response: StartResponse, body: bytes = b"ok") -> list[bytes]:
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def test_objects_that_an_application_keeps_stay_those_of_their_request(serve: Serve) -> None:
    kept: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        kept.append(environ)
        return answer(start_response)

    server = serve(app, threads=1)
    with Client(server.address) as client:
        for number in range(3):
            client.ask("/", "POST", body=b"body %d" % number)
    assert [environ["wsgi.input"].read() for environ in kept] == [b"body 0", b"body 1", b"body 2"]
    for key in OBJECTS:
        assert len({id(environ[key]) for environ in kept}) == 3


def test_an_object_alone_keeps_its_body(serve: Serve) -> None:
    kept: list[Any] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not kept:
            kept.append(environ["wsgi.input"])
        return answer(start_response, environ["wsgi.input"].read())

    server = serve(app, threads=1)
    with Client(server.address) as client:
        bodies = [client.ask("/", "POST", body=body).body for body in (b"one", b"two", b"three")]
    assert bodies == [b"one", b"two", b"three"]
    assert kept[0].seek(0) == 0
    assert kept[0].read() == b"one"


@pytest.mark.parametrize("keeps", ["start_response", "write"])
def test_a_callable_that_is_kept_answers_no_other_request(serve: Serve, keeps: str) -> None:
    kept: list[Any] = []
    errors: list[BaseException] = []

    def call_kept() -> None:
        for callable_ in kept:
            try:
                if keeps == "write":
                    callable_(b"no")
                else:
                    callable_("500 Of Another", [])
            except RuntimeError as error:
                errors.append(error)

    def app(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        call_kept()
        write = start_response("200 OK", [("Content-Length", "2")])
        call_kept()
        if not kept:
            kept.append(start_response if keeps == "start_response" else write)
        return [b"ok"]

    server = serve(app, threads=1)
    with Client(server.address) as client:
        replies = [client.ask("/") for _ in range(3)]
    assert [(reply.status, reply.body) for reply in replies] == [(200, b"ok")] * 3
    assert len(errors) == 4


@headwaiter_only("it makes new ones")
@pytest.mark.skipif(not HAS_GIL, reason="without a GIL every request gets new objects")
def test_objects_that_nobody_keeps_serve_the_next_request(serve: Serve) -> None:
    seen: list[tuple[int, ...]] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        write = start_response("200 OK", [("Content-Length", str(len(body)))])
        objects = (*(environ[key] for key in OBJECTS), start_response, write)
        seen.append(tuple(map(id, objects)))
        return [body]

    server = serve(app, threads=1)
    with Client(server.address) as client:
        assert client.ask("/", "POST", body=b"one").body == b"one"
        assert client.ask("/", "POST", body=b"two").body == b"two"
        assert client.ask("/").body == b""
    assert len(set(seen)) == 1


def test_values_of_the_last_request_do_not_stay(serve: Serve) -> None:
    seen: list[dict[str, str]] = []
    keys = ("REQUEST_METHOD", "SERVER_PROTOCOL", "QUERY_STRING", "HTTP_X_A", "HTTP_COOKIE")

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.append({key: environ.get(key, "-") for key in keys})
        environ.update(dict.fromkeys(keys, "of the application"))
        return answer(start_response)

    server = serve(app, threads=1)
    with Client(server.address) as client:
        client.ask("/?a=1", "POST", [("X-A", "\xe9"), ("Cookie", "a=1")])
        client.ask("/", headers=[("X-A", "\xe9")])
        client.ask("/", headers=[("X-A", "e"), ("Cookie", "a=2")])
        client.ask("/", headers=[("X-A", ""), ("Cookie", "a=2")])
    values = [tuple(found.values()) for found in seen]
    assert values == [
        ("POST", "HTTP/1.1", "a=1", "\xe9", "a=1"),
        ("GET", "HTTP/1.1", "", "\xe9", "-"),
        ("GET", "HTTP/1.1", "", "e", "a=2"),
        ("GET", "HTTP/1.1", "", "", "a=2"),
    ]


def test_fields_that_stand_elsewhere_than_in_the_last_request(serve: Serve) -> None:
    seen: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        seen.append({key: environ[key] for key in environ if key.startswith("HTTP_X")})
        return answer(start_response)

    server = serve(app, threads=1)
    names = ["X-A", "X-B", "Proxy", "X-C", "x-a", "X_D", "X-E"]
    orders = [names, names, names[::-1], names[3:], ["X-New", *names[1:]], names[:2]]
    with Client(server.address) as client:
        for order in orders:
            client.ask("/", headers=[(name, f"of {name}") for name in order])
    of_a = {"HTTP_X_A": "of X-A, of x-a"}
    rest = {f"HTTP_X_{name}": f"of X-{name}" for name in "BCE"}
    assert seen == [
        {**of_a, **rest},
        {**of_a, **rest},
        {**rest, "HTTP_X_A": "of x-a, of X-A"},
        {"HTTP_X_C": "of X-C", "HTTP_X_A": "of x-a", "HTTP_X_E": "of X-E"},
        {**rest, "HTTP_X_NEW": "of X-New", "HTTP_X_A": "of x-a"},
        {"HTTP_X_A": "of X-A", "HTTP_X_B": "of X-B"},
    ]


def test_each_client_has_its_own_address(serve: Serve) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        return answer(start_response, f"{environ['REMOTE_ADDR']} {environ['REMOTE_PORT']}".encode())

    server = serve(app, threads=1)
    with Client(server.address) as one, Client(server.address) as other:
        for client in (one, other, one, one, other):
            host, port = client.sock.getsockname()
            assert client.ask("/").body.decode() == f"{host} {port}"


def test_standard_error_is_the_present_one(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.errors"].write("said\n")
        return answer(start_response)

    server = serve(app, threads=1)
    with Client(server.address) as client:
        client.ask("/")
        for _ in range(2):
            errors = io.StringIO()
            monkeypatch.setattr(sys, "stderr", errors)
            client.ask("/")
            assert errors.getvalue() == "said\n"
