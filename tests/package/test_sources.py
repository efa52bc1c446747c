"""Where values come from: precedence, origins, and what each source does with bad input."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest

from headwaiter import ADJUSTMENTS, Adjustments
from headwaiter._settings import files
from headwaiter._settings.casts import THREADS
from headwaiter._settings.variables import OTHERS
from headwaiter.settings import Effective


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "headwaiter.toml"


def test_the_first_source_wins(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("threads = 2\nbacklog = 2\nident = 'file'\n")
    monkeypatch.setenv("HEADWAITER_THREADS", "3")
    monkeypatch.setenv("HEADWAITER_BACKLOG", "3")
    effective = Adjustments(config=config, threads=4).effective()
    assert effective["threads"] == Effective(4, "argument", "")
    assert effective["backlog"] == Effective(3, "environment", "HEADWAITER_BACKLOG")
    assert effective["ident"] == Effective("file", "file", str(config))
    assert effective["queue_limit"] == Effective(0, "default", "")


def test_a_value_that_lost_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    # Kubernetes sets such a variable for a service of this name.
    monkeypatch.setenv("HEADWAITER_PORT", "tcp://10.0.0.1:80")
    assert Adjustments(host="127.0.0.1", port=1).port == 1
    with pytest.raises(ValueError, match=r"^port: .* \(from HEADWAITER_PORT, which Kub.*\)$"):
        Adjustments()


def test_empty_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("THREADS", "HOST", "UNIX_SOCKET", "EXPOSE_TRACEBACKS", "IDENT", "CONFIG"):
        monkeypatch.setenv(f"HEADWAITER_{name}", "")
    effective = Adjustments().effective()
    assert effective["ident"] == Effective(None, "environment", "HEADWAITER_IDENT")
    assert {item.origin for name, item in effective.items() if name != "ident"} == {"default"}


def test_lists_and_booleans_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADWAITER_LISTEN", "127.0.0.1:1 127.0.0.1:2")
    monkeypatch.setenv("HEADWAITER_EXPOSE_TRACEBACKS", "yes")
    adjustments = Adjustments()
    assert adjustments.listeners() == [("inet", "127.0.0.1", 1), ("inet", "127.0.0.1", 2)]
    assert adjustments.expose_tracebacks is True


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_dev_says_what_is_not_given(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("dev = true\nexpose_tracebacks = false\n")
    monkeypatch.setenv("HEADWAITER_RELOAD", "no")
    effective = Adjustments(config=config).effective()
    assert effective["threads"] == Effective("4-64", "file", str(config))
    assert effective["access_log"] == Effective("-", "file", str(config))
    assert effective["reload"] == Effective(False, "environment", "HEADWAITER_RELOAD")
    assert effective["expose_tracebacks"] == Effective(False, "file", str(config))
    monkeypatch.setenv("HEADWAITER_DEV", "no")
    assert Adjustments(config=config).threads == 4


def test_dev_has_colors_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "%(s)s" in Adjustments(dev=True, reload=False).access_log_format
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert "%(colored)s" in Adjustments(dev=True, reload=False).access_log_format
    assert Adjustments(dev=True, access_log="log").access_log_format == "combined"
    assert Adjustments(dev=True, access_log_format="json").access_log_format == "json"
    monkeypatch.setenv("NO_COLOR", "1")
    assert "%(s)s" in Adjustments(dev=True, reload=False).access_log_format


def test_listen_silences_what_it_excludes(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("unix_socket = '/run/x'\n")
    monkeypatch.setenv("HEADWAITER_HOST", "127.0.0.1")
    assert Adjustments(config=config).listeners() == [("inet", "127.0.0.1", 8080)]
    assert Adjustments(config=config, port=1).listeners() == [("inet", "127.0.0.1", 1)]
    assert Adjustments(config=config, listen="[::1]:2").listeners() == [("inet6", "::1", 2, 0, 0)]
    monkeypatch.delenv("HEADWAITER_HOST")
    assert Adjustments(config=config).listeners() == [("unix", "/run/x")]


def test_one_source_may_not_exclude_itself(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("listen = '127.0.0.1:1'\nport = 1\n")
    with pytest.raises(
        ValueError, match=r"port \(in .*\) may not be set if listen \(in .*\) is set"
    ):
        Adjustments(config=config)
    monkeypatch.setenv("HEADWAITER_UNIX_SOCKET", "/run/x")
    monkeypatch.setenv("HEADWAITER_HOST", "127.0.0.1")
    with pytest.raises(
        ValueError, match="HEADWAITER_HOST may not be set if HEADWAITER_UNIX_SOCKET is set"
    ):
        Adjustments()


def test_host_and_port_are_the_origin_of_listen() -> None:
    assert Adjustments(port=1).effective()["listen"].origin == "argument"


def test_file_with_a_table_of_ours(config: Path) -> None:
    config.write_text(
        "[other]\nthreads = 'x'\n[headwaiter]\nthreads = 2\nlisten = ['127.0.0.1:1']\n"
    )
    adjustments = Adjustments(config=config)
    assert adjustments.threads == 2
    assert adjustments.listeners() == [("inet", "127.0.0.1", 1)]


def test_file_named_by_the_environment(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("threads = 2\n")
    monkeypatch.setenv("HEADWAITER_CONFIG", str(config))
    assert Adjustments().threads == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threads = \n", r"headwaiter\.toml: .*line 1"),
        (
            "thread = 2\n",
            r"headwaiter\.toml: unknown adjustment 'thread'; did you mean 'threads'\?",
        ),
        ("sockets = []\n", r"headwaiter\.toml: unknown adjustment 'sockets'"),
        ("headwaiter = 1\n", r"headwaiter\.toml: headwaiter must be a table"),
        ("threads = 'x'\n", r"threads: .*'x' \(from .*headwaiter\.toml\)"),
        ("threads = [1]\n", r"threads: .*\[1\] \(from .*headwaiter\.toml\)"),
    ],
)
def test_bad_file(config: Path, text: str, message: str) -> None:
    config.write_text(text)
    with pytest.raises((ValueError, TypeError), match=message):
        Adjustments(config=config)


def test_file_that_is_not_text(config: Path) -> None:
    config.write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"headwaiter\.toml: "):
        Adjustments(config=config)


def test_file_that_is_not_there(config: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Adjustments(config=config)


def test_unknown_keyword_offers_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"^unknown adjustment 'thread'; did you mean 'threads'\?$"
    ):
        Adjustments(thread=4)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"^unknown adjustment 'xyzzy'$"):
        Adjustments(xyzzy=4)  # type: ignore[call-arg]


def test_misspelt_variable_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("THREDS", "WORKERS", "UNRELATED"):
        monkeypatch.setenv(f"HEADWAITER_{name}", "8")
    Adjustments()
    Adjustments()
    text = "environment variable HEADWAITER_{} has no effect{}"
    assert [record.getMessage() for record in caplog.records] == [
        text.format("THREDS", "; did you mean 'HEADWAITER_THREADS'?"),
        text.format("UNRELATED", ""),
        text.format("WORKERS", "; did you mean 'HEADWAITER_PROCESSES'?"),
    ]


def test_variables_that_are_known_or_of_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kubernetes = ("SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT_80_TCP_ADDR")
    for name in (*OTHERS, *(f"HEADWAITER_{name}" for name in (*kubernetes, "TEST_FORKS"))):
        monkeypatch.setenv(name, "" if name == "HEADWAITER_CONFIG" else "1")
    Adjustments()
    assert caplog.records == []


def test_every_variable_of_ours_is_listed() -> None:
    root = Path(__file__).parents[2]
    sources = [*(root / "crates").rglob("*.rs"), *(root / "python").rglob("*.p*")]
    text = "".join(path.read_text(encoding="utf-8") for path in sources if path.suffix != ".pyc")
    named = set(re.findall(r"\bHEADWAITER_[A-Z_]*[A-Z]\b", text))
    known = {row.variable for row in ADJUSTMENTS} | OTHERS.keys()
    examples = {"HEADWAITER_X", "HEADWAITER_THREDS"}
    assert named - examples <= known


def test_a_child_says_nothing_of_variables(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its parent has."""
    monkeypatch.setenv("HEADWAITER_PROCESS", "0")
    monkeypatch.setenv("HEADWAITER_THREDS", "8")
    Adjustments()
    assert caplog.records == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("threads = 2.9", f"threads: expected {THREADS.noun}, got 2.9"),
        ("threads = 2.0", f"threads: expected {THREADS.noun}, got 2.0"),
        ("threads = true", f"threads: expected {THREADS.noun}, got true"),
        ("outbuf_overflow = 1.5", "outbuf_overflow: expected a whole number of bytes, got 1.5"),
        ("shutdown_timeout = false", "shutdown_timeout: expected a number of seconds, got false"),
    ],
)
def test_a_number_of_another_type_is_refused(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "headwaiter.toml"
    path.write_text(line)
    with pytest.raises(ValueError, match=re.escape(f"{path}: {says}")):
        Adjustments(config=str(path))


def test_the_port_that_platforms_set(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "5000")
    assert Adjustments().port == 8080  # a program says itself where it listens
    found = Adjustments.from_flags({})
    assert found.listeners() == [("inet", "0.0.0.0", 5000)]
    assert found.effective()["listen"][1:] == ("environment", "PORT")
    assert Adjustments.from_flags({"host": "127.0.0.1"}).listeners() == [
        ("inet", "127.0.0.1", 5000)
    ]
    for name, value in (("port", "1"), ("listen", ["127.0.0.1:1"]), ("unix_socket", "/run/x")):
        assert Adjustments.from_flags({name: value}).listeners()[0][-1] in (1, "/run/x")
    config.write_text("listen = '127.0.0.1:1'\n")
    assert Adjustments.from_flags({}, files.read(config)).listeners() == [("inet", "127.0.0.1", 1)]
    monkeypatch.setenv("PORT", "")
    assert Adjustments.from_flags({}).port == 8080


@pytest.mark.skipif(sys.platform == "win32", reason="one process there")
def test_the_number_of_processes_that_platforms_set(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text("threads = 2\n")
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    assert Adjustments().processes == 1  # a program is one process
    found = Adjustments.from_flags({}, files.read(config)).effective()["processes"]
    assert found == Effective(3, "environment", "WEB_CONCURRENCY")
    assert Adjustments.from_flags({"processes": "auto"}).processes == "auto"
    config.write_text("processes = 2\n")
    assert Adjustments.from_flags({}, files.read(config)).processes == 2
    monkeypatch.setenv("WEB_CONCURRENCY", "many")
    with pytest.raises(ValueError, match=r"^processes: .*'many' \(from WEB_CONCURRENCY\)$"):
        Adjustments.from_flags({})
