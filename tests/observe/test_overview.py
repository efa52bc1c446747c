"""The admin endpoint of a parent: one for all processes, driven by the loop of a parent."""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, Callable

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from headwaiter import _headwaiter
from headwaiter._settings.adjustments import Adjustments

from ..support.http import Client, Reply
from ..support.process import ROOT
from ..support.target import headwaiter_only

if sys.platform == "win32":
    pytest.skip("there is one process", allow_module_level=True)

pytestmark = headwaiter_only("Waitress has one process and no admin endpoint")
LOCAL = [("Host", "localhost")]
OPENMETRICS = ("Accept", "application/openmetrics-text")


class Parent:
    """Drives an overview as a parent does, and answers in place of its children."""

    def __init__(self) -> None:
        adjustments = Adjustments(listen="127.0.0.1:0", admin="127.0.0.1:0")
        settings = adjustments.engine_settings("headwaiter")
        self.listeners = _headwaiter.Listeners(
            adjustments.listeners(), settings["admin"], backlog=16, unix_socket_perms=0o600
        )
        self.overview = _headwaiter.Overview(self.listeners, settings)
        self.children: dict[int, int] = {}  # requests by slot
        self.silent: set[int] = set()
        self.asked: list[str] = []

    def start(self, slot: int) -> None:
        self.children[slot] = 0
        self._tell()

    def end(self, slot: int, *, says: bool) -> None:
        count = self.children.pop(slot)
        self.overview.retire(slot, figures(count) if says else None)
        self._tell()

    def close(self) -> None:
        self.overview.close()
        self.listeners.close()

    def get(self, path: str) -> Reply:
        """Asks as a client does, and makes the parent's turns until there is a reply."""
        host, port = self.listeners.admin_listening[0][1:]
        replies: list[Reply] = []
        done, tell = socket.socketpair()

        def ask() -> None:
            with tell, Client((host, port)) as client:
                replies.append(client.ask(path, headers=[*LOCAL, OPENMETRICS]))

        client = threading.Thread(target=ask)
        client.start()
        with done:
            while True:
                watched = [self.overview.fileno(), done.fileno()]
                readable, _, _ = select.select(watched, [], [], self.overview.timeout())
                if done.fileno() in readable:
                    break
                for what, number in self.overview.turn():
                    self._answer(what, number)
        client.join()
        return replies[0]

    def status(self) -> Any:
        return json.loads(self.get("/status.json").body)

    def _answer(self, what: str, number: int) -> None:
        self.asked.append(what)
        for slot, count in self.children.items():
            if slot not in self.silent:
                text = f"stacks of {slot}" if what == "stacks" else figures(count)
                self.overview.supply(number, slot, text)
        if not self.children:
            self.overview.done(number)

    def _tell(self) -> None:
        self.overview.set_children([(slot, 4000 + slot, "ready") for slot in self.children])


def figures(count: int) -> str:
    return json.dumps({
        "figures": {"statuses": {"2xx": count}, "ends": {"complete": count}},
        "census": {"idle": 2},
        "process": {"resident": 1 << 20},
        "of a later version": {"unheard": "of"},
    })  # fmt: skip


@pytest.fixture
def parent() -> Iterator[Parent]:
    parent = Parent()
    yield parent
    parent.close()


def families(reply: Reply) -> dict[str, Any]:
    parse: Callable[[str], Iterable[Any]] = text_string_to_metric_families
    return {family.name: family for family in parse(reply.body.decode())}


def total(reply: Reply) -> float:
    samples = families(reply)["headwaiter_requests"].samples
    return float(next(s.value for s in samples if s.labels == {"status": "2xx"}))


def test_each_process_has_a_line_and_all_have_a_total(parent: Parent) -> None:
    parent.start(0)
    parent.start(5)
    parent.children.update({0: 3, 5: 4})
    status = parent.status()
    assert status["totals"]["requests"]["2xx"] == 7
    assert [(line["slot"], line["pid"]) for line in status["processes"]] == [(0, 4000), (5, 4005)]
    host, port = parent.listeners.listening[0][1:]
    assert status["server"]["listening"] == [f"http://{host}:{port}"]


def test_metrics_are_those_that_the_page_documents(parent: Parent) -> None:
    parent.start(0)
    found = families(parent.get("/metrics"))
    page = (ROOT / "docs" / "metrics.md").read_text()
    _, _, with_processes = page.partition("With [several processes]")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \|", with_processes, re.MULTILINE)
    name = "headwaiter_process_"
    assert {(n, family.type) for n, family in found.items() if n.startswith(name)} == set(rows)
    up = found["headwaiter_process_up"].samples
    assert [(sample.labels, sample.value) for sample in up] == [({"process": "0"}, 1)]


def test_totals_equal_what_was_served_while_processes_come_and_go(parent: Parent) -> None:
    served = 0
    parent.start(0)
    for turn in range(20):
        slot, following = turn % 2, (turn + 1) % 2
        parent.children[slot] += 3
        served += 3
        assert total(parent.get("/metrics")) == served
        parent.start(following)
        parent.end(slot, says=turn % 3 == 0)
        assert total(parent.get("/metrics")) == served
    assert len(parent.status()["processes"]) == 1


def test_a_silent_process_is_marked_and_counts_with_what_it_told_last(parent: Parent) -> None:
    parent.start(0)
    parent.start(1)
    parent.children.update({0: 3, 1: 4})
    assert total(parent.get("/metrics")) == 7
    parent.silent.add(1)
    parent.children.update({0: 5, 1: 9})
    status = parent.status()
    assert status["totals"]["requests"]["2xx"] == 9
    assert [line["answered"] for line in status["processes"]] == [True, False]
    stacks = parent.get("/stacks").body.decode()
    assert "process 0 (pid 4000, ready)" in stacks
    assert "stacks of 0" in stacks
    assert stacks.index("process 1 (pid 4001, ready)") < stacks.index("has not answered in time")
    assert parent.asked == ["counts", "figures", "stacks"]


def test_without_a_process_it_is_not_ready(parent: Parent) -> None:
    assert parent.get("/ready").status == 503
    assert parent.status()["processes"] == []
    parent.start(0)
    assert parent.get("/ready").status == 200
    parent.overview.set_server(restarts=1, draining=True)
    assert parent.get("/ready").body == b"draining\n"
    restarts = families(parent.get("/metrics"))["headwaiter_process_restarts"].samples
    assert [sample.value for sample in restarts] == [1]


def test_all_pages_of_one_server_are_there(parent: Parent) -> None:
    parent.start(0)
    assert parent.get("/").body.startswith(b"<!DOCTYPE html>")
    assert parent.get("/live").body == b"ok\n"
    assert parent.get("/advice").body == b"No requests come in.\n"
    assert json.loads(parent.get("/requests").body) == {"running": [], "waiting": []}
    assert parent.get("/nothing").status == 404


def test_a_closed_overview_says_so(parent: Parent) -> None:
    parent.close()
    with pytest.raises(ValueError, match="closed"):
        parent.overview.turn()
