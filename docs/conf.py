"""The documentation as a site: `sphinx-build -W docs OUT` (CONTRIBUTING.md)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lpa3bench import __version__

sys.path.insert(0, str(Path(__file__).parent / "site"))


def _commit() -> str:
    """The commit that the pages are made at; empty where nothing tells it."""
    if told := os.environ.get("GITHUB_SHA"):
        return told
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:  # there is no git
        return ""


project = "lpa3bench"
author = "The lpa3bench authors"
copyright = author
version = release = __version__
commit = _commit()

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "accessible_pages",
    "board_pages",
    "config_pages",
    "notebook_pages",
    "plain_docstrings",
    "plugin_pages",
    "repository_links",
    "verb_pages",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown", ".ipynb": "markdown"}
exclude_patterns = ["site"]
templates_path = ["_templates"]
default_role = "code"
nitpicky = False

myst_heading_anchors = 4
myst_url_schemes = ("http", "https", "mailto", "site")
suppress_warnings = ["misc.highlighting_failure"]

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
python_display_short_literal_types = True

html_theme = "furo"
html_title = f"lpa3bench {__version__}"
html_last_updated_fmt = "%Y-%m-%d"
html_show_sourcelink = False
html_context = {"commit": commit[:12]}
html_copy_source = False
