"""``log_config`` and ``log_level``: from every source, in every format, and when they are wrong."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import headwaiter
from headwaiter._process import log_config
from headwaiter._settings.adjustments import Adjustments
from tests.support.process import run_cli, start_server
from tests.support.target import headwaiter_only

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

pytestmark = headwaiter_only("it has neither")
OURS = logging.getLogger("headwaiter")
MARKED = {
    "version": 1,
    "formatters": {"marked": {"format": "marked %(message)s"}},
    "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "marked"}},
    "loggers": {"headwaiter": {"handlers": ["h"], "level": "INFO", "propagate": False}},
}
TOML = """
version = 1
formatters.marked.format = "marked %(message)s"
handlers.h = { class = "logging.StreamHandler", formatter = "marked" }
loggers.headwaiter = { handlers = ["h"], level = "INFO", propagate = false }
"""
INI = """
[loggers]
keys = root, ours
[handlers]
keys = h
[formatters]
keys = marked
[formatter_marked]
format = marked %(message)s
[handler_h]
class = StreamHandler
args = ()
formatter = marked
[logger_root]
handlers =
[logger_ours]
qualname = headwaiter
handlers = h
level = INFO
propagate = 0
"""
FILES = {
    "log.json": json.dumps(MARKED),
    "log.TOML": TOML,
    "log.ini": INI,
    "log.conf": INI,
    "log.cfg": INI,
}


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "0")])
    return []


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    known = {name: (one.level, one.propagate, one.disabled) for name, one in _loggers().items()}
    before = {logger: logger.handlers[:] for logger in (root, OURS)}
    level = root.level
    yield
    for logger, handlers in before.items():
        for handler in logger.handlers:
            if handler not in handlers:
                handler.close()
        logger.handlers[:] = handlers
    root.setLevel(level)
    for name, one in _loggers().items():
        level, one.propagate, one.disabled = known.get(name, (logging.NOTSET, True, False))
        one.setLevel(level)


def _loggers() -> dict[str, logging.Logger]:
    found = logging.getLogger().manager.loggerDict
    return {name: one for name, one in found.items() if isinstance(one, logging.Logger)}


def marked() -> bool:
    return any(
        handler.formatter is not None and handler.formatter._fmt == "marked %(message)s"
        for handler in OURS.handlers
    )


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_each_kind(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(FILES[name])
    other = logging.getLogger("tests.logs.other")
    log_config.set_up(str(tmp_path / name), None)
    assert marked()
    assert (OURS.level, OURS.propagate) == (logging.INFO, False)
    assert not other.disabled, "unless the file says so"


def test_a_file_may_disable_loggers(tmp_path: Path) -> None:
    other = logging.getLogger("tests.logs.other")
    log_config.set_up({"version": 1, "disable_existing_loggers": True}, None)
    assert other.disabled


def test_an_ini_file_knows_where_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "100 %"
    folder.mkdir()
    text = INI.replace("StreamHandler", "FileHandler").replace(
        "args = ()", "args = ('%(here)s/l',)"
    )
    (folder / "log.ini").write_text(text)
    log_config.set_up(str(folder / "log.ini"), None)
    OURS.info("hello")
    assert (folder / "l").read_text() == "marked hello\n"


@pytest.mark.parametrize(
    ("level", "number"), [("debug", 10), ("WARNING", 30), (logging.ERROR, 40), (None, 0), ("", 0)]
)
def test_levels(level: Any, number: int) -> None:
    OURS.setLevel(logging.NOTSET)
    headwaiter.create_server(hello, listen="127.0.0.1:0", log_level=level).close()
    assert OURS.level == number


@pytest.mark.parametrize("level", ["loud", 25, True, "10", ["info"]])
def test_levels_that_there_are_not(level: Any) -> None:
    with pytest.raises(ValueError, match=r"^log_level: expected one of debug, info, .*, got "):
        Adjustments(log_level=level)


def test_a_level_beats_the_one_of_the_file() -> None:
    headwaiter.create_server(
        hello, listen="127.0.0.1:0", log_config=MARKED, log_level="error"
    ).close()
    assert marked()
    assert OURS.level == logging.ERROR


def test_a_program_sets_up_nothing_unless_asked() -> None:
    root = logging.getLogger()
    before = (OURS.level, OURS.handlers[:], root.level, root.handlers[:])
    headwaiter.create_server(hello, listen="127.0.0.1:0").close()
    assert (OURS.level, OURS.handlers, root.level, root.handlers) == before


@pytest.mark.parametrize("source", ["keyword", "dict", "environment", "file", "table"])
def test_each_source_of_a_program(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("log.toml").write_text(TOML)
    settings: dict[str, Any] = {}
    if source == "keyword":
        settings["log_config"] = Path("log.toml")
    elif source == "dict":
        settings["log_config"] = MARKED
    elif source == "environment":
        monkeypatch.setenv("HEADWAITER_LOG_CONFIG", "log.toml")
        monkeypatch.setenv("HEADWAITER_LOG_LEVEL", "warning")
    else:
        own = 'log_config = "log.toml"\n' if source == "file" else f"[log_config]\n{TOML}"
        Path("headwaiter.toml").write_text(f'log_level = "warning"\n{own}')
        settings["config"] = "headwaiter.toml"
    headwaiter.create_server(hello, listen="127.0.0.1:0", **settings).close()
    assert marked()
    given_level = source in ("environment", "file", "table")
    assert OURS.level == (logging.WARNING if given_level else logging.INFO)


def test_the_path_counts_from_the_directory_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    adjustments = Adjustments(log_config="log.toml")
    assert adjustments.log_config == str(tmp_path / "log.toml")


WRONG = {
    "absent.json": (None, "No such file or directory"),
    "log.yaml": ("version: 1", "YAML is not read: write the same as .json or .toml"),
    "comma.json": ('{"version": 1,}', "line 1 column"),
    "list.json": ("[1]", "expected an object, as for dictConfig"),
    "version.json": ("{}", "dictionary doesn't specify a version"),
    "class.json": (
        '{"version": 1, "handlers": {"h": {"class": "absent.Handler"}}}',
        "Unable to configure handler 'h': .*absent",
    ),
    "folder.json": (
        '{"version": 1, "handlers": {"h": {"class": "logging.FileHandler", "filename": "/a/b"}}}',
        "Unable to configure handler 'h': /a/b: No such file or directory",
    ),
    "equals.toml": ("version = = 1", "line 1"),
    "key.toml": ("version = 1\nversion = 2", "duplicate key"),
    "bytes.toml": (b"\xff", "can't decode byte 0xff"),
    "section.ini": ("keys = root", "File contains no section headers. .*line: 1"),
    "missing.ini": ("[loggers]\nkeys = root", "'formatters' is missing"),
    "empty.ini": ("", "'formatters' is missing"),
    "folder.ini": (
        INI.replace("StreamHandler", "FileHandler").replace("args = ()", "args = ('/a/b',)"),
        "/a/b: No such file or directory",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_one_message_with_file_and_cause(name: str, tmp_path: Path) -> None:
    text, cause = WRONG[name]
    path = tmp_path / name
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=cause) as raised:
        headwaiter.create_server(hello, listen="127.0.0.1:0", log_config=path)
    assert str(raised.value).startswith(f"log_config: {path}: ")
    assert str(raised.value).count(str(path)) == 1
    assert raised.value.__cause__ is None
    done = run_cli(f"--log-config={path}", "tests.support.apps:hello")
    assert (done.returncode, done.stdout) == (2, "")
    message = done.stderr.removesuffix("\nSee headwaiter --help.\n")
    assert message == f"headwaiter: {raised.value} (from --log-config)"
    assert "Traceback" not in message


def test_a_dict_that_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"^log_config: dictionary doesn't specify a version"):
        headwaiter.create_server(hello, log_config={"handlers": {}})
    with pytest.raises(TypeError, match=r"^log_config: expected a path, or a dict as for dictC"):
        headwaiter.create_server(hello, log_config=["log.toml"])  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("source", ["flag", "environment", "toml"])
def test_each_source_of_the_command_line(processes: int, source: str, tmp_path: Path) -> None:
    """Parent and children are set up alike."""
    path = tmp_path / "log.ini"
    path.write_text(INI)
    settings: dict[str, Any] = {"processes": processes}
    env = {}
    if source == "flag":
        settings["log_config"] = path
    elif source == "environment":
        env["HEADWAITER_LOG_CONFIG"] = str(path)
    else:
        (tmp_path / "own.toml").write_text(f'log_config = "{path}"')
        settings["config"] = tmp_path / "own.toml"
    with start_server("tests.logs.apps:app", env=env, **settings) as server:
        assert server.ask("/fail").status == 500
        server.stop()
        ours = re.findall(r"(?m)^.*(?:Serving|Exception while|stopped after).*", server.log)
        assert len(ours) == 3
        assert all(line.startswith("marked ") for line in ours), server.log


@pytest.mark.skipif(sys.platform == "win32", reason="one process there")
def test_a_reload_reads_the_file_anew(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text(json.dumps(MARKED))
    with start_server(log_config=path, control=tmp_path / "ctl") as server:
        path.write_text("{")
        assert reload(tmp_path) == 1, server.log
        server.wait_for_log(r"(?m)^marked the reload failed; .*\nlog_config: .*log.json: Expecting")
        path.write_text(json.dumps(MARKED).replace("marked %", "anew %"))
        assert reload(tmp_path) == 0, server.log
        server.stop()
        server.wait_for_log(r"(?m)^anew stopped after")


def reload(folder: Path) -> int:
    """The exit status of ``headwaiter ctl reload``."""
    return run_cli("ctl", f"--control={folder / 'ctl'}", "reload").returncode
