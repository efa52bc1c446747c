"""A child process: ``python -m headwaiter._child``, with what the parent passes to it.

    --slot=0 --control=5 --page=6 --inbox=7 --listen=8 --listen=9 [--observed] -- ARGUMENTS
    --template --control=5 [--observed] -- ARGUMENTS

The numbers are those of inherited descriptors. With ``--observed`` the parent has an admin endpoint
that shows this child. ``ARGUMENTS`` is the command line of the server. The
child reads its configuration anew, so a reload is a new child. It serves the inherited sockets, and
what it has to say of its start goes to the parent. A template (``preload``) does the first half of
this, and each child that it forks the second half. With ``reload`` a child serves a page in place
of an application that it cannot load. Rules: the control socket is read from before
the application is loaded until the process ends; the signals that stop a server do not stop a
child, as a terminal sends them to every process of the group, and the parent decides.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from headwaiter import __main__, _headwaiter
from headwaiter import _startup as startup
from headwaiter import _template as template
from headwaiter._application import Loaded
from headwaiter._process import forks, output, signals
from headwaiter._process.exits import CUT, DONE, NOT_STARTED, USAGE, StartError
from headwaiter._settings.adjustments import Adjustments
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
    if passed.template:
        return _run_template(passed.control, own, observed=passed.observed)
    control, sockets = _take(passed)
    try:
        return _serve(_load(own), sockets, control, observed=passed.observed)
    except Failure as failure:
        control.failed(str(failure), failure.status)
        return failure.status


def _run_template(descriptor: int, own: list[str], *, observed: bool) -> int:
    """Load the application, then fork children. This function goes on in each of them."""
    if sys.platform == "linux":
        _headwaiter.leave_with_parent()
    with template.Parent(descriptor) as parent:
        try:
            loaded = _load(own)
            template.settle()
            passed = parent.forked()
        except (Failure, template.TemplateError) as failure:
            status = failure.status if isinstance(failure, Failure) else NOT_STARTED
            parent.say("failed", text=str(failure), status=status)
            return status
    if passed is None:
        return DONE
    control, sockets = _take(passed)
    try:
        return _serve(loaded, sockets, control, observed=observed)
    except Failure as failure:
        control.failed(str(failure), failure.status)
        return failure.status


def _split(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """What the parent passes, and the command line of the server."""
    parser = argparse.ArgumentParser(prog="headwaiter._child", allow_abbrev=False)
    parser.add_argument("--template", action="store_true")
    for name in ("slot", "control", "page", "inbox"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--observed", action="store_true")
    parser.add_argument("--listen", type=int, action="append")
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return parser.parse_args(arguments[:end]), [*arguments[end + 1 :]]


def _take(passed: argparse.Namespace) -> tuple[_headwaiter.Control, list[socket.socket]]:
    """The control socket and the listeners, which nobody inherits."""
    sockets = [socket.socket(fileno=descriptor) for descriptor in passed.listen]
    for sock in sockets:
        sock.set_inheritable(False)
    forks.do_not_inherit(sockets)
    control = _headwaiter.Control(passed.control, passed.page, passed.inbox, passed.slot)
    for descriptor in (passed.control, passed.page, passed.inbox):
        os.close(descriptor)  # the control has duplicates
    return control, sockets


def _load(arguments: list[str]) -> tuple[WSGIApplication, Adjustments]:
    """The application and the adjustments of the command line."""
    try:
        options = parse(arguments)
        adjustments = startup.adjustments(options)
        if options.application is None:
            raise UsageError("name the application to serve: MODULE:OBJECT")
        startup.read_log_config(adjustments)
    except UsageError as error:
        raise Failure(f"{error}\nSee headwaiter --help.", USAGE) from None
    try:
        application, adjustments.application = _application(options)
    except Failure as failure:
        if not adjustments.reload:
            raise
        output.say(f"headwaiter: {failure}")
        from headwaiter import _failure_page

        application = _failure_page.application(str(failure))
        adjustments.application = options.application
    startup.configure_logging(adjustments)
    return application, adjustments


def _serve(
    loaded: tuple[WSGIApplication, Adjustments],
    sockets: list[socket.socket],
    control: _headwaiter.Control,
    *,
    observed: bool,
) -> int:
    application, adjustments = loaded
    adjustments.become_child(sockets, observed=observed)
    try:
        server = startup.bind(application, adjustments, control)
    except StartError as error:
        raise Failure(str(error), NOT_STARTED) from None
    try:
        run_until_signalled(server, quiet=True, ends_process=True)
    except (OSError, RuntimeError) as error:  # such as no descriptor or thread left
        raise Failure(f"cannot serve: {error}", NOT_STARTED) from None
    control.last()
    return CUT if server.unfinished else DONE


def _application(options: argparse.Namespace) -> Loaded:
    try:
        return startup.load(options)
    except StartError as error:
        raise Failure(str(error), NOT_STARTED) from None


if __name__ == "__main__":
    sys.exit(main())
