"""Draws ``headwaiter top``: figures in, lines of styled text out.

Rules: every line fits the width. Text from the endpoint, and so from clients, is shown as printable
ASCII, so that it cannot control the terminal or shift the columns. Every colour also has a word or
a letter.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from headwaiter._top.figures import CLASSES, PHASES, STATES, Figures, Process, Worker

# A line is pieces of text and their style; a style is a name in SGR or "".
Line = list[tuple[str, str]]

SGR = {
    "bold": "1", "dim": "2", "queue": "33", "gil": "31", "computing": "34", "core": "36",
    "asleep": "35", "flush": "32", "sending": "32", "idle": "2", "trouble": "1;37;41",
    "threads": "1;33", "ok": "1;32", "cpu": "1;34", "slow-clients": "1;32", "gil-bound": "1;31",
}  # fmt: skip
TITLES = {
    "ok": "ALL WELL",
    "idle": "IDLE",
    "threads": "TOO FEW THREADS",
    "too-many-threads": "TOO MANY THREADS",
    "gil": "THE GIL IS THE LIMIT",
    "cpu": "THE CPU IS USED UP",
    "slow-clients": "SLOW CLIENTS",
    "burst": "BURSTS",
    "growing": "THE POOL GROWS",
    "draining": "DRAINING",
    "background": "OTHER THREADS TAKE THE GIL",
    "starved": "OTHERS USE THE CPU",
    "lock": "A LOCK IS THE LIMIT",
    "pool": "A POOL IS THE LIMIT",
    "sqlite": "SQLITE IS THE LIMIT",
    "service": "A SERVICE IS THE LIMIT",
    "route": "ONE ROUTE TAKES THE THREADS",
    "gc": "GARBAGE COLLECTION",
    "stuck": "WORKERS ARE STUCK",
    "errors": "ERRORS",
}
LIKE = {
    **dict.fromkeys(("lock", "pool", "sqlite", "service", "route", "growing", "burst"), "threads"),
    "too-many-threads": "threads",
    **dict.fromkeys(("gil", "background", "gc", "stuck", "errors"), "gil-bound"),
    "starved": "cpu",
}  # kinds that have the style of another
WORDS = {"gil": "wants the GIL", "core": "wants a core"}  # for states that are no words
LETTERS = {"queue": "q", "gil": "G", "computing": "C", "core": "c", "asleep": "a", "flush": "f"}
BLOCKS, ASCII_BLOCKS = " ▁▂▃▄▅▆▇█", " .:-=+*#@"
LONG = 10.0  # seconds after which a running request is highlighted
PLACES = 3  # lines of the application that are shown
LABEL = 10  # columns of the names at the left


def render(
    history: Sequence[Figures], width: int, height: int | None, *, blocks: str, trouble: str = ""
) -> list[Line]:
    """The screen for the last figures of ``history``, on ``height`` lines at most.

    Without ``height`` it shows every worker and every waiting request in the status.
    """
    now = history[-1]
    lines = [*_head(now, width, trouble), [], *_meters(history, width, blocks)]
    lines += [*_places(now, width), []]
    if now.processes:
        half = None if height is None else max(3, (height - len(lines)) // 2)
        lines += [*_processes(now.processes, half), []]
    left = None if height is None else max(0, height - len(lines) - 1)
    lines += [_table_head(width), *_rows(now, width, left)]
    return [_cut(line, width) for line in lines[: height or None]]


def sgr(line: Line) -> str:
    """``line`` with the terminal's codes for its styles."""
    return "".join(
        f"\x1b[{SGR[style]}m{text}\x1b[0m" if style in SGR and text else text
        for text, style in line
    )


def bare(line: Line) -> str:
    """``line`` without styles."""
    return "".join(text for text, _ in line).rstrip()


def safe(text: object) -> str:
    """Text from a client with every byte visible; ``None`` is empty."""
    return _visible(str("" if text is None else text))


def wrapped(text: str, width: int) -> list[str]:
    """``text`` on lines of this width, at least one."""
    return textwrap.wrap(text, max(10, width)) or [""]


def seconds(value: float | None) -> str:
    """A duration for people, at most seven characters wide."""
    if value is None:
        return "-"
    if value < 0.00995:
        return "0 ms" if value < 0.000005 else f"{1000 * value:.{2 if value < 0.00095 else 1}f} ms"
    if value < 0.9995:
        return f"{1000 * value:.0f} ms"
    if value < 120:
        return f"{value:.1f} s" if value < 9.95 else f"{value:.0f} s"
    if value < 7200:
        return f"{value // 60:.0f} min"
    return f"{value // 3600:.0f} h" if value < 172800 else f"{value // 86400:.0f} d"


