"""Which handler shows a record of the server, and when standard error has to."""

from __future__ import annotations

import io
import logging
from typing import Any

import pytest

from headwaiter._process import last_resort

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR


class Handler(logging.Handler):
    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


class Broken(logging.Handler):
    """Raises, which no handler should."""

    def emit(self, record: logging.LogRecord) -> None:
        raise RuntimeError("broken")


class Loggers:
    """A tree of loggers of its own: the process's has handlers of pytest."""

    def __init__(self) -> None:
        self.root = logging.RootLogger(WARNING)
        self.root.manager = logging.Manager(self.root)
        self.ours = self.root.manager.getLogger("headwaiter")
        self.queue = self.root.manager.getLogger("headwaiter.queue")

    def log(
        self, level: int = WARNING, *, announces: bool = False, logger: logging.Logger | None = None
    ) -> None:
        logger = logger or self.ours
        if last_resort.is_wanted(logger, level, announces=announces):
            record = logger.makeRecord(logger.name, level, "", 0, "%s", ("said",), None)
            last_resort.hand_on(logger, record, announces=announces)


@pytest.fixture
def loggers() -> Loggers:
    return Loggers()


class Stderr:
    """All that was written to standard error."""

    def __init__(self, captured: pytest.CaptureFixture[str]) -> None:
        self._captured = captured
        self._text = ""

    def getvalue(self) -> str:
        self._text += self._captured.readouterr().err
        return self._text


@pytest.fixture
def stderr(capsys: pytest.CaptureFixture[str]) -> Stderr:
    return Stderr(capsys)


def written(stderr: Stderr) -> int:
    return stderr.getvalue().count("said\n")


@pytest.mark.parametrize("level", [WARNING, ERROR])
def test_a_record_that_no_handler_takes_is_written(
    loggers: Loggers, stderr: Stderr, level: int
) -> None:
    loggers.log(level)
    loggers.log(level, logger=loggers.queue)
    first, second = stderr.getvalue().splitlines()
    assert first.endswith(f" {logging.getLevelName(level)} headwaiter: said")
    assert second.endswith(f" {logging.getLevelName(level)} headwaiter.queue: said")


def test_news_is_written_only_if_it_is_an_announcement(loggers: Loggers, stderr: Stderr) -> None:
    loggers.ours.setLevel(INFO)
    loggers.log(INFO)
    assert written(stderr) == 0
    loggers.log(INFO, announces=True)
    assert written(stderr) == 1


@pytest.mark.parametrize("where", ["queue", "ours", "root"])
def test_what_a_handler_takes_is_not_written(loggers: Loggers, stderr: Stderr, where: str) -> None:
    handler = Handler()
    getattr(loggers, where).addHandler(handler)
    loggers.log(logger=loggers.queue)
    assert (handler.texts, written(stderr)) == (["said"], 0)


def test_every_handler_of_the_chain_gets_the_record(loggers: Loggers, stderr: Stderr) -> None:
    handlers = [Handler(), Handler(), Handler()]
    for logger, handler in zip((loggers.queue, loggers.ours, loggers.root), handlers):
        logger.addHandler(handler)
    loggers.log(logger=loggers.queue)
    assert [handler.texts for handler in handlers] == [["said"]] * 3
    assert written(stderr) == 0


def test_a_logger_that_logging_config_has_disabled_logs(loggers: Loggers, stderr: Stderr) -> None:
    handler = Handler()
    loggers.root.addHandler(handler)
    loggers.ours.disabled = loggers.queue.disabled = True
    loggers.log()
    loggers.log(logger=loggers.queue)
    assert handler.texts == ["said", "said"]


def test_handlers_beyond_propagate_do_not_count(loggers: Loggers, stderr: Stderr) -> None:
    handler = Handler()
    loggers.root.addHandler(handler)
    loggers.ours.propagate = False
    loggers.log()
    assert (handler.texts, written(stderr)) == ([], 1)


@pytest.mark.parametrize(
    ("level", "taken", "seen"), [(WARNING, 0, 1), (ERROR, 1, 0), (logging.CRITICAL, 1, 0)]
)
def test_a_handler_of_a_higher_level_does_not_take(
    loggers: Loggers, stderr: Stderr, level: int, taken: int, seen: int
) -> None:
    handler = Handler(ERROR)
    loggers.root.addHandler(handler)
    loggers.log(level)
    assert (len(handler.texts), written(stderr)) == (taken, seen)


def test_a_handler_whose_filter_is_against_does_not_take(loggers: Loggers, stderr: Stderr) -> None:
    handler = Handler()
    asked = []

    def ask(record: logging.LogRecord) -> bool:
        asked.append(record)
        return False

    handler.addFilter(ask)
    loggers.root.addHandler(handler)
    loggers.log()
    assert (handler.texts, written(stderr), len(asked)) == ([], 1, 1)


