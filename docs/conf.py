"""Sphinx reads this file to build the documentation site: `make docs`.

Sphinx, MyST and furo: pages stay Markdown, notebooks are pages, and autodoc makes the reference from docstrings.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent))
from docstrings import to_rst

project = "elrbench"
author = "The elrbench authors"
copyright = "The elrbench authors"
version = release = importlib.metadata.version("elrbench")
extensions = ["myst_nb", "sphinx.ext.autodoc"]
nb_execution_mode = "off"  # a test runs the notebook
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"elrbench {release}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sphinx = False
html_copy_source = False
myst_heading_anchors = 4
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "undoc-members": False}
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
nitpicky = False

SOURCE = "https://github.com/elrbench/elrbench/blob/main/"
OUTSIDE = re.compile(r"\]\(\.\./([^)\s]+)\)")  # links of the Markdown pages to files outside docs/


def link_to_source(app: Sphinx, name: str, source: list[str]) -> None:
    """Let links to files outside docs/ lead to the repository."""
    source[0] = OUTSIDE.sub(lambda found: f"]({SOURCE}{found[1]})", source[0])


def convert(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Convert a docstring in place."""
    lines[:] = to_rst(lines)


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    app.connect("source-read", link_to_source)
    app.connect("autodoc-process-docstring", convert)
