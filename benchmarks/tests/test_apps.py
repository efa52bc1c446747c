"""The applications keep to PEP 3333 and give what their scenario says is right."""

from __future__ import annotations

import importlib
import io
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from benchmarks import inprocess
from benchmarks.apps import plain
from benchmarks.scenarios import SCENARIOS, Scenario


def call(scenario: Scenario, path: str = "/") -> bytes:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scenario.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "wsgi.input": io.BytesIO(b"x" * scenario.body_size),
        **inprocess.keys_of(scenario.headers),
    }
    if scenario.body_size:
        environ["CONTENT_LENGTH"] = str(scenario.body_size)
    environ.setdefault("SERVER_PROTOCOL", "HTTP/1.1")
    setup_testing_defaults(environ)
    started = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started.append(status)
        return lambda data: None

    module, _, name = scenario.app.partition(":")
    app = validator(getattr(importlib.import_module(module), name))
    body = app(environ, start_response)
    try:
        return b"".join(body)
    finally:
        body.close()  # type: ignore[attr-defined]
        assert started == ["200 OK"]


@pytest.mark.parametrize(
    "scenario",
    [scenario for scenario in SCENARIOS.values() if "plain" in scenario.app],
    ids=lambda s: s.name,
)
def test_answers(scenario: Scenario) -> None:
    body = call(scenario)
    assert body
    assert scenario.answer in (None, len(body))


def test_paths_of_their_own() -> None:
    assert call(SCENARIOS["slowread100"], "/big") == plain.HOSTAGE
    assert call(SCENARIOS["mixed"], "/burn") == plain.GREETING


def test_an_upload_is_counted() -> None:
    assert call(SCENARIOS["post10k"]) == b"10240"


def test_the_in_process_loop_measures_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(inprocess.CALLS, "hello-c64", 1000)
    assert 0.0 < inprocess.cpu_per_call("hello-c64") < 10_000.0
    assert inprocess.calls_at_once("hello-c64", threads=2, seconds=0.1) > 0.0
