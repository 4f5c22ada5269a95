"""How Sphinx builds the documentation: `make docs`. It needs no network."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import Any

import sphinx.util.inspect
from sphinx.application import Sphinx

from hobgoblin.vat import Method

project = "hobgoblin"
author = "The hobgoblin authors"
project_copyright = author
release = version = metadata.version("hobgoblin")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
default_role = "py:obj"  # `Name` in a docstring links to that name
nitpicky = False  # not every type in a signature is a public name

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"hobgoblin {release}"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["site.css"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
toc_object_entries_show_parents = "hide"

# Looked up on its class, a declared method is the function: so it is documented as one.
_get = Method.__get__
Method.__get__ = lambda self, obj, owner=None: self.function if obj is None else _get(self, obj, owner)  # type: ignore[method-assign]


# Sphinx shows a ParamSpec by its repr, ~P, and can't read that again.
_stringify = sphinx.util.inspect.stringify_annotation
sphinx.util.inspect.stringify_annotation = lambda *args, **kwargs: re.sub(
    r"~(?:typing\.~)?P\b(?!\.)", "P", _stringify(*args, **kwargs)
)


def _one_paragraph(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep napoleon from taking what stands before a colon in the text of a property for its type."""
    if what in ("property", "attribute", "data") and lines and lines[0]:
        lines[:0] = ["..", ""]  # a comment


OUTSIDE = {"security": "SECURITY.md", "contributing": "CONTRIBUTING.md", "changelog": "CHANGELOG.md"}


def _outside(app: Sphinx, docname: str, source: list[str]) -> None:
    """Show the documents at the top of the repository as pages, with links that lead to pages."""
    if docname in OUTSIDE:
        text = (
            (Path(app.srcdir).parent / OUTSIDE[docname]).read_text(encoding="utf-8").replace("](docs/", "](")
        )
        for page, name in OUTSIDE.items():
            text = text.replace(f"]({name}", f"]({page}.md")
        source[0] = text


def setup(app: Sphinx) -> None:
    app.connect("source-read", _outside)
    app.connect("autodoc-process-docstring", _one_paragraph, priority=400)