def test_the_levels_of_our_loggers_hold(loggers: Loggers, stderr: Stderr) -> None:
    loggers.ours.setLevel(ERROR)
    loggers.log(WARNING)
    loggers.log(WARNING, logger=loggers.queue)
    loggers.log(INFO, announces=True)
    assert written(stderr) == 0
    loggers.queue.setLevel(WARNING)
    loggers.log(WARNING, logger=loggers.queue)
    assert written(stderr) == 1


def test_the_level_of_the_root_logger_hides_no_announcement(
    loggers: Loggers, stderr: Stderr
) -> None:
    handler = Handler()
    loggers.root.addHandler(handler)
    loggers.log(INFO)
    assert handler.texts == []
    loggers.log(INFO, announces=True)
    assert (handler.texts, written(stderr)) == (["said"], 0)


@pytest.mark.parametrize("announces", [False, True])
def test_a_filter_of_our_logger_holds(loggers: Loggers, stderr: Stderr, announces: bool) -> None:
    loggers.ours.addFilter(lambda record: record.getMessage() != "said")
    loggers.log(announces=announces)
    assert written(stderr) == 0


def test_a_null_handler_silences(loggers: Loggers, stderr: Stderr) -> None:
    loggers.ours.addHandler(logging.NullHandler())
    loggers.log()
    assert written(stderr) == 0


@pytest.mark.parametrize("announces", [False, True])
def test_logging_disable_silences(loggers: Loggers, stderr: Stderr, announces: bool) -> None:
    loggers.root.addHandler(handler := Handler())
    loggers.root.manager.disable = WARNING
    loggers.log(announces=announces)
    assert (handler.texts, written(stderr)) == ([], 0)
    loggers.log(ERROR)
    assert handler.texts == ["said"]


def test_without_pythons_last_resort_there_is_none_of_ours(
    loggers: Loggers, stderr: Stderr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging, "lastResort", None)
    loggers.log()
    assert written(stderr) == 0


def test_it_is_decided_for_each_record(loggers: Loggers, stderr: Stderr) -> None:
    loggers.log()
    assert written(stderr) == 1
    handler = Handler()
    loggers.root.addHandler(handler)
    loggers.log()
    assert (handler.texts, written(stderr)) == (["said"], 1)
    loggers.root.removeHandler(handler)
    loggers.log()
    assert (handler.texts, written(stderr)) == (["said"], 2)


def test_a_handler_that_raises_does_not_take(loggers: Loggers, stderr: Stderr) -> None:
    loggers.ours.addHandler(Broken())
    with pytest.raises(RuntimeError, match="broken"):
        loggers.log()
    assert written(stderr) == 1
    loggers.root.addHandler(handler := Handler())
    with pytest.raises(RuntimeError, match="broken"):
        loggers.log()
    assert (handler.texts, written(stderr)) == (["said"], 1)


@pytest.mark.parametrize("raises", [False, True])
def test_a_handler_that_reports_its_error_has_taken(
    loggers: Loggers, stderr: Stderr, raises: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``logging.raiseExceptions`` says whether it reports."""
    monkeypatch.setattr(logging, "raiseExceptions", raises)
    full = io.StringIO()
    full.close()
    loggers.root.addHandler(logging.StreamHandler(full))
    loggers.log()
    assert written(stderr) == 0
    assert ("--- Logging error ---" in stderr.getvalue()) is raises
    assert ("('said',)" in stderr.getvalue()) is raises


def test_a_filter_of_our_logger_that_raises(loggers: Loggers, stderr: Stderr) -> None:
    def broken(record: logging.LogRecord) -> bool:
        raise RuntimeError("broken")

    loggers.ours.addFilter(broken)
    with pytest.raises(RuntimeError, match="broken"):
        loggers.log()
    assert written(stderr) == 1


def test_a_library_that_wraps_call_handlers_sees_the_record(
    loggers: Loggers, stderr: Stderr, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Sentry and New Relic do."""
    seen = []
    original = logging.Logger.callHandlers

    def wrapped(self: logging.Logger, record: logging.LogRecord) -> Any:
        seen.append((self.name, record.getMessage()))
        return original(self, record)

    monkeypatch.setattr(logging.Logger, "callHandlers", wrapped)
    loggers.log(logger=loggers.queue)
    assert seen == [("headwaiter.queue", "said")]
    assert written(stderr) == 1


@pytest.mark.parametrize("stream", [None, "closed"])
def test_a_process_without_standard_error(
    loggers: Loggers, monkeypatch: pytest.MonkeyPatch, stream: str | None
) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stderr", closed if stream else None)
    loggers.log()
