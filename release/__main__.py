"""The commands: ``wheels``, ``profile``, ``tag``, ``addresses`` and ``pythons``."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from . import pythons

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("manylinux", "musllinux", "native", "sdist")


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    commands = whole.add_subparsers(dest="command", required=True)
    wheels = commands.add_parser("wheels", help="build wheels and try each")
    wheels.add_argument("--out", type=Path, default=ROOT / "dist", help="where they are written")
    wheels.add_argument("--python", action="append", type=Path, help="only this interpreter")
    wheels.add_argument("--only", action="append", choices=KINDS, help="only this kind")
    wheels.add_argument(
        "--musl-python", action="append", type=Path, default=[], help="tries wheels for musl"
    )
    wheels.add_argument("--profile", type=Path, help="optimise by this file")
    profile = commands.add_parser("profile", help="what a wheel with PGO=1 is built by")
    profile.add_argument("out", type=Path, help="the file that rustc reads")
    tag = commands.add_parser("tag", help="whether a tag fits the checkout; prints its notes")
    tag.add_argument("name")
    addresses = commands.add_parser("addresses", help="write the repository's into the checkout")
    addresses.add_argument("repository", help="https://HOST/OWNER/NAME")
    addresses.add_argument("tag")
    found = commands.add_parser("pythons", help="the interpreters, one a line, oldest first")
    found.add_argument("scratch", type=Path, help="where a packed one is unpacked to")
    return whole


def build(options: argparse.Namespace) -> int:
    """Builds and tries everything; 1 if something failed."""
    from .wheels import Result, Workshop, summary, table, targets

    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="wheels-") as name:
        scratch = Path(name)
        if options.python:
            found = [python for python in map(pythons.ask, options.python) if python]
        else:
            found = pythons.find([pythons.unpacked(scratch)])
        if not found:
            print("no interpreter of a supported version was found", file=sys.stderr)
            return 1
        for_musl = {p.name: p for p in map(pythons.ask, options.musl_python) if p}
        print(f"interpreters: {', '.join(python.name for python in found)}", flush=True)
        used = options.profile.resolve() if options.profile else None
        shop = Workshop(options.out.resolve(), scratch, ROOT / "target/wheels", used)
        for target in targets():
            if options.only and target.name not in options.only:
                continue
            for python in found:
                tried_by = for_musl.get(python.name) if target.is_musl else python
                results.append(shop.wheel(python, target, tried_by))
        if not options.only or "sdist" in options.only:
            results.append(shop.sdist(usual(found)))
    print(f"\n{table(results)}")
    failed = [result for result in results if result.failed]
    for result in failed:
        print(f"{result.python} {result.target}: {result.failed}", file=sys.stderr)
    print(summary(results))
    return 1 if failed else 0


def usual(found: list[pythons.Python]) -> pythons.Python:
    """The one among ``found`` that is of the same version as this interpreter, or the newest."""
    own = [python for python in found if python.version == sys.version_info[:2]]
    return own[0] if own else found[-1]


def main() -> int:
    options = parser().parse_args()
    if options.command == "wheels":
        return build(options)
    if options.command == "profile":
        from .profile import make
        from .steps import Failure

        try:
            make(options.out.resolve())
        except Failure as why:
            print(f"release: {why}", file=sys.stderr)
            return 1
    elif options.command == "tag":
        from .versions import Unfit, check

        try:
            print(check(options.name), end="")
        except Unfit as why:
            print(f"release: {why}", file=sys.stderr)
            return 1
    elif options.command == "addresses":
        from .addresses import write

        write(ROOT, options.repository.rstrip("/"), options.tag)
    else:
        for python in pythons.find([pythons.unpacked(options.scratch)]):
            print(python.name, python.path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
