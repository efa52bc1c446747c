"""``headwaiter migrate``: prints the TOML file that says what another server was told.

``cli.py`` calls :func:`run`. Rules: nothing of the source is executed; what could not be translated
is named in the file and makes the exit status 1; a file is never overwritten unasked.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence

from headwaiter._migrate import toml_text
from headwaiter._migrate.elsewhere import bare
from headwaiter._migrate.plan import Plan
from headwaiter._migrate.sources import SourceError, plan_of
from headwaiter._process import output
from headwaiter._process.exits import DONE, NOT_STARTED, USAGE

UNTRANSLATED = NOT_STARTED

EPILOG = """\
SOURCE is a file or a command, with or without quotes around it:

  headwaiter migrate gunicorn.conf.py
  headwaiter migrate -o headwaiter.toml uwsgi.ini
  headwaiter migrate "waitress-serve --listen=127.0.0.1:8000 mysite:app"
  headwaiter migrate /etc/systemd/system/site.service
  headwaiter migrate Procfile

Known are gunicorn, uWSGI, Waitress, Granian, mod_wsgi-express and cheroot; as files
gunicorn.conf.py, uwsgi.ini and .json, units of systemd, Procfile, Dockerfile and supervisord's
configuration. Python files are read and never run.

Exit status: 0 translated; 1 something that matters could not be, and the output says what; 2 wrong
usage.
"""


def run(arguments: Sequence[str]) -> int:
    """Do what ``arguments`` ask for and return the exit status; ``migrate`` is not among them."""
    options = _parser().parse_args(_separated(list(arguments)))
    if not options.source:
        return _fail("name a file or a command line to translate", USAGE)
    try:
        plan = plan_of(options.source)
    except SourceError as error:
        return _fail(str(error), USAGE)
    shown = f"headwaiter migrate {' '.join(map(shlex.quote, options.source))}"
    text = toml_text.text(plan, shown, options.output)
    if options.output:
        try:
            _write(options.output, text, force=options.force)
        except OSError as error:
            hint = "; --force overwrites it" if isinstance(error, FileExistsError) else ""
            return _fail(f"{options.output}: {error.strerror}{hint}", USAGE)
        print(f"{options.output} is written. Start: {toml_text.start(plan, options.output)}")
    else:
        with output.written():
            print(text, end="")
    return _told(plan)


def _told(plan: Plan) -> int:
    if not plan.open:
        return DONE
    for item in plan.open:
        print(f"headwaiter migrate: not translated: {bare(item)}", file=sys.stderr)
    return UNTRANSLATED


def _separated(arguments: list[str]) -> list[str]:
    """``arguments`` with the words of a command kept from our parser: its options are its own."""
    ahead = 0
    while ahead < len(arguments) and arguments[ahead].startswith("-"):
        takes_next = arguments[ahead] in ("-o", "--output")
        ahead += 2 if takes_next else 1
    if ahead < len(arguments) and not os.path.exists(arguments[ahead]):
        return [*arguments[:ahead], "--", *arguments[ahead:]]
    return arguments


def _write(path: str, text: str, *, force: bool) -> None:
    with open(path, "w" if force else "x", encoding="utf-8") as file:
        file.write(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headwaiter migrate",
        description="Print the headwaiter.toml that says what another server was told.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage="headwaiter migrate [-o FILE] [--force] SOURCE...",
    )
    parser.add_argument("source", nargs="*", metavar="SOURCE", help="a file, or a command")
    parser.add_argument("-o", "--output", metavar="FILE", help="write there, not to the terminal")
    parser.add_argument("--force", action="store_true", help="overwrite FILE if it exists")
    return parser


def _fail(message: str, status: int) -> int:
    print(f"headwaiter migrate: {message}", file=sys.stderr)
    return status
