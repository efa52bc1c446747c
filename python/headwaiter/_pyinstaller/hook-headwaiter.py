"""What PyInstaller cannot see: what the extension imports, and entry points, which are metadata."""

from __future__ import annotations

import contextlib
from importlib.metadata import PackageNotFoundError

from PyInstaller.utils.hooks import collect_submodules, copy_metadata

hiddenimports = collect_submodules("headwaiter", filter=lambda name: "_pyinstaller" not in name)
hiddenimports += ["builtins", "io", "logging", "sys", "threading", "traceback"]
datas = []
with contextlib.suppress(PackageNotFoundError):  # of a copied folder
    datas = copy_metadata("headwaiter")  # for ``use = egg:headwaiter#main``
