"""``python -m tests.docs``: what is done with each block of code in the pages, and the numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from .blocks import PAGES, blocks, inlines
from .plans import CHECKED, NOT_RUN, RUN, commands, language_of, plan, plan_of


def lines() -> Iterator[str]:
    """The numbers, and the reasons why something is not run."""
    kinds: Counter[str] = Counter()
    single: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for page in PAGES:
        for block in blocks(page):
            found = plan(block)
            kinds[found.kind] += 1
            if language_of(block) == "sh":
                plans = [plan_of(block, command) for command in commands(block)]
                single.update(one.kind for one in plans)
                reasons.update(one.reason for one in plans if one.kind == NOT_RUN)
            elif found.kind == NOT_RUN:
                reasons[found.reason] += 1
    inline = sum(1 for page in PAGES for _ in inlines(page))
    yield f"blocks: {_numbers(kinds)}"
    yield f"commands in blocks: {_numbers(single)}"
    yield f"commands within sentences: {inline} checked"
    for reason, count in reasons.most_common():
        yield f"not run, {count}: {reason}"


def _numbers(kinds: Counter[str]) -> str:
    parts = (f"{kinds[kind]} {kind}" for kind in (RUN, CHECKED, NOT_RUN))
    return f"{sum(kinds.values())}: {', '.join(parts)}"


def main() -> None:
    for page in PAGES:
        for block in blocks(page):
            found = plan(block)
            language = language_of(block)
            print(f"{block.place:<34} {language:<11} {found.kind:<8} {found.reason}".rstrip())
    print()
    print("\n".join(lines()))


if __name__ == "__main__":
    main()
