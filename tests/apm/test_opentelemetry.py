"""OpenTelemetry, with an exporter in memory and with one to a collector of the test."""

from __future__ import annotations

import pytest

from tests.support.live import LiveServer
from tests.support.process import ServerProcess
from tests.support.target import headwaiter_only
from tests.support.waiting import eventually

from . import apps
from .collector import Collector
from .starting import needs, start_under

NEEDED = ("sdk", "instrumentation.flask", "exporter.otlp.proto.http")
pytestmark = [
    *(needs(f"opentelemetry.{module}") for module in NEEDED),
    headwaiter_only("the recipe is for headwaiter"),
]


def test_flask_and_plain_wsgi_have_spans() -> None:
    from opentelemetry.instrumentation.flask import FlaskInstrumentor
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    def names() -> list[str]:
        return [span.name for span in exporter.get_finished_spans()]

    FlaskInstrumentor().instrument_app(apps.app, tracer_provider=provider)
    with LiveServer(apps.app) as server:
        assert server.ask("/orders/17").status == 200
        eventually(lambda: bool(names()), "a span")
    assert names() == ["GET /orders/<int:number>"]
    exporter.clear()
    with LiveServer(OpenTelemetryMiddleware(apps.plain, tracer_provider=provider)) as server:
        assert server.ask("/orders/17").text == "plain"
        eventually(lambda: bool(names()), "a span")
    assert names() == ["GET /orders/17"]


def start(collector: Collector, app: str, **settings: object) -> ServerProcess:
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_SERVICE_NAME": "headwaiter",
    }
    app = f"tests.apm.apps:{app}"
    return start_under("opentelemetry-instrument", app=app, env=env, **settings)


@pytest.mark.parametrize("processes", [1, 2])
def test_the_program_instruments_flask_in_each_process(
    collector: Collector, processes: int
) -> None:
    with start(collector, "app", processes=processes) as server:
        assert server.ask("/orders/17").status == 200
    collector.wait_for("/v1/traces", b"GET /orders/<int:number>")


def test_the_program_and_preload_do_not_go_together(collector: Collector) -> None:
    with pytest.raises(AssertionError, match="OtelBatchSpan"):
        start(collector, "app", processes=2, preload=True)
