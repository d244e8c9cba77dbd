"""Front ends that send other cell ids than the file has, or none, against a real kernel and a real file.

`Client` builds the requests of VS Code (ids of its own, `__vsc_ipynb_file__`), of JupyterLab with a notebook without
cell ids, and of a client that sends none. The file is written by nbformat.
"""

from __future__ import annotations

import itertools
import json
import os
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest

from mm_magics.history.turn import MIME_TYPE
from tests.kernel.conftest import Kernel, Run

pytestmark = pytest.mark.slow

VS_CODE, OLD, NONE = "VS Code", "JupyterLab, nbformat 4.4", "no ids"


@dataclass
class Cell:
    source: str
    own_id: str = ""
    outputs: list[Any] = field(default_factory=list)
    file_id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    @property
    def answer(self) -> dict[str, Any]:
        return self.outputs[-1]["data"]


class Client:
    """A page without our extension. It runs cells, and saves when told to."""

    def __init__(self, kind: str, path: Path, simulator, *sources: str) -> None:
        self.kind, self.path, self.simulator = kind, path, simulator
        self.cells = [Cell("%load_ext mm_magics"), *map(Cell, sources)]
        self.numbers = itertools.count()
        self.clock = time.time() + 10
        self.kernel: Kernel | None = None
        self.open()
        self.save()
        self.restart()

    def open(self) -> None:
        """Open the page: it gives its cells new ids."""
        self.numbers = itertools.count()
        for cell in self.cells:
            self.name(cell)
        if self.kernel:
            self.kernel.client.session.session = uuid.uuid4().hex

    def name(self, cell: Cell) -> None:
        number = next(self.numbers)
        vs_code = f"vscode-notebook-cell:{self.path}#W{number}sZmlsZQ%3D%3D"
        cell.own_id = {VS_CODE: vs_code, OLD: uuid.uuid4().hex, NONE: ""}[self.kind]

    def restart(self) -> None:
        if self.kernel:
            self.kernel.close()
        environment = {"ANTHROPIC_BASE_URL": self.simulator.base_url, "ANTHROPIC_API_KEY": self.simulator.key}
        names = {OLD: {"JPY_SESSION_NAME": str(self.path)}, NONE: {"MINIMAX_NOTEBOOK": str(self.path)}, VS_CODE: {}}
        self.kernel = Kernel(environment | names[self.kind])
        if self.kind == VS_CODE:
            self.kernel.run(f"__vsc_ipynb_file__ = {str(self.path)!r}")
        self.run(0)

    def insert(self, number: int, source: str) -> None:
        self.cells.insert(number, Cell(source))
        self.name(self.cells[number])

    def run(self, *numbers: int) -> Run:
        for number in numbers:
            cell = self.cells[number]
            run = self.kernel.run(cell.source, cell.own_id)
            assert run.error is None
            cell.outputs = [
                nbformat.v4.new_output("display_data", data=each["data"]) for each in run.outputs if "data" in each
            ]
        return run

    def save(self) -> None:
        """Save the notebook, ten seconds after the last time."""
        notebook = nbformat.v4.new_notebook()
        notebook.nbformat_minor = 4 if self.kind == OLD else 5
        for each in self.cells:
            cell = nbformat.v4.new_code_cell(each.source, id=each.file_id, outputs=each.outputs)
            if self.kind != VS_CODE:
                del cell["id"]
                notebook.nbformat_minor = 4
            notebook.cells.append(cell)
        self.path.write_text(json.dumps(notebook))
        self.clock += 10
        os.utime(self.path, (self.clock, self.clock))

    def sent(self) -> list[str]:
        messages = self.simulator.log[-1].body["messages"]
        return [each["content"][-1]["text"] for each in messages if each["role"] == "user"]


@pytest.fixture(params=[VS_CODE, OLD, NONE])
def client(request, tmp_path, simulator):
    made = Client(request.param, tmp_path / "page.ipynb", simulator, "%%minimax\nOne", "%%minimax\nTwo")
    yield made
    made.kernel.close()


