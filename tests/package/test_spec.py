"""The forms in which an application is named: parsed, never evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwaiter._spec import Call, Spec, SpecError, parse

NONE = Call((), {})


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("pkg", Spec("pkg", (), True, None)),
        ("pkg.wsgi", Spec("pkg.wsgi", (), True, None)),
        ("pkg:", Spec("pkg", (), False, None)),
        ("pkg:app", Spec("pkg", ("app",), False, None)),
        ("pkg.sub:site.app", Spec("pkg.sub", ("site", "app"), False, None)),
        ("pkg:create_app()", Spec("pkg", ("create_app",), False, NONE)),
        ("pkg:Site.make( )", Spec("pkg", ("Site", "make"), False, NONE)),
        (
            "pkg:create_app('prod', debug=False)",
            Spec("pkg", ("create_app",), False, Call(("prod",), {"debug": False})),
        ),
        (
            "pkg:make(-1, 2.5, None, b'x', {'a': [1, (2,)]}, names={'b'})",
            Spec(
                "pkg",
                ("make",),
                False,
                Call((-1, 2.5, None, b"x", {"a": [1, (2,)]}), {"names": {"b"}}),
            ),
        ),
        ("pkg:make('a:b', c='d.py')", Spec("pkg", ("make",), False, Call(("a:b",), {"c": "d.py"}))),
    ],
)
def test_forms(text: str, spec: Spec) -> None:
    assert parse(text) == spec


FORM = "is not of the form MODULE:OBJECT"
FORMS = f"{FORM} or MODULE:FACTORY(ARGUMENTS)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"'' {FORM}"),
        (":app", f"':app' {FORM}"),
        ("a-b:app", f"'a-b:app' {FORM}"),
        ("pkg:a-b", f"'pkg:a-b' {FORMS}"),
        ("pkg:make(", f"'pkg:make(' {FORMS}"),
        ("pkg:make()()", "'pkg:make()()': only a name can be called, as in MODULE:FACTORY(ARGUMEN"),
        ("pkg:make().app", f"'pkg:make().app' {FORMS}"),
        ("pkg:make(prod)", "'pkg:make(prod)': prod is not a literal; did you mean 'prod' in quot"),
        ("pkg:make(open('x'))", "'pkg:make(open('x'))\": open('x') is not a literal"),
        ("pkg:make(**{})", "'pkg:make(**{})': arguments are literals, without ** before them"),
        ("pkg:make(*[])", "'pkg:make(*[])': *[] is not a literal"),
        ("pkg.make()", "'pkg.make()' needs a colon: write 'pkg:make()'"),
        ("pkg:make('\0')", None),
    ],
)
def test_what_has_none_of_the_forms(text: str, message: str | None) -> None:
    with pytest.raises(SpecError) as raised:
        parse(text)
    if message is not None:
        assert str(raised.value).replace('"', "'").startswith(message.replace('"', "'"))


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("app.py", "app"),
        ("./app.py:site", "app:site"),
        ("{cwd}/app.py", "app"),
        ("src/app.py:app", "--chdir src app:app"),
        ("src/shop/web.py:app", "--chdir src shop.web:app"),
        ("src/shop/__init__.py", "--chdir src shop"),
        ("shop/web.py", "shop.web"),
    ],
)
def test_a_file_is_no_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, advice: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for package in ("shop", "src/shop"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / "web.py").touch()
    for module in ("app.py", "src/app.py"):
        (tmp_path / module).touch()
    says = "an application is named by its module, not by its file: "
    with pytest.raises(SpecError) as raised:
        parse(text.format(cwd=tmp_path))
    assert str(raised.value) == says + advice


def test_a_file_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match=r"^no such file: sit\.py; an application is named"):
        parse("sit.py:app")
