"""How Sphinx makes the site: ``make docs``.

The source directory is the checkout, so that every link between pages is the same in the site and
on a code host: ``docs/concurrency.md`` becomes ``docs/concurrency.html``. ``_sphinx/`` adds what
plain Markdown does not say: the order of the pages, pages for linked source files, and the API
reference. Nothing here needs a network.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT / "docs"), str(CHECKOUT / "python")]

# --- The project ---

project = "headwaiter"
author = "the headwaiter authors"
project_copyright = "the headwaiter authors, MIT or Apache-2.0"
_CARGO = (CHECKOUT / "Cargo.toml").read_text(encoding="utf-8")
(release,) = re.findall(r'(?m)^version = "(.+)"$', _CARGO)
version = release

# --- What is read ---

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**.md", "examples/**.md", "benchmarks/README.md"]
exclude_patterns = [".*", "**/.*", "crates", "dist", "fuzz", "python", "site", "target", "tests"]

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "_sphinx.extension"]

myst_enable_extensions = ["html_image"]
myst_heading_anchors = 6

# --- The API reference ---

# The figures and signatures are Python's: nothing needs the compiled extension.
autodoc_mock_imports = ["headwaiter._headwaiter"]
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

# --- How it looks ---

html_theme = "furo"
html_title = f"headwaiter {release}"
html_static_path = ["_sphinx/static"]
html_css_files = ["site.css"]
templates_path = ["_sphinx/templates"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
