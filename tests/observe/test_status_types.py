"""``headwaiter.status`` names every key of the figures, and its type."""

from __future__ import annotations

import sys
import threading
import types
from collections.abc import Iterable
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest

from headwaiter.status import Status
from tests.conftest import Serve
from tests.support.apps import hello
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually
from tests.support.wsgi import Environ, StartResponse

pytestmark = [
    headwaiter_only("the figures are headwaiter's"),
    pytest.mark.skipif(sys.version_info < (3, 10), reason="X | None is read by Python 3.10"),
]


def differences(value: Any, kind: Any, where: str = "status") -> list[str]:
    """Where ``value`` is not what ``kind`` says."""
    if get_origin(kind) in (Union, types.UnionType):
        if value is None:
            return []
        (kind,) = (one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        return [
            one for n, each in enumerate(value) for one in differences(each, item, f"{where}[{n}]")
        ]
    if get_origin(kind) is dict:
        _, item = get_args(kind)
        return [
            one for key, each in value.items() for one in differences(each, item, f"{where}.{key}")
        ]
    if kind in (str, bool, int, float):
        # JSON writes a whole number of seconds without a fraction.
        is_right = type(value) is kind or (kind is float and type(value) is int)
        return [] if is_right else [f"{where}: {value!r} is no {kind.__name__}"]
    hints = get_type_hints(kind)
    unknown = value.keys() - hints.keys()
    missing = kind.__required_keys__ - value.keys()
    found = [f"{where}: nobody has named {sorted(unknown)}"] if unknown else []
    found += [f"{where}: {sorted(missing)} missing"] if missing else []
    for key in value.keys() & hints.keys():
        found += differences(value[key], hints[key], f"{where}.{key}")
    return found


def test_the_types_of_an_idle_server(serve: Serve) -> None:
    server = serve(hello)
    server.ask("/")
    assert differences(server.server.stats(), Status) == []


def test_the_types_while_requests_run_and_wait(serve: Serve) -> None:
    entered, leave = threading.Event(), threading.Event()

    def waits(_environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        entered.set()
        leave.wait(20)
        return hello({}, start_response)

    server = serve(waits, admin="127.0.0.1:0", threads=1)
    clients = [threading.Thread(target=server.ask) for _ in range(2)]
    for client in clients:
        client.start()

    def is_told() -> bool:
        stats = server.server.stats()
        is_seen = any("doing" in worker for worker in stats["workers"])
        return is_seen and len(stats["waiting"]) == 1 and bool(stats["profile"]["places"])

    try:
        eventually(is_told, "one runs and was looked at, one waits")
        assert differences(server.server.stats(), Status) == []
    finally:
        leave.set()
        for client in clients:
            client.join()


def test_a_difference_is_found() -> None:
    about = {"version": 1, "pid": 1, "other": 1}
    found = differences({"server": about, "waiting": [{"method": None}]}, Status)
    assert any("advice" in one for one in found)
    assert "status.server: nobody has named ['other']" in found
    assert "status.server.version: 1 is no str" in found
    assert "status.waiting[0].method: None is no str" in found
