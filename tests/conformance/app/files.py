"""Applications that return ``wsgi.file_wrapper`` around files, and around what looks like one."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.conformance.app.journal import FOLDER, note
from tests.conformance.app.registry import Call, app

PLAIN = ("Content-Type", "application/octet-stream")
SIZE = 300_000
UNSIZED = Path("/proc/version")


def content() -> bytes:
    """What the file holds: no period that a block size would hide."""
    return b"".join(b"%07d\n" % number for number in range(SIZE // 8))


class Noting(io.BytesIO):
    """A file-like object without a descriptor that notes its ``close``."""

    tag = ""

    def close(self) -> None:
        if not self.closed:
            note(self.tag, "close")
        super().close()


class Reader:
    """The least a file wrapper may ask for: ``read`` and nothing else."""

    def __init__(self) -> None:
        self._inner = io.BytesIO(content())

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(size)


@app("file")
def file(call: Call) -> Iterable[bytes]:
    """``KIND-LENGTH``: what to wrap, and the length to declare."""
    wrapper = call.environ.get("wsgi.file_wrapper")
    if wrapper is None:
        return call.text(b"", "501 No File Wrapper")
    kind, _, declared = call.argument.partition("-")
    headers = [PLAIN]
    if declared:
        headers.append(("Content-Length", declared))
    call.start_response("200 OK", headers)
    return wrapper(_source(kind, call.tag), 8192)  # type: ignore[no-any-return]


def _source(kind: str, tag: str) -> Any:
    if kind == "bytesio":
        source = Noting(content())
        source.tag = tag
        return source
    if kind == "unsized":
        return UNSIZED.open("rb")
    if kind == "reader":
        return Reader()
    if kind == "sparse":  # 32 MiB of nothing: more than socket buffers hold
        path = FOLDER / "sparse"
        with path.open("ab") as empty:
            empty.truncate(32 << 20)
        return path.open("rb")
    path = FOLDER / "content"
    if not path.exists():
        path.write_bytes(content())
    handle = path.open("rb")
    if kind == "seeked":
        handle.seek(1000)
    return handle
