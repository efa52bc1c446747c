"""The servers under comparison: which are known, in which version, with which settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import launch
from benchmarks.peers import PEERS

REQUIREMENTS = Path(launch.__file__).with_name("requirements.txt")
PINNED = re.compile(r"^([\w-]+)==[\d.]+$", re.MULTILINE)


@pytest.mark.parametrize("needs", sorted({peer.needs for peer in PEERS.values()}))
def test_every_peer_is_pinned(needs: str) -> None:
    pinned = PINNED.findall(REQUIREMENTS.read_text())
    assert needs == "headwaiter" or needs.startswith("$") or needs in pinned


def test_the_rivals_that_users_ask_about_are_there() -> None:
    wanted = {"gunicorn", "freastal", "fastpysgi", "peregrine1", "peregrine4", "m0serve"}
    assert wanted <= {name for name, peer in PEERS.items() if peer.default}


def test_threads_differ_where_a_peer_comes_twice() -> None:
    for one, four in (("peregrine1", "peregrine4"), ("granian1", "granian4")):
        single, several = (PEERS[name].command(8000, "app:app") for name in (one, four))
        differing = [pair for pair in zip(single, several) if pair[0] != pair[1]]
        assert differing == [("1", "4")]


def test_every_launcher_has_a_peer_and_every_peer_its_launcher() -> None:
    # Those that are not for Python build a program to have a command line at all.
    commands = [peer.command(8000, "app:app") for peer in PEERS.values() if not peer.ceiling]
    launched = {line[3] for line in commands if line[1:3] == ["-m", "benchmarks.launch"]}
    assert launched == set(launch.LAUNCHERS)
