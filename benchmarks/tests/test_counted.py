"""Counts of instructions: whose they are, how they are kept, and their page."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from benchmarks import counted, instructions, results
from benchmarks.process import ServerError

if TYPE_CHECKING:
    from pathlib import Path

FACTS = {"python": "CPython 3.11", "revision": "abc"}


@pytest.mark.parametrize(
    ("owner", "kind"),
    [
        ("_headwaiter.cpython-311-x86_64-linux-gnu.so", "own"),
        ("_bjoern.cpython-311-x86_64-linux-gnu.so", "own"),
        ("libev.so.4.0.0", "own"),
        ("_parser_fast.cpython-311-x86_64-linux-gnu.so", "own"),
        ("_native.cpython-311-x86_64-linux-gnu.so", "own"),
        ("libKGENCompilerRTShared.so", "own"),
        ("uwsgi", "own"),
        ("raw", "own"),
        ("libpython3.11.so.1.0", "Python"),
        ("python3.11", "Python"),
        ("_struct.cpython-311-x86_64-linux-gnu.so", "Python"),
        ("libc.so.6", "libc"),
        ("ld-linux-x86-64.so.2", "libc"),
        ("libgcc_s.so.1", "other"),
        ("???", "other"),
    ],
)
def test_owners(owner: str, kind: str) -> None:
    assert counted.shares({owner: 5.0})[kind] == 5.0


def test_a_peer_is_replaced_and_the_others_stay(tmp_path: Path) -> None:
    kept = tmp_path / "instructions.json"
    own = "_headwaiter.cpython-311-x86_64-linux-gnu.so"
    counted.keep(kept, "waitress", "3.0.2", {"hello-c1": {"libpython3.11.so": 300_000.0}}, FACTS)
    counted.keep(kept, "headwaiter", "0.1", {"hello-c1": {own: 9.0}, "headers": {own: 8.0}}, FACTS)
    counted.keep(kept, "headwaiter", "0.1", {"hello-c1": {own: 10_000.0, "libc.so.6": 1.0}}, FACTS)
    counted.keep(kept, "gunicorn", "27", {"hello-c1": "the server closed the connection"}, FACTS)
    peers = results.read(kept, counted.FORMAT, "peers")
    assert set(peers["headwaiter"]["exchanges"]) == {"hello-c1", "headers"}
    page = tmp_path / "benchmarks" / "instructions.md"
    counted.write(page, kept)
    text = page.read_text()
    ours = "| headwaiter | 10,001 | 10,000 | 0 | 1 | 0 |"
    assert text.index(ours) < text.index("| waitress | 300,000 | 0 | 300,000 | 0 | 0 |")
    assert "Not counted: gunicorn (the server closed the connection)." in text
    assert "- headwaiter: 0.1; python CPython 3.11; revision abc" in text


def test_without_counts_there_is_no_page(tmp_path: Path) -> None:
    counted.write(tmp_path / "page.md", tmp_path / "none.json")
    assert not (tmp_path / "page.md").exists()


@pytest.mark.skipif(shutil.which("objcopy") is None, reason="no objcopy")
def test_a_package_is_copied_once_and_altered_only_there(tmp_path: Path) -> None:
    place = instructions.stripped("benchmarks", tmp_path)
    assert (place / "benchmarks" / "counted.py").is_file()
    assert instructions.stripped("benchmarks", tmp_path) == place
    with pytest.raises(ServerError, match="no_such_package cannot be found"):
        instructions.stripped("no_such_package", tmp_path)
