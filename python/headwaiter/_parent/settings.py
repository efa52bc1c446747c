"""The parent's own settings, which each reload reads anew.

Children read the configuration for themselves. The parent needs the settings of its machine, and
says which changes it cannot follow.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import warnings
from typing import Callable

from headwaiter._parent.child import Config
from headwaiter._process import logs
from headwaiter._settings.adjustments import Adjustments
from headwaiter._settings.flags import UsageError
from headwaiter._settings.listen import excluded_by

FIXED = (
    *("host", "port", "listen", "ipv4", "ipv6", "unix_socket", "unix_socket_perms", "reuse_port"),
    *("admin", "admin_public", "pid_file", "control", "dev", "reload", "user", "group", "umask"),
)
"""What stays as it was at the start."""


class Settings:
    """``reread`` parses the sources anew, and ``configure`` makes the settings of the machine, and
    arguments for the children, of what it returns."""

    def __init__(
        self,
        adjustments: Adjustments,
        reread: Callable[[], Adjustments],
        configure: Callable[[Adjustments], tuple[Config, list[str]]],
    ) -> None:
        self._reread = reread
        self._configure = configure
        self._given = adjustments.given_texts((*FIXED, "processes"))
        passed = excluded_by(["sockets"]) if adjustments.sockets else set()
        for name in passed | ({"admin"} if adjustments.admin_sockets else set()):
            del self._given[name]
        # Who watches the files, and what follows from it, stays as well.
        self._development = {name: bool(getattr(adjustments, name)) for name in ("dev", "reload")}
        self.config, self.arguments = configure(adjustments)
        self.rescales = False
        """Whether the last reading has changed the number of processes."""

    def state(self) -> dict[str, str]:
        """How the settings were given, for JSON."""
        return self._given

    def adopt(self, given: dict[str, str], adjustments: Adjustments) -> None:
        """Go on with a server whose settings had this :meth:`state`."""
        self._given = given
        self._take(adjustments)

    def read(self, directory: str) -> None:
        """Read the settings anew, in the directory of the children.

        Raises:
            UsageError: They are wrong. Nothing has changed.
        """
        try:
            os.chdir(directory)
        except OSError as error:
            raise UsageError(f"{directory}: {error.strerror}") from None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the children have the same ones
            self._take(self._reread())

    def _take(self, adjustments: Adjustments) -> None:
        config, arguments = self._configure(adjustments)
        is_reloading = self._development["reload"]
        preload = adjustments.preload and not is_reloading
        self.config = dataclasses.replace(config, preload=preload, development=is_reloading)
        # Children read the file themselves; a flag beats it.
        kept = self._development.items()
        turned = [(name, was) for name, was in kept if bool(getattr(adjustments, name)) != was]
        flags = [f"--{name}" if was else f"--no-{name}" for name, was in turned]
        self.arguments = [*arguments, *flags]
        now = adjustments.given_texts((*FIXED, "processes"))
        known = {name: text for name, text in self._given.items() if name in now}
        changed = [name for name, text in known.items() if now[name] != text]
        self.rescales = "processes" in changed
        self._given["processes"] = now["processes"]
        fixed = [name for name in changed if name != "processes"]
        if fixed:
            text = f"reload: {', '.join(fixed)} changed: that needs a restart of the server"
            logs.post(logging.WARNING, text)
