"""The adjustments in force: cast, checked against each other, each with its origin.

``server.py`` and the command line make one :class:`Adjustments` per server. The values are
attributes under the names of the table, as in Waitress. The extension takes ``engine_settings`` and
``listeners``. Rules between adjustments are here and in ``listen.py``; they are the rules of
Waitress, and ``docs/waitress.md`` lists the exceptions.
"""

from __future__ import annotations

import os
import random
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from headwaiter._process.interpreter import python_version
from headwaiter._settings import defaults, descriptors, files, listen, paths
from headwaiter._settings.addresses import Tcp
from headwaiter._settings.casts import thread_bounds
from headwaiter._settings.sources import collect, from_keywords, with_dev
from headwaiter._settings.table import ADJUSTMENTS, BY_NAME
from headwaiter._settings.types import AdjustmentValues
from headwaiter._settings.variables import Given, note, with_platform

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from headwaiter._settings.types import ServerKeywords

PROXY_HEADERS = frozenset(
    {
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-forwarded-by",
        "forwarded",
    }
)


SUPERVISED = (
    *("processes", "max_requests", "max_rss", "max_lifetime", "preload", "drain_delay", "control"),
    "reload",
)
"""A parent process does what these adjustments ask for."""
OF_THE_PROCESS = ("user", "group", "umask")
"""The command line changes its whole process by these adjustments; a program does so itself."""


class Effective(NamedTuple):
    """A value in force, and where it came from.

    ``origin`` is ``"default"``, ``"file"``, ``"environment"`` or ``"argument"``; ``where`` names
    the path, variable or flag, if there is one.
    """

    value: Any
    origin: str
    where: str


