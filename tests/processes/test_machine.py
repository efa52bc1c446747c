"""The decisions of the parent, without a process: rows of events, each with what follows."""

from __future__ import annotations

import pytest

from tests.processes.machine_driver import Driver
from tests.processes.machine_rows import RELOADED, ROWS


@pytest.mark.parametrize("name", ROWS)
def test_events_and_what_follows(name: str) -> None:
    settings, rows = ROWS[name]
    driver = Driver(**settings)  # type: ignore[arg-type]
    for number, (word, expected) in enumerate(rows):
        got = driver.after(*[word] if word.strip() else [])
        assert ", ".join(got) == expected, f"row {number}: {word}"


def serving(**settings: object) -> Driver:
    driver = Driver(**settings)  # type: ignore[arg-type]
    driver.after(*[f"ready {slot}" for slot in list(driver.machine.children)])
    return driver


def test_the_result_of_a_reload() -> None:
    driver = serving()
    driver.after(*[word for word, _ in RELOADED])
    assert driver.reloads == [""]
    driver.after("HUP", "failed 1", "exit 1 1")
    assert driver.reloads == ["", "cannot load 1"]
    assert driver.machine.reload_error == "cannot load 1"
    assert driver.states == ["READY=1", *["RELOADING=1", "READY=1"] * 2]


def test_the_first_error_is_the_one_that_is_shown() -> None:
    driver = Driver()
    driver.after("failed 1", "exit 1 1", "failed 0", "exit 0 1")
    assert [(item.status, item.error) for item in driver.exits] == [(1, "cannot load 1")]


def test_what_the_service_manager_is_told() -> None:
    driver = Driver()
    driver.after(
        "ready 0", "ready 1", "USR1", "1", "exit 0 -9", "INT", "HUP", "exit 0 0", "exit 1 0"
    )
    assert driver.states == ["READY=1", "STOPPING=1"]
    assert driver.statuses == [
        "STATUS=2 starting; 2 wanted",
        "STATUS=1 starting, 1 ready; 2 wanted",
        "STATUS=2 ready; 2 wanted",
        "STATUS=1 starting, 1 ready; 2 wanted",
        "STATUS=2 leaving; 2 wanted",
        "STATUS=1 leaving; 2 wanted",
        "STATUS=none; 2 wanted",
    ]


LOGGED = {
    "exit 0 -11, ready 0": ["ERROR process 0 was ended by SIGSEGV"],
    "HUP, ready 1, exit 0 0": [
        "INFO reload: every process is replaced",
        "INFO process 0 is replaced by process 1: reload",
        "INFO process 0 exited with status 0",
        "INFO reload: every process is new",
    ],
    "HUP, exit 1 1": [
        "INFO reload: every process is replaced",
        "INFO process 0 is replaced by process 1: reload",
        "ERROR the reload failed; the earlier processes go on\n"
        "process 1 exited with status 1 while it started",
    ],
    "HUP, HUP, exit 1 1": [
        "INFO reload: every process is replaced",
        "INFO process 0 is replaced by process 1: reload",
        "INFO reload: every process is replaced",
        "INFO process 0 is replaced by process 2: reload",
        "INFO process 1 exited with status 1",
    ],
    "asks 0 max_requests, exit 1 1": [
        "INFO process 0 is replaced by process 1: max_requests",
        "ERROR process 1 did not start\nprocess 1 exited with status 1 while it started",
    ],
    "9, ready 1, exit 0 3": [
        "INFO process 0 is replaced by process 1: max_lifetime",
        "WARNING process 0 exited with status 3",
    ],
    "INT, exit 0 3": ["INFO INT: stopping", "WARNING process 0 exited with status 3"],
}


@pytest.mark.parametrize("words", LOGGED)
def test_what_is_logged(words: str) -> None:
    driver = serving(processes=1, max_lifetime=9.0)
    driver.after(*words.split(", "))
    assert driver.logged == LOGGED[words]


@pytest.mark.parametrize(
    "word",
    [
        *("ready 1", "failed 1", "exit 1 1", "asks 0 max_rss", "pong 0", "lost 0"),
        *("TERM", "HUP", "USR1", "scale 3"),
    ],
)
def test_every_event_brings_the_time(word: str) -> None:
    driver = Driver()
    driver.after("ready 0")
    driver.now += 0.7
    driver.play(word)
    assert driver.machine.now == driver.now


def test_when_it_is_due_next() -> None:
    driver = serving(processes=1)
    driver.after("exit 0 1", "ready 0", "exit 0 1")
    assert driver.machine.next_time() == driver.now + 0.5
    driver = serving()
    driver.after("asks 0 SIGTERM")
    assert driver.machine.next_time() == driver.now + 0.5


def test_how_many_there_may_be_and_how_many_have_died() -> None:
    driver = serving(processes=1, slots=3)
    driver.after("scale 9", "exit 0 -9")
    assert (len(driver.machine.places), driver.machine.restarts) == (2, 1)


def test_a_reload_lasts_until_every_process_is_new() -> None:
    driver = serving()
    assert driver.machine.reload_error == ""
    driver.after("HUP", "ready 2", "exit 1 -9", "exit 0 0")
    assert driver.reloads == []
    driver.after("ready 1")
    assert driver.reloads == [""]


def test_processes_that_keep_dying() -> None:
    driver = serving(processes=1)
    deaths = 0
    while not driver.exits:
        driver.after("ready 0", "exit 0 -11", "60")
        deaths += 1
    assert deaths == 9
    assert driver.exits[0].status == 4


def test_in_development_nobody_gives_up() -> None:
    driver = serving(processes=1, development=True)
    for _ in range(20):
        driver.after("ready 0", "exit 0 -11", "60")
    assert driver.exits == []
    driver.after("ready 0", "HUP", "exit 0 0", "exit 0 1")
    assert driver.reloads == ["process 0 exited with status 1 while it started"]


def test_a_parent_that_stood_still_does_not_judge_by_that_time() -> None:
    driver = serving(processes=1)
    assert driver.after("5") == ["ping 0"]
    driver.now += 600  # nobody called
    driver.machine.handle_time(driver.now)
    assert driver.done() == []
    assert driver.after("pong 0", "5") == ["ping 0"]


def test_every_child_gets_the_time_for_which_the_parent_stood_still() -> None:
    driver = Driver(processes=2)
    driver.after("ready 0", "4", "ready 1")
    driver.now += 4  # 3 s after the first ping was due
    driver.machine.handle_time(driver.now)
    assert driver.done() == ["ping 0"]
    assert driver.after("pong 0", "3.9") == []
    assert driver.after("0.1") == ["ping 1"]


def test_one_process_without_a_gil() -> None:
    driver = Driver(processes=4, adaptive=True)
    assert driver.done() == ["start 0"]
    driver.machine.handle_ready(driver.now, 0, gil=False)
    assert driver.done() == []
    driver = Driver(processes=4, adaptive=True)
    driver.done()
    driver.machine.handle_ready(driver.now, 0, gil=True)
    assert driver.done() == ["start 1", "start 2", "start 3"]
