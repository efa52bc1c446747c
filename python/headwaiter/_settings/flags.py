"""The command line's grammar, made from the adjustments table and from ``options.py``.

``cli.py`` parses with it. Every flag of ``waitress-serve`` exists under its name and, as there, may
be shortened while it is unambiguous. Values stay text: the table casts them, so that an error
message is the same for every source.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from headwaiter._settings.addresses import looks_like_address
from headwaiter._settings.casts import LISTEN, PATTERNS
from headwaiter._settings.options import OPTIONS, Option
from headwaiter._settings.suggestions import unknown_flag
from headwaiter._settings.table import ADJUSTMENTS, Adjustment

MANY = (LISTEN, PATTERNS)
"""The kinds whose flags may be repeated."""
NO_DAEMON = (
    "--daemon: headwaiter stays in the foreground, so that whoever starts it sees its log, its end"
    " and its exit status. Let a service manager run it: examples/deploy/headwaiter.service is a"
    " unit for systemd. To leave a terminal: nohup headwaiter MODULE:OBJECT >log 2>&1 &"
)
_STARTERS = ("run", "runserver", "serve", "start")
"""What commands of other programs begin with."""


class UsageError(Exception):
    """The arguments are wrong; the message names the wrong one."""


class UnknownOption(UsageError):
    """There is no option of this ``name``."""

    def __init__(self, name: str, hint: str) -> None:
        super().__init__(f"no such option: {name}{hint}")
        self.name = name


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        found = re.fullmatch(r"argument (\S+): ignored explicit argument '?(.*?)'?", message)
        if found:
            switch = " or ".join(found[1].split("/"))
            raise UsageError(f"{switch}: takes no value, got {found[2]!r}")
        raise UsageError(message)


class _Value(argparse.Action):
    """A flag with a value. Notes by which of its names it was given."""

    many = False

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        is_whole = option_string in self.option_strings  # some Pythons pass a shortened one
        namespace.typed[self.dest] = option_string if is_whole else self.option_strings[-1]
        earlier = getattr(namespace, self.dest, None) or []
        setattr(namespace, self.dest, [*earlier, values] if self.many else values)


class _Many(_Value):
    """A flag that may be repeated."""

    many = True


class _Switch(_Value):
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
        super().__call__(parser, namespace, "false" if negative else "true", option_string)


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
    ``None`` if none was named; ``typed`` has the flags that were used, by the names of their
    attributes.

    Raises:
        UsageError: An unknown option, one without its value, or more than one application.
    """
    parser = make_parser()
    known = [flag for flag in parser._option_string_actions if flag.startswith("--")]
    _refuse_single_hyphens(argv, known)
    options, unknown = parser.parse_known_args(argv, argparse.Namespace(typed={}))
    for argument in unknown:
        if argument.startswith("-"):
            name = argument.partition("=")[0]
            raise UnknownOption(name, unknown_flag(name, known))
    if options.config and options.no_config:
        raise UsageError("--config and --no-config exclude each other")
    named = [*([options.app] if options.app else []), *options.positional, *unknown]
    if len(named) > 1:
        raise UsageError(f"one application only, not {' and '.join(named)}{_meant(named)}")
    options.application = named[0] if named else None
    return options


def make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="headwaiter", argument_default=argparse.SUPPRESS, add_help=False)
    parser.add_argument("positional", nargs="*", default=[])
    parser.add_argument("--daemon", action=_Refused, nargs=0)
    for option in OPTIONS:
        _add_option(parser, option)
    for row in ADJUSTMENTS:
        if not row.keyword_only:
            _add_adjustment(parser, row)
    return parser


def _add_option(parser: argparse.ArgumentParser, option: Option) -> None:
    if not option.metavar:
        parser.add_argument(*option.flags, dest=option.name, action="store_true", default=False)
        return
    more: dict[str, Any] = {"choices": option.choices, "type": str.lower} if option.choices else {}
    parser.add_argument(
        *option.flags,
        dest=option.name,
        action=_Many if option.many else _Value,
        metavar=option.metavar,
        default=None,
        **more,
    )


def _add_adjustment(parser: argparse.ArgumentParser, row: Adjustment) -> None:
    if row.is_boolean:
        parser.add_argument(*row.flags, f"--no-{row.flag[2:]}", dest=row.name, action=_Switch)
        return
    action = _Many if row.kind in MANY else _Value
    parser.add_argument(*row.flags, dest=row.name, action=action, metavar=row.kind.metavar)


def _refuse_single_hyphens(argv: Sequence[str], known: Sequence[str]) -> None:
    """Refuse ``-bind=8000``, which would mean ``-b ind=8000``."""
    for argument in argv:
        if argument == "--":
            return
        name = argument.partition("=")[0]
        if re.fullmatch("-[a-z][a-z-]+", name) and f"-{name}" in known:
            raise UnknownOption(name, f"; did you mean '-{name}'?")


def _meant(named: Sequence[str]) -> str:
    """What somebody who names more than one application may have meant."""
    address = next(filter(looks_like_address, named), None)
    if address is not None:
        return f"; to listen on {address}, write --bind={address}"
    if named[0] in _STARTERS:
        return f"; there is no command {named[0]!r}: write headwaiter {' '.join(named[1:])}"
    return ""
