"""An exporter for nbconvert, `--to minimax-markdown`: Markdown in which an answer is its Markdown.

nbconvert's own `--to markdown` takes the HTML of each output that has any, and a package cannot change that.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from nbconvert.exporters import MarkdownExporter
from traitlets.config import Config

from mm_magics.display.footnote_labels import with_different_labels
from mm_magics.history.turn import MIME_TYPE

_HTML, _MARKDOWN = "text/html", "text/markdown"


class MinimaxMarkdownExporter(MarkdownExporter):
    """nbconvert's exporter to Markdown, which prefers the Markdown of an output to its HTML."""

    export_from_notebook = "Markdown with answers"

    @property
    def default_config(self) -> Config:
        """Return the configuration of the exporter, with the order of MIME types changed."""
        config: Config = super().default_config
        order = [each for each in config.NbConvertBase.display_data_priority if each != _MARKDOWN]
        order.insert(order.index(_HTML), _MARKDOWN)
        config.NbConvertBase.display_data_priority = order
        return config

    def from_notebook_node(self, nb: Any, resources: Any = None, **kw: Any) -> Any:
        """Convert the notebook, with different labels for the footnotes of different answers."""
        nb = deepcopy(nb)
        outputs = [output.get("data", {}) for cell in nb.cells for output in cell.get("outputs", ())]
        answers = [data for data in outputs if MIME_TYPE in data and _MARKDOWN in data]
        for data, text in zip(answers, with_different_labels([data[_MARKDOWN] for data in answers]), strict=True):
            data[_MARKDOWN] = text
        return super().from_notebook_node(nb, resources, **kw)
