"""The Django example: its own tests, then the whole site live, visited by a real client."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import ServerProcess, environment, start_server

from . import EXAMPLES
from .browser import TIMEOUT, Browser

SITE = EXAMPLES / "django_site"


def manage(var: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Runs ``manage.py``, storing in ``var``; a warning is an error there too."""
    return subprocess.run(
        [sys.executable, "-W", "error", "manage.py", *argv],
        cwd=SITE,
        env=environment(DJANGO_SITE_VAR=str(var)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def var(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where the site stores, with an empty database."""
    folder = tmp_path_factory.mktemp("var")
    migrated = manage(folder, "migrate", "--verbosity", "0")
    assert migrated.returncode == 0, migrated.stderr
    return folder


@pytest.fixture(scope="module")
def site(var: Path) -> Iterator[ServerProcess]:
    """The site behind the server, with four threads."""
    with start_server(
        "django_site.wsgi:application",
        cwd=SITE,
        env={"DJANGO_SITE_VAR": str(var)},
        threads=4,
    ) as server:
        yield server


@pytest.fixture
def browser(site: ServerProcess) -> Iterator[Browser]:
    with Browser(site) as session:
        yield session


def test_the_sites_own_tests_pass(tmp_path: Path) -> None:
    result = manage(tmp_path, "test")
    assert result.returncode == 0, result.stderr
    assert re.search(r"Ran [1-9]\d* tests", result.stderr)


def test_migrations_are_complete(tmp_path: Path) -> None:
    result = manage(tmp_path, "makemigrations", "--check", "--dry-run")
    assert result.returncode == 0, result.stdout


def test_only_the_owner_can_read_the_secret_key(var: Path) -> None:
    assert (var / "secret_key").stat().st_mode & 0o077 == 0


def test_the_landing_page_and_its_static_files(browser: Browser) -> None:
    page = browser.visit("/")
    assert page.status_code == 200
    assert "Watch requests wait" in page.text
    assert re.search(r"from thread <b>[\w-]+</b>", page.text)
    static = re.findall(r'"(/static/demo/[\w.]+)"', page.text)
    assert len(static) == 2, "a style sheet and a script"
    for path in static:
        file = SITE / "demo" / path.lstrip("/")
        assert browser.visit(path).content == file.read_bytes()


def test_a_note_is_stored_and_shown(browser: Browser) -> None:
    posted = browser.submit("/notes/", data={"author": "Grace", "text": "Good evening, Žofie"})
    assert [reply.status_code for reply in posted.history] == [302]
    assert "Good evening, Žofie" in posted.text


def test_a_form_without_its_token_is_refused(browser: Browser) -> None:
    data = {"author": "Mallory", "text": "hello"}
    assert browser.post(browser.base + "/notes/", data=data, timeout=TIMEOUT).status_code == 403


def test_a_large_file_comes_back_as_it_was_sent(browser: Browser) -> None:
    content = bytes(range(251)) * 20_000  # 5 MB, beyond every buffer's threshold
    posted = browser.submit("/files/", files={"file": ("Übung 1.bin", content)})
    assert posted.status_code == 200
    links = re.findall(r'href="(/files/\d+/)">([^<]+)<', posted.text)
    assert links[0][1] == "Übung 1.bin"
    reply = browser.visit(links[0][0])
    assert reply.content == content
    assert reply.headers["Content-Disposition"].startswith("attachment;")
    assert int(reply.headers["Content-Length"]) == len(content)


def test_the_stream_arrives_whole(browser: Browser) -> None:
    reply = browser.visit("/stream/", lines=5, seconds=0)
    lines = reply.text.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"line {n} of 5" for n in range(1, 6)]


def test_a_bad_number_is_answered_with_400(browser: Browser) -> None:
    assert browser.visit("/slow/", seconds="soon").status_code == 400


def test_an_unknown_path_is_answered_with_404(browser: Browser) -> None:
    assert browser.visit("/nowhere/").status_code == 404


def test_four_sleeping_views_run_at_once_on_a_thread_each(site: ServerProcess) -> None:
    """Each sleeps for a second, so four that began together are seen on four different threads."""
    together = threading.Barrier(4)
    threads = []

    def ask() -> None:
        with Browser(site) as session:
            session.visit("/slow/", seconds=0)  # opens the connection
            together.wait(TIMEOUT)
            threads.append(session.visit("/slow/", seconds=1).json()["thread"])

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(TIMEOUT)
    assert len(threads) == len(set(threads)) == 4, threads
