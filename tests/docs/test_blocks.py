"""Every block of code and every command in the pages is run or checked, or says why it is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import ROOT, environment
from tests.support.target import headwaiter_only

from . import checks, commands, formats, python_block
from .__main__ import lines
from .blocks import PAGES, Block, Inline, blocks, inlines
from .plans import CHECKED, NOT_RUN, PYTHON, RUN, SHELL, Unknown, language_of, plan

pytestmark = headwaiter_only("the pages are about headwaiter")

BLOCKS = [block for page in PAGES for block in blocks(page)]
INLINES = [inline for page in PAGES for inline in inlines(page)]
BOUND = 60


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: the names of Unix sockets in it are bounded."""
    made = Path(tempfile.mkdtemp(prefix="docs-"))
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_a_block(block: Block, folder: Path) -> None:
    found = plan(block)
    if found.kind == NOT_RUN:
        pytest.skip(found.reason)
    language = language_of(block)
    if language in formats.READERS:
        formats.READERS[language](block.text, folder)
    elif language in PYTHON:
        run_python(block, folder)
    elif commands.missing_bash():
        pytest.skip("there is no bash")
    else:
        assert language in SHELL
        commands.run_block(block, folder)


def run_python(block: Block, folder: Path) -> None:
    commands.write_modules(folder)
    commands.write_files(folder)
    file = folder / "block.py"
    file.write_text(block.text, encoding="utf-8")
    examples = [ROOT / "examples" / name for name in ("django_site", "pyramid_app")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs.python_block", str(folder), str(file)],
        cwd=folder,
        env=environment(
            DJANGO_SETTINGS_MODULE="django_site.settings",
            DJANGO_SITE_VAR=str(folder / "django_site"),
            PYTHONPATH=os.pathsep.join(map(str, [ROOT, *examples])),
        ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BOUND,
        check=False,
    )
    if done.returncode == python_block.NOT_INSTALLED:
        pytest.skip(done.stderr.splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_commands_within_sentences(page: Path) -> None:
    wrong = []
    for inline in inlines(page):
        try:
            checks.check_inline(inline)
        except AssertionError as error:
            wrong.append(f"{inline.place}: `{inline.text}`: {error}")
    assert wrong == []


def test_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints how many blocks and commands are run, checked, or not run."""
    with capsys.disabled():
        print("\n" + "\n".join(lines()))
    counted = Counter(plan(block).kind for block in BLOCKS)
    assert counted[RUN] >= 15
    assert counted[CHECKED] >= 5
    assert len(INLINES) >= 20


def block_of(text: str, language: str = "") -> Block:
    return Block("docs/x.md", 1, language, text)


@pytest.mark.parametrize(
    ("text", "language", "kind"),
    [
        ("headwaiter mysite:app\n", "sh", RUN),
        ("headwaiter mysite:app\n", "", RUN),
        ("$ headwaiter mysite:app  # serves\n", "console", RUN),
        ("A=1 /srv/venv/bin/headwaiter mysite:app &\n", "sh", RUN),
        ("headwaiter --completion bash | tee x\n", "sh", CHECKED),
        ("make test && ssh elsewhere\n", "sh", CHECKED),
        ("ssh elsewhere\n", "sh", NOT_RUN),
        ("for n in 1 2; do curl localhost; done; wait\n", "sh", NOT_RUN),
        ("headwaiter advise\n\nTOO FEW THREADS (threads, sure)\n", "", RUN),
        ("$ headwaiter mysite:app\n2026-01-01 00:00:00 INFO x: y\n", "", RUN),
        ("INFO headwaiter: Serving on http://127.0.0.1:8080\n", "", NOT_RUN),
        ("trusted_proxy = '127.0.0.1'\n", "", CHECKED),
        ("import os\n", "python", RUN),
        ("threads = 4\n", "toml", CHECKED),
        ("anything\n", "text", NOT_RUN),
    ],
)
def test_a_plan(text: str, language: str, kind: str) -> None:
    assert plan(block_of(text, language)).kind == kind


@pytest.mark.parametrize(
    ("text", "language"),
    [("frobnicate now\n", ""), ("frobnicate now\n", "sh"), ("main :: IO ()\n", "haskell")],
)
def test_what_nobody_knows_is_no_silent_pass(text: str, language: str) -> None:
    with pytest.raises(Unknown, match=r"docs/x\.md:1"):
        plan(block_of(text, language))


def test_commands_of_a_block_follow_one_another(folder: Path) -> None:
    text = (
        "mkdir new && cd new\ncat > site.ini <<'END'\n[x]\nEND\nexport A=1\nheadwaiter --version\n"
    )
    commands.run_block(block_of(text, "sh"), folder)
    assert (folder / "work/new/site.ini").read_text() == "[x]\n"


@pytest.mark.parametrize(
    "text",
    [
        "headwaiter --thread=4 mysite:app",
        "headwaiter --listen=127.0.0.1:0 mysite:application_",
        "make no-such-target",
        "make serve PROT=8080",
        "cd nowhere",
    ],
)
def test_a_wrong_command_is_found(text: str, folder: Path) -> None:
    with pytest.raises(AssertionError):
        commands.run_block(block_of(f"{text}\n", "sh"), folder)


@pytest.mark.parametrize(
    "text",
    [
        "from headwaiter import serve\n\nserve(app, thread=4)\n",
        "from headwaiter import serv\n",
        "app()\n",
        "unknown_name\n",
        "def view(environ, start_response):\n    return environ['no.such.key']\n\n\n1 / 0\n",
    ],
)
def test_wrong_python_is_found(text: str, folder: Path) -> None:
    with pytest.raises(AssertionError):
        run_python(block_of(text, "python"), folder)


@pytest.mark.parametrize(
    ("language", "text", "error"),
    [
        ("toml", "thread = 4\nlisten = 'localhost:80'\n", "thread"),
        ("ini", "[server:main]\nuse = egg:headwaiter#main\nthread = 4\n", "thread"),
        ("ini", "[Service]\nExecStart=/srv/bin/headwaiter --thread=4 mysite:app\n", "--thread"),
        ("dockerfile", 'CMD ["headwaiter", "--thread=4", "mysite:app"]\n', "--thread"),
        ("promql", "sum(rate(x[5m])\n", "paren"),
        ("nginx", "server {\n", "closed"),
        ("haproxy", "backends x\n", "backends"),
        ("json", "{,}\n", "Expecting"),
        ("yaml", "a: b: c\n", "mapping values"),
    ],
)
def test_wrong_configuration_is_found(language: str, text: str, error: str, folder: Path) -> None:
    with pytest.raises(Exception, match=error):
        formats.READERS[language](text, folder)


def test_python_that_serves_is_asked(folder: Path) -> None:
    """A view that is never called would be no test of the block."""
    text = (
        "import os\n\nfrom headwaiter import serve\n\n\n"
        "def app(environ, start_response):\n    os._exit(7)\n\n\nserve(app)\n"
    )
    with pytest.raises(AssertionError):
        run_python(block_of(text, "python"), folder)


def test_inline_commands_are_found() -> None:
    found = {inline.text for inline in INLINES}
    assert any(text.startswith("headwaiter --processes") for text in found)
    wrong = Inline("docs/x.md", 1, "headwaiter --no-such-flag MODULE:OBJECT")
    with pytest.raises(AssertionError, match="no-such-flag"):
        checks.check_inline(wrong)
