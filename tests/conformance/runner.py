"""Runs rows against one server and survives what the server does meanwhile.

After each row the server is asked for one plain reply. If the process is gone, the worker that held
the application was replaced, or no reply comes, the row is blamed, and the server started afresh.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from tests.conformance.launchers import Launcher
from tests.conformance.model import Failed, Result, Row, Skipped, Verdict
from tests.conformance.process import NotStarted, Server

# In how many places an input is cut. Few in servers that must be sent few connections at a time.
CUTS = 96
QUICK_CUTS = 6
RESTARTS = 25  # more crashes than this, and the rest of the rows is not worth the time


def run_row(server: Server, row: Row) -> Result:
    """Runs one row on a server that answers; leaves a server that answers."""
    begun = time.monotonic()
    verdict, detail = Verdict.PASSED, ""
    try:
        row.check(server)
    except Failed as failure:
        verdict, detail = Verdict.FAILED, str(failure)
    except Skipped as skipped:
        verdict, detail = Verdict.SKIPPED, str(skipped)
    except OSError as error:  # no connection to be had: the health check below says why
        verdict, detail = Verdict.FAILED, f"{type(error).__name__}: {error}"
    except (KeyError, ValueError, IndexError, TypeError) as error:
        # A reply of ours that is not what our application sends: what the server made of it.
        verdict, detail = Verdict.FAILED, f"unusable reply: {type(error).__name__}: {error}"
    blamed = health(server)
    if blamed is not None:
        verdict, why = blamed
        detail = f"{why}; {detail}" if detail else why
        server.stop()
        server.start()
    return Result(row, verdict, detail, time.monotonic() - begun)


def health(server: Server) -> tuple[Verdict, str] | None:
    """What is wrong with the server, if anything is."""
    # Asked twice: a server may be busy for a moment with what the row left it.
    boot = server.ping() or server.ping()
    ended = server.ended(wait=not boot)
    if ended is not None:
        return Verdict.CRASHED, ended
    if not boot:
        return Verdict.HUNG, "no longer answers"
    if boot != server.boot:
        return Verdict.CRASHED, "the worker process was replaced"
    return None


def run_all(
    launcher: Launcher,
    rows: Iterable[Row],
    *,
    quick: bool,
    patience: float,
    progress: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Runs the rows on a server of its own. Raises ``NotStarted`` if there is none to run on."""
    results: list[Result] = []
    restarts = 0
    cuts = QUICK_CUTS if quick else CUTS if launcher.event_driven else CUTS // 6
    with Server(launcher, patience=patience, cuts=cuts) as server:
        for row in rows:
            if quick and not row.quick:
                continue
            if restarts > RESTARTS:
                results.append(Result(row, Verdict.SKIPPED, "the server crashed too often"))
                continue
            try:
                result = run_row(server, row)
            except NotStarted as error:
                result = Result(row, Verdict.CRASHED, f"did not start again: {error}")
                restarts = RESTARTS
            if result.verdict in (Verdict.CRASHED, Verdict.HUNG):
                restarts += 1
            results.append(result)
            progress(result)
    return results
