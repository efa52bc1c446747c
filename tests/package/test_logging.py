"""The way of log records from the engine's queue to Python's handlers."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

from headwaiter._process import logs


class Engine:
    """The extension's log functions, with records put in by the test."""

    def __init__(self) -> None:
        self.records: list[tuple[int, str, str, float]] = []
        self.changed = threading.Condition()
        self.woken = False

    def put(self, *record: tuple[int, str, str, float]) -> None:
        with self.changed:
            self.records.extend(record)
            self.changed.notify_all()

    def log_wait(self) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.records or self.woken)
            self.woken = False

    def log_wake(self) -> None:
        with self.changed:
            self.woken = True
            self.changed.notify_all()

    def log_take(self) -> list[tuple[int, str, str, float]]:
        with self.changed:
            taken, self.records = self.records, []
            return taken


class Handler(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.threads: set[str] = set()
        self.arrived = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.threads.add(threading.current_thread().name)
        self.arrived.set()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Engine:
    engine = Engine()
    monkeypatch.setattr(logs, "_headwaiter", engine)
    return engine


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Handler:
    handler = Handler()
    logger = logging.getLogger("headwaiter")
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "propagate", False)
    logger.setLevel(logging.INFO)
    return handler


def test_records_keep_name_level_time_and_text(engine: Engine, handler: Handler) -> None:
    engine.put((30, "queue", "depth 7, 100%", 86400.25), (20, "", "listening", 86401.5))
    logs.pump()
    first, second = handler.records
    assert (first.name, first.levelname) == ("headwaiter.queue", "WARNING")
    assert first.getMessage() == "depth 7, 100%"
    assert first.msg % first.args == "depth 7, 100%", "formatters of applications do this"
    assert (first.created, first.msecs) == (86400.25, 250.0)
    assert (second.name, second.levelname) == ("headwaiter", "INFO")


def test_records_come_from_the_applications_factory(engine: Engine, handler: Handler) -> None:
    """Formatters may need what it adds."""
    standard = logging.getLogRecordFactory()

    def factory(*args: Any, **more: Any) -> logging.LogRecord:
        record = standard(*args, **more)
        record.request_id = "-"
        return record

    logging.setLogRecordFactory(factory)
    try:
        engine.put((30, "queue", "text", 86400.25))
        logs.pump()
        logs.say(40, "at once")
    finally:
        logging.setLogRecordFactory(standard)
    form = logging.Formatter("%(request_id)s %(levelname)s %(name)s %(message)s")
    assert [form.format(record) for record in handler.records] == [
        "- WARNING headwaiter.queue text",
        "- ERROR headwaiter at once",
    ]


def test_levels_are_honoured(engine: Engine, handler: Handler) -> None:
    engine.put((10, "", "detail", 0.0), (20, "", "news", 0.0))
    logs.pump()
    assert [record.getMessage() for record in handler.records] == ["news"]


def test_the_thread_hands_on_while_a_server_runs(engine: Engine, handler: Handler) -> None:
    with logs.pumping(), logs.pumping():
        engine.put((20, "", "one", 0.0))
        assert handler.arrived.wait(10)
        assert handler.threads == {"headwaiter-log"}
    assert "headwaiter-log" not in {thread.name for thread in threading.enumerate()}


def test_nothing_is_lost_at_the_end(engine: Engine, handler: Handler) -> None:
    with logs.pumping():
        engine.put(*[(20, "", str(number), 0.0) for number in range(1000)])
    assert [record.getMessage() for record in handler.records] == [str(n) for n in range(1000)]


def test_a_handler_that_fails_does_not_end_the_thread(
    engine: Engine, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    failing = logging.StreamHandler(stream=None)
    monkeypatch.setattr(failing, "emit", lambda record: failing.handleError(record))
    logging.getLogger("headwaiter").handlers.insert(0, failing)
    with logs.pumping():
        engine.put((20, "", "one", 0.0))
        assert handler.arrived.wait(10)
        handler.arrived.clear()
        engine.put((20, "", "two", 0.0))
        assert handler.arrived.wait(10)


@pytest.mark.parametrize("error", [RuntimeError("handler failed"), SystemExit(1)])
def test_a_handler_that_raises_keeps_no_record_from_the_others(
    engine: Engine,
    handler: Handler,
    error: BaseException,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Raising(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage() == "bad":
                raise error

    logging.getLogger("headwaiter").handlers.insert(0, Raising())
    with logs.pumping():
        engine.put((20, "", "bad", 0.0), (20, "", "good", 0.0))
        assert handler.arrived.wait(10)
        assert handler.threads == {"headwaiter-log"}
    assert [record.getMessage() for record in handler.records] == ["bad", "good"]
    assert f"{type(error).__name__}" in capsys.readouterr().err


def test_a_handler_that_blocks_does_not_hold_up_the_end(
    engine: Engine, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "PATIENCE", 0.1)
    entered, release = threading.Event(), threading.Event()

    class Blocking(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            entered.set()
            assert release.wait(60)

    blocking = Blocking()
    logging.getLogger("headwaiter").handlers.insert(0, blocking)
    with logs.pumping():
        engine.put((20, "", "one", 0.0))
        assert entered.wait(10)
    thread = next(t for t in threading.enumerate() if t.name == "headwaiter-log")
    lock = blocking.lock
    logs.release(0.1)
    assert blocking.lock is not lock, "logging.shutdown would wait for it"
    blocking.lock = lock
    release.set()
    with logs.pumping():  # the next server's
        engine.put((20, "", "two", 0.0))
    thread.join(10)
    assert not thread.is_alive()
    assert [record.getMessage() for record in handler.records] == ["one", "two"]
