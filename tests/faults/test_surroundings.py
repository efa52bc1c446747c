"""Machines that lack what others have: the server starts, and only what needs it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.conftest import Serve
from tests.faults.apps import downloads
from tests.support.live import LogCatcher
from tests.support.process import ROOT, ServerProcess, environment, run_cli
from tests.support.target import headwaiter_only

pytestmark = headwaiter_only("it makes a temporary file for every large body")
APP = "tests.faults.apps:downloads"
SMALL, LARGE = 10_000, 1 << 20
HIDE_DEV = "mount -t tmpfs none /dev"
# Each folder is mounted over itself: an interpreter may lie in one of them.
READ_ONLY = """
set -e
for folder in /tmp /var/tmp /usr/tmp /dev/shm "$PWD"; do
    if [ -d "$folder" ]; then
        mount --bind "$folder" "$folder"
        mount -o remount,ro,bind "$folder"
    fi
done
cd "$PWD"
"""


@pytest.fixture
def no_temporary_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Python finds no directory for temporary files; the one that is named does not exist."""
    absent = str(tmp_path / "absent")
    monkeypatch.setenv("TMPDIR", absent)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [absent])
    return absent


def test_without_a_directory_for_temporary_files(
    serve: Serve, logs: LogCatcher, no_temporary_directory: str
) -> None:
    server = serve(downloads, inbuf_overflow=SMALL, outbuf_overflow=SMALL)
    assert no_temporary_directory in logs.wait_for("name a directory with spool_dir").getMessage()
    assert server.ask("/", "POST", body=bytes(SMALL)).body == str(SMALL).encode()
    assert server.ask("/", "POST", body=bytes(LARGE)).status == 503
    assert "spool_dir" in logs.wait_for(f"temporary files in {no_temporary_directory}").getMessage()
    assert len(server.ask("/stream?mib=4").body) == 4 << 20
    Path(no_temporary_directory).mkdir()
    assert server.ask("/", "POST", body=bytes(SMALL)).status == 200


def test_a_setting_that_names_no_directory_is_an_error(no_temporary_directory: str) -> None:
    done = run_cli(f"--spool-dir={no_temporary_directory}", APP)
    assert done.returncode == 2
    assert "spool_dir: " in done.stderr
    assert "LISTEN_FDS" not in done.stderr


def start_in(script: str, *arguments: str) -> ServerProcess:
    """A server whose mounts are its own, once ``script`` has changed them."""
    argv = ["unshare", "-m", "sh", "-c", f'{script}\nexec "$@"', "sh"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*argv, "true"], cwd=ROOT, capture_output=True, check=False).returncode
    ):
        pytest.skip("may not mount")
    argv += [sys.executable, "-m", "headwaiter", "--listen=127.0.0.1:0", *arguments, APP]
    names = {name: "" for name in ("TMPDIR", "TEMP", "TMP") if name in os.environ}
    return ServerProcess(argv, environment(**names), ROOT, ())


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces of Linux")
def test_a_read_only_root() -> None:
    with start_in(READ_ONLY, f"--inbuf-overflow={SMALL}") as server:
        server.wait_for_addresses(1)
        server.wait_for_log("no temporary file can be made in /tmp; .*spool_dir")
        assert server.ask("/", "POST", body=bytes(SMALL)).body == str(SMALL).encode()
        assert server.ask("/", "POST", body=bytes(LARGE)).status == 503
        server.wait_for_log(r"temporary files in /tmp \(spool_dir.*Read-only file system")
        assert server.ask("/").body == b"hello"


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces of Linux")
def test_a_root_without_devices() -> None:
    with start_in(HIDE_DEV) as server:
        server.wait_for_addresses(1)
        assert server.ask("/").body == b"hello"
