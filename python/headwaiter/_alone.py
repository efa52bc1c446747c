"""A server that is one process, and the trial of a start (``--check-config``).

``cli.py`` calls :func:`serve` if no adjustment asks for a parent. The order of a start: find the
user, bind as root, become the user, set logging up, load the application, serve. Without ``user``
the application is loaded before anything is bound.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable

from headwaiter import _headwaiter
from headwaiter import _startup as startup
from headwaiter._privileges import Privileges
from headwaiter._process import identity, pid_file
from headwaiter._process.exits import CUT, DONE, StartError
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.flags import UsageError
from headwaiter.server import Server, run_until_signalled


def serve(options: Namespace, adjustments: Adjustments, privileges: Privileges) -> int:
    """Serve in this process until a signal stops the server; return the exit status.

    Raises:
        UsageError: ``log_config`` is wrong.
        StartError: The server cannot start.
    """
    is_dropping = privileges.identity is not None
    try:
        with contextlib.ExitStack() as held:
            listeners = None
            if sys.platform != "win32" and is_dropping:
                listeners = held.enter_context(contextlib.closing(_bound(adjustments)))
                held.enter_context(pid_file.held(adjustments.pid_file))
                privileges.drop([str(path) for path, _ in listeners.files()])
            server = _made(options, adjustments, listeners)
            if not is_dropping:
                held.enter_context(pid_file.held(adjustments.pid_file))
            run_until_signalled(server, ends_process=True)
    except (OSError, RuntimeError) as error:  # such as no descriptor or thread left
        raise StartError(f"cannot serve: {error}") from None
    return CUT if server.unfinished else DONE


def check(options: Namespace, adjustments: Adjustments, privileges: Privileges) -> None:
    """Start up to the point where connections would be accepted, and close everything again.

    Raises:
        UsageError, StartError: As from a start.
    """
    log, adjustments.access_log = adjustments.access_log, None
    try:
        if sys.platform == "win32" or privileges.identity is None:
            _try(options, adjustments, log, None)
            _try_files(adjustments)
            return
        # Root would make the file, which a trial does not.
        is_made = log is not None and not os.path.lexists(log) and identity.can_make(log)
        with contextlib.closing(_bound(adjustments)) as listeners:
            _try_files(adjustments)

            def as_user() -> None:
                privileges.drop([str(path) for path, _ in listeners.files()])
                _try(options, adjustments, None if is_made else log, listeners)

            _in_child(as_user)
    except RuntimeError as error:  # of the files
        raise StartError(f"cannot serve: {error}") from None


def _bound(adjustments: Adjustments) -> _headwaiter.Listeners:
    from headwaiter._parent import start  # only here: it imports all that a parent needs

    return start.bind(adjustments)


def _made(
    options: Namespace, adjustments: Adjustments, listeners: _headwaiter.Listeners | None
) -> Server:
    """The server with its application, which has not begun to serve."""
    startup.read_log_config(adjustments)
    application, adjustments.application = startup.load(options)
    startup.configure_logging(adjustments)
    return startup.bind(application, adjustments, listeners=listeners)


def _try(
    options: Namespace,
    adjustments: Adjustments,
    access_log: str | None,
    listeners: _headwaiter.Listeners | None,
) -> None:
    """What a start does, without a change to anything that others see."""
    _made(options, adjustments, listeners).close()
    _check_access_log(access_log)
    if adjustments.preload and not adjustments.reload:
        from headwaiter import _template as template

        try:
            template.refuse_threads()
        except template.TemplateError as error:
            raise StartError(str(error)) from None


def _try_files(adjustments: Adjustments) -> None:
    """Make the files of the server, and remove them again."""
    with pid_file.held(adjustments.pid_file):
        pass
    if adjustments.control:
        from headwaiter._parent import control

        control.bound(adjustments.control).close()
        os.unlink(adjustments.control)


def _check_access_log(path: str | None) -> None:
    """Check that the file can be written. Do not create it: another user may run this check."""
    if path is None or path in ("-", "logger"):
        return
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND))
    except FileNotFoundError:
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(folder):
            raise StartError(f"access_log: {folder!r} is not a directory") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise StartError(f"access_log: no permission to write in {folder!r}") from None
    except OSError as error:
        raise StartError(startup.access_log_refused(path, error)) from None


def _in_child(step: Callable[[], None]) -> None:
    """Call ``step`` in a process of its own, which may give rights up for good. What it raises is
    raised here."""
    if sys.platform == "win32":
        return  # there is no user to become
    sys.stdout.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            told = _outcome(step)
            with open(writing, "w", encoding="utf-8", errors="backslashreplace") as pipe:
                json.dump(told, pipe)
            sys.stdout.flush()  # what the application has printed
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    kind, message = json.loads(text) if text else (StartError.__name__, "the trial has died")
    if kind:
        raise (UsageError if kind == UsageError.__name__ else StartError)(message)


def _outcome(step: Callable[[], None]) -> tuple[str, str]:
    """What ``step`` raises, by its name, and the message; both are empty if it raises nothing."""
    try:
        step()
    except (UsageError, StartError) as error:
        return type(error).__name__, str(error)
    except BaseException as error:
        return StartError.__name__, f"cannot serve: {error}"
    return "", ""
