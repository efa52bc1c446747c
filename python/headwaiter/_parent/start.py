"""Starts the parent: binds, says how many processes there will be, and runs the loop.

``cli.py`` calls :func:`run` if an adjustment asks for a parent process.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from itertools import repeat
from typing import Any, Callable

from headwaiter import _headwaiter
from headwaiter._parent.child import Config
from headwaiter._parent.children import Children
from headwaiter._parent.listening import Listening
from headwaiter._parent.loop import Parent
from headwaiter._parent.overview import Admin
from headwaiter._parent.settings import Settings
from headwaiter._parent.upgrade import Upgrade
from headwaiter._parent.watcher import Watcher
from headwaiter._process import cores, interpreter, logs, output, pid_file, refused
from headwaiter._process.exits import StartError
from headwaiter._process.surroundings import logical_directory
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.casts import MOST_PROCESSES
from headwaiter._settings.listen import bracketed, with_name

SLOTS = MOST_PROCESSES + 1
Settle = Callable[[Sequence[str]], None]
"""Gets the files of the Unix sockets that were made."""


def run(
    arguments: Sequence[str],
    adjustments: Adjustments,
    reread: Callable[[], Adjustments],
    settle: Settle = lambda _: None,
) -> int:
    """Serve by child processes, each with the command line ``arguments``; return the exit status.
    ``reread`` makes the adjustments anew, for a reload. ``settle`` is called when all is bound and
    made that needs the rights of root, and before any process or thread starts.

    Raises:
        StartError: The parent could not start.
    """
    command = interpreter.command("headwaiter._child")
    return run_command(command, arguments, adjustments, reread, settle)


def run_command(
    command: Sequence[str],
    arguments: Sequence[str],
    adjustments: Adjustments,
    reread: Callable[[], Adjustments],
    settle: Settle = lambda _: None,
) -> int:
    """:func:`run` with the ``command`` that starts a child."""
    listening, page = Listening(bind(adjustments), adjustments), _headwaiter.Page(slots=SLOTS)
    return serve(command, arguments, adjustments, reread, listening, page, settle)


def serve(
    command: Sequence[str],
    arguments: Sequence[str],
    adjustments: Adjustments,
    reread: Callable[[], Adjustments],
    listening: Listening,
    page: _headwaiter.Page,
    settle: Settle = lambda _: None,
    adopted: dict[str, Any] | None = None,
) -> int:
    """Serve by children on ``listening``, which is closed at the end. ``adopted`` is the state of
    a running server after an upgrade.

    Raises:
        StartError: The parent could not start.
    """
    try:
        with pid_file.held(adjustments.pid_file, made=adopted is not None):
            configure = functools.partial(configured, slots=page.slots)
            settings = Settings(adjustments, reread, configure)
            if adopted:
                settings.adopt(adopted.get("settings", settings.state()), adjustments)
            else:  # now, since later the server may have no right to
                _bind_places(listening, settings.config.processes, adjustments)
            directory = adopted["directory"] if adopted else logical_directory()
            children = Children(command, arguments, listening, page, directory)
            listeners = listening.first
            fixed = {
                "admin": listeners.admin_filenos(),
                "files": [(str(path), inode) for path, inode in listeners.files()],
                "pid_file": adjustments.pid_file,
                "settings": settings.state(),
            }
            admin = None
            if fixed["admin"]:
                children.command.append("--observed")
                engine = adjustments.engine_settings(logs.logger_name())
                admin = Admin(listeners, engine, children)
            watcher = None
            if adjustments.reload:
                watcher = Watcher(
                    interpreter.command("headwaiter._watch"),
                    directory,
                    include=adjustments.reload_include,
                    exclude=adjustments.reload_exclude,
                )
            parent = Parent(
                children,
                settings,
                control=adjustments.control,
                admin=admin,
                upgrade=Upgrade(
                    interpreter.command("headwaiter._upgraded"),
                    arguments,
                    directory,
                    fixed,
                    listening,
                ),
                watcher=watcher,
                banner=lambda: _log_banner(listeners, adjustments),
                adopted=adopted,
            )
            made = [str(path) for path, _ in listeners.files()]
            try:
                settle([*made, *([adjustments.control] if adjustments.control else [])])
            except BaseException:
                parent.close()
                raise
            with logs.pumping():
                ended = parent.run()
    except RuntimeError as error:  # of the files, or no thread is left
        raise StartError(str(error)) from None
    finally:
        listening.close()
    if ended.error:
        output.say(f"headwaiter: {ended.error}")
    return ended.status


def bind(adjustments: Adjustments) -> _headwaiter.Listeners:
    """Bind every address, those of the admin endpoint included, or none.

    Raises:
        StartError: One cannot be bound.
    """
    settings = adjustments.engine_settings(logs.logger_name())
    try:
        bound = _headwaiter.Listeners(
            adjustments.listeners(),
            settings["admin"],
            backlog=adjustments.backlog,
            unix_socket_perms=adjustments.unix_socket_perms,
            reuse_port=adjustments.reuse_port,
        )
    except OSError as error:
        where = adjustments.listeners(), adjustments.admin_listeners()
        raise StartError(refused.why(error, *where)) from None
    adjustments.close_descriptors()
    return bound


def _bind_places(listening: Listening, count: int, adjustments: Adjustments) -> None:
    """Bind the sockets of the further places, which ``reuse_port`` needs."""
    try:
        listening.of_place(count - 1)
    except OSError as error:
        where = adjustments.listeners(), adjustments.admin_listeners()
        raise StartError(refused.why(error, *where)) from None


def configured(adjustments: Adjustments, slots: int) -> tuple[Config, list[str]]:
    """The machine's settings, and more arguments for the children."""
    count, is_adaptive, more = adjustments.processes, False, []
    if not isinstance(count, int):
        found = cores.usable()
        count, is_adaptive = min(found.processes, slots - 1), interpreter.is_free_threaded()
        logs.post(logging.INFO, f"processes=auto: {count} ({found})")
        # Without a GIL threads use the cores.
        if is_adaptive and "threads" not in adjustments.given_names():
            more = [f"--threads={max(count, int(adjustments.threads))}"]
    config = Config(
        count,
        drain_delay=adjustments.drain_delay,
        shutdown_timeout=adjustments.shutdown_timeout,
        max_lifetime=adjustments.max_lifetime or None,
        slots=slots,
        same_stop=_headwaiter.SAME_STOP,
        adaptive=is_adaptive,
        preload=adjustments.preload and not adjustments.reload,
        development=adjustments.reload,
    )
    return config, more


def _log_banner(listeners: _headwaiter.Listeners, adjustments: Adjustments) -> None:
    for item, name in zip(listeners.listening, adjustments.socket_names or repeat("")):
        logs.announce(f"Serving on {with_name(_url(item), name)}")
    for item in listeners.admin_listening:
        logs.announce(f"Showing what happens on {_url(item)}")
    if adjustments.config_file:
        logs.announce(f"Settings are from {adjustments.config_file}")


def _url(item: tuple[Any, ...]) -> str:
    kind, *rest = item
    return f"unix:{rest[0]}" if kind == "unix" else f"http://{bracketed(rest[0])}:{rest[1]}"
