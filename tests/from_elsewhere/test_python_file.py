"""``gunicorn.conf.py`` is read, not run: what is found in it, and why the rest is not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from headwaiter._migrate import gunicorn, python_file
from headwaiter._migrate.rows import Given, Unread

CORES = os.cpu_count() or 1


def read(source: str, path: str = "gunicorn.conf.py") -> dict[str, Given]:
    file = python_file.read(path, source, gunicorn.SERVER)
    return {given.option.key: given for given in file.given}


VALUES: list[tuple[str, str, Any]] = [
    ("workers = 3", "workers", 3),
    ("workers: int = 3", "workers", 3),
    ("workers = threads = 3", "threads", 3),
    ("n = 2\nworkers = n * 2 + 1", "workers", 5),
    ("workers = 1\nworkers += 2", "workers", 3),
    ("bind = ['a:1', 'b:2']", "bind", ["a:1", "b:2"]),
    ("bind = ('a:1',)", "bind", ("a:1",)),
    ("raw_env = ['A=1']\nraw_env += ['B=2']", "raw_env", ["A=1", "B=2"]),
    ("host, port = 'a', 1\nbind = f'{\"x\"}:{8000 + 1}'", "bind", "x:8001"),
    ("bind = '{}:{}'.format('a', 1)", "bind", "a:1"),
    ("bind = '%s:%d' % ('a', 1)", "bind", "a:1"),
    ("bind = ':'.join(['a', '1'])", "bind", "a:1"),
    ("timeout = -1 + 31", "timeout", 30),
    ("workers = max(2, min(3, 9))", "workers", 3),
    ("limits = {'a': 4}\nworkers = limits['a']", "workers", 4),
    ("workers = 3 if 1 < 2 else 4", "workers", 3),
    ("if 1 > 2:\n    workers = 3\nelse:\n    workers = 4", "workers", 4),
    ("'''Text.'''\npass\nworkers = 3", "workers", 3),
    ("import os\npidfile = os.path.join('a', 'b')", "pidfile", "a/b"),
    ("from os.path import join as j\npidfile = j('a', 'b')", "pidfile", "a/b"),
    ("import pathlib\npidfile = str(pathlib.Path('a') / 'b')", "pidfile", "a/b"),
    ("import os\nbind = os.environ.get('BIND') or 'a:1'", "bind", "a:1"),
    ("import os\nworkers = int(os.getenv('W', default='5'))", "workers", 5),
    ("from os import environ as e\nworkers = int(e.get('W', 5))", "workers", 5),
    ("import multiprocessing\nworkers = multiprocessing.cpu_count() + 1", "workers", CORES + 1),
    ("from multiprocessing import cpu_count\nworkers = cpu_count()", "workers", CORES),
    ("import os as o\nworkers = (o.cpu_count() or 1) * 2", "workers", CORES * 2),
]


@pytest.mark.parametrize(("source", "key", "value"), VALUES)
def test_values_that_can_be_read(source: str, key: str, value: Any) -> None:
    assert read(source)[key].value == value


UNREAD: list[tuple[str, str, str]] = [
    ("import os\nworkers = int(os.environ['W'])", "workers", "W is set where it runs"),
    ("import os\nworkers = int(os.environ.get('W'))", "workers", "W is set where it runs"),
    ("import os\nbind = os.environ.get('BIND')", "bind", "BIND is set where it runs"),
    ("workers = compute()", "workers", "`compute()` would have to be called"),
    ("import x\nworkers = x.n", "workers", "`x.n` is an attribute of something else"),
    ("workers = n", "workers", "`n` is not a plain value"),
    ("workers = [n for n in range(3)]", "workers", "is code"),
    ("workers = 1 / 0", "workers", "fails: division by zero"),
    ("bind = 'x' * 10 ** 9", "bind", "is code"),
    ("bind = 'x' * 1000000000", "bind", "repeats something"),
    ("bind = f'{1:>1000000}'", "bind", "has a format"),
    ("bind = '%1000000000d' % 1", "bind", "has a format"),
    ("bind = '{:>1000000}'.format(1)", "bind", "has a format"),
    ("bind = '{0.__class__}'.format(1)", "bind", "has a format"),
    ("import os\nif os.environ.get('D'):\n    workers = 3", "workers", "D is set where it runs"),
    ("import os\nif os.getenv('D', ''):\n    workers = 3", "workers", "it depends on"),
    ("for n in range(3):\n    workers = n", "workers", "line 1 is code that has to run"),
    ("try:\n    workers = 3\nexcept X:\n    workers = 4", "workers", "is code that has to run"),
    ("workers, threads = 1, 2", "threads", "several names are assigned at once"),
]


@pytest.mark.parametrize(("source", "key", "why"), UNREAD)
def test_values_that_only_the_start_could_tell(source: str, key: str, why: str) -> None:
    value = read(source)[key].value
    assert isinstance(value, Unread)
    assert why in value.why


def test_what_a_value_depends_on_is_told() -> None:
    source = "import os\nworkers = int(os.environ.get('WEB_CONCURRENCY', 2))"
    assert read(source)["workers"].variables == ("WEB_CONCURRENCY",)
    assert not read(source)["workers"].is_by_cores
    source = "import multiprocessing as m\nn = m.cpu_count()\nworkers = n * 2 + 1"
    assert read(source)["workers"].is_by_cores


def test_the_file_knows_its_place(tmp_path: Path) -> None:
    source = (
        "import os\nfrom pathlib import Path\nchdir = os.path.dirname(os.path.abspath(__file__))\n"
    )
    source += "pidfile = str(Path(__file__).resolve().parent / 'run' / 'pid')"
    found = read(source, str(tmp_path / "gunicorn.conf.py"))
    assert found["chdir"].value == str(tmp_path)
    assert found["pidfile"].value == str(tmp_path / "run" / "pid")


def test_nothing_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    source = f"""\
import os
open({str(mark)!r}, "w")
workers = os.system("touch {mark}")
class X:
    open({str(mark)!r}, "w")
def post_fork(server, worker, x=open({str(mark)!r}, "w")):
    pass
bind = (lambda: open({str(mark)!r}, "w"))()
bind = __import__("os").getcwd()
"""
    found = read(source)
    assert isinstance(found["workers"].value, Unread)
    assert isinstance(found["bind"].value, Unread)
    assert not mark.exists()


def test_hooks_and_code_are_named() -> None:
    source = """\
from dotenv import load_dotenv
from base import *
load_dotenv()

def when_ready(server):
    pass

def helper():
    pass
"""
    file = python_file.read("gunicorn.conf.py", source, gunicorn.SERVER)
    assert [given.shown for given in file.given] == ["when_ready() in line 5"]
    assert file.code == ["line 2: settings of base", "line 3: load_dotenv()"]


def test_a_file_that_is_no_python_names_its_line() -> None:
    with pytest.raises(ValueError, match=r"gunicorn\.conf\.py: line 2: "):
        read("x = 1\nworkers = = 2")