class Adjustments(AdjustmentValues):
    """Every adjustment as an attribute, from keywords, the environment, a TOML file and defaults.

    Raises:
        ValueError: A name is unknown, a value is wrong, or values exclude each other.
        TypeError: A value has a type that the adjustment cannot have.
        OSError: The configuration file cannot be read.
    """

    socket_names: list[str]
    """What the service manager calls each of ``sockets``; empty without a name."""
    admin_sockets: list[socket.socket]
    """What the service manager passes for the admin endpoint."""
    config_file: str
    """The TOML file that was read; empty if there was none."""

    def __init__(self, **keywords: Unpack[ServerKeywords]) -> None:
        given: dict[str, Any] = dict(keywords)
        file = files.of_program(given.pop("config", None))
        self._resolve(collect(from_keywords(given), file.values))
        self.config_file = file.path

    @classmethod
    def from_flags(
        cls,
        flags: Mapping[str, str | list[str]],
        file: files.ConfigFile = files.NO_FILE,
        typed: Mapping[str, str] = MappingProxyType({}),
        **keywords: Any,
    ) -> Adjustments:
        """The adjustments of a command line: ``flags`` maps names to the texts that were given.
        ``typed`` has the flags that were used, of those with several names."""
        arguments = from_keywords(keywords)
        for name, value in flags.items():
            arguments[name] = Given(value, "argument", typed.get(name, BY_NAME[name].flag))
        adjustments = cls.__new__(cls)
        adjustments._resolve(with_platform(collect(arguments, file.values), os.environ))
        adjustments.config_file = file.path
        return adjustments

    def given_names(self) -> set[str]:
        """The names of the adjustments that were given, whatever their values."""
        return set(self._given)

    def given(self) -> dict[str, Given]:
        """What was given, in the order of the table; without what ``dev`` says of others."""
        names = [row.name for row in ADJUSTMENTS if row.name in self._given]
        return {name: self._given[name] for name in names if name not in self._implied}

    def implied(self) -> dict[str, Any]:
        """What ``dev`` sets, and its values."""
        return {name: getattr(self, name) for name in self._implied}

    def given_texts(self, names: Iterable[str]) -> dict[str, str]:
        """How each of these adjustments was given; empty if it was not."""
        given = {name: self._given.get(name) for name in names}
        return {name: str(one.value) if one else "" for name, one in given.items()}

    def effective(self) -> dict[str, Effective]:
        """Each adjustment's value and origin, in the order of the table."""
        result = {}
        for row in ADJUSTMENTS:
            given = self._given.get(row.name)
            if row.name == "listen":  # host and port also say where to listen
                given = given or self._given.get("port") or self._given.get("host")
            origin, where = (given.origin, given.where) if given else ("default", "")
            result[row.name] = Effective(getattr(self, row.name), origin, where)
        return result

    def supervised_by(self) -> str:
        """The adjustment that asks for a parent process, or the empty string."""
        asked = {name: bool(getattr(self, name)) for name in SUPERVISED}
        asked["processes"] = self.processes != 1
        return next((name for name, is_asked in asked.items() if is_asked), "")

    def given_for_process(self) -> str:
        """The first of the adjustments that change the whole process, or the empty string."""
        return next((name for name in OF_THE_PROCESS if getattr(self, name) is not None), "")

    def look_at_spool_again(self) -> None:
        """This process has become another user's: find its directory for temporary files.

        Raises:
            ValueError: The user may not write in ``spool_dir``.
        """
        if "spool_dir" not in self._given:
            tempfile.tempdir, self.spool_dir = None, ""
        self._resolve_spool()

    def engine_settings(self, logger: str) -> dict[str, Any]:
        """The settings for the extension's ``Server``; ``None`` means "off"."""
        settings: dict[str, Any] = {"logger": logger, "multiprocess": self._is_child}
        settings["runtime"], settings["application"] = python_version(), self.application
        for row in ADJUSTMENTS:
            if row.engine:
                value = getattr(self, row.name)
                value = None if row.off is not None and value == row.off else value
                settings[row.name] = sorted(value) if isinstance(value, set) else value
        if self.max_requests:
            settings["max_requests"] += random.randint(0, self.max_requests_jitter)
        settings["admin"] = self._admin_listeners
        settings["process_count"] = defaults.processes(self.processes)
        settings["threads"], settings["threads_max"] = thread_bounds(self.threads)
        return settings

    def become_child(self, sockets: list[socket.socket], *, observed: bool) -> None:
        """Be the adjustments of a child process, which serves ``sockets`` of its parent.

        The parent has the addresses, and serves the admin endpoint for all its children.
        """
        self._is_child = True
        self.listen, self.unix_socket, self.sockets = [], None, sockets
        self.is_observed |= observed
        self.admin = None
        self._admin_listeners: list[tuple[Any, ...]] = []

    def serve_admin(self, sockets: list[socket.socket], where: str) -> None:
        """Serve the admin endpoint on bound sockets; ``where`` says who passed them.

        Raises:
            ValueError: A socket is of another kind, or other machines reach it although
                ``admin_public`` is false.
        """
        self.admin = listen.admin_sockets(sockets, public=self.admin_public)
        self._given["admin"] = Given(self.admin, "argument", where)
        self.admin_sockets = sockets
        self._admin_listeners = [("fd", sock.fileno()) for sock in sockets]
        self.is_observed = True

    def listeners(self) -> list[tuple[Any, ...]]:
        """The addresses for the extension's ``Server``."""
        if self.unix_socket:
            return [("unix", self.unix_socket)]
        if self.sockets:
            return [("fd", sock.fileno()) for sock in self.sockets]
        return listen.specs(self.listen)

    def admin_listeners(self) -> list[tuple[Any, ...]]:
        """The addresses of the admin endpoint, in the same form."""
        return self._admin_listeners

    def _resolve(self, given: Mapping[str, Given]) -> None:
        self._given = given = dict(given)
        self.socket_names = []
        self.admin_sockets = []
        if self._value("dev"):
            self._given = with_dev(given)
        self._implied = [name for name in self._given if name not in given]
        given = self._given
        self._is_child = self._has_closed = False
        for row in ADJUSTMENTS:
            setattr(self, row.name, self._value(row.name))
        if "send_bytes" in given:
            warnings.warn("send_bytes has no effect", DeprecationWarning, stacklevel=4)
        for row in ADJUSTMENTS:
            setattr(self, row.name, paths.made_absolute(row, getattr(self, row.name)))
        if sys.platform == "win32" and self.supervised_by():
            raise ValueError(
                f"{self.supervised_by()}: not on Windows, where the server is one process"
            )
        if self.preload and sys.platform != "linux":
            raise ValueError("preload: only on Linux; here a fork of a loaded program is not safe")
        self._resolve_proxies()
        self._resolve_spool()
        self._resolve_listen()
        least, most = thread_bounds(self.threads)
        # A pool that may grow asks first whether more threads would only wait.
        self.is_observed = bool(self.admin) or most > least
        self.application = ""  # what it is called; for the admin endpoint
        self._admin_listeners = listen.admin(self.admin, public=self.admin_public)
        share = defaults.processes(self.processes)
        if "connection_limit" not in given:
            self.connection_limit = defaults.connection_limit()
        if "inbuf_total" not in given:
            self.inbuf_total = defaults.inbuf_total() // share
        if "outbuf_total" not in given:
            self.outbuf_total = defaults.outbuf_total(share)

    def _value(self, name: str) -> Any:
        row = BY_NAME[name]
        given = self._given.get(name)
        if given is None:
            return row.default.copy() if isinstance(row.default, (list, set)) else row.default
        try:
            return row.cast(given.value)
        except (ValueError, TypeError) as error:
            if not given.where:
                raise
            text = f"{error} (from {given.where}{note(given.where, given.value)})"
            raise type(error)(text) from None

    def _resolve_proxies(self) -> None:
        if self.trusted_proxy is None:
            for name in ("trusted_proxy_count", "trusted_proxy_headers"):
                # An empty list of headers has no effect; a count has, even if it is the default.
                if name in self._given and getattr(self, name):
                    raise ValueError(f"{name} has no meaning without trusted_proxy")
            return
        headers = self.trusted_proxy_headers
        if not headers:
            warnings.warn(
                "trusted_proxy without trusted_proxy_headers trusts X-Forwarded-Proto only, so the "
                "application sees the proxy's address; name the headers that the proxy sets",
                DeprecationWarning,
                stacklevel=5,
            )
            self.trusted_proxy_headers = {"x-forwarded-proto"}
        unknown = sorted(headers - PROXY_HEADERS)
        if unknown:
            raise ValueError(
                f"trusted_proxy_headers: unknown {', '.join(unknown)}; "
                f"expected some of {', '.join(sorted(PROXY_HEADERS))}"
            )
        if "forwarded" in headers and len(headers) > 1:
            raise ValueError(
                "trusted_proxy_headers: forwarded excludes the x-forwarded-* ones; "
                "a proxy sets either"
            )

    def _resolve_spool(self) -> None:
        if not self.spool_dir:
            self.spool_dir = defaults.spool_dir()
        elif not os.path.isdir(self.spool_dir):
            raise ValueError(f"spool_dir: {self.spool_dir!r} is not a directory")
        elif not os.access(self.spool_dir, os.W_OK | os.X_OK):
            raise ValueError(f"spool_dir: no permission to write in {self.spool_dir!r}")
        if "spool_memory" not in self._given:
            self.spool_memory = 0 if "inbuf_overflow" in self._given else defaults.SPOOL_MEMORY
        if "spool_files" not in self._given:
            self.spool_files = defaults.spool_files()
        if "spool_limit" not in self._given:
            share = defaults.processes(self.processes)
            self.spool_limit = defaults.spool_limit(self.spool_dir) // share

    def _resolve_listen(self) -> None:
        listen.check_sockets(self.sockets)
        if self.reuse_port and sys.platform != "linux":
            raise ValueError(
                "reuse_port: only on Linux; elsewhere one of the sockets gets every connection"
            )
        if self.unix_socket and not hasattr(socket, "AF_UNIX"):
            raise ValueError("unix_socket: this system has no Unix sockets")
        self.listen = []
        if not self.unix_socket and not self.sockets:
            names = self._value("listen")
            if "host" in self._given or "port" in self._given:
                names = [Tcp(self.host, str(self.port))]
            self.listen = listen.resolve(names, ipv4=self.ipv4, ipv6=self.ipv6)
        if self.reuse_port and not all(kind[:4] == "inet" for kind, *_ in self.listeners()):
            raise ValueError("reuse_port: only for TCP addresses that the server itself binds")

    def check_descriptors(self) -> None:
        """Check the descriptors that this process has inherited for its listeners.

        Raises:
            ValueError: One is not a bound socket.
        """
        serving, admin = self._inherited()
        descriptors.check("listen", serving)
        descriptors.check_admin(admin, public=self.admin_public)

    def close_descriptors(self) -> None:
        """Close the inherited descriptors, once: the extension has bound duplicates of them, and
        the numbers may soon be those of other files."""
        if not self._has_closed:
            self._has_closed = True
            for listeners in self._inherited():
                descriptors.close(listeners)

    def _inherited(self) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """The addresses for clients and of the admin endpoint, without sockets of Python."""
        return listen.specs(self.listen), [] if self.admin_sockets else self._admin_listeners
