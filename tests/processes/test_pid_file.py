"""The file with the process id."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headwaiter._process.pid_file import PidFileError, held

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no check of other processes")


def test_it_holds_the_process_id_while_the_server_runs(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with held(str(path)):
        assert path.read_text(encoding="ascii") == f"{os.getpid()}\n"
    assert list(tmp_path.iterdir()) == []


def test_a_living_process_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    path.write_text(f"{os.getppid()}\n", encoding="ascii")
    with pytest.raises(PidFileError, match=f"process {os.getppid()} is running"), held(str(path)):
        pass
    assert path.read_text(encoding="ascii") == f"{os.getppid()}\n"


@pytest.mark.parametrize("text", ["", "nonsense", "-1", "0"])
def test_a_stale_file_is_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "pid"
    path.write_text(text, encoding="ascii")
    with held(str(path)):
        assert path.read_text(encoding="ascii") == f"{os.getpid()}\n"


def test_the_file_of_a_process_that_is_gone_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    path.write_text(f"{ended.pid}\n", encoding="ascii")
    with held(str(path)):
        assert path.read_text(encoding="ascii") == f"{os.getpid()}\n"


def test_a_file_that_another_process_has_made_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with held(str(path)):
        path.write_text("1\n", encoding="ascii")
    assert path.read_text(encoding="ascii") == "1\n"


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(PidFileError, match="No such file"), held(str(tmp_path / "none" / "pid")):
        pass


def test_a_file_that_is_there_already_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    with held(str(path), made=True):
        assert not path.exists()
        path.write_text(f"{os.getpid()}\n", encoding="ascii")
    assert not path.exists()
