"""What ``--help`` and ``--help-all`` print.

The short help has the options that most people need, and fits a terminal of 80 columns and 40
lines. The whole help has every row of the tables.
"""

from __future__ import annotations

import textwrap

from headwaiter._settings.entries import entries, plain
from headwaiter._settings.options import COMMANDS, EXIT_STATUSES

USAGE = "headwaiter [OPTIONS] MODULE:OBJECT"
WIDTH = 80
_INDENT = 33

USUAL = {
    "Where and how": {
        "--bind": "8000, 127.0.0.1:8000 or unix:/run/x.sock",
        "--threads": "requests at once (4), or 4-64",
        "--workers": "processes that serve (1), or auto",
        "--factory": "call OBJECT to get the application",
        "--chdir": "start in this directory",
        "--config": "TOML file (headwaiter.toml is found)",
    },
    "Development": {
        "--dev": "reload, tracebacks in replies, a log",
        "--reload": "load the application anew when files change",
    },
    "Behind a proxy": {
        "--trusted-proxy": "whose headers count, such as 10.0.0.0/8",
        "--trusted-proxy-headers": "which headers, such as x-forwarded-for",
    },
    "What it tells": {
        "--access-log": "a line per request; - is standard output",
        "--admin": "dashboard and metrics, such as 9090",
        "--log-level": "debug, info, warning, error or critical",
        "--print-config": "show settings that are not defaults",
        "--check-config": "try to start, say what is wrong, and exit",
    },
}
"""The options of the short help, with shorter words than in the tables."""

EXAMPLES = {
    "headwaiter mysite.wsgi:application": "on port 8080 of every address",
    "headwaiter -b 127.0.0.1:8000 -t 8 mysite:app": "elsewhere, with 8 threads",
    "headwaiter -w auto --factory mysite:create_app": "a process for each core",
    "headwaiter --dev mysite:app": "while you write it",
}


def short() -> str:
    """The help that people read first."""
    by_flag = {flag: entry for entry in entries() for flag in entry.flags}
    lines = [f"Usage: {USAGE}", "Serve the WSGI application OBJECT of the Python module MODULE."]
    lines += ["", *(f"  {command:<48}{text}" for command, text in EXAMPLES.items())]
    for title, options in USUAL.items():
        lines += ["", f"{title}:"]
        for flag, text in options.items():
            entry = by_flag[flag]
            shortest = [each for each in entry.flags if not each.startswith("--")]
            name = ", ".join([*shortest, flag])
            usage = f"{name} {entry.metavar}"
            lines.append(f"  {usage:<{_INDENT - 2}}{text}")
    commands = ", ".join(command.partition(" ")[0] for command in COMMANDS)
    lines += ["", f"--help-all lists every option. Commands: {commands}."]
    lines += ["Each setting is also a variable (HEADWAITER_THREADS=8) and a line of"]
    lines += ["headwaiter.toml (threads = 8)."]
    return "\n".join(lines) + "\n"


def whole() -> str:
    """The help with every option."""
    parts = [f"Usage: {USAGE}\n\nServe the WSGI application OBJECT of the Python module MODULE.\n"]
    group = ""
    for entry in entries():
        if entry.group != group:
            group = entry.group
            parts.append(f"\n{group}:\n")
        parts.append(f"  {entry.usage()}\n{_wrapped(plain(entry.help), '      ')}\n")
    parts.append("\nCommands:\n")
    parts += [f"  headwaiter {command}\n      {text}\n" for command, text in COMMANDS.items()]
    statuses = ", ".join(f"{status} {text}" for status, text in EXIT_STATUSES.items())
    notes = [
        "Each adjustment may also come from the environment (--threads: HEADWAITER_THREADS) or from"
        " a TOML file (threads = 8); a flag beats the environment, which beats the file.",
        "Times may have a unit (500ms, 30s, 5m, 2h, 1d), sizes, too (10kB, 10MB, 64KiB, 1GiB).",
        f"Exit status: {statuses}.",
    ]
    parts += [f"\n{_wrapped(note, '')}\n" for note in notes]
    return "".join(parts)


def _wrapped(text: str, indent: str) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
