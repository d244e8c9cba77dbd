"""Configures the documentation site. The source folder is the whole repository, so links work here and on the site."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from docutils import nodes

from mm_magics import __version__

project = "mm_magics"
copyright = "the mm_magics developers"
version = release = __version__
MERMAID = (
    Path(__file__).parents[1] / "labextension/node_modules/mermaid/dist/mermaid.min.js"
)  # installed with JupyterLab
root_doc = "docs/index"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]
include_patterns = [
    "docs/**",
    "notebooks/*.ipynb",
    "benchmarks/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
]
exclude_patterns = [".*", "build", "dist", "demo-output", "labextension", "mm_magics", "tests", "**/.ipynb_checkpoints"]

suppress_warnings = ["mystnb.unknown_mime_type"]  # the turn record, which the HTML beside it shows
nb_execution_mode = "off"  # the notebooks show their saved outputs
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "fully-qualified"
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": True}
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"mm_magics {version}"
html_static_path = ["_static", *([str(MERMAID)] if MERMAID.exists() else [])]
html_css_files = ["site.css"]
html_js_files = (
    [("mermaid.min.js", {"defer": "defer"}), ("diagrams.js", {"defer": "defer"})] if MERMAID.exists() else []
)
html_extra_path = ["_extra"]
html_theme_options: dict[str, Any] = {"source_directory": "docs/"}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def prepare_code_blocks(_app: Any, doctree: nodes.document) -> None:
    """Show prompt cells as text, since Pygments cannot read them as Python, and Mermaid blocks as diagrams.

    A diagram's source stays on the page for readers without JavaScript.
    """
    for block in list(doctree.findall(nodes.literal_block)):
        if block.astext().lstrip().startswith("%%minimax"):
            block["language"] = "text"
        elif block.get("language") == "mermaid":
            block.replace_self(
                nodes.raw("", f'<pre class="mermaid">{html.escape(block.astext())}</pre>', format="html")
            )


def mark_code(_app: Any, what: str, _name: str, _item: object, _options: object, lines: list[str]) -> None:
    """Turn the Markdown of our docstrings into reStructuredText: code spans, and indented blocks in modules."""
    marked: list[str] = []
    for line in lines:
        code = what == "module" and line.startswith("    ")
        if code and len(marked) > 1 and not marked[-1] and not marked[-2].startswith("    "):
            marked += ["::", ""]
        marked.append(line if code else re.sub(r"(?<![`:\\w])`([^`]+)`(?!`)(?=(\w?))", _code, line))
    lines[:] = marked


def shorten_types(
    _app: Any, _what: str, _name: str, _item: object, _options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Leave the modules of types out of signatures."""
    shorten = lambda text: text and re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", text)  # noqa: E731
    return shorten(signature), shorten(returns)


def _code(match: re.Match[str]) -> str:
    return f"``{match[1]}``" + ("\\ " if match[2] else "")


def skip_fields(_app: Any, _what: str, _name: str, member: object, _skip: bool, _options: object) -> bool | None:
    """Leave out the fields of named tuples, which the signature shows."""
    return True if (getattr(member, "__doc__", None) or "").startswith("Alias for field number") else None


def setup(app: Any) -> None:
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("autodoc-process-docstring", mark_code)
    app.connect("autodoc-process-signature", shorten_types)
    app.connect("doctree-read", prepare_code_blocks)
