"""Starts that newcomers get wrong: the project, the command lines, and what they are told.

``{here}`` is the directory of the project, ``{python}`` where Python's own modules are.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

APP = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""
FILES = {
    "shop.py": APP,
    "src/blog/__init__.py": "",
    "src/blog/web.py": APP,
    "empty/__init__.py": "",
    "renamed.py": APP.replace("app", "site"),
    "asgi.py": "class Api:\n    async def __call__(self, scope, receive, send): ...\n\n"
    "api = Api()\n",
    "function.py": "async def app(scope, receive, send): ...\n",
    "factory.py": APP
    + "\ndef create_app():\n    return app\n\ndef make(config):\n    return app\n",
    "forgetful.py": "def create_app():\n    pass\n",
    "text.py": 'app = "shop:app"\n',
    "module.py": "import shop as app\n",
    "nothing.py": "app = None\n",
    "cls.py": "class App:\n    def __call__(self, environ, start_response): ...\n",
    "broken.py": "def app(environ start_response):\n    pass\n",
    "typo.py": "from shop import basket\n",
    "needs.py": "import flask_of_tomorrow\n\napp = flask_of_tomorrow.Flask()\n",
    "reads.py": "open('absent.cfg')\n",
    "leaves.py": "import sys\n\nsys.exit('usage: leaves COMMAND')\n",
    "interrupts.py": "raise KeyboardInterrupt\n",
    "serves.py": "import headwaiter\nfrom shop import app\n\nheadwaiter.serve(app)\n",
    "django_app.py": "from django.core.wsgi import get_wsgi_application\n\n"
    "application = get_wsgi_application()\n",
    "mysite/__init__.py": "",
    "mysite/settings.py": "",
    "site.py": APP,
    "code.py": APP,
    "bad.toml": "threads = many\n",
    "unknown.toml": "thraeds = 4\n",
}


class Mistake(NamedTuple):
    arguments: list[str]
    status: int
    message: str


def usage(arguments: str, message: str) -> Mistake:
    return Mistake(arguments.split(), 2, f"{message}\nSee headwaiter --help.")


def start(arguments: str, message: str) -> Mistake:
    return Mistake(arguments.split(), 1, message)


PYTHONS = "'{name}' is Python's own module ({python}/{name}.py), which hides {here}/{name}.py: "
UVICORN = (
    "Serve it with an ASGI server such as uvicorn, or make a WSGI application of it with"
    " a2wsgi.ASGIMiddleware"
)
TAKES = "and a WSGI application takes environ and start_response"
AS_A_PROGRAM = 'What a module does as a program belongs under if __name__ == "__main__":'

APPLICATIONS = {
    "no such module": start("stock:app", "no module named 'stock' (searched from {here})"),
    "a module with a typo": start(
        "shoop:app",
        "no module named 'shoop' (searched from {here}); did you mean 'shop'?",
    ),
    "the directory above that of the package": start(
        "blog.web:app",
        "no module named 'blog' (searched from {here}); there is src/blog/__init__.py:"
        " write --chdir src blog.web:app",
    ),
    "the directory below that of the package": start(
        "--chdir=src/blog blog.web:app",
        "no module named 'blog' (searched from {here}/src/blog); there is ../blog/__init__.py:"
        " write --chdir .. blog.web:app",
    ),
    "a module without its package": start(
        "web:app",
        "no module named 'web' (searched from {here}); there is src/blog/web.py:"
        " write --chdir src blog.web:app",
    ),
    "a file": start(
        "src/blog/web.py",
        "an application is named by its module, not by its file: --chdir src blog.web",
    ),
    "no such attribute": start("shop:ap", "'shop' has no attribute 'ap'; did you mean 'app'?"),
    "a package without an application": start(
        "empty",
        "'empty' is a module without application, app, wsgi_app or wsgi: write empty:OBJECT",
    ),
    "an application with another name": start(
        "renamed",
        "'renamed' is a module without application, app, wsgi_app or wsgi:"
        " did you mean 'renamed:site'?",
    ),
    "an ASGI application": start(
        "asgi:api",
        f"'asgi:api' is an ASGI application (asgi's Api), not a WSGI application. {UVICORN}",
    ),
    "an ASGI function": start(
        "function",
        f"'function:app' is an ASGI application, not a WSGI application. {UVICORN}",
    ),
    "a factory that was not called": start(
        "factory:create_app",
        f"'factory:create_app' takes no arguments, {TAKES}. If it makes the application,"
        " write: --factory factory:create_app",
    ),
    "a factory with an argument": start(
        "factory:make",
        f"'factory:make' takes config, {TAKES}. If it makes the application,"
        ' write: "factory:make(CONFIG)"',
    ),
    "a factory without its argument": start(
        "--factory factory:make",
        "the factory 'factory:make' needs arguments: write \"factory:make(CONFIG)\", with literals"
        " in place of the names",
    ),
    "a factory with a wrong argument": start(
        "factory:make(config='x',debug=True)",
        "the factory 'factory:make' cannot be called so: make() got an unexpected keyword argument"
        " 'debug'",
    ),
    "an argument without quotes": start(
        "factory:make(production)",
        "'factory:make(production)': production is not a literal;"
        " did you mean 'production' in quotes?",
    ),
    "a factory without a return": start(
        "forgetful:create_app()",
        "what 'forgetful:create_app()' returned is None: is a return missing in the factory?",
    ),
    "an application as a factory": start(
        "--factory shop:app",
        "'shop:app' is the application, not a factory: leave the call out",
    ),
    "text": start("text:app", "'text:app' is not callable: it is of type str"),
    "a module": start("module:app", "'module:app' is a module: write 'shop' or MODULE:OBJECT"),
    "None": start("nothing:app", "'nothing:app' is not callable: it is None"),
    "a class": start(
        "cls:App",
        "'cls:App' is a class whose objects are made without arguments, not with two."
        ' For one of its objects write: "cls:App()"',
    ),
    "a syntax error": start(
        "broken:app",
        "'broken:app' failed to load\n"
        '  File "{here}/broken.py", line 1\n'
        "    def app(environ start_response):\n"
        "SyntaxError: invalid syntax",
    ),
    "an import that fails": start(
        "typo:app",
        "'typo:app' failed to load\n"
        "Traceback (most recent call last):\n"
        '  File "{here}/typo.py", line 1, in <module>\n'
        "    from shop import basket\n"
        "ImportError: cannot import name 'basket' from 'shop' ({here}/shop.py)",
    ),
    "a package that is not installed": start(
        "needs:app",
        "'needs:app' failed to load\n"
        "Traceback (most recent call last):\n"
        '  File "{here}/needs.py", line 1, in <module>\n'
        "    import flask_of_tomorrow\n"
        "ModuleNotFoundError: No module named 'flask_of_tomorrow'\n"
        "'flask_of_tomorrow' is not installed for {executable}",
    ),
    "an error of the application": start(
        "reads:app",
        "'reads:app' failed to load\n"
        "Traceback (most recent call last):\n"
        '  File "{here}/reads.py", line 1, in <module>\n'
        "    open('absent.cfg')\n"
        "FileNotFoundError: [Errno 2] No such file or directory: 'absent.cfg'",
    ),
    "a program": start(
        "leaves:app",
        "line 3 of {here}/leaves.py ended the process while 'leaves:app' was loaded:"
        f" sys.exit('usage: leaves COMMAND'). {AS_A_PROGRAM}",
    ),
    "a program that serves": start(
        "serves:app",
        "line 4 of {here}/serves.py called serve() while headwaiter loads 'serves:app', to serve"
        f" it. {AS_A_PROGRAM}",
    ),
    "a name of Python's": start("site:app", PYTHONS.replace("{name}", "site") + "rename yours"),
    "a name of Python's that is not imported yet": start(
        "code:app",
        PYTHONS.replace("{name}", "code") + "rename yours, or put it first with --pythonpath .",
    ),
}
"""What is wrong with the application: a child of a parent says the same."""

OTHERS = {
    "no application": usage("", "name the application to serve: MODULE:OBJECT"),
    "an unknown option": usage(
        "--thraeds=8 shop:app", "no such option: --thraeds; did you mean '--threads'?"
    ),
    "a value of another kind": usage(
        "--backlog=many shop:app", "backlog: expected a whole number, got 'many' (from --backlog)"
    ),
    "a port that is none": usage(
        "--listen=127.0.0.1:80800 shop:app",
        "cannot listen on '127.0.0.1:80800': port out of range",
    ),
    "no such configuration": usage(
        "--config=absent.toml shop:app", "absent.toml: No such file or directory"
    ),
    "an unknown setting": usage(
        "--config=unknown.toml shop:app",
        "unknown.toml: unknown adjustment 'thraeds'; did you mean 'threads'?",
    ),
    "no such directory": usage(
        "--chdir=source shop:app", "--chdir: source: No such file or directory"
    ),
    "a variable without a value": usage(
        "--env=DEBUG shop:app", "--env: expected NAME=VALUE, got 'DEBUG'"
    ),
    "a daemon": usage(
        "--daemon shop:app",
        "--daemon: headwaiter stays in the foreground, so that whoever starts it sees its log, its"
        " end and its exit status. Let a service manager run it:"
        " examples/deploy/headwaiter.service is a unit for systemd. To leave a terminal:"
        " nohup headwaiter MODULE:OBJECT >log 2>&1 &",
    ),
    "an address of another machine": start(
        "--listen=192.0.2.1:8080 shop:app",
        "cannot listen on 192.0.2.1:8080: Cannot assign requested address: this machine has no"
        " such address; --listen=0.0.0.0:8080 is all it has",
    ),
    "a socket in no directory": start(
        "--unix-socket=run/shop.sock shop:app",
        "cannot listen on {here}/run/shop.sock: No such file or directory: there is no directory"
        " {here}/run",
    ),
    "a socket with a long path": start(
        f"--unix-socket=/tmp/{'x' * 120} shop:app",
        f"cannot listen on /tmp/{'x' * 120}: this path has 125 bytes, and that of a Unix socket at"
        f" most {107 if sys.platform == 'linux' else 103}",
    ),
    "a socket in place of a file": start(
        "--unix-socket=shop.py shop:app",
        "cannot listen on {here}/shop.py: exists and is not a socket",
    ),
    "a log in no directory": start(
        "--access-log=logs/access.log --listen=127.0.0.1:0 shop:app",
        "access_log: {here}/logs/access.log: No such file or directory",
    ),
    "a process that the file names": start(
        "--pid-file=running.pid --listen=127.0.0.1:0 shop:app",
        "cannot serve: pid_file: {here}/running.pid: process {pid} is running",
    ),
}