def test_a_cell_has_one_turn_over_edits_saves_and_reloads(client):
    client.run(1, 2)
    assert client.sent() == ["One", "Two"]
    client.cells[1].source = "%%minimax\nUno"
    client.save()
    client.run(1)
    assert client.sent() == ["Uno"]
    client.run(2)
    assert client.sent() == ["Uno", "Two"]
    client.save()
    client.open()
    client.run(1)
    assert client.sent() == ["Uno"]
    client.run(2)
    assert client.sent() == ["Uno", "Two"]
    assert "<footer>" in client.cells[2].answer["text/html"]
    assert "Save" not in client.cells[2].answer["text/html"]
    client.cells[1].source = "%%minimax\nEins"
    client.run(1)
    if client.kind == NONE:
        assert client.sent() == ["Eins"]
        assert "not sent: the notebook has unsaved edits" in client.cells[1].answer["text/html"]
        return
    client.run(2)
    assert client.sent() == ["Eins", "Two"]
    if client.kind == OLD:  # as "Reload Notebook from Disk" does
        client.save()
        client.name(client.cells[2])
        client.run(2)
        assert client.sent() == ["Eins", "Two"]


def test_an_unsaved_edit_in_a_new_kernel_is_sent_with_current_turns_only(client):
    client.run(1, 2)
    client.save()
    client.restart()
    client.cells[1].source = "%%minimax\nUno"
    client.run(1)
    assert client.sent() == ["Uno"]
    note = "2 turns of page.ipynb are not sent: the notebook has unsaved edits. Save it, and run the cell again."
    assert note in client.cells[1].answer["text/html"]
    (history,) = client.kernel.run("%minimax history").outputs
    assert "not sent: unsaved edits" in history["data"]["text/markdown"]
    client.run(2)
    assert client.sent() == (["Two"] if client.kind == NONE else ["Uno", "Two"])
    assert "not sent: the notebook has unsaved edits" in client.cells[2].answer["text/html"]
    client.save()
    client.run(2)
    assert client.sent() == ["Uno", "Two"]
    assert "unsaved" not in client.cells[2].answer["text/html"]


def test_new_cells_and_cells_with_the_same_text_are_reported_until_they_are_saved(client):
    client.run(1)
    client.insert(2, "%%minimax\nBetween")
    client.run(2)
    assert client.sent() == (["Between"] if client.kind == NONE else ["One", "Between"])
    assert "page.ipynb" in client.cells[2].answer["text/html"]
    client.insert(4, "%%minimax\nTwo")
    client.save()
    client.run(4)
    assert "2 cells have the same text" in client.cells[4].answer["text/html"]
    client.save()
    client.run(3)
    assert client.sent() == ["One", "Between", "Two"]


def sent_by(simulator) -> list[str]:
    messages = simulator.log[-1].body["messages"]
    return [each["content"][-1]["text"] for each in messages if each["role"] == "user"]


def notes(run: Run) -> list[str]:
    (output,) = [each for each in run.outputs if MIME_TYPE in each.get("data", {})]
    return output["metadata"].get(MIME_TYPE, {}).get("notes", [])


@pytest.mark.parametrize("options", [{}, {"stdin": True, "header": {"version": "5.2"}}], ids=["nbclient", "Notebook 6"])
def test_without_ids_and_notebook_a_prompt_that_may_have_been_edited_is_reported_once(kernel, simulator, options):
    kernel.run("%%minimax\nMy name is Ada.", **options)
    (note,) = notes(kernel.run("%%minimax\nMy name is Bob.", **options))
    assert sent_by(simulator) == ["My name is Ada.", "My name is Bob."]
    assert "If this prompt replaces “My name is Ada.”, the model receives both." in note
    assert notes(kernel.run("%%minimax\nWhat is the capital of France?", **options)) == []
    (note,) = notes(kernel.run("%%minimax\nMy name is Eve.", **options))
    assert "“My name is Bob.”" in note
    kernel.run("%minimax clear", **options)
    assert notes(kernel.run("%%minimax\nMy name is Eve.", **options)) == []


def test_a_script_may_send_similar_prompts(kernel):
    session = "get_ipython().magics_manager.registry['MiniMaxMagics'].session"
    kernel.run("%%minimax\nMy name is Ada.", "a")
    assert kernel.run(f"print({session}.prepare('My name is Bob.').notes)").text.strip() == "[]"
    code = "from mm_magics import Session\nown = Session()\n_ = own.ask('Hello.')\nprint(own.prepare('Hello!').notes)"
    assert kernel.run(code).text.strip() == "[]"


def test_databricks_names_the_cell_in_a_way_of_its_own(kernel, simulator):
    for text in ("My name is Ada.", "My name is Bob."):
        kernel.run(f"%%minimax\n{text}", metadata={"commandId": "7"}, stdin=True)
    kernel.run("%%minimax\nHello.", metadata={"commandId": "8"}, stdin=True)
    assert sent_by(simulator) == ["My name is Bob.", "Hello."]
