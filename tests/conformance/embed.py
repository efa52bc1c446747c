"""Starts the servers that have no command line: ``python -m tests.conformance.embed NAME PORT``."""

from __future__ import annotations

import importlib
import sys

from tests.conformance.app import application


def main() -> None:
    name, port = sys.argv[1], int(sys.argv[2])
    # Imported by name: neither ships types, and neither need be installed for the suite to load.
    server = importlib.import_module(name)
    if name == "bjoern":
        server.run(application, "127.0.0.1", port)
    elif name == "fastwsgi":
        server.run(application, host="127.0.0.1", port=port)
    else:
        raise SystemExit(f"no way to embed {name}")


if __name__ == "__main__":
    main()
