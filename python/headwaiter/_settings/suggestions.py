"""What a name that does not exist may have meant.

For flags, names of adjustments and environment variables. ``cli.py`` asks first whether another
server has a flag of the name.
"""

from __future__ import annotations

from collections.abc import Iterable

from headwaiter._settings.table import ADJUSTMENTS, did_you_mean

MOST_NAMED = 8
_LIKENESS = 0.7
"""Names that are less alike than this do not mean the same."""
_SHORTEST = 3
"""Letters of a word that says something about an option."""


def unknown_flag(name: str, known: Iterable[str]) -> str:
    """Words for the end of a message: the ``known`` flags with all words of the unknown one, or the
    nearest flag; empty if there is none."""
    flags = [flag for flag in known if flag.startswith("--")]
    words = _words(name)
    found = [flag for flag in flags if words <= _words(flag) and not flag.startswith("--no-")]
    if not words or not 0 < len(found) <= MOST_NAMED:
        return did_you_mean(name, flags)
    if len(found) == 1:
        return f"; did you mean {found[0]!r}?"
    return f"; there are {', '.join(found[:-1])} and {found[-1]}"


def other_name(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Words for the end of a message about an unknown adjustment or its variable; empty if none is
    near. ``prefix`` is that of all names, and says nothing."""
    import difflib  # a mistake is rare, and the module is large

    bare = name[len(prefix) :].lower().replace("-", "_")
    names = [each[len(prefix) :].lower() for each in known]
    near = difflib.get_close_matches(bare, names, n=1, cutoff=_LIKENESS)
    meant = _BY_ALIAS.get(bare, "".join(near))
    if not meant:
        return ""
    return f"; did you mean {prefix + meant.upper() if prefix else meant!r}?"


def _words(flag: str) -> set[str]:
    return {word for word in flag.strip("-").split("-") if len(word) >= _SHORTEST}


_BY_ALIAS = {
    alias.strip("-").replace("-", "_"): row.name for row in ADJUSTMENTS for alias in row.aliases
}
