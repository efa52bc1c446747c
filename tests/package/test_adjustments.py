"""The table against everything that is made from it, and the bounds of its rows."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from headwaiter import ADJUSTMENTS, Adjustments, create_server
from headwaiter._settings import defaults, reference
from headwaiter._settings.flags import make_parser
from headwaiter._settings.types import AdjustmentKeywords, AdjustmentValues, ServerKeywords
from headwaiter.adjustments import BY_NAME, GROUPS, Adjustment

ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="refused elsewhere")
TEXTUAL = [row for row in ADJUSTMENTS if not row.keyword_only]


def test_names_are_unique_and_groups_are_known() -> None:
    assert len(BY_NAME) == len(ADJUSTMENTS)
    assert {row.group for row in ADJUSTMENTS} == set(GROUPS)


def test_typed_keywords_are_the_table() -> None:
    written = {row.name: row.kind.annotation for row in ADJUSTMENTS}
    assert AdjustmentKeywords.__annotations__.keys() == written.keys()
    assert set(ServerKeywords.__annotations__) - set(written) == {"config"}
    for name, annotation in AdjustmentKeywords.__annotations__.items():
        assert annotation.__forward_arg__.replace("'", '"') == written[name], name


def test_typed_values_are_the_table() -> None:
    assert list(AdjustmentValues.__annotations__) == [row.name for row in ADJUSTMENTS]
    adjustments = Adjustments()
    for name, annotation in AdjustmentValues.__annotations__.items():
        types = annotation.replace("None", "NoneType").split(" | ")
        value = getattr(adjustments, name)
        assert type(value).__name__ in [item.partition("[")[0] for item in types], name


def test_page_is_the_table() -> None:
    page = (ROOT / "docs" / "adjustments.md").read_text(encoding="utf-8")
    assert page == reference.page(), (
        "run: python -m headwaiter._settings.reference > docs/adjustments.md"
    )
    for row in ADJUSTMENTS:
        assert f"| `{row.name}` |" in page


def test_flags_are_the_table() -> None:
    flags = make_parser()._option_string_actions
    for row in ADJUSTMENTS:
        assert (row.flag in flags) is not row.keyword_only
        assert (f"--no-{row.flag[2:]}" in flags) is row.is_boolean


@pytest.mark.parametrize("row", TEXTUAL, ids=lambda row: row.name)
def test_default_written_as_text_is_the_default(row: Adjustment) -> None:
    if row.default is None:
        assert row.default_words or row.cast("") is None
    else:
        assert row.cast(row.shown(row.default)) == row.default


@pytest.mark.parametrize("row", ADJUSTMENTS, ids=lambda row: row.name)
def test_engine_settings_hold_the_engine_rows(row: Adjustment) -> None:
    settings = Adjustments().engine_settings("headwaiter")
    assert (row.name in settings) is row.engine
    if row.engine:
        assert isinstance(settings[row.name], (int, float, bool, str, list, type(None)))


def test_off_is_none_for_the_engine() -> None:
    settings = Adjustments(header_timeout=0, queue_limit=5).engine_settings("headwaiter")
    assert settings["header_timeout"] is None
    assert settings["queue_timeout"] is None
    assert settings["queue_limit"] == 5
    assert settings["shutdown_timeout"] == 30.0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threads", 0),
        ("threads", float("inf")),
        ("port", -1),
        ("port", 65536),
        ("backlog", 2**31),
        ("max_request_header_size", 0),
        ("max_request_header_fields", 0),
        ("max_request_body_size", 2**63),
        ("unix_socket_perms", "10000"),
        ("channel_timeout", -0.1),
        ("channel_timeout", "nan"),
        ("header_timeout", "inf"),
        ("shutdown_timeout", 1e12),
        ("abandoned_requests", "never"),
        ("abandoned_requests", None),
        ("health_path", "health"),
        ("health_path", "/a?b"),
        ("health_path", "/a b"),
        ("trusted_proxy", "10.0.0.0/33"),
        ("trusted_proxy", "10.0.0.1, *"),
        ("trusted_proxy", ["10.0.0.1", "nonsense"]),
        ("ident", "two\r\nlines"),
        ("ident", "not Latin-1: \u20ac"),
        ("server_name", "two\nlines"),
        ("url_scheme", "x y"),
        ("url_scheme", ""),
        ("spool_dir", "/nonexistent"),
    ],
)
def test_out_of_bounds(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: .*{value if name == 'port' else ''}"):
        Adjustments(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("shutdown_timeout", "0.25", 0.25),
        ("abandoned_requests", "run", "run"),
        ("health_path", " /health ", "/health"),
        ("health_path", "", None),
        ("trusted_proxy", "10.0.0.0/8, ::1 unix", "10.0.0.0/8,::1,unix"),
        ("trusted_proxy", "10.1.2.3/8", "10.1.2.3/8"),
        ("trusted_proxy", ["10.0.0.1", "unix"], "10.0.0.1,unix"),
        ("ident", "caf\xe9", "caf\xe9"),
        ("unix_socket", Path("/run/x"), "/run/x"),
        ("spool_dir", Path("/"), "/"),
    ],
)
def test_casts_beyond_waitress(name: str, value: Any, expected: Any) -> None:
    keywords = {name: value}
    if name == "trusted_proxy":
        keywords["trusted_proxy_headers"] = "forwarded"
    assert getattr(Adjustments(**keywords), name) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="no descriptor limit")
def test_connection_limit_follows_the_descriptor_limit() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (400, hard))
        assert Adjustments().connection_limit == 300
        assert Adjustments().spool_files == 50  # the application has as many
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert Adjustments(connection_limit=7).connection_limit == 7


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space")
def test_memory_for_requests_follows_the_memory_limit() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    unlimited = Adjustments().inbuf_total
    assert 0 < unlimited <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 8
    try:
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, hard))
        assert Adjustments().inbuf_total == min(unlimited, 1 << 30)
        assert Adjustments().outbuf_total == min(max(unlimited, 64 << 20), 1 << 30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert Adjustments(inbuf_total=7).inbuf_total == 7
    assert Adjustments(outbuf_total=7).outbuf_total == 7
    assert Adjustments(spool_files=7).spool_files == 7


def test_little_memory_leaves_some_for_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "_memory", lambda: 80 << 20)
    settings = Adjustments()
    assert (settings.inbuf_total, settings.outbuf_total) == (10 << 20, 64 << 20)


@pytest.mark.skipif(sys.platform == "win32", reason="one process there")
def test_processes_share_memory_and_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "_memory", lambda: 8 << 30)
    monkeypatch.setattr(defaults, "spool_limit", lambda _directory: 1000)
    settings = Adjustments(processes=4)
    assert (settings.inbuf_total, settings.outbuf_total) == (256 << 20, 256 << 20)
    assert settings.spool_limit == 250


def test_defaults_are_not_shared() -> None:
    Adjustments().trusted_proxy_headers.add("forwarded")
    assert Adjustments().trusted_proxy_headers == set()


@pytest.mark.skipif(sys.platform == "win32", reason="one process there")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("processes", 2),
        ("processes", "auto"),
        ("max_requests", 500),
        ("max_rss", 1 << 30),
        ("max_lifetime", 60),
        pytest.param("preload", True, marks=LINUX),
        ("drain_delay", 1),
        ("control", "x"),
    ],
)
def test_what_needs_a_parent_process(name: str, value: Any) -> None:
    adjustments: dict[str, Any] = {name: value}
    assert Adjustments(**adjustments).supervised_by() == name
    with pytest.raises(ValueError, match=f"^{name} .*headwaiter MODULE:OBJECT"):
        create_server(lambda _environ, _start: [], **adjustments)


@LINUX
def test_sockets_that_are_bound_already_cannot_be_multiplied() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        others: list[dict[str, Any]] = [{"unix_socket": "x"}, {"sockets": [bound]}]
        for other in others:
            with pytest.raises(ValueError, match=r"^reuse_port: only for TCP addresses"):
                Adjustments(reuse_port=True, **other)


def test_windows_takes_no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        monkeypatch.setattr(sys, "platform", "win32")
        with pytest.raises(ValueError, match=r"^sockets: not on Windows"):
            Adjustments(sockets=[bound])


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_reuse_port_is_refused_where_it_divides_nothing(
    monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(ValueError, match=r"^reuse_port: only on Linux"):
        Adjustments(reuse_port=True)


def test_one_process_needs_no_parent() -> None:
    assert Adjustments(processes=1, pid_file="x", max_requests_jitter=5).supervised_by() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="one process there")
def test_preload_is_refused_where_a_fork_is_not_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ValueError, match="preload: only on Linux"):
        Adjustments(preload=True)
    assert Adjustments(preload=False).supervised_by() == ""


@pytest.mark.skipif(sys.platform != "win32", reason="only Windows refuses")
def test_windows_has_one_process() -> None:
    with pytest.raises(ValueError, match="processes: not on Windows"):
        Adjustments(processes=2)
