"""Makes the parts of the site importable, as ``docs/conf.py`` does for Sphinx."""

from __future__ import annotations

import sys

from tests.support.process import ROOT

sys.path.insert(0, str(ROOT / "docs"))
