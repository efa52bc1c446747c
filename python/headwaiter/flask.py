"""``flask --app MODULE headwaiter [ADDRESS] [OPTIONS]``: serves what Flask finds.

Flask finds the command by the entry point ``flask.commands``. The command line loads the
application by :func:`load`, here or in the processes that it starts.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click
from flask.cli import NoAppException, ScriptInfo, pass_script_info
from flask.helpers import get_debug_flag

if TYPE_CHECKING:
    from flask import Flask

HELP = """\
Serve the application with headwaiter.

ADDRESS is PORT, HOST:PORT or unix:PATH. Every option of headwaiter is one here, such as
--threads=8, --processes=auto or --admin=127.0.0.1:9090: "headwaiter --help-all" lists them.
With "flask --debug" it serves as "headwaiter --dev" does: it reloads when files change, and replies
show tracebacks.
"""
MADE = "the application is made by a function that only this process has; name it with --app"


def load() -> Flask:
    """The application that ``flask run`` would serve.

    Raises:
        ApplicationError: Flask finds none.
    """
    context = click.get_current_context(silent=True)
    info = context.find_object(ScriptInfo) if context else None
    try:
        # A process of its own has the name from the command (`command`).
        return (info or ScriptInfo(os.environ.get("FLASK_APP"))).load_app()
    except NoAppException as error:
        from headwaiter._application import ApplicationError

        raise ApplicationError(error.format_message()) from None


@click.command(
    "headwaiter",
    help=HELP,
    short_help="Serve with headwaiter.",
    options_metavar="[OPTIONS] [ADDRESS]",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="")
@pass_script_info
def command(info: ScriptInfo, arguments: tuple[str, ...]) -> None:
    # Flask imports this module for each of its commands, and few of them serve.
    from headwaiter import _frameworks

    if info.app_import_path:
        os.environ["FLASK_APP"] = info.app_import_path
    site = _frameworks.Site(
        "flask headwaiter",
        f"{__name__}:{load.__name__}",
        is_factory=True,
        alone=MADE if info.create_app else "",
    )
    own = ["--dev"] if get_debug_flag() else []
    sys.exit(_frameworks.run([*own, *arguments], site))
