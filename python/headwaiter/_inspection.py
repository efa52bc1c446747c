"""Looks at a callable, without calling it: can it be a WSGI application?

``server.py`` and ``_application.py`` ask before they serve it. Rule: only what is certain is a
fault, and whatever cannot be read (C code, ``*args``, a decorator's wrapper) passes, since an
application that is refused by mistake cannot be served at all. What passes by mistake is reported
at its first request (``errors.rs`` of the binding).
"""

from __future__ import annotations

import functools
import re
from types import FunctionType, MethodType
from typing import Any, NamedTuple

NAMES = ("environ", "env", "start_response")
"""Parameters with these names are those of a WSGI application."""
VARARGS, COROUTINE, ASYNC_GENERATOR = 0x04, 0x80, 0x200
"""Flags of code objects (``inspect.CO_*``; the module takes milliseconds to import)."""
ASGI_NAMES = ("scope", "receive", "send")
FACTORY_NAME = re.compile(r"(create|make|build|get)_\w*(app|application|wsgi)\b")
OWN_SERVERS = {
    "aiohttp.web_app.Application": "aiohttp's own server",
    "tornado.web.Application": "Tornado's own server",
}


class Fault(NamedTuple):
    """Why a callable is no WSGI application. ``text`` goes on after its name, ``kind`` says what
    it seems to be: ``asgi``, ``factory``, ``class``, ``other``."""

    kind: str
    text: str


class Taken(NamedTuple):
    """What a call takes by position. ``most`` is ``None`` for any number."""

    names: tuple[str, ...]
    least: int
    most: int | None
    keywords: tuple[str, ...]
    """Keywords without which it cannot be called."""
    is_async: bool


def fault(application: Any) -> Fault | None:
    """Why ``application`` is no WSGI application; ``None`` if it may be one."""
    # Not `isinstance`, which believes what an object says of its class, as mocks and proxies do.
    if issubclass(type(application), type):
        return _fault_of_class(application)
    foreign = _foreign(application)
    if foreign:
        return Fault("other", f"is an application for {foreign}, not a WSGI application")
    taken = signature(application)
    if taken is None:
        return None
    if taken.is_async and taken.names[:1] and taken.names[0] in NAMES:
        return Fault("other", "is async, and a WSGI application is not: write def, without async")
    if taken.is_async or taken.names[: taken.least] == ASGI_NAMES:
        return Fault("asgi", f"is an ASGI application{_kind(application)}, not a WSGI application")
    if not taken.keywords and taken.least <= 2 and (taken.most is None or taken.most >= 2):
        return _likely_factory(application, taken)
    takes = _takes(taken)
    if taken.most is not None and taken.most < 2 and not taken.keywords:
        return Fault("factory", takes)
    return Fault("other", takes)


def signature(called: Any) -> Taken | None:
    """What ``called`` takes, read from the code that runs first; ``None`` if that is not Python
    code. What a decorator says about the function that it wraps does not count."""
    function, bound = called, 0
    if type(called) is MethodType:
        function, bound = called.__func__, 1
    elif issubclass(type(called), functools.partial):
        return None
    elif type(called) is not FunctionType:
        function = _static(type(called), "__call__")
        if type(function) is staticmethod:
            function = function.__func__
        else:
            bound = 1
    if type(function) is not FunctionType:
        return None
    code = function.__code__
    names = code.co_varnames[bound : code.co_argcount]
    if code.co_argcount < bound:
        names = ()  # the object itself is one of *args
    least = max(code.co_argcount - bound - len(function.__defaults__ or ()), 0)
    only = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    keywords = tuple(name for name in only if name not in (function.__kwdefaults__ or {}))
    most = None if code.co_flags & VARARGS else len(names)
    is_async = bool(code.co_flags & (COROUTINE | ASYNC_GENERATOR))
    return Taken(names, least, most, keywords, is_async)


def _static(made: type, name: str) -> Any:
    """The attribute of a class as it is written there, without the work of a descriptor."""
    return next((each.__dict__[name] for each in made.__mro__ if name in each.__dict__), None)


def is_application(value: Any) -> bool:
    """Whether the parameters of ``value`` have the names of a WSGI application's."""
    if issubclass(type(value), type):
        return False
    taken = signature(value)
    return taken is not None and len(taken.names) == 2 and {*taken.names} <= {*NAMES}


def _fault_of_class(made: type) -> Fault | None:
    """A class may be an application: its objects are then the replies. It must take arguments."""
    plain = type(made) is type and _static(made, "__new__") is _static(object, "__new__")
    if plain and made.__init__ is object.__init__:  # type: ignore[misc]
        return Fault("class", "is a class whose objects are made without arguments, not with two")
    return None


def _likely_factory(application: Any, taken: Taken) -> Fault | None:
    """A function that can be called as an application, but is called like a factory and has a
    default for everything: ``create_app(config=None, debug=False)``."""
    if type(application) not in (FunctionType, MethodType):
        return None
    named = FACTORY_NAME.match(application.__name__)
    is_likely = named and taken.names and not taken.least and taken.names[0] not in NAMES
    return Fault("factory", _takes(taken)) if is_likely else None


def _takes(taken: Taken) -> str:
    """``takes config, not environ and start_response``, and so on."""
    if taken.keywords:
        return f"needs the keyword {' and '.join(taken.keywords)}, which WSGI does not pass"
    takes = ", ".join(taken.names) or "no arguments"
    return f"takes {takes}, and a WSGI application takes environ and start_response"


def _kind(application: Any) -> str:
    """The class of the object, in brackets, if it says something."""
    if type(application) in (FunctionType, MethodType):
        return ""
    return f" ({type(application).__module__.partition('.')[0]}'s {type(application).__name__})"


def _foreign(application: Any) -> str:
    """Whose server an object needs that speaks neither WSGI nor ASGI."""
    classes = {f"{each.__module__}.{each.__qualname__}" for each in type(application).__mro__}
    return next((server for name, server in OWN_SERVERS.items() if name in classes), "")
