"""From what ``headwaiter migrate`` is given to a :class:`Plan`: which kind of file or command it
is, and what other files it names.

Rules: a file that is not there is named in the plan; a source that cannot be read at all is a
:class:`SourceError`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from headwaiter._migrate import command_line, containers, elsewhere, python_file, uwsgi_file
from headwaiter._migrate import gunicorn as gunicorn_
from headwaiter._migrate import uwsgi as uwsgi_
from headwaiter._migrate.command_line import Command, Line
from headwaiter._migrate.containers import Started
from headwaiter._migrate.plan import Plan
from headwaiter._migrate.rows import Given, Server, by_name

KNOWN = (
    "gunicorn.conf.py, uwsgi.ini or .json, a unit (.service), a Procfile, a Dockerfile,"
    " supervisord's configuration, or a command line of gunicorn, uwsgi, waitress-serve, granian,"
    " mod_wsgi-express or cheroot"
)


class SourceError(Exception):
    """Nothing can be made of the source; the message says why."""


def plan_of(arguments: list[str]) -> Plan:
    """What becomes of the source that ``arguments`` name: a file, or the words of a command.

    Raises:
        SourceError: It is neither, or the file has no server in it.
    """
    first = arguments[0]
    is_file = len(arguments) == 1 and not re.search(r"\s", first)
    try:
        if is_file or (len(arguments) == 1 and os.path.isfile(first)):
            return _of_file(first)
        words = command_line.split(first) if len(arguments) == 1 else arguments
        return _of_started(" ".join(arguments), [Started(words)], "")
    except (ValueError, RecursionError) as error:
        raise SourceError(str(error)) from None


def _of_file(path: str) -> Plan:
    name = os.path.basename(path).lower()
    text = _text(path)
    folder = os.path.dirname(path)
    if name.endswith(".py"):
        return _of_python(path, text)
    if name.endswith((".json", ".js")):
        return _finished(Plan(uwsgi_.SERVER, path), [uwsgi_file.read(path, text, uwsgi_.SERVER)])
    if name.endswith((".service", ".socket")):
        return _of_started(path, containers.of_unit(text), folder)
    if name.startswith("procfile"):
        return _of_started(path, containers.of_procfile(text), folder)
    if name.startswith(("dockerfile", "containerfile")) or name.endswith(".dockerfile"):
        return _of_started(path, containers.of_dockerfile(text), folder)
    if "[program:" in text:
        return _of_started(path, containers.of_supervisor(text), folder)
    if name.endswith(".ini") and f"[{uwsgi_file.SECTION}]" in text:
        return _finished(Plan(uwsgi_.SERVER, path), [uwsgi_file.read(path, text, uwsgi_.SERVER)])
    raise SourceError(_why_not(path, name, text))


def _why_not(path: str, name: str, text: str) -> str:
    if "[server:" in text:
        return (
            f"{path}: a PasteDeploy file; write `use = egg:headwaiter#main` into its [server:main]"
            " and go on with pserve. Adjustments stand in that section, under our names"
        )
    if "WSGIScriptAlias" in text or "WSGIDaemonProcess" in text:
        return (
            f"{path}: Apache's configuration is not read; docs/from/mod_wsgi.md has its directives"
        )
    if name.endswith((".yml", ".yaml", ".xml")):
        return (
            f"{path}: {os.path.splitext(name)[1]} is not read; give its settings as .ini or .json"
        )
    return f"{path}: not a file that is known: {KNOWN}"


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except UnicodeDecodeError:
        raise SourceError(f"{path}: not a text in UTF-8") from None
    except OSError as error:
        hint = "" if "." in os.path.basename(path) or os.sep in path else f"; expected {KNOWN}"
        raise SourceError(f"{path}: {error.strerror}{hint}") from None


def _of_python(path: str, text: str) -> Plan:
    plan = Plan(gunicorn_.SERVER, path)
    return _finished(plan, [_python_given(plan, path, text)])


def _python_given(plan: Plan, path: str, text: str) -> list[Given]:
    file = python_file.read(path, text, plan.server)
    for code in file.code:
        plan.need(code, "this code does not run here; if it matters, put it into the application")
    return file.given


def _of_started(source: str, commands: list[Started], folder: str) -> Plan:
    servers = elsewhere.servers()
    for started in commands:
        command = command_line.command(started.words, servers)
        if command is not None:
            plan = Plan(command.server, source)
            plan.platform_sets_port = started.platform_sets_port
            return _of_command(plan, command, started, folder)
    words = " ".join(" ".join(started.words) for started in commands)
    raise SourceError(f"no server known in {words or source!r}: expected {KNOWN}")


def _of_command(plan: Plan, command: Command, started: Started, folder: str) -> Plan:
    server = command.server
    if not server.page:
        raise SourceError(_not_for_wsgi(server))
    plan.prefix, plan.program = command.prefix, command.program
    words = command.words
    if server.name == "mod_wsgi" and words[:1] in (["start-server"], ["setup-server"]):
        words = words[1:]
    line = command_line.read(words, server, is_unit=started.is_unit)
    for flag in line.unknown:
        plan.need(flag, f"not an option of {server.name} that is known")
    if started.is_unit:
        plan.start_is = "ExecStart="
    if started.keeps:
        plan.notes.append(f"{', '.join(started.keeps)} stay as they are.")
    plan.notes += started.notes
    base = started.directory if os.path.isdir(started.directory) else folder
    sources = [list(_of_environment(server, started.variables))]
    sources += _named_files(plan, line, base)
    plan = _finished(plan, [*sources, line.given], line.rest)
    if started.is_unit and plan.value("reload"):
        plan.need("reload in a unit", "it is for development; HUP loads new code, see ExecReload=")
    return plan


def _not_for_wsgi(server: Server) -> str:
    if server.name in ("flask run", "manage.py runserver"):
        return (
            f"{server.name} is for development and has nothing to translate:"
            " headwaiter --dev MODULE:OBJECT"
        )
    return f"{server.name} serve ASGI applications, and headwaiter serves WSGI applications only"


def _of_environment(server: Server, variables: dict[str, str]) -> Iterator[Given]:
    """Options of theirs that variables hold."""
    if server.name == "gunicorn" and "GUNICORN_CMD_ARGS" in variables:
        words = command_line.split(variables["GUNICORN_CMD_ARGS"])
        yield from command_line.read(words, server).given
    prefix = {"uWSGI": "UWSGI_", "Granian": "GRANIAN_"}.get(server.name)
    if prefix:
        rows = by_name(server.options)
        for name, value in variables.items():
            flag = "--" + name[len(prefix) :].lower().replace("_", "-")
            if name.startswith(prefix) and flag in rows:
                is_switch = flag in server.switches or rows[flag].takes == 0
                given = value.lower() in ("1", "true", "yes", "on") if is_switch else value
                yield Given(rows[flag], given, f"{name}={value}")


def _named_files(plan: Plan, line: Line, base: str) -> Iterator[list[Given]]:
    """The options in the files that a command names, or that its server finds by itself."""
    if plan.server.name == "gunicorn":
        named = [str(one.value) for one in line.given if one.option.key == "config"]
        for name in named or ["gunicorn.conf.py"]:
            path = os.path.join(base, re.sub("^file:", "", name))
            if name.startswith("python:"):
                plan.need(
                    f"-c {name}", "translate the file of this module: headwaiter migrate FILE"
                )
            elif os.path.isfile(path):
                yield _python_given(plan, path, _text(path))
                plan.also.append(path)
            elif named:
                plan.need(f"-c {name}", f"no such file from here: headwaiter migrate {name}")
    if plan.server.name == "uWSGI":
        named = [
            str(value) for one in line.given if one.option.key == "ini" for value in one.values
        ]
        named += [word for word in line.rest if word.endswith((".ini", ".json"))]
        line.rest[:] = [word for word in line.rest if word not in named]
        for name in named:
            path = os.path.join(base, name.partition(":")[0] if ".ini:" in name else name)
            if os.path.isfile(path):
                yield uwsgi_file.read(path, _text(path), plan.server)
                plan.also.append(path)
            else:
                plan.need(name, f"no such file from here: headwaiter migrate {name}")


def _finished(plan: Plan, sources: list[list[Given]], rest: list[str] | None = None) -> Plan:
    """Translate, with the words of the command that name the application."""
    for word in (rest or [])[1:]:
        plan.need(word, "one application only")
    if rest and plan.server.name == "uWSGI":
        plan.need(rest[0], "not an option; headwaiter needs a name for it, such as --module")
    elif rest and plan.server.name == "gunicorn":
        spec = rest[0] if ":" in rest[0] else f"{rest[0]}:application"
        sources.append([Given(by_name(plan.server.options)["wsgi_app"], spec, rest[0])])
    elif rest:
        is_short = plan.server.name == "Granian" and ":" not in rest[0]
        plan.set("application", f"{rest[0]}:app" if is_short else rest[0])
    plan.take(sources)
    if "application" not in plan.settings:
        why = f"{plan.source} does not name it; here, or in the command"
        plan.set("application", "MODULE:OBJECT", None, why, off=True)
    return plan
