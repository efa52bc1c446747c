"""Each form in which the command line names an application, and what it finds there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwaiter import _application

PROJECT = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b""]

class Site:
    app = staticmethod(app)

def create_app(*args, **keywords):
    def made(environ, start_response):
        return [repr((args, sorted(keywords.items()))).encode()]
    return made

def make_app():
    return create_app("made")
"""
WSGI = "def application(environ, start_response): return [b'wsgi']\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory whose modules no test before has imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", sys.path[:])
    before = set(sys.modules)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "project.py").write_text(PROJECT, encoding="utf-8")
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(folder: Path, **files: str) -> None:
    """Write modules; ``a_of_b`` is the submodule ``a`` of the package ``b``."""
    for name, text in files.items():
        module, _, package = name.partition("_of_")
        path = folder / package / f"{module}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def answer(application: Any) -> str:
    return b"".join(application({}, lambda *_: None)).decode()


@pytest.mark.parametrize(
    ("text", "call", "name"),
    [
        ("project:app", False, "project:app"),
        ("project.app", False, "project:app"),
        ("project:Site.app", False, "project:Site.app"),
        ("project.Site.app", False, "project:Site.app"),
        ("project", False, "project:app"),
        ("project:", False, "project:app"),
    ],
)
def test_objects(project: Path, text: str, call: bool, name: str) -> None:
    loaded = _application.load(text, call=call)
    assert answer(loaded.application) == ""
    assert loaded.name == name


@pytest.mark.parametrize(
    ("text", "call", "says"),
    [
        ("project:create_app()", False, "((), [])"),
        ("project:create_app('prod', debug=False)", False, "(('prod',), [('debug', False)])"),
        ("project:create_app", True, "((), [])"),
        ("project:make_app", True, "(('made',), [])"),
        ("project.make_app", True, "(('made',), [])"),
        ("project", True, "((), [])"),
    ],
)
def test_factories(project: Path, text: str, call: bool, says: str) -> None:
    loaded = _application.load(text, call=call)
    assert answer(loaded.application) == says
    assert loaded.name == text


@pytest.mark.parametrize("name", ["application", "app", "wsgi_app", "wsgi"])
def test_the_usual_names_of_a_module(project: Path, name: str) -> None:
    write(project, bare=f"def {name}(environ, start_response): return [b'{name}']")
    loaded = _application.load("bare")
    assert (answer(loaded.application), loaded.name) == (name, f"bare:{name}")


def test_the_first_of_the_usual_names_counts(project: Path) -> None:
    write(project, bare=WSGI + "def app(environ, start_response): return [b'app']")
    assert _application.load("bare").name == "bare:application"


def test_a_package_of_django(project: Path) -> None:
    """Its module ``wsgi`` is made for this; other modules are not imported by guess."""
    write(project, __init___of_mysite="", wsgi_of_mysite=WSGI, app_of_mysite="raise SystemExit(1)")
    for text in ("mysite", "mysite.wsgi", "mysite.wsgi:application", "mysite:"):
        loaded = _application.load(text)
        assert (answer(loaded.application), loaded.name) == ("wsgi", "mysite.wsgi:application")


def test_an_application_of_the_package_comes_before_its_module_wsgi(project: Path) -> None:
    write(project, __init___of_mysite=PROJECT, wsgi_of_mysite="raise SystemExit(1)")
    assert _application.load("mysite").name == "mysite:app"


def test_a_submodule_is_no_application(project: Path) -> None:
    """Importing it makes it an attribute of its package."""
    write(project, __init___of_mysite="from mysite import app, wsgi", wsgi_of_mysite=WSGI)
    write(project, app_of_mysite=PROJECT)
    assert _application.load("mysite").name == "mysite.wsgi:application"


@pytest.mark.parametrize(
    ("source", "text", "call", "message"),
    [
        (
            "",
            "bare",
            False,
            "'bare' is a module without application, app, wsgi_app or wsgi: write ",
        ),
        (
            "",
            "bare",
            True,
            "'bare' is a module without create_app, make_app, create_application or",
        ),
        ("app = None", "bare", False, "'bare:app' is not callable: it is None"),
        ("import os as app", "bare", False, "'bare' is a module without application, app, wsgi_ap"),
        (WSGI.replace("application", "site"), "bare", False, "did you mean 'bare:site'?"),
        ("def create_app(): pass", "bare", False, "did you mean the factory: --factory bare:creat"),
        ("async def app(*_): pass", "bare", False, "'bare:app' is an ASGI application"),
        ("import os", "bare:os", False, "'bare:os' is a module: write 'os' or MODULE:OBJECT"),
        ("async def make(): pass", "bare:make()", False, "is an async function, which cannot make"),
        ("def make(): return 5", "bare:make()", False, "what 'bare:make()' returned is not callab"),
        ("def make(): pass", "bare:make", True, "what 'bare:make' returned is None: is a return m"),
        ("def make(): return make", "bare:make()", False, "what 'bare:make()' returned takes no a"),
        ("async def a(): pass\ndef make(): return a()", "bare:make()", False, "is a coroutine: an"),
        ("make = 5", "bare:make()", False, "'bare:make' cannot be called: it is of type int"),
        ("def make(one): pass", "bare:make()", False, 'needs arguments: write "bare:make(ONE)", w'),
        (
            "def make(one): pass",
            "bare:make(1, 2)",
            False,
            "'bare:make' cannot be called so: make()",
        ),
        ("def make(*, key): pass", "bare:make", True, 'write "bare:make(key=KEY)", with literals'),
        (WSGI, "bare:application", True, "'bare:application' is the application, not a factory: l"),
        ("def make(): pass", "bare:make()", True, "'bare:make()' calls the factory already: leave"),
        ("class A: pass\na = A()\na.server = len", "bare:a", False, "mean its attribute 'server'?"),
        ("class App: pass", "bare:App", False, 'For one of its objects write: "bare:App()"'),
    ],
)
def test_what_is_no_application(
    project: Path, source: str, text: str, call: bool, message: str
) -> None:
    write(project, bare=source)
    with pytest.raises(_application.ApplicationError) as raised:
        _application.load(text, call=call)
    assert message in str(raised.value)


def test_errors_inside_a_factory_are_the_applications(project: Path) -> None:
    write(project, bare="def make(one): one + 1")
    with pytest.raises(TypeError):
        _application.load("bare:make('x')")


def test_what_a_wrapper_takes_is_not_known(project: Path) -> None:
    """A decorated factory can only be called to find out."""
    decorated = "import functools\ndef wrap(f): return functools.wraps(f)(lambda *a: f(*a))\n"
    write(project, bare=decorated + PROJECT + "@wrap\ndef make(): return app")
    assert answer(_application.load("bare:make()").application) == ""
