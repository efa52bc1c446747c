"""``headwaiter top``: shows a running server in a terminal, from its admin endpoint.

``cli.py`` calls :func:`run`. It needs only the standard library, so it works wherever the server
works. Rules: a separate thread asks the server, so that keys work while it does not answer. If the
first request fails, the command fails; later requests are repeated for ever.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence

from headwaiter._process import output
from headwaiter._settings.casts import duration
from headwaiter._top import view
from headwaiter._top.figures import Figures, figures, is_other_process
from headwaiter._top.status import DEFAULT_PORT, Status, Unreachable, fetch
from headwaiter._top.terminal import Terminal, opened

DONE, FAILED, USAGE = 0, 1, 2
HISTORY = 240  # figures kept; more than a terminal has columns for
HINT = "Was the server started with --admin, and is that its address?"
QUIT = ("q", "Q", "\x03", "\x1b")

EPILOG = f"""\
ADDRESS is what the server's adjustment `admin` is: HOST:PORT, a port, or the path of a Unix
socket. Without it HEADWAITER_ADMIN is asked, or else 127.0.0.1:{DEFAULT_PORT}.

Keys: q quits. Exit status: 0 done, also when nobody reads the output (a closed pipe); 1 the server
cannot be reached, or could not be at the end, or the output cannot be written; 2 wrong usage.
"""


def run(arguments: Sequence[str]) -> int:
    """Do what ``arguments`` ask for and return the exit status; ``top`` is not among them."""
    options = _parser().parse_args(list(arguments))
    address = asked(options.address)
    try:
        first = fetch(address)
        if options.once or not _is_screen():
            time.sleep(options.interval)  # rates need two statuses
            picture = _text(_learn(first, fetch(address)))
            with output.written():
                print(picture)
        else:
            _watch(address, options.interval, first)
    except ValueError as error:
        return _fail(str(error), USAGE)
    except Unreachable as error:
        return _fail(f"no status from {address}: {error}\n{HINT}", FAILED)
    except KeyboardInterrupt:
        pass
    return DONE


def asked(given: str | None) -> str:
    """The address of the endpoint: the ``given`` one, that of the environment, or the usual one."""
    return given or os.environ.get("HEADWAITER_ADMIN") or f"127.0.0.1:{DEFAULT_PORT}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headwaiter top",
        description="Watch a running server: advice, queue, GIL, workers and their requests.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("address", nargs="?", metavar="ADDRESS")
    parser.add_argument("--once", action="store_true", help="print one picture and leave")
    parser.add_argument(
        "--interval", type=_interval, default=1.0, metavar="SECONDS", help="between questions: 1"
    )
    return parser


def _interval(text: str) -> float:
    value = duration(text)
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError("from 100ms to 1h")
    return value


def _is_screen() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _learn(before: Status | None, after: Status) -> Figures:
    """The figures of ``after``. Draws them once, so that a malformed status fails here.

    Raises:
        Unreachable: ``after`` lacks a figure, or a figure has another type.
    """
    try:
        now = figures(before, after)
        _text(now)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise Unreachable("its answer is of another version") from None
    return now


def _text(now: Figures) -> str:
    lines = view.render([now], 100, None, blocks=_blocks())
    return "\n".join(view.bare(line) for line in lines)


def _blocks() -> str:
    try:
        view.BLOCKS.encode(sys.stdout.encoding or "ascii")
    except UnicodeError:
        return view.ASCII_BLOCKS
    return view.BLOCKS


class _Watcher:
    """Asks the server on a thread, for ever; another thread draws what was learned."""

    def __init__(self, address: str, interval: float, first: Status) -> None:
        self._address = address
        self._interval = interval
        self._last = first
        self._lock = threading.Lock()
        self._history = deque([_learn(None, first)], HISTORY)
        self._trouble = ""
        self.failed: Unreachable | None = None
        self.leave = threading.Event()

    def watch(self, terminal: Terminal) -> None:
        """The body of the thread: ask, remember, wake the terminal."""
        heard = time.monotonic()
        while not self.leave.wait(self._interval):
            try:
                status = fetch(self._address)
                now = _learn(self._last, status)
            except Unreachable as error:
                ago = view.seconds(time.monotonic() - heard)
                with self._lock:
                    self.failed = error
                    self._trouble = (
                        f"The server cannot be reached: {error}. What is below is {ago} old. "
                        "Trying again."
                    )
            else:
                heard = time.monotonic()
                with self._lock:
                    self.failed = None
                    self._trouble = ""
                    if is_other_process(self._last, status):
                        self._history.clear()
                    self._history.append(now)
                self._last = status
            terminal.wake()

    def present(self) -> tuple[list[Figures], str]:
        """The figures so far, the newest last, and the error of the last request."""
        with self._lock:
            return list(self._history), self._trouble


def _watch(address: str, interval: float, first: Status) -> None:
    """Show the server until the user quits.

    Raises:
        Unreachable: The server did not answer the last request.
    """
    watcher = _Watcher(address, interval, first)
    shown = view.bare if os.environ.get("NO_COLOR") else view.sgr
    with opened() as terminal:
        # A daemon thread: a request in flight must not delay the end.
        threading.Thread(target=watcher.watch, args=(terminal,), daemon=True).start()
        try:
            key = ""
            while key not in QUIT:
                history, trouble = watcher.present()
                lines = view.render(history, *terminal.size, blocks=_blocks(), trouble=trouble)
                terminal.draw([shown(line) for line in lines])
                key = terminal.wait()
        except OSError:  # the terminal was closed
            output.discard()
        finally:
            watcher.leave.set()
    if watcher.failed:
        raise watcher.failed


def _fail(message: str, status: int) -> int:
    print(f"headwaiter top: {message}", file=sys.stderr)
    return status
