"""Finds the application that the command line names.

``_spec.py`` knows the forms of its name, ``_importing.py`` where modules come from,
``_inspection.py`` what a WSGI application looks like. Rules: an error of the command line (no such
module, no such attribute, not a WSGI application) is an :class:`ApplicationError` with one
sentence; nothing is called but a factory that the command line says to call. An error in the
application's own code propagates; :func:`own_traceback` removes the server's frames from its
traceback.
"""

from __future__ import annotations

import contextlib
import importlib
import os
from types import CoroutineType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple

from headwaiter import _importing, _inspection
from headwaiter import _spec as specs
from headwaiter._settings.table import did_you_mean
from headwaiter._spec import Call, Spec, SpecError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

USUAL_NAMES = ("application", "app", "wsgi_app", "wsgi")
USUAL_FACTORIES = ("create_app", "make_app", "create_application", "make_application")
INNER = ("wsgi_app", "wsgi", "server", "app", "application")
"""Attributes in which objects that are no application have one, such as Dash's ``server``."""
NO_CALL = Call((), {})


class ApplicationError(Exception):
    """The command line names no application."""


class Loaded(NamedTuple):
    """The application, and its full name, such as ``mysite.wsgi:application``."""

    application: WSGIApplication
    name: str


def load(text: str, *, call: bool = False) -> Loaded:
    """Import the application that ``text`` names; with ``call`` (``--factory``) call what it names.

    ``_spec.py`` lists the forms. Of a module alone the usual names are tried, then those of its
    submodule ``wsgi``, as Django has it. From then on the current directory is importable.

    Raises:
        ApplicationError: ``text`` names no WSGI application.
    """
    try:
        spec = specs.parse(text)
    except SpecError as error:
        raise ApplicationError(str(error)) from None
    if call and spec.call is not None:
        raise ApplicationError(f"{text!r} calls the factory already: leave --factory out")
    _importing.put_current_directory()
    top = spec.module.partition(".")[0]
    hidden = _importing.hidden(top)
    if hidden:
        raise ApplicationError(hidden)
    found, name = _found(spec, text, factory=call)
    arguments = NO_CALL if call else spec.call
    if arguments is None:
        _check(found, name)
        return Loaded(found, name)
    shown = f"what {text!r} returned"
    return Loaded(_checked_result(_called(found, arguments, name), shown), text)


def own_traceback(error: BaseException) -> TracebackType | None:
    """The traceback of ``error`` from the first frame of the application on.

    ``None`` if there is no such frame: then the application's code did not raise ``error``.
    """
    traceback = error.__traceback__
    while traceback is not None and _is_machinery(traceback.tb_frame.f_code.co_filename):
        traceback = traceback.tb_next
    return traceback


def _found(spec: Spec, text: str, *, factory: bool) -> tuple[Any, str]:
    """The object that is named, and its full name."""
    found: Any
    if spec.is_dotted:
        module, names = _import_deepest(spec.module.split("."), text)
    else:
        module, names = _import(spec.module, text), list(spec.names)
    if not names:
        return _usual(module, USUAL_FACTORIES if factory else USUAL_NAMES, factory=factory)
    found = module
    for name in names:
        found = _attribute(found, name)
    if isinstance(found, ModuleType) and spec.call is None:
        raise ApplicationError(f"{text!r} is a module: write '{found.__name__}' or MODULE:OBJECT")
    return found, f"{module.__name__}:{'.'.join(names)}"


