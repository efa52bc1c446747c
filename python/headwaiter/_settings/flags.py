"""The command line's grammar, made from the adjustments table.

``cli.py`` parses with it. Every flag of ``waitress-serve`` exists under its name and, as there, may
be shortened while it is unambiguous. Values stay text: the table casts them, so that an error
message is the same for every source.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from headwaiter._settings.casts import LISTEN, PATTERNS
from headwaiter._settings.table import ADJUSTMENTS, GROUPS, Adjustment, did_you_mean

LEVELS = ("debug", "info", "warning", "error", "critical")

EPILOG = """\
Each adjustment may also come from the environment (--threads: HEADWAITER_THREADS)
or from a TOML file (threads = 8); a flag beats the environment, which beats the file.

headwaiter top [ADDRESS] shows a running server, started with --admin, in the terminal.
headwaiter advise [ADDRESS] prints what would help it, and on what evidence.
headwaiter ctl VERB operates one that was started with --control.

Exit status: 0 drained and done, 1 could not start, 2 wrong usage, 3 requests, or threads of
the application, had to be cut, 4 processes kept dying.
"""


NO_DAEMON = (
    "--daemon: headwaiter stays in the foreground, so that whoever starts it sees its log, its end"
    " and its exit status. Let a service manager run it: examples/deploy/headwaiter.service is a"
    " unit for systemd. To leave a terminal: nohup headwaiter MODULE:OBJECT >log 2>&1 &"
)


class UsageError(Exception):
    """The arguments are wrong; the message names the wrong one."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


class _Switch(argparse.Action):
    """``--X`` and ``--no-X``."""

    def __init__(self, option_strings: Sequence[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, **options)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        negative = (option_string or "").startswith("--no-")
        setattr(namespace, self.dest, "false" if negative else "true")


class _Refused(argparse.Action):
    """``--daemon``, which other servers have."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        raise UsageError(NO_DAEMON)


def parse(argv: list[str]) -> argparse.Namespace:
    """Parse ``argv``, which has no program name.

    The result has the given adjustments as attributes under their names; ``application`` is
    ``None`` if none was named.

    Raises:
        UsageError: An unknown option, one without its value, or more than one application.
    """
    parser = make_parser()
    options, unknown = parser.parse_known_args(argv)
    for argument in unknown:
        if argument.startswith("-"):
            name = argument.partition("=")[0]
            known = [flag for flag in parser._option_string_actions if flag.startswith("--")]
            raise UsageError(f"no such option: {name}{did_you_mean(name, known)}")
    named = [*([options.app] if options.app else []), *options.positional, *unknown]
    if len(named) > 1:
        raise UsageError(f"one application only, not {' and '.join(named)}")
    options.application = named[0] if named else None
    return options


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="headwaiter",
        usage="headwaiter [OPTIONS] MODULE:OBJECT",
        description="Serve the WSGI application OBJECT of the Python module MODULE.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        add_help=False,
    )
    _add_standard(parser)
    for title in GROUPS:
        group = parser.add_argument_group(title)
        for row in ADJUSTMENTS:
            if row.group == title and not row.keyword_only:
                _add(group, row)
    return parser


def _add_standard(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("positional", nargs="*", default=[], help=argparse.SUPPRESS)
    group = parser.add_argument_group("General")
    group.add_argument("--help", action="store_true", default=False, help="Show this and exit.")
    group.add_argument(
        "--version", action="store_true", default=False, help="Show the version and exit."
    )
    group.add_argument(
        "--app", metavar="MODULE:OBJECT", default=None, help="Another way to name the application."
    )
    group.add_argument(
        "--factory",
        "--call",
        dest="call",
        action="store_true",
        default=False,
        help="OBJECT is a factory: call it, without arguments, to get the application.",
    )
    group.add_argument(
        "--chdir",
        metavar="DIR",
        default=None,
        help="Change to this directory first: every relative path starts there.",
    )
    group.add_argument(
        "--pythonpath",
        metavar="DIR",
        action="append",
        default=None,
        help="Import the application from this directory first. May be repeated.",
    )
    group.add_argument(
        "--env",
        metavar="NAME=VALUE",
        action="append",
        default=None,
        help="Set an environment variable first. May be repeated.",
    )
    group.add_argument("--daemon", action=_Refused, nargs=0, help=argparse.SUPPRESS)
    group.add_argument("--config", metavar="FILE", default=None, help="TOML file with adjustments.")
    group.add_argument(
        "--check-config",
        action="store_true",
        default=False,
        help="Show each adjustment in force with its origin, load the application, bind and release"
        " every address, and exit with the status that starting would have.",
    )
    group.add_argument(
        "--log-level",
        metavar="LEVEL",
        type=str.lower,
        choices=LEVELS,
        default=None,
        help=f"What the server logs: {', '.join(LEVELS)} (default: info).",
    )
    group.add_argument(
        "--log-config",
        metavar="FILE",
        default=None,
        help="Set up logging from a file: a dictConfig as .json or .toml, else a fileConfig.",
    )


def _add(group: argparse._ArgumentGroup, row: Adjustment) -> None:
    text = row.help.replace("`", "").replace("%", "%%") + f" (default: {_default(row)})"
    if row.is_boolean:
        negative = "--no-" + row.flag[2:]
        group.add_argument(row.flag, negative, dest=row.name, action=_Switch, help=text)
    elif row.kind in (LISTEN, PATTERNS):
        group.add_argument(
            row.flag, dest=row.name, action="append", metavar=row.kind.metavar, help=text
        )
    else:
        group.add_argument(row.flag, dest=row.name, metavar=row.kind.metavar, help=text)


def _default(row: Adjustment) -> str:
    return row.default_in_words().replace("`", "").replace("%", "%%")
