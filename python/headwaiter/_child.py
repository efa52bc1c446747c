"""A child process: ``python -m headwaiter._child``, with what the parent passes to it.

    --slot=0 --control=5 --page=6 --inbox=7 --listen=8 --listen=9 -- ARGUMENTS

The numbers are those of inherited descriptors, ``ARGUMENTS`` is the command line of the server. The
child reads its configuration anew, so a reload is a new child. It serves the inherited sockets, and
what it has to say of its start goes to the parent. With ``reload`` a child serves a page in place
of an application that it cannot load. Rules: the control socket is read from before the application
is loaded until the process ends; the signals that stop a server do not stop a child, as a terminal
sends them to every process of the group, and the parent decides.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headwaiter import __main__, _failure_page, _headwaiter
from headwaiter import _startup as startup
from headwaiter._process import forks, signals
from headwaiter._process.exits import CUT, DONE, NOT_STARTED, USAGE
from headwaiter._settings.flags import UsageError, parse
from headwaiter.server import run_until_signalled

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Failure(Exception):
    """Why the child does not serve, and its exit status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def main() -> int:
    return __main__.main(run=run)


def run(arguments: Sequence[str]) -> int:
    """Serve as a child until the parent says stop; return the exit status."""
    signals.leave_stops_to_parent()
    passed, own = _split(arguments)
    sockets = [socket.socket(fileno=descriptor) for descriptor in passed.listen]
    for sock in sockets:
        sock.set_inheritable(False)
    forks.do_not_inherit(sockets)
    control = _headwaiter.Control(passed.control, passed.page, passed.inbox, passed.slot)
    for descriptor in (passed.control, passed.page, passed.inbox):
        os.close(descriptor)  # the control has duplicates, which nobody inherits
    try:
        return _serve(own, sockets, control)
    except Failure as failure:
        control.failed(str(failure), failure.status)
        return failure.status


def _split(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """What the parent passes, and the command line of the server."""
    parser = argparse.ArgumentParser(prog="headwaiter._child", allow_abbrev=False)
    for name in ("slot", "control", "page", "inbox"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--listen", type=int, action="append", required=True)
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return parser.parse_args(arguments[:end]), [*arguments[end + 1 :]]


def _serve(arguments: list[str], sockets: list[socket.socket], control: _headwaiter.Control) -> int:
    try:
        options = parse(arguments)
        adjustments = startup.adjustments(options)
        adjustments.become_child(sockets)
        if options.application is None:
            raise UsageError("name the application to serve: MODULE:OBJECT")
        startup.read_log_config(options)
    except UsageError as error:
        raise Failure(f"{error}\nSee headwaiter --help.", USAGE) from None
    try:
        application = _load(options)
    except Failure as failure:
        if not adjustments.reload:
            raise
        print(f"headwaiter: {failure}", file=sys.stderr, flush=True)
        application = _failure_page.application(str(failure))
    try:
        startup.configure_logging(options)
        server = startup.bind(application, adjustments, control)
    except startup.StartError as error:
        raise Failure(str(error), NOT_STARTED) from None
    try:
        run_until_signalled(server, quiet=True, ends_process=True)
    except (OSError, RuntimeError) as error:  # such as no descriptor or thread left
        raise Failure(f"cannot serve: {error}", NOT_STARTED) from None
    control.last()
    return CUT if server.unfinished else DONE


def _load(options: argparse.Namespace) -> WSGIApplication:
    try:
        return startup.load(options.application, call=options.call)
    except startup.StartError as error:
        raise Failure(str(error), NOT_STARTED) from None
    except SystemExit as error:
        text = f"{options.application!r} has ended the process: sys.exit({error.code!r})"
        raise Failure(text, NOT_STARTED) from None


if __name__ == "__main__":
    sys.exit(main())