def _import(name: str, text: str) -> ModuleType:
    """Import the module ``name``, for the application that the command line calls ``text``."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if not f"{name}.".startswith(f"{missing}.") or own_traceback(error) is not None:
            raise
    raise ApplicationError(_importing.missing(missing, text))


def _import_deepest(parts: list[str], text: str) -> tuple[ModuleType, list[str]]:
    """The longest prefix of ``parts`` that is a module, and the rest, which must be attributes."""
    found = _import(parts[0], text)
    depth = 1
    with contextlib.suppress(ApplicationError):
        while depth < len(parts):
            found = _import(".".join(parts[: depth + 1]), text)
            depth += 1
    return found, parts[depth:]


def _attribute(owner: Any, name: str) -> Any:
    try:
        return getattr(owner, name)
    except AttributeError as error:
        if own_traceback(error) is not None:  # raised by a __getattr__ of the application
            raise
    where = getattr(owner, "__name__", type(owner).__name__)
    text = f"{where!r} has no attribute {name!r}"
    if isinstance(owner, ModuleType):
        below = _importing.submodule(where, name)
        if below:
            raise ApplicationError(f"{text}, but {below!r} is a module: write '{below}:OBJECT'")
        text += _of_python(where)
    near = did_you_mean(name, [known for known in dir(owner) if not known.startswith("__")])
    raise ApplicationError(text + near)


def _usual(
    module: ModuleType, names: tuple[str, ...], *, factory: bool, searched: str = ""
) -> tuple[Any, str]:
    """The first of the usual ``names`` in ``module``, or in its submodule ``wsgi``."""
    for name in names:
        value = getattr(module, name, None)
        if callable(value):
            return value, f"{module.__name__}:{name}"
    own = module.__name__
    for name in names:
        if not isinstance(getattr(module, name, module), ModuleType):
            _check(getattr(module, name), f"{own}:{name}")
    if not searched:
        below = _importing.submodule(own, "wsgi")
        if below and not factory:
            return _usual(_import(below, below), names, factory=False, searched=own)
    also = f" or {searched!r}" if searched else ""
    text = f"{own!r}{also} is a module without {_listed(names)}{_of_python(own)}"
    raise ApplicationError(f"{text}: {_other_names(module, factory=factory)}")


def _other_names(module: ModuleType, *, factory: bool) -> str:
    """What to write if no usual name is in ``module``: what is there and looks right."""
    own = module.__name__
    for name, value in sorted(vars(module).items()):
        if not factory and not name.startswith("_") and _inspection.is_application(value):
            return f"did you mean '{own}:{name}'?"
    made = next((name for name in USUAL_FACTORIES if callable(vars(module).get(name))), "")
    if made and not factory:
        return f"did you mean the factory: --factory {own}:{made}"
    return f"write {own}:{'FACTORY' if factory else 'OBJECT'}"


def _called(factory: Any, arguments: Call, name: str) -> Any:
    """What ``factory`` returns. Arguments that it cannot take are the command line's error."""
    if isinstance(factory, ModuleType) or not callable(factory):
        raise ApplicationError(f"{name!r} cannot be called: it is {_described(factory)}")
    import inspect

    if inspect.iscoroutinefunction(factory):
        raise ApplicationError(f"{name!r} is an async function, which cannot make the application")
    if arguments == NO_CALL and _inspection.is_application(factory):
        raise ApplicationError(f"{name!r} is the application, not a factory: leave the call out")
    taken = _inspection.signature(factory)
    if taken is not None and arguments == NO_CALL and (taken.least or taken.keywords):
        raise ApplicationError(
            f"the factory {name!r} needs arguments: write {_as_factory(factory, name)}, with"
            " literals in place of the names"
        )
    try:
        return factory(*arguments.positional, **arguments.keywords)
    except TypeError as error:
        if own_traceback(error) is not None:  # raised inside
            raise
        raise ApplicationError(f"the factory {name!r} cannot be called so: {error}") from None


def _checked_result(made: Any, shown: str) -> Any:
    if isinstance(made, CoroutineType):
        made.close()
        raise ApplicationError(f"{shown} is a coroutine: an async function made it")
    if made is None:
        raise ApplicationError(f"{shown} is None: is a return missing in the factory?")
    _check(made, shown, is_result=True)
    return made


def _check(found: Any, name: str, *, is_result: bool = False) -> None:
    """Refuse what cannot be a WSGI application."""
    shown = name if is_result else repr(name)
    if isinstance(found, ModuleType) or not callable(found):
        raise ApplicationError(f"{shown} is not callable: it is {_described(found)}{_inner(found)}")
    fault = _inspection.fault(found)
    if fault is None:
        return
    advice = ""
    if fault.kind == "asgi":
        advice = f". {_advice_for_asgi(found, name)}"
    elif fault.kind == "factory" and not is_result:
        advice = f". If it makes the application, write: {_as_factory(found, name)}"
    elif fault.kind == "class" and not is_result:
        advice = f'. For one of its objects write: "{name}()"'
    raise ApplicationError(f"{shown} {fault.text}{advice}")


def _advice_for_asgi(application: Any, name: str) -> str:
    module, colon, _ = name.partition(":")
    if type(application).__module__.startswith("django."):
        own = (
            f"{module[: -len('asgi')]}wsgi" if module.endswith(".asgi") and colon else "its wsgi.py"
        )
        return f"Django makes both: name that of {own}"
    return (
        "Serve it with an ASGI server such as uvicorn, or make a WSGI application of it with"
        " a2wsgi.ASGIMiddleware"
    )


def _as_factory(factory: Any, name: str) -> str:
    """What to write to have a factory called."""
    taken = _inspection.signature(factory)
    if taken is None or not (taken.least or taken.keywords):
        return f"--factory {name}"
    needed = [each.upper() for each in taken.names[: taken.least]]
    needed += [f"{each}={each.upper()}" for each in taken.keywords]
    return f'"{name}({", ".join(needed)})"'


def _described(value: Any) -> str:
    if value is None:
        return "None"
    if isinstance(value, ModuleType):
        return f"the module {value.__name__!r}"
    return f"of type {type(value).__name__}"


def _inner(value: Any) -> str:
    """The attribute of an object in which its application is."""
    own = getattr(value, "__dict__", {})
    name = next((each for each in INNER if callable(own.get(each))), "")
    return f"; did you mean its attribute {name!r}?" if name else ""


def _of_python(name: str) -> str:
    """A remark that a top-level module is Python's own."""
    where = "" if "." in name else _importing.pythons(name)
    return f" (it is Python's own module, {where})" if where else ""


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _is_machinery(filename: str) -> bool:
    folder = os.path.dirname
    return filename.startswith("<frozen ") or folder(filename) in (
        folder(__file__),
        folder(importlib.__file__),
    )
