"""From root to the user that the server runs as: ``user``, ``group`` and ``umask``.

``_alone.py`` and ``cli.py`` call :class:`Privileges` in this order: find the user, bind and make
files as root, :meth:`Privileges.drop`. Rules: nothing of the application is read before; whatever
the user may not read, and will need, is named at the start and not at the first request.
"""

from __future__ import annotations

import logging
import os
import sys
from argparse import Namespace
from collections.abc import Iterable

from headwaiter._process import identity, logs, surroundings
from headwaiter._process.exits import StartError
from headwaiter._process.identity import Identity
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.flags import UsageError


class Privileges:
    """Those of one start. Without ``user`` and ``group``, and for who is that user already, there
    is nothing to do.

    Raises:
        UsageError: The system does not know the user or the group, or root would heed a file that
            others can change.
    """

    def __init__(self, options: Namespace, adjustments: Adjustments) -> None:
        self._options = options
        self._adjustments = adjustments
        try:
            found = identity.find(adjustments.user, adjustments.group)
        except ValueError as error:
            raise UsageError(str(error)) from None
        self.identity: Identity | None = None if found is None or found.is_current() else found
        file, is_dropping = options.found_config, self.identity is not None
        is_root = sys.platform != "win32" and os.geteuid() == 0
        if is_dropping and is_root and file and not identity.is_of_root(file):
            raise UsageError(
                f"user: root has found {file}, which others can change, and would do what it says:"
                " name it with --config if that is meant, or leave it out with --no-config"
            )
        if adjustments.umask is not None:
            os.umask(adjustments.umask)

    def drop(self, made: Iterable[str]) -> None:
        """Become the user, who gets the Unix sockets that were ``made``.

        Raises:
            StartError: The system refuses, or the user may not read what the server needs.
        """
        user = self.identity
        if user is None:
            return
        log = self._adjustments.access_log
        try:
            identity.check_rights(user)
            for path in made:
                identity.give(path, user)
            if log is not None and os.path.isabs(log):
                identity.make(log, user)
            identity.become(user)
            identity.check(user, self._needed())
        except OSError as error:
            raise StartError(f"user: {error.filename}: {error.strerror}") from None
        except identity.IdentityError as error:
            raise StartError(str(error)) from None
        surroundings.set_variables(self._options.env or ())  # they beat HOME and so on
        try:
            self._adjustments.look_at_spool_again()
        except ValueError as error:
            raise StartError(f"{error} (as user {user.name!r})") from None
        self._say(user)

    def _needed(self) -> list[tuple[str, str]]:
        """What the user must be able to read."""
        place = "install Python and headwaiter where everybody may read them, such as /opt"
        needed = [
            (sys.executable, f"the interpreter: {place}"),
            (os.path.dirname(os.__file__), f"Python's own modules: {place}"),
            (os.path.dirname(__file__), f"headwaiter's modules: {place}"),
            (os.getcwd(), "the current directory: start in another, or name one with --chdir"),
        ]
        config = self._adjustments.config_file
        if config:
            needed.append((config, "the configuration: each process reads it"))
        return needed

    def _say(self, user: Identity) -> None:
        """Log what this user cannot do later."""
        log = self._adjustments.access_log
        folder = os.path.dirname(log) if log is not None and os.path.isabs(log) else ""
        if folder and not os.access(folder, os.W_OK):
            text = (
                f"access_log: {user.name!r} may not make files in {folder}: whoever renames the log"
                " has to make the new one for this user, before SIGUSR1 (logrotate: create)"
            )
            logs.post(logging.WARNING, text)
        main = getattr(sys.modules.get("__main__"), "__spec__", None)
        is_first = main is not None and not getattr(sys.flags, "safe_path", False)
        if is_first and os.access(os.getcwd(), os.W_OK):
            text = (
                f"by python -m root has imported modules from {os.getcwd()}, where {user.name!r}"
                " may write: start the command headwaiter instead, or python -P -m headwaiter"
            )
            logs.post(logging.WARNING, text)
