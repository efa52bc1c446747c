"""The decisions of the parent, without a process: rows of events, each with what follows."""

from __future__ import annotations

import random

import pytest

from headwaiter._parent.child import Phase
from tests.processes.machine_driver import Driver

Row = tuple[str, str]
SERVING = [(" ", "start 0, start 1"), ("ready 0", ""), ("ready 1", "")]
RELOADED = [
    ("HUP", "start 2"),
    ("ready 2", "drain 0"),
    ("exit 0 0", "start 0"),
    ("ready 0", "drain 1"),
    ("exit 1 0", ""),
]
PRELOADED = [
    (" ", "load t0"),
    ("scale 1", ""),
    ("ready t0", "fork t0 0"),
    ("forked t0", ""),
    ("ready 0", ""),
]

ROWS: dict[str, tuple[dict[str, object], list[Row]]] = {
    "a reload takes one place after the other": ({}, [*SERVING, *RELOADED]),
    "an upgrade adopts the children and takes one place after the other": (
        {},
        [
            *SERVING,
            ("USR2", "start 2"),
            *RELOADED[1:],
            ("USR2", "start 1"),
            ("5", "ping 2, ping 0"),
        ],
    ),
    "an upgrade starts again what was about to start": (
        {},
        [
            *SERVING,
            ("exit 0 -9", "start 0"),
            ("HUP", "drain 0, start 2, start 3"),
            ("USR2", "drain 3, drain 2, start 4, start 5"),
        ],
    ),
    "an upgrade in a reload gives the successor up": (
        {},
        [
            *SERVING,
            ("HUP", "start 2"),
            ("ready 2", "drain 0"),
            ("USR2", ""),
            ("exit 0 0", "start 0"),
            ("USR2", "drain 0, start 3"),
            ("exit 0 3", ""),
            ("ready 3", "drain 2"),
        ],
    ),
    "an adopted child that does not leave is ended": (
        {"processes": 1},
        [
            *[(" ", "start 0"), ("ready 0", "")],
            ("HUP", "start 1"),
            ("ready 1", "drain 0"),
            ("USR2", ""),
            ("40", "ping 1, SIGABRT 1, SIGKILL 1, SIGABRT 0"),
        ],
    ),
    "a failed start ends the reload": (
        {},
        [*SERVING, ("HUP", "start 2"), ("failed 2", ""), ("exit 2 1", ""), ("5", "ping 0, ping 1")],
    ),
    "a child that dies while its successor starts is not replaced twice": (
        {},
        [
            *SERVING,
            ("HUP", "start 2"),
            ("exit 0 -9", "start 0"),
            ("ready 2", ""),
            ("ready 0", "drain 1"),
        ],
    ),
    "a new process that fails ends the reload, and the successor is given up": (
        {},
        [
            *SERVING,
            ("HUP", "start 2"),
            ("exit 1 -9", "start 1"),
            ("exit 1 1", "drain 2"),
            ("0.5", "start 1"),
            ("ready 1", ""),
        ],
    ),
    "a failed start after an upgrade is not the end": (
        {"processes": 1},
        [
            *[(" ", "start 0"), ("ready 0", "")],
            ("USR2", "start 1"),
            ("exit 0 -9", ""),
            ("exit 1 1", "start 0"),
        ],
    ),
    "a second reload starts the successor again": (
        {},
        [*SERVING, ("HUP", "start 2"), ("HUP", "drain 2, start 3"), ("ready 3", "drain 0")],
    ),
    "a death is followed by a start at once, then later and later": (
        {"processes": 1},
        [
            (" ", "start 0"),
            ("ready 0", ""),
            ("exit 0 -11", "start 0"),
            ("ready 0", ""),
            ("exit 0 -11", ""),
            ("0.4", ""),
            ("0.1", "start 0"),
            ("exit 0 1", ""),
            ("0.9", ""),
            ("0.1", "start 0"),
        ],
    ),
    "a child that has served for a while is replaced at once": (
        {"processes": 1},
        [
            (" ", "start 0"),
            ("ready 0", ""),
            ("exit 0 -11", "start 0"),
            ("ready 0", ""),
            ("9", "ping 0"),
            ("pong 0", ""),
            ("1", "ping 0"),
            ("exit 0 -11", "start 0"),
        ],
    ),
    "no child can start": (
        {},
        [
            (" ", "start 0, start 1"),
            ("failed 0", ""),
            ("exit 0 1", ""),
            ("exit 1 -11", "exit 1"),
            ("60", ""),
        ],
    ),
    "one of the first children cannot start": (
        {},
        [(" ", "start 0, start 1"), ("exit 0 1", ""), ("ready 1", "start 0"), ("exit 0 1", "")],
    ),
    "a stop with its delay": (
        {"drain_delay": 4.0},
        [
            *SERVING,
            ("TERM", "unready 0, unready 1"),
            ("3", ""),
            ("1", "close, drain 0, drain 1"),
            ("exit 0 0", ""),
            ("exit 1 0", "exit 0"),
        ],
    ),
    "an interrupt does not wait": (
        {"drain_delay": 5.0},
        [*SERVING, ("INT", "unready 0, unready 1, close, drain 0, drain 1")],
    ),
    "the same stop twice is one": (
        {},
        [
            *SERVING,
            ("INT", "unready 0, unready 1, close, drain 0, drain 1"),
            ("0.4", ""),
            ("INT", ""),
        ],
    ),
    "a second stop cuts": (
        {"drain_delay": 5.0},
        [
            *SERVING,
            ("TERM", "unready 0, unready 1"),
            ("0.5", ""),
            ("INT", "close, cut 0, cut 1"),
            ("exit 0 3", ""),
            ("exit 1 0", "exit 3"),
        ],
    ),
    "a stop while children start": (
        {"drain_delay": 5.0},
        [
            (" ", "start 0, start 1"),
            ("TERM", "drain 0, drain 1, close"),
            ("exit 0 -9", ""),
            ("exit 1 0", "exit 0"),
        ],
    ),
    "a child that does not leave": (
        {"shutdown_timeout": 3.0},
        [
            *SERVING,
            ("INT", "unready 0, unready 1, close, drain 0, drain 1"),
            ("exit 1 0", ""),
            ("12.9", ""),
            ("0.1", "SIGABRT 0"),
            ("5", "SIGKILL 0"),
            ("exit 0 -9", "exit 3"),
        ],
    ),
    "a child that dies while the stop is delayed": (
        {"processes": 1, "drain_delay": 5.0},
        [
            *[(" ", "start 0"), ("ready 0", "")],
            ("TERM", "unready 0"),
            ("exit 0 -9", "close, exit 3"),
        ],
    ),
    "a reload does not wait for the next try": (
        {},
        [*SERVING, ("asks 0 max_rss", "start 2"), ("exit 2 1", ""), ("HUP", "start 2")],
    ),
    "a child that is ready too late leaves all the same": (
        {},
        [
            *SERVING,
            ("HUP", "start 2"),
            ("HUP", "drain 2, start 3"),
            ("ready 2", ""),
            ("5", "ping 0, ping 1"),
        ],
    ),
    "a child that is cut and does not leave": (
        {"processes": 1, "drain_delay": 60.0},
        [
            *[(" ", "start 0"), ("ready 0", "")],
            ("TERM", "unready 0"),
            ("1", ""),
            ("INT", "close, cut 0"),
            ("9.9", ""),
            ("0.1", "SIGABRT 0"),
        ],
    ),
    "a signal to one child replaces it": (
        {},
        [*SERVING, ("asks 0 SIGTERM", ""), ("0.5", "start 2"), ("ready 2", "drain 0")],
    ),
    "a signal to all is a stop": (
        {},
        [
            *SERVING,
            ("asks 0 SIGINT", ""),
            ("asks 1 SIGINT", ""),
            ("INT", "unready 0, unready 1, close, drain 0, drain 1"),
            ("3", ""),
        ],
    ),
    "children are recycled one at a time": (
        {},
        [
            *SERVING,
            ("asks 0 max_requests", "start 2"),
            ("asks 1 max_requests", ""),
            ("ready 2", "drain 0"),
            ("exit 0 0", "start 0"),
        ],
    ),
    "a successor that fails is tried again": (
        {},
        [
            *SERVING,
            ("asks 0 max_rss", "start 2"),
            ("exit 2 1", ""),
            ("0.5", "start 2"),
            ("exit 2 1", ""),
            ("0.9", ""),
            ("0.1", "start 2"),
        ],
    ),
    "a lifetime": (
        {"processes": 1, "max_lifetime": 3.0},
        [
            (" ", "start 0"),
            ("ready 0", ""),
            ("3", "start 1"),
            ("ready 1", "drain 0"),
            ("exit 0 0", ""),
        ],
    ),
    "in development a reload ends every child before the new ones start": (
        {"development": True},
        [
            *SERVING,
            ("HUP", "drain 0, drain 1"),
            ("exit 0 0", ""),
            ("exit 1 0", "start 0, start 1"),
            ("HUP", "drain 0, drain 1"),
            ("exit 0 0", ""),
            ("exit 1 0", "start 0, start 1"),
            ("ready 0", ""),
            ("ready 1", ""),
        ],
    ),
    "in development a child that does not leave delays the new one a little": (
        {"processes": 1, "development": True},
        [
            *[(" ", "start 0"), ("ready 0", "")],
            *[("HUP", "drain 0"), ("0.4", ""), ("0.1", "start 1"), ("ready 1", "")],
            *[("HUP", "drain 1"), ("exit 1 0", ""), ("0.5", "start 1"), ("ready 1", "")],
            ("exit 0 0", ""),
        ],
    ),
    "in development a child that does not start waits for the next reload": (
        {"processes": 1, "development": True},
        [
            *[(" ", "start 0"), ("exit 0 -11", ""), ("600", "")],
            *[("HUP", "start 0"), ("ready 0", "")],
            *[("HUP", "drain 0"), ("exit 0 0", "start 0"), ("exit 0 -11", ""), ("600", "")],
            ("HUP", "start 0"),
        ],
    ),
    "in development a child that dies is started again, later and later": (
        {"processes": 1, "development": True},
        [
            *[(" ", "start 0"), ("ready 0", "")],
            *[("exit 0 -11", "start 0"), ("ready 0", "")],
            *[("exit 0 -11", ""), ("0.5", "start 0"), ("ready 0", "")],
            *[("exit 0 -11", ""), ("HUP", "start 0"), ("ready 0", "")],
            ("exit 0 -11", "start 0"),
        ],
    ),
    "more and fewer": (
        {},
        [*SERVING, ("scale 3", "start 2"), ("scale 1", "drain 2, drain 1"), ("scale 0", "")],
    ),
    "a reload waits for a free slot": (
        {"slots": 3},
        [*SERVING, ("HUP", "start 2"), ("scale 1", "drain 1"), ("ready 2", "drain 0")],
    ),
    "a child whose I/O threads stand still": (
        {"processes": 1},
        [
            (" ", "start 0"),
            ("ready 0", ""),
            ("5", "ping 0"),
            ("9.9", ""),
            ("0.1", "SIGABRT 0"),
            ("5", "SIGKILL 0"),
            ("exit 0 -9", "start 0"),
        ],
    ),
    "a child that answers": (
        {"processes": 1},
        [(" ", "start 0"), ("ready 0", ""), *[("5", "ping 0"), ("pong 0", "")] * 4],
    ),
    "a child whose control socket ends": (
        {"processes": 1},
        [
            (" ", "start 0"),
            ("ready 0", ""),
            ("lost 0", ""),
            ("5", "SIGABRT 0"),
            ("exit 0 -6", "start 0"),
        ],
    ),
    "a template loads the application, then forks": (
        {"preload": True},
        [
            (" ", "load t0"),
            ("ready t0", "fork t0 0, fork t0 1"),
            ("forked t0", ""),
            ("forked t0", ""),
            ("ready 0", ""),
            ("exit 0 -9", "fork t0 0"),
            ("forked t0", ""),
            ("scale 3", "fork t0 2"),
            ("TERM", "drain 1, drain 0, drain 2, close"),
            ("exit 0 0", ""),
            ("exit 1 0", ""),
            ("exit 2 0", "dismiss t0"),
            ("5", "kill t0"),
            ("exit t0 -9", "exit 0"),
        ],
    ),
    "a reload takes a new template first and ends the earlier one last": (
        {"preload": True},
        [
            *PRELOADED,
            ("HUP", "load t1"),
            ("exit 0 -9", "fork t0 0"),
            ("forked t0", ""),
            ("ready 0", ""),
            ("ready t1", "fork t1 1"),
            ("forked t1", ""),
            ("ready 1", "drain 0"),
            ("exit 0 0", "dismiss t0"),
            ("exit t0 0", ""),
            ("exit 1 -9", ""),
            ("0.5", "fork t1 0"),
        ],
    ),
    "a template that fails ends the reload, and the earlier one goes on": (
        {"preload": True},
        [
            *PRELOADED,
            ("HUP", "load t1"),
            ("failed t1", ""),
            ("exit t1 1", ""),
            ("exit 0 -9", "fork t0 0"),
        ],
    ),
    "a child that fails ends the reload and its template": (
        {"preload": True},
        [
            *PRELOADED,
            ("HUP", "load t1"),
            ("ready t1", "fork t1 1"),
            ("forked t1", ""),
            ("failed 1", ""),
            ("exit 1 1", "dismiss t1"),
            ("5", "ping 0, kill t1"),
            ("exit t1 -9", ""),
            ("exit 0 -9", "fork t0 0"),
        ],
    ),
    "a reload while the first template loads starts it again": (
        {"preload": True},
        [(" ", "load t0"), ("HUP", "kill t0, load t1"), ("exit t0 -9", ""), ("40", "")],
    ),
    "a template that dies is started again, then later and later": (
        {"preload": True},
        [
            *PRELOADED,
            ("exit t0 -9", "load t1"),
            ("exit t1 1", ""),
            ("0.4", ""),
            ("0.1", "load t2"),
            ("exit 0 -9", ""),
            ("ready t2", "fork t2 0"),
        ],
    ),
    "a template that does not answer is killed": (
        {"preload": True},
        [
            (" ", "load t0"),
            ("ready t0", "fork t0 0, fork t0 1"),
            ("9", ""),
            ("forked t0", ""),
            ("9", ""),
            ("1", "kill t0"),
            ("failed 1", ""),
            ("exit 1 1", ""),
        ],
    ),
    "a template that has failed but does not end is killed": (
        {"preload": True},
        [(" ", "load t0"), ("failed t0", ""), ("5", "kill t0"), ("exit t0 -9", "exit 1")],
    ),
    "a successor that is due waits for a template": (
        {"preload": True},
        [
            *PRELOADED,
            ("exit t0 -9", "load t1"),
            ("asks 0 max_requests", ""),
            ("1", ""),
            ("ready t1", "fork t1 1"),
        ],
    ),
    "an upgrade adopts the template and begins with its own": (
        {"preload": True},
        [
            *PRELOADED,
            ("USR2", "load t1"),
            ("ready t1", "fork t1 1"),
            ("USR2", "drain 1, load t2"),
            ("ready t2", "fork t2 2"),
            ("ready 2", "drain 0"),
            ("exit 0 0", "dismiss t0, dismiss t1"),
        ],
    ),
    "logs are reopened": ({}, [*SERVING, ("USR1", "reopen 0, reopen 1")]),
}


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


