"""Figures are published of a known revision, measured long enough on a machine that was quiet."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import machine, quiet, report, results
from benchmarks.quiet import Check, Clocks, Shares
from benchmarks.results import Cell, Record, Stat

CALM = Check(Shares(0.0, 0.01), 3000.0, 1.98, 2)
BUSY = Check(Shares(0.05, 0.4), 3000.0, 1.2, 2)


def options(**given: object) -> argparse.Namespace:
    known = {"publish": False, "quick": False, "noisy": False, "rounds": None, "seconds": None}
    return argparse.Namespace(**{**known, **given})


def test_the_kernels_line_is_read() -> None:
    hertz = 100
    clocks = quiet.clocks("cpu  100 50 200 9000 70 10 20 30 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")
    assert clocks.busy * hertz == pytest.approx(380.0)
    assert clocks.steal * hertz == pytest.approx(30.0)


def test_what_is_ours_is_not_others() -> None:
    before = Clocks(wall=10.0, busy=5.0, steal=1.0, own=2.0)
    after = Clocks(wall=20.0, busy=15.0, steal=2.0, own=8.0)
    assert quiet.between(before, after, cores=2) == Shares(steal=0.05, others=0.2)
    more_of_ours = Clocks(wall=20.0, busy=15.0, steal=1.0, own=20.0)
    assert quiet.between(before, more_of_ours, cores=2) == Shares(0.0, 0.0)


def test_reasons_are_named() -> None:
    assert CALM.reasons() == []
    assert BUSY.reasons() == [
        "5 % of the machine's time was stolen before the run",
        "others used 40 % of the machine before the run",
        "2 cores are configured, 1.2 could be used",
    ]
    assert quiet.drift(1000.0, 1050.0) == []
    assert quiet.drift(1000.0, 1300.0) == ["a loop was 30 % slower after the run than before"]
    assert quiet.drift(1000.0, 800.0) == ["a loop was 20 % faster after the run than before"]


def test_a_machine_can_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "GLANCE_SECONDS", 0.05)
    monkeypatch.setattr(quiet, "SPIN_SECONDS", 0.05)
    monkeypatch.setattr(quiet, "LOOP_SECONDS", 0.05)
    seen = quiet.check()
    assert 0.0 < seen.cores <= seen.configured + 0.5
    assert seen.loop_us > 0
    assert set(seen.facts()) >= {"used by others before", "cores that could be used"}


def test_published_runs_are_longer() -> None:
    usual, published, quick = options(), options(publish=True), options(quick=True)
    for each in (usual, published, quick):
        command.default_rounds(each)
    assert (usual.rounds, usual.seconds) == (3, 2)
    assert (published.rounds, published.seconds) == (5, 3)
    assert (quick.rounds, quick.seconds) == (1, 1)
    with pytest.raises(SystemExit, match="at least 5 rounds of 3 s"):
        command.default_rounds(options(publish=True, rounds=3))


def test_nothing_is_published_from_an_altered_tree_or_a_busy_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "altered", lambda: "crates/http/src/lib.rs")
    monkeypatch.setattr(quiet, "check", lambda: CALM)
    with pytest.raises(SystemExit, match="differs from its commit: crates/http"):
        command.fit(options(publish=True))
    assert command.fit(options()) == CALM
    monkeypatch.setattr(machine, "altered", lambda: "")
    assert command.fit(options(publish=True)) == CALM
    monkeypatch.setattr(quiet, "check", lambda: BUSY)
    with pytest.raises(SystemExit, match="--noisy marks it"):
        command.fit(options(publish=True))
    assert command.fit(options(publish=True, noisy=True)) == BUSY
    assert command.worthless(BUSY, quiet.clocks())[:3] == BUSY.reasons()


def test_a_tree_is_altered_by_what_figures_depend_on(tmp_path: Path) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    (tmp_path / "engine.rs").touch()
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "--quiet", "-m", "all"], check=True)
    assert machine.altered(tmp_path) == ""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").touch()
    assert machine.altered(tmp_path) == ""
    (tmp_path / "engine.rs").write_text("fn main() {}")
    assert machine.altered(tmp_path) == "engine.rs"


def test_a_worthless_row_says_so(tmp_path: Path) -> None:
    record = Record(
        cells={"headwaiter": Cell({"cpu_us": Stat(7.0, 0.1)})},
        circumstances={},
        versions={},
        absent={},
        rounds=5,
        seconds=3,
        worthless=["others used 40 % of the machine during the run"],
    )
    results.save(tmp_path / "pinned.json", {"hello-c1": record})
    report.write(tmp_path / "page.md", tmp_path)
    text = (tmp_path / "page.md").read_text()
    assert "| **hello-c1**: 13 bytes, one connection (worthless: see below) |" in text
    assert "- hello-c1: others used 40 % of the machine during the run" in text
