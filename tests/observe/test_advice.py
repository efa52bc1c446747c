"""The advice names applications for what they are."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any

import pytest

from ..support.http import Client
from ..support.process import ServerProcess, run_cli, start_server
from ..support.waiting import eventually

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
CLIENTS = 12
SECONDS = 3.0


def load(server: ServerProcess) -> None:
    end = time.monotonic() + SECONDS

    def client() -> None:
        with Client(server.addresses[0]) as client:
            while time.monotonic() < end:
                assert client.ask("/").status == 200

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()


def advice(server: ServerProcess) -> dict[str, Any]:
    with Client(server.addresses[1]) as client:
        status: dict[str, Any] = json.loads(
            client.ask("/status.json", headers=[("Host", "localhost")]).body
        )
    found: dict[str, Any] = status["advice"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("app", "kinds"),
    [
        ("sleeping", {"threads"}),
        # On one core neither the GIL nor the CPU is the narrower of the two. Other processes may
        # take it.
        ("spinning", {"gil", "starved"} if CORES > 1 else {"gil", "cpu", "starved"}),
        ("hashing", {"cpu", "starved"}),
    ],
)
def test_each_nature_has_its_advice(app: str, kinds: set[str]) -> None:
    with start_server(f"tests.observe.apps:{app}", addresses=2, admin="127.0.0.1:0") as server:
        load(server)
        found = advice(server)
    assert found["kind"] in kinds, found
    if app == "sleeping":
        assert 12 <= found["threads"] <= 16, found
    assert "advice for the whole run" in server.log


def test_an_idle_server_needs_none() -> None:
    with start_server("tests.support.apps:hello", addresses=2, admin="127.0.0.1:0") as server:
        assert advice(server)["kind"] == "idle"
    assert "advice" not in server.log


def serves_for_a_while(server: ServerProcess) -> None:
    """Until the server has noticed: it looks at its figures once a second."""

    def noticed() -> bool:
        assert server.ask("/").status == 200
        return bool(advice(server)["kind"] == "ok")

    eventually(noticed, "the server is in use")


def test_the_command_prints_the_advice_and_what_to_expect() -> None:
    with start_server("tests.observe.apps:sleeping", addresses=2, admin="127.0.0.1:0") as server:
        where = "{}:{}".format(*server.addresses[1])
        nothing = run_cli("advise", where)
        assert (nothing.returncode, "THREADS" in nothing.stdout) == (0, False)
        done = run_cli("advise", "--url", f"http://{where}/")

        def is_well() -> bool:
            nonlocal done
            assert server.ask("/").status == 200
            done = run_cli("advise", "--url", f"http://{where}/")
            assert done.returncode == 0, done.stderr
            return done.stdout.startswith("ALL WELL (ok)\n")

        eventually(is_well, "the server has noticed that it is in use")
        assert "docs/advice/ok.md" in done.stdout
        table = done.stdout.partition("THREADS  REQUESTS/S")[2].splitlines()
        assert [row.split()[0] for row in table[1:8]] == ["1", "2", "*", "8", "16", "32", "64"]
        assert table[-1] == "* now. Threads; expected if the clients go on as they do."


def test_what_to_expect_of_a_number_of_threads() -> None:
    with start_server("tests.observe.apps:sleeping", addresses=2, admin="127.0.0.1:0") as server:

        def answer(query: str) -> tuple[int, str]:
            with Client(server.addresses[1]) as client:
                reply = client.ask(f"/advice?{query}", headers=[("Host", "localhost")])
                return reply.status, reply.body.decode()

        assert answer("threads=16") == (200, "No request has run: nothing is known.\n")
        for wrong in ("threads=0", "threads=1025", "threads=x", "thread=4"):
            assert answer(wrong) == (400, "Ask for threads=N, from 1 to 1024.\n")
        serves_for_a_while(server)
        status, text = answer("threads=16")
        assert status == 200
        assert text.startswith("With threads=16 about ")


def test_the_command_says_when_there_is_no_server() -> None:
    gone = run_cli("advise", "127.0.0.1:1")
    assert gone.returncode == 1
    assert "no status from 127.0.0.1:1" in gone.stderr
    assert run_cli("advise", "[::1").returncode == 2