@pytest.mark.parametrize("preload", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_a_random_walk_keeps_the_invariants(seed: int, preload: bool) -> None:
    Walk(seed, preload).run()


class Walk:
    """Random events, and after each what must hold."""

    def __init__(self, seed: int, preload: bool) -> None:
        self.random = random.Random(seed)
        self.driver = Driver(processes=self.random.randint(1, 4), slots=8, preload=preload)
        self.templates: dict[int, str] = {}
        self.told: dict[int, set[str]] = {}
        self.started = self.exited = 0

    def run(self) -> None:
        for _ in range(300):
            self.step()
        self.driver.play("TERM")
        while not self.driver.exits:
            self.check(self.driver.done())
            for slot in list(self.told):
                self.exit(slot, 0)
            for number in [n for n, state in self.templates.items() if state == "ending"]:
                self.template(number, "lose")
        assert not self.driver.machine.children
        assert self.started == self.exited

    def step(self) -> None:
        machine, driver, choice = self.driver.machine, self.driver, self.random.choice
        self.check(driver.done())
        before = len(machine.ready())
        event = choice(
            [
                *("ready", "ready", "fail", "die", "leave", "leave", "ask", "pass", "scale"),
                *("HUP", "USR2"),
                *(["load", "load", "lose"] if self.templates else []),
            ]
        )
        phase = {"ready": Phase.STARTING, "fail": Phase.STARTING, "leave": Phase.LEAVING}
        slots = [n for n, c in machine.children.items() if c.phase is phase.get(event, Phase.READY)]
        if event == "HUP":
            driver.play("HUP")
        elif event in ("load", "lose"):
            self.template(choice(list(self.templates)), event)
        elif event == "USR2":
            if machine.has_served:
                driver.play("USR2")
        elif event == "pass":
            driver.elapse(self.random.random())
        elif event == "scale":
            wanted = self.random.randint(1, 4)
            before = min(before, wanted)
            driver.play(f"scale {wanted}")
            before = min(before, len(machine.ready()))
        elif not slots:
            return
        elif event == "ready":
            driver.play(f"ready {choice(slots)}")
        elif event == "ask":
            driver.play(f"asks {choice(slots)} {choice(['SIGTERM', 'max_requests'])}")
        elif event == "fail" and not machine.has_served:
            return
        else:
            before -= event == "die" and len(machine.ready()) > 1
            if event != "die" or len(machine.ready()) > 1:
                self.exit(choice(slots), choice([1, -9]) if event != "leave" else 0)
        assert len(machine.ready()) >= before, event

    def template(self, number: int, event: str) -> None:
        """It is ready, or gone."""
        state, machine = self.templates[number], self.driver.machine
        if event == "load" and state == "loading":
            self.templates[number] = "ready"
            self.driver.play(f"ready t{number}")
        elif state == "ending" or (event == "lose" and machine.has_served):
            del self.templates[number]
            self.driver.play(f"exit t{number} {self.random.choice([1, -9])}")

    def exit(self, slot: int, status: int) -> None:
        self.exited += 1
        del self.told[slot]
        self.driver.machine.handle_exit(self.driver.now, slot, status)

    def check(self, actions: list[str]) -> None:
        for action in actions:
            verb, *rest = action.split()
            if verb in ("load", "dismiss", "kill"):
                number = int(rest[0][1:])
                assert (number in self.templates) == (verb != "load")
                self.templates[number] = "loading" if verb == "load" else "ending"
                continue
            slot = int(rest[-1]) if rest else -1
            if verb == "fork":
                assert self.templates[int(rest[0][1:])] == "ready"
                self.driver.play(f"forked {rest[0]}")
            if verb in ("start", "fork"):
                self.started += 1
                assert slot not in self.told, "a slot that is in use"
                self.told[slot] = set()
            elif verb in ("drain", "cut"):
                assert verb not in self.told[slot], "told twice"
                self.told[slot].add(verb)
        machine = self.driver.machine
        places = [place for place in machine.places if place.successor is not None]
        assert len(places) <= 1
        filled = [child for place in machine.places for child in (place.current, place.successor)]
        for child in machine.children.values():
            leaving = child.phase is Phase.LEAVING
            assert leaving or machine.stopping or child in filled, "a child without a place"
            assert not (leaving and not machine.stopping and child in filled)
        assert machine.stopping or all(
            place.current is not None or place.start_at is not None for place in machine.places
        ), "a place that nobody will fill"
        alive = [state for state in self.templates.values() if state != "ending"]
        assert machine.reloading or len(alive) <= 1, "a template that nobody needs"
