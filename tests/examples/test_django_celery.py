"""The Celery example, whole: the site, a real Redis, a real worker."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dashboard import chromium
from tests.support import procfs
from tests.support.process import ServerProcess, environment, start_server
from tests.support.tools import program
from tests.support.waiting import eventually

from . import EXAMPLES
from .browser import TIMEOUT, Browser

pytestmark = pytest.mark.slow

SITE = EXAMPLES / "django_celery"
QUICK = {"limit": 10_000}
PRIMES = 1229
LONG = {"limit": 20_000_000}
"""A minute and more, in steps of under a second at the beginning."""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Short, as the path of a Unix socket has to be."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def env(folder: Path) -> dict[str, str]:
    """The environment that site and worker share, with an empty database."""
    settings = {
        "CELERY_SITE_VAR": str(folder),
        "CELERY_BROKER_URL": f"redis+socket://{folder}/redis.sock",
        "DJANGO_SETTINGS_MODULE": "celery_site.settings",
    }
    manage(settings, "migrate", "--verbosity=0")
    return settings


def manage(settings: dict[str, str], *argv: str) -> None:
    """Runs one of Django's commands; a warning is an error there too."""
    command = [sys.executable, "-W", "error", "-m", "django", *argv]
    done = subprocess.run(
        command,
        cwd=SITE,
        env=environment(**settings),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def redis(folder: Path) -> Iterator[ServerProcess]:
    path = folder / "redis.sock"
    argv = [program("redis-server"), "--port", "0", "--unixsocket", str(path), "--save", ""]
    with ServerProcess(argv, environment(), folder, ()) as server:
        eventually(lambda: answers(path), "Redis listens")
        yield server


def answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@pytest.fixture(scope="module")
def worker(env: dict[str, str], redis: ServerProcess) -> Iterator[ServerProcess]:
    argv = [sys.executable, "-m", "celery", "-A", "celery_site", "worker"]
    argv += ["--concurrency=1", "--loglevel=INFO", "--without-gossip", "--without-mingle"]
    with ServerProcess(argv, environment(**env), SITE, ()) as process:
        process.wait_for_log(r" ready\.", timeout=60)
        yield process
        process.stop(timeout=60)


@pytest.fixture(scope="module")
def site(env: dict[str, str]) -> Iterator[ServerProcess]:
    with start_server("celery_site.wsgi:application", cwd=SITE, env=env, threads=2) as server:
        yield server


@pytest.fixture
def browser(site: ServerProcess) -> Iterator[Browser]:
    with Browser(site) as session:
        yield session


def start(browser: Browser, job: dict[str, int]) -> str:
    """Starts a job; returns the path of its page."""
    reply = browser.submit("/", "/jobs/", data=job)
    assert reply.status_code == 202
    path = reply.headers["Location"]
    assert f'href="{path}"' in reply.text, "the way without scripts"
    return path


def state(browser: Browser, job: str) -> Any:
    return browser.visit(job + "state/").json()


def wait_for(browser: Browser, job: str, *names: str) -> Any:
    """Asks as the progress page does, until the job's state is one of ``names``."""
    eventually(lambda: state(browser, job)["state"] in names, f"{job} is {names}", TIMEOUT)
    return state(browser, job)


@pytest.mark.usefixtures("worker")
def test_a_job_is_accepted_done_and_shown(browser: Browser) -> None:
    job = start(browser, QUICK)
    page = browser.visit(job)
    assert f'data-url="{job}state/"' in page.text
    for script in re.findall(r'src="(/static/[\w/.]+)"', page.text):
        assert browser.visit(script).status_code == 200
    done = wait_for(browser, job, "done", "failed")
    assert done == {"state": "done", "percent": 100, "primes": PRIMES}
    assert f"{PRIMES} primes" in browser.visit(job).text


@pytest.mark.usefixtures("worker")
def test_jobs_are_cancelled_while_they_run_and_while_they_wait(browser: Browser) -> None:
    runs, waits = start(browser, LONG), start(browser, LONG)
    wait_for(browser, runs, "running")
    for job in (waits, runs):
        page = browser.submit(job, job + "cancel/")
        assert [reply.status_code for reply in page.history] == [302]
        assert "cancelled" in page.text
    # The only worker takes this job once it has let go of the one and passed over the other.
    assert wait_for(browser, start(browser, QUICK), "done", "failed")["state"] == "done"
    assert {state(browser, job)["state"] for job in (waits, runs)} == {"cancelled"}


@pytest.mark.skipif(chromium.find() is None, reason="no Chromium")
@pytest.mark.usefixtures("worker")
def test_the_page_follows_a_job_and_cancels_one(browser: Browser) -> None:
    """In a real browser: the form's script goes to the page, the page's script asks for news."""

    def becomes(condition: str) -> None:
        """Asks anew each time, as the page may be another one by then."""

        def holds() -> bool:
            try:
                return page.evaluate(f"document.readyState === 'complete' && ({condition})") is True
            except AssertionError:  # left while it was asked, or without such an element
                return False

        eventually(holds, condition, TIMEOUT)

    def begin(job: dict[str, int]) -> None:
        becomes("document.querySelector('input[name=limit]') !== null")
        page.evaluate(f"document.querySelector('input[name=limit]').value = {job['limit']}")
        page.evaluate("document.querySelector('form button').click()")

    def becomes_state(text: str) -> None:
        becomes(f"document.querySelector('[role=status]').textContent === '{text}'")

    visitor = chromium.Browser()
    try:
        page = visitor.open(browser.base)
        begin(QUICK)
        becomes_state(f"done: {PRIMES} primes")
        assert page.evaluate("document.querySelector('#job form').hidden")
        page.evaluate("document.querySelector('a').click()")
        begin(LONG)
        becomes_state("running")
        page.evaluate("document.querySelector('#job button').click()")
        becomes_state("cancelled")
        assert page.errors() == []
    finally:
        visitor.close()


@pytest.mark.skipif(not procfs.AVAILABLE, reason="finds the process in /proc")
def test_a_job_whose_process_dies_has_failed(browser: Browser, worker: ServerProcess) -> None:
    job = start(browser, LONG)
    wait_for(browser, job, "running")
    for child in Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    assert wait_for(browser, job, "failed")["primes"] is None
    assert wait_for(browser, start(browser, QUICK), "done", "failed")["state"] == "done"


def test_a_form_with_an_impossible_number_starts_nothing(browser: Browser) -> None:
    assert browser.submit("/", "/jobs/", data={"limit": 0}).status_code == 400


def test_an_unknown_job_is_not_found(browser: Browser) -> None:
    unknown = "/jobs/00000000-0000-4000-8000-000000000000/"
    assert browser.visit(unknown).status_code == 404
    assert browser.visit(unknown + "state/").status_code == 404


def test_without_redis_nothing_is_accepted(env: dict[str, str], folder: Path) -> None:
    nowhere = {**env, "CELERY_BROKER_URL": f"redis+socket://{folder}/nowhere.sock"}
    server = start_server("celery_site.wsgi:application", cwd=SITE, env=nowhere)
    with server, Browser(server) as browser:
        reply = browser.submit("/", "/jobs/", data=QUICK)
    assert reply.status_code == 503
    assert reply.headers["Retry-After"] == "30"


def test_migrations_are_complete(env: dict[str, str]) -> None:
    manage(env, "makemigrations", "--check", "--dry-run")
