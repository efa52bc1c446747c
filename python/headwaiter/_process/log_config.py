"""``log_config`` and ``log_level``: logging as the operator wants it.

The command line, its child processes, and ``create_server`` call :func:`set_up` before the
application is loaded or the server is made. Rules: loggers that exist stay enabled unless the
configuration says otherwise; whatever is wrong with a configuration is one ``ValueError``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from headwaiter import _headwaiter
from headwaiter._process import logs

YAML = (".yaml", ".yml")


def set_up(config: str | Mapping[str, Any] | None, level: str | None) -> None:
    """Set up logging as the file, or the dict for ``dictConfig``, says; then :func:`set_level`.

    Raises:
        ValueError: The configuration is wrong, or the file cannot be read. The message names both.
    """
    if config:
        try:
            if isinstance(config, Mapping):
                _by_dict(config)
            else:
                _by_file(config)
        except Exception as error:  # the constructor of a handler may raise anything
            if isinstance(config, Mapping):
                raise ValueError(f"log_config: {_why(error)}") from None
            raise ValueError(f"log_config: {config}: {_why(error, config)}") from None
    set_level(level)


def set_level(level: str | None) -> None:
    """Let the server's own loggers begin at ``level``, if there is one."""
    if level:
        logs.logger().setLevel(level.upper())


def _by_file(path: str) -> None:
    name = path.lower()
    if name.endswith(YAML):
        raise ValueError("YAML is not read: write the same as .json or .toml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if name.endswith((".json", ".toml")):
        parsed = json.loads(text) if name.endswith(".json") else _headwaiter.load_toml(text)
        if not isinstance(parsed, dict):
            raise ValueError("expected an object, as for dictConfig")
        _by_dict(parsed)
    else:
        _by_ini(text, path)


def _by_dict(config: Mapping[str, Any]) -> None:
    import logging.config  # a tenth of the time to start, which few have a use for

    logging.config.dictConfig({"disable_existing_loggers": False, **config})


def _by_ini(text: str, path: str) -> None:
    import configparser
    import logging.config

    # As in the files of PasteDeploy.
    defaults = {"__file__": path, "here": os.path.dirname(os.path.abspath(path))}
    parser = configparser.ConfigParser(
        {name: value.replace("%", "%%") for name, value in defaults.items()}
    )
    try:
        parser.read_string(text, os.path.basename(path))
    except configparser.Error as error:
        raise ValueError(" ".join(str(error).split())) from None  # it has several lines
    logging.config.fileConfig(parser, disable_existing_loggers=False)


def _why(error: BaseException, path: str = "") -> str:
    """The message of ``error`` with its cause, which says more. ``path`` is named already."""
    if isinstance(error, OSError) and error.strerror:
        named = error.filename is not None and error.filename != path
        shown = f"{error.filename}: {error.strerror}" if named else error.strerror
    elif isinstance(error, KeyError):
        shown = f"{error} is missing"
    else:
        shown = str(error) or type(error).__name__
    return f"{shown}: {_why(error.__cause__)}" if error.__cause__ else shown
