"""What a model sees of the rest of the notebook (`--sees`): code cells and their text outputs, marked and cut.

The same cells always give the same text. It contains none of our own outputs, and the text of a cell cannot close the
mark that encloses it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mm_magics.history.cell_matching import SYNTHETIC_ID_PREFIXES
from mm_magics.history.notebook import Cell, Document
from mm_magics.history.prompt_source import is_prompt
from mm_magics.history.turn import MIME_TYPE
from mm_magics.prompt.images import image_problem
from mm_magics.prompt.output_text import decoded_image, image_label, output_images, output_text
from mm_magics.prompt.values import cut
from mm_magics.text import strip_ansi

_MARK = re.compile(r"<(?=(?:[^\w>]{0,20}/[^\w>]{0,20})?(?:cell|output)\b)", re.IGNORECASE)
"""One of our marks, or text that a model may take for one: with spaces or invisible characters in it."""
_NOT_IN_ID = re.compile(r"[^\w\[\]().:#~-]+")


@dataclass(frozen=True)
class CellRun:
    """A code cell as it was run, or a text cell: its id, its source, and its outputs in the notebook format.

    `images` has the names and files of the images that are sent with it.
    """

    id: str
    source: str
    outputs: Sequence[Mapping[str, Any]] = ()
    images: Sequence[tuple[str, bytes]] = ()
    is_text: bool = False

    @property
    def is_prompt(self) -> bool:
        return not self.is_text and is_prompt(self.source)

    @property
    def is_ours(self) -> bool:
        """Whether it is a prompt cell or a command: their outputs are not shown to the model."""
        return self.is_prompt or (not self.is_text and self.source.lstrip().startswith("%minimax"))

    @property
    def text(self) -> str:
        """Its outputs as text, without answers of a model."""
        return self.text_with(image_label)

    def text_with(self, label: Callable[[bytes], str]) -> str:
        """Return its outputs as text, with what `label` returns in the place of each image."""
        texts = (output_text(each, label) for each in self._foreign_outputs())
        return "\n".join(filter(None, texts))

    def with_images(self) -> CellRun:
        """Return the cell with the images among its outputs."""
        images = [image for output in self._foreign_outputs() for image in output_images(output)]
        return replace(self, images=[*self.images, *((f"image {n}", each) for n, each in enumerate(images, 1))])

    def _foreign_outputs(self) -> Iterator[Mapping[str, Any]]:
        for output in self.outputs:
            data = output.get("data")
            if not (isinstance(data, Mapping) and MIME_TYPE in data):
                yield output


def cells_above(
    document: Document | None,
    runs: Mapping[str, CellRun],
    cell_id: str | None,
    *,
    with_images: bool = False,
    with_text: bool = False,
) -> list[CellRun]:
    """Return the code cells above this one, each as it was last run in this kernel, else as it was saved.

    `with_text` adds the text cells, `with_images` those that have images attached. The cells are in document order or,
    without a document, in the order of their first runs.
    """
    others = [cell for id_, cell in runs.items() if id_ != cell_id]
    if document is None:
        return others
    by_source = {cell.source.rstrip(): cell for cell in others if cell.id.startswith(SYNTHETIC_ID_PREFIXES)}
    cells: list[CellRun] = []
    for cell in document.cells:
        if cell.id == cell_id:
            break
        if cell.kind == "markdown":
            images = _attached_images(cell) if with_images else []
            if images or with_text:
                cells.append(CellRun(cell.id, cell.source, images=images, is_text=True))
        if cell.kind == "code":
            saved = CellRun(cell.id, cell.source, cell.outputs)
            as_run = runs.get(cell.id) or by_source.get(cell.source.rstrip(), saved)
            cells.append(CellRun(cell.id, as_run.source, as_run.outputs))
    known = {cell.id for cell in document.cells}
    sources = {cell.source.rstrip() for cell in document.cells}
    new = [cell for cell in others if cell.id not in known]
    return cells + [
        cell for cell in new if not (cell.id.startswith(SYNTHETIC_ID_PREFIXES) and cell.source.rstrip() in sources)
    ]


def _attached_images(cell: Cell) -> list[tuple[str, bytes]]:
    """Return the images that are attached to a text cell, with their names."""
    return [
        (str(name), image)
        for name, bundle in cell.attachments.items()
        for data in (bundle.values() if isinstance(bundle, Mapping) else ())
        if (image := decoded_image(data)) is not None and not image_problem(image)
    ]


def select_last(cells: Sequence[CellRun], count: int) -> Sequence[CellRun]:
    """Return the last code cells, `count` of them, and the text cells after the first of these."""
    code = [place for place, cell in enumerate(cells) if not cell.is_text]
    return cells[code[-count] :] if len(code) > count else cells


def other_cells(document: Document | None, runs: Mapping[str, CellRun], cell_id: str | None) -> list[CellRun]:
    """Return all cells but this one, text cells too, in the order of `cells_above`: the cells that a search covers."""
    found = {cell.id: cell for cell in cells_above(document, runs, None)}
    if document is not None:
        texts = {cell.id: CellRun(cell.id, cell.source, is_text=True) for cell in document.cells if cell.kind != "code"}
        order = [*(cell.id for cell in document.cells), *found]
        found = {id_: cell for id_ in order if (cell := found.get(id_) or texts.get(id_))}
    return [cell for id_, cell in found.items() if id_ != cell_id]


def cells_since_prompt(cells: Sequence[CellRun], prompt_ids: Iterable[str]) -> list[CellRun]:
    """Return the cells after the last prompt cell with one of these ids: those that the thread has not seen yet."""
    ids = set(prompt_ids)
    last = max((number for number, cell in enumerate(cells) if cell.id in ids), default=-1)
    return [cell for cell in cells[last + 1 :] if not cell.is_ours and cell.source.strip()]


def format_cells(cells: Iterable[CellRun], limit: int) -> str:
    """Return the cells as text for the model, each in a `<cell>` mark with its id.

    The source of a cell, and its outputs together, are cut at `limit` characters (0: no limit).
    """
    return "\n".join(_format_cell(cell, limit) for cell in cells)


def _format_cell(cell: CellRun, limit: int) -> str:
    lines = [
        f'<cell id="{_NOT_IN_ID.sub("_", cell.id)}">',
        _escape_marks(cut(strip_ansi(cell.source).strip("\n"), limit)),
    ]
    if output := cell.text:
        lines += ["<output>", _escape_marks(cut(output, limit)), "</output>"]
    return "\n".join([*lines, "</cell>"])


def _escape_marks(text: str) -> str:
    return _MARK.sub("‹", text)
