"""Google Colab against a real kernel: its requests, and the notebook that its page sends to the kernel.

Colab does not run here. `Page` does what Colab's sources say: the request has `metadata.colab.cell_id`, the notebook
has format 4.0, and a cell's id is its `metadata.id` (googlecolab/colabtools, `google/colab/_history.py`). Whether Colab
keeps a turn record among the outputs is not known, so it is tested both ways, and with outputs left out on request.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mm_magics.history.turn import MIME_TYPE
from tests.kernel.conftest import Kernel, Run

pytestmark = pytest.mark.slow

KEPT, DROPPED, PRIVATE = "records kept", "records dropped", "no outputs"


@dataclass
class Cell:
    id: str
    source: str
    outputs: list[Any] = field(default_factory=list)


class ColabKernel(Kernel):
    """A kernel with a `google.colab` that reads the page from `page`."""

    def __init__(self, page: Path, simulator) -> None:
        self.page, self.simulator = page, simulator
        super().__init__(
            {
                "ANTHROPIC_BASE_URL": simulator.base_url,
                "ANTHROPIC_API_KEY": simulator.key,
                "FAKE_COLAB_PAGE": str(page),
            }
        )
        fake = str(Path(__file__).with_name("fake_colab"))
        run = self.run(f"import sys; sys.path.insert(0, {fake!r}); import google.colab\n%load_ext mm_magics")
        assert run.error is None


class Page:
    """A page of Colab. The kernel receives what `show` writes."""

    def __init__(self, kernel: ColabKernel, outputs: str, *prompts: str) -> None:
        self.kernel, self.outputs = kernel, outputs
        self.cells = [Cell("title", "# Title"), *(Cell(uuid.uuid4().hex[:12], text) for text in prompts)]
        self.metadata: dict[str, Any] = {"colab": {"name": "Untitled0.ipynb", "provenance": []}}
        if outputs == PRIVATE:
            self.metadata["colab"]["private_outputs"] = True

    def notebook(self) -> dict[str, Any]:
        cells = [
            {
                "cell_type": "code",
                "metadata": {"id": cell.id, "colab": {"base_uri": "https://localhost:8080/"}},
                "source": cell.source.splitlines(keepends=True),
                "execution_count": None,
                "outputs": [] if self.outputs == PRIVATE else [self.stored(output) for output in cell.outputs],
            }
            for cell in self.cells
        ]
        return {"nbformat": 4, "nbformat_minor": 0, "metadata": self.metadata, "cells": cells}

    def stored(self, output: dict[str, Any]) -> dict[str, Any]:
        if self.outputs == KEPT:
            return output
        return {**output, "data": {kind: data for kind, data in output["data"].items() if kind != MIME_TYPE}}

    def show(self) -> None:
        self.kernel.page.write_text(json.dumps({"data": {"ipynb": self.notebook()}}))

    def run(self, *numbers: int, show: bool = True) -> Run:
        """Run cells. The outputs of the running cell are gone when its request is sent."""
        for number in numbers:
            cell = self.cells[number]
            cell.outputs = []
            if show:
                self.show()
            run = self.kernel.run(cell.source, metadata={"colab": {"cell_id": cell.id}})
            assert run.error is None, run.error
            cell.outputs = [
                {"output_type": "display_data", "data": each["data"], "metadata": {}}
                for each in run.outputs
                if "data" in each
            ]
        return run

    def edit(self, number: int, text: str) -> None:
        self.cells[number].source = f"%%minimax\n{text}"

    def sent(self) -> list[str]:
        messages = self.kernel.simulator.log[-1].body["messages"]
        return [each["content"][-1]["text"] for each in messages if each["role"] == "user"]


def notes(run: Run) -> list[str]:
    """The notes of the turn, and those of this run."""
    (output,) = [each for each in run.outputs if MIME_TYPE in each.get("data", {})]
    return run.turn.get("notes", []) + output["metadata"].get(MIME_TYPE, {}).get("notes", [])


@pytest.fixture(scope="module")
def kernel(tmp_path_factory, simulator):
    made = ColabKernel(tmp_path_factory.mktemp("colab") / "page.json", simulator)
    yield made
    made.close()


@pytest.fixture(params=[KEPT, DROPPED, PRIVATE])
def page(request, kernel):
    return Page(kernel, request.param, "%%minimax\nOne", "%%minimax\nTwo")


def test_the_turns_are_those_of_the_page(page):
    run = page.run(1, 2)
    assert page.sent() == ["One", "Two"]
    assert notes(run) == []
    page.edit(1, "Uno")
    assert page.run(1).turn["versions"][0]["messages"][0]["content"][-1]["text"] == "One"
    assert page.sent() == ["Uno"]
    page.run(2)
    assert page.sent() == ["Uno", "Two"]
    page.cells.insert(1, Cell("new", "%%minimax\nZero"))
    page.run(1)
    assert page.sent() == ["Zero"]
    page.cells.append(page.cells.pop(1))  # moved to the end
    assert notes(page.run(3)) == []
    assert page.sent() == ["Uno", "Two", "Zero"]
    del page.cells[1]
    page.run(1)
    assert page.sent() == ["Two"]


def test_an_edited_prompt_that_did_not_run_again_is_reported_once(page):
    page.run(1)
    page.edit(1, "Uno")
    seen = notes(page.run(2))
    assert page.sent() == ["One", "Two"]
    assert "edited" in " ".join(seen)
    assert "edited" in page.kernel.run("%minimax history", metadata={"colab": {"cell_id": "title"}}).text
    assert notes(page.run(2)) == []


def test_a_cleared_output_forgets_the_turn_if_the_page_keeps_outputs(page):
    page.run(1)
    page.cells[1].outputs = []
    page.run(2)
    assert page.sent() == (["One", "Two"] if page.outputs == PRIVATE else ["Two"])


def test_a_prompt_that_became_code_is_not_part_of_the_conversation(page):
    page.run(1)
    page.cells[1] = Cell(page.cells[1].id, "print(1)", [{"output_type": "display_data", "data": {"text/plain": "1"}}])
    page.run(2)
    assert page.sent() == ["Two"]


def test_the_settings_of_the_notebook_are_used(page):
    page.metadata["minimax"] = {"system": "Be brief.", "base_url": "http://elsewhere"}
    page.run(1)
    assert page.kernel.simulator.log[-1].body["system"] == "Be brief."


def test_a_new_kernel_has_the_turns_whose_records_were_kept_and_works_without_the_page(kernel):
    page = Page(kernel, KEPT, "%%minimax\nOne", "%%minimax\nTwo")
    page.run(1)
    page.kernel = ColabKernel(kernel.page, kernel.simulator)
    page.run(2)
    assert page.sent() == ["One", "Two"]
    kernel.page.unlink()
    page.edit(2, "Dos")
    seen = notes(page.run(2, show=False))
    assert "Colab did not send the notebook. The turns in the kernel's memory are used." in seen
    assert page.sent() == ["One", "Dos"]
    assert notes(page.run(2, show=False)) == []
    page.kernel.close()


def test_loading_the_extension_enables_widgets_on_the_page(tmp_path, simulator):
    kernel = ColabKernel(tmp_path / "page.json", simulator)
    try:
        assert kernel.run("from google.colab import output; print(output.enabled)").text.strip() == "1"
    finally:
        kernel.close()
