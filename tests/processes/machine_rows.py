"""Events of the parent's machine, each with what follows; ``test_machine.py`` runs the rows."""

from __future__ import annotations

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
    "a child whose I/O thread stands still": (
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
