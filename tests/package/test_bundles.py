"""headwaiter without its package metadata: in a copied folder, and in a PyInstaller bundle."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import headwaiter
from tests.support.http import Client
from tests.support.process import ROOT, ServerProcess, environment

PROGRAM = """
import importlib.metadata
import sys
from headwaiter.__main__ import main

def app(environ, start_response):
    if environ["PATH_INFO"] == "/fail":
        raise RuntimeError("on purpose")
    points = [
        point.group
        for found in importlib.metadata.distributions()
        if found.metadata["Name"] == "headwaiter"
        for point in found.entry_points
    ]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(points).encode()]

if __name__ == "__main__":
    sys.exit(main())
"""


def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        cwd=ROOT,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_the_version_is_that_of_the_metadata() -> None:
    assert headwaiter.__version__ == importlib.metadata.version("headwaiter")


def test_a_copied_folder(tmp_path: Path) -> None:
    folder = Path(headwaiter.__file__).parent
    shutil.copytree(folder, tmp_path / "headwaiter", ignore=shutil.ignore_patterns("__pycache__"))
    # Without site-packages there is no metadata.
    done = run(sys.executable, "-S", "-m", "headwaiter", "--version", PYTHONPATH=str(tmp_path))
    assert done.stdout.startswith(f"headwaiter {headwaiter.__version__}, "), done.stderr


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A program that PyInstaller has made of the command line and an application."""
    if importlib.util.find_spec("PyInstaller") is None:
        pytest.skip("PyInstaller is not made for this interpreter")
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "program.py").write_text(PROGRAM)
    places = (f"--{name}={folder / name}" for name in ("distpath", "workpath", "specpath"))
    command = [sys.executable, "-m", "PyInstaller", "--onedir", *places, str(folder / "program.py")]
    # Its own imports warn, and what it keeps between builds is not to be shared.
    done = run(*command, PYINSTALLER_CONFIG_DIR=str(folder / "config"))
    if "built without a shared library" in done.stderr:
        pytest.skip("PyInstaller needs the interpreter as a shared library")
    assert done.returncode == 0, done.stderr
    return str(folder / "distpath" / "program" / "program")


@pytest.mark.slow
def test_the_version_in_a_bundle(bundle: str) -> None:
    done = run(bundle, "--version")
    assert done.stdout.startswith(f"headwaiter {headwaiter.__version__}, "), done.stderr


@pytest.mark.slow
def test_a_bundle_serves(bundle: str) -> None:
    argv = [bundle, "--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "__main__:app"]
    with ServerProcess(argv, environment(), ROOT, ()) as server:
        server.wait_for_addresses(2)
        assert "paste.server_factory" in server.ask("/").text.split()
        assert server.ask("/fail").status == 500
        server.wait_for_log("RuntimeError: on purpose")
        with Client(server.addresses[1]) as admin:
            stacks = admin.ask("/stacks", headers=[("Host", "localhost")]).text
            assert "headwaiter-0" in stacks
        server.signal(signal.SIGTERM)
        assert server.wait() == 0, server.log
