"""Configures the documentation site. The source folder is the whole repository, so links work here and on the site."""

from __future__ import annotations

from typing import Any

from docutils import nodes

from mm_magics import __version__

project = "mm_magics"
copyright = "the mm_magics developers"
version = release = __version__
root_doc = "docs/index"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinxcontrib.mermaid",
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
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "undoc-members": False, "show-inheritance": True}
autodoc_type_aliases = {"Message": "Message", "Block": "Block"}
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"mm_magics {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_extra"]
html_theme_options: dict[str, Any] = {"source_directory": "docs/"}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def show_prompt_cells_as_text(_app: Any, doctree: nodes.document) -> None:
    """A prompt cell is text, not Python, so Pygments cannot read it as Python."""
    for block in doctree.findall(nodes.literal_block):
        if block.astext().lstrip().startswith("%%minimax"):
            block["language"] = "text"


def setup(app: Any) -> None:
    app.connect("doctree-read", show_prompt_cells_as_text)
