"""The options of the command line that are not adjustments, and its commands.

``flags.py`` makes the grammar from these rows and from those of the table; the help, the shell
completion and the manual page list the same rows.
"""

from __future__ import annotations

from typing import NamedTuple

SHELLS = ("bash", "zsh", "fish")


class Option(NamedTuple):
    """One row. Without a ``metavar`` it is a switch; ``many`` may be given several times."""

    flags: tuple[str, ...]
    help: str
    metavar: str = ""
    many: bool = False
    choices: tuple[str, ...] = ()
    dest: str = ""

    @property
    def name(self) -> str:
        """The attribute of the parsed command line."""
        return self.dest or self.flags[-1].lstrip("-").replace("-", "_")


def _row(flags: str, text: str, **more: object) -> Option:
    return Option(tuple(flags.split()), " ".join(text.split()), **more)  # type: ignore[arg-type]


GROUP = "General"
OPTIONS: tuple[Option, ...] = (
    _row("-h --help", "Show the most usual options and exit."),
    _row("--help-all", "Show every option and exit."),
    _row("--version", "Show the version and exit."),
    _row("--app", """
        Another way to name the application.""", metavar="MODULE:OBJECT"),
    _row("--factory --call", """
        OBJECT is a factory: call it, without arguments, to get the application."""),
    _row("--chdir", """
        Start in this directory: paths of other options, the configuration file and the
        application are looked for there.""", metavar="DIR"),
    _row("--pythonpath", """
        Import the application from this directory first. May be repeated.""",
        metavar="DIR", many=True),
    _row("--env", """
        Set an environment variable before the application is loaded. May be repeated.""",
        metavar="NAME=VALUE", many=True),
    _row("-c --config", """
        TOML file with adjustments (default: headwaiter.toml, or [tool.headwaiter] in
        pyproject.toml, in the current directory).""", metavar="FILE"),
    _row("--no-config", "Read no configuration file."),
    _row("--check-config", """
        Show each adjustment in force with its origin, load the application, bind and release
        every address, and exit with the status that starting would have."""),
    _row("--print-config", """
        Show the adjustments that differ from their defaults, each with its origin, as a
        configuration file, and exit."""),
    _row("--completion", """
        Print a script that completes commands of this shell, and exit.""",
        metavar="SHELL", choices=SHELLS),
)  # fmt: skip

COMMANDS = {
    "top [ADDRESS]": "Show a running server, started with --admin, in the terminal.",
    "advise [ADDRESS]": "Print what would help it, and on what evidence.",
    "ctl VERB": "Operate a server that was started with --control.",
    "migrate SOURCE": "Print the configuration for what another server has.",
}

EXIT_STATUSES = {
    0: "drained and done",
    1: "could not start",
    2: "wrong usage",
    3: "requests, or threads of the application, had to be cut",
    4: "processes kept dying",
}