def _head(now: Figures, width: int, trouble: str) -> list[Line]:
    server, advice = now.status["server"], now.status["advice"]
    listening = " ".join(map(safe, server["listening"]))
    gil = "on" if server["gil"] else "off"
    lines: list[Line] = [
        [
            ("headwaiter", "bold"),
            (f" {safe(server['version'])}  {listening}  {safe(server['python'])}", "dim"),
            (f", GIL {gil}  pid {server['pid']}  up {seconds(server['uptime'])}", "dim"),
        ]
    ]
    if trouble:
        lines += [[(f" {part} ".ljust(width), "trouble")] for part in wrapped(trouble, width - 2)]
    if server["draining"]:
        lines.append([(" DRAINING: nothing new is accepted ".ljust(width), "trouble")])
    kind = advice["kind"]
    style = LIKE.get(kind, kind)
    lines += [[], [(TITLES.get(kind, safe(kind).upper()), style)]]
    lines += [[(part, "bold")] for part in wrapped(safe(advice["text"]), width)]
    evidence = "; ".join(advice.get("evidence") or ())
    if evidence:
        seen = "Seen" if advice.get("sure") else "Not sure; seen"
        lines += [[(part, "dim")] for part in wrapped(safe(f"{seen}: {evidence}."), width)]
    return lines


def _meters(history: Sequence[Figures], width: int, blocks: str) -> list[Line]:
    now = history[-1]
    status = now.status["now"]
    server = now.status["server"]
    spark = max(10, min(60, width - LABEL - 42))
    depth, oldest = status["queue_depth"], seconds(status["oldest_wait"])
    waits = f"{depth} wait{'s' if depth == 1 else ''}, the oldest for {oldest}"
    cores = max(1, server["cores"])
    used = [one.cores or 0.0 for one in history]
    total = now.status["quantiles"].get("total") or {}
    asked = "  ".join(
        f"{name} {_count(now.outcomes[name])}"
        for name in (*CLASSES, "no reply")
        if now.outcomes[name]
    )
    p50, p99 = seconds(total.get("p50")), seconds(total.get("p99"))
    lines: list[Line] = [
        [
            (_label("Requests"), "dim"),
            (f"{_count(sum(now.outcomes.values()))}/s", "bold"),
            (f"  {asked}  in all p50 {p50}, p99 {p99}", ""),
        ]
    ]
    queue = [one.status["now"]["queue_depth"] for one in history]
    meters = [
        ("Queue", queue, max(10, *queue), "queue", waits if depth else "nothing waits"),
    ]
    if now.cores is not None:
        meters.append(("CPU", used, cores, "computing", f"{now.cores:.2f} of {cores} cores"))
    if now.gil_share is not None:
        probe = status.get("gil_probe")
        says = f"{'' if now.gil_bound else 'at most '}{100 * now.gil_share:.0f} % held"
        says += "" if probe is None else f"; got in {seconds(probe)}"
        shares = [one.gil_share or 0.0 for one in history]
        meters.append(("GIL", shares, 1.0, "gil" if now.gil_bound else "", says))
    for name, values, peak, style, says in meters:
        drawn = _sparkline(values[-spark:], peak, blocks).rjust(spark)
        lines.append([(_label(name), "dim"), (drawn, style), (f"  {says}", "")])
    return lines + _time(now, width)


def _time(now: Figures, width: int) -> list[Line]:
    """One bar for the mean request, a letter per phase, and the phases in words below it."""
    if now.phases is None:
        return [[(_label("Time"), "dim"), ("no request has just finished", "dim")], []]
    total = sum(now.phases.values())
    columns = max(10, min(100, width - LABEL))
    bar: Line = [(_label("Time"), "dim")]
    done, reached = 0.0, 0
    for phase in PHASES:
        done += now.phases[phase]
        end = round(columns * done / total) if total else 0
        bar.append((LETTERS[phase] * (end - reached), phase))
        reached = end
    legend: Line = [(_label(""), "")]
    for phase in PHASES:
        if phase == "core" and not now.phases[phase]:  # rare, and the line is full
            continue
        name = "GIL" if phase == "gil" else phase
        legend += [(LETTERS[phase], phase), (f"={name} {seconds(now.phases[phase])}  ", "")]
    return [bar, legend]


def _places(now: Figures, width: int) -> list[Line]:
    """Where the workers were most in the last minute."""
    profile = now.status.get("profile") or {}
    lines: list[Line] = []
    places = [place for place in profile.get("places") or () if place["share"] >= 0.005]
    for place in places[:PLACES]:
        state = STATES.get(place["state"], "running")
        share = f"{100 * place['share']:3.0f} % "
        word = WORDS.get(state, state)
        text = f" {safe(place['route'])}: {safe(place['at'])}"
        lines.append(
            [(_label("" if lines else "Where"), "dim"), (share, ""), (word, state), (text, "")]
        )
    return lines


