"""How Sphinx builds the site: `nox -s docs`."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.application import Sphinx

project = "kinkproof"
author = "the kinkproof developers"
version = release = version_of("kinkproof")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"kinkproof {version}"

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

# Docstrings quote names and formulas as Markdown does, between single backticks.
default_role = "code"
autodoc_typehints = "none"  # signatures carry them; said twice they hide the text
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
napoleon_custom_sections = [("Source", "params_style")]
add_module_names = False
python_maximum_signature_line_length = 100

nitpicky = True
# Classes of other libraries, whose pages would have to be fetched to be linked.
nitpick_ignore_regex = [("py:.*", r"(?!kinkproof\.).*")]


def write_command_page(app: Sphinx) -> None:
    """The page of the command line, as typer documents its own application."""
    page = Path(app.srcdir) / "reference" / "command.md"
    made = subprocess.run(
        [sys.executable, "-m", "typer", "kinkproof.reports.command.root", "utils", "docs", "--name", "kinkproof"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    # The lists of subcommands cut each summary short, and the sections themselves follow.
    made = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+\n", "", made).removeprefix("# `kinkproof`\n")
    text = f"# The command line\n{made.rstrip()}\n\nExit codes: 0 as expected, 1 a check failed, 2 bad input.\n"
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", write_command_page)
