"""How Sphinx builds the site: `nox -s docs`."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

project = "kinkproof"
author = copyright = "the kinkproof developers"
version = release = version_of("kinkproof")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"kinkproof {version}"

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

# Docstrings quote names and formulas as Markdown does, between single backticks.
default_role = "code"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
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
# What a run is made of, for those who look inside; no public name.
nitpick_ignore = [("py:class", "kinkproof.solver.networks.architecture.Architecture")]


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
    # An option named in a sentence is code; as text its two hyphens would become a dash.
    made = re.sub(r"`[^`\n]*`|--[a-z][a-z-]*", lambda found: f"`{found[0].strip('`')}`", made)
    codes = "Exit codes: 0 as expected, 1 a check failed, 2 bad input, 130 interrupted."
    text = f"# The command line\n{made.rstrip()}\n\n{codes}\n"
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def escape_bars(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """|x| in a docstring is an absolute value, no substitution of reStructuredText."""
    for k, line in enumerate(lines):
        if not line.lstrip().startswith((">>>", "...")):
            parts = line.split("`")  # every other one is quoted code
            lines[k] = "`".join(p if quoted % 2 else p.replace("|", r"\|") for quoted, p in enumerate(parts))


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", escape_bars)
    app.connect("builder-inited", write_command_page)