def _processes(processes: Sequence[Process], space: int | None) -> list[Line]:
    """A head and a row for each process, on ``space`` lines at most."""
    head = ("SLOT", "STATE", "PID", "AGE", "BUSY", "WAITING", "CONNECTIONS", "MEMORY", "REQ/S")
    lines: list[Line] = [[(_process_columns(head), "dim")]]
    for one in processes:
        unheard = "" if one.answered else " (silent)"
        busy = "-" if one.busy is None else f"{one.busy}/{one.workers}"
        told = ("-" if n is None else str(n) for n in (one.waiting, one.connections))
        rate = "-" if one.rate is None else _count(one.rate)
        row = (str(one.slot), f"{safe(one.state)}{unheard}", str(one.pid), seconds(one.age), busy,
               *told, _bytes(one.rss), rate)  # fmt: skip
        lines.append([(_process_columns(row), "" if one.answered else "bold")])
    if space is not None and len(lines) > space:
        more = len(lines) - space + 1
        lines = [*lines[: space - 1], [(f"... and {more} more processes", "dim")]]
    return lines


def _process_columns(cells: Sequence[str]) -> str:
    slot, state, pid, *others = cells
    return f"{slot:<7}{state:<17}{pid:>8}" + "".join(
        f"{cell:>{width}}" for cell, width in zip(others, (9, 8, 9, 13, 9, 8))
    )


def _bytes(count: int | None) -> str:
    return "-" if count is None else f"{count / (1 << 20):.0f} MiB"


def _table_head(width: int) -> Line:
    return [(_columns("WORKER", "STATE", "AGE", "CPU", "REQUEST", "CLIENT", width), "dim")]


def _rows(now: Figures, width: int, space: int | None) -> list[Line]:
    """The workers, then the waiting requests, then the number of rows that do not fit."""
    workers: Sequence[Worker] = now.workers
    waiting = now.status["waiting"]
    if space is not None and len(workers) + min(len(waiting), 3) > space:
        workers = sorted((w for w in workers if w.state != "idle"), key=lambda w: -w.age)
    held_back = "held back for the GIL" if now.held_back else ""
    rows = [_worker_row(worker, width, held_back) for worker in workers]
    for task in waiting:
        what = f"{safe(task['method'])} {safe(task['path'])}"
        text = _columns("", "queued", seconds(task["age"]), "", what, safe(task["client"]), width)
        rows.append([(text, "queue")])
    more = now.status["now"]["queue_depth"] - len(waiting)
    if space is not None and len(rows) > space:
        keep = max(0, space - 1)
        more += len(rows) - keep
        rows = rows[:keep]
    if more > 0 and (space is None or space > 0):
        rows.append([(f"... and {more} more", "dim")])
    return rows


def _worker_row(worker: Worker, width: int, held_back: str) -> Line:
    if worker.state == "idle":
        return [(_columns(worker.name, "idle", "", "", held_back, "", width), "idle")]
    text = _columns(
        worker.name,
        WORDS.get(worker.state, worker.state),
        seconds(worker.age),
        seconds(worker.cpu),
        f"{safe(worker.method)} {safe(worker.path)}",
        safe(worker.client),
        width,
    )
    state = slice(7, 7 + 14)
    aged = "bold" if worker.age >= LONG else ""
    return [(text[: state.start], ""), (text[state], worker.state), (text[state.stop :], aged)]


def _columns(
    worker: str, state: str, age: str, cpu: str, request: str, client: str, width: int
) -> str:
    wide = width >= 76
    room = max(8, width - 39 - (24 if wide else 0))
    if len(request) > room:
        request = request[: room - 3] + "..."
    text = f"{worker:<7}{state:<14}{age:>8}{cpu:>8}  {request:<{room}}"
    return f"{text}  {client:>22.22}" if wide else text


def _sparkline(values: Sequence[float], peak: float, blocks: str) -> str:
    top = len(blocks) - 1
    # Every value above zero gets a visible block.
    return "".join(
        blocks[min(top, max(1 if value > 0 else 0, round(top * value / peak)))] for value in values
    )


def _label(name: str) -> str:
    return name.ljust(LABEL)


def _count(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 or value == int(value) else f"{value:.1f}"


def _cut(line: Line, width: int) -> Line:
    """``line``, cut to ``width`` and safe for a terminal. Every line passes here: any program may
    answer as the endpoint, with text in place of numbers."""
    cut: Line = []
    for text, style in line:
        cut.append((_visible(text[:width], BLOCKS)[:width], style))
        width -= len(cut[-1][0])
    return cut


def _visible(text: str, besides: str = "") -> str:
    """``text`` with escapes for all characters but printable ASCII and ``besides``."""
    return "".join(
        c if " " <= c <= "~" or c in besides else c.encode("unicode_escape").decode() for c in text
    )
