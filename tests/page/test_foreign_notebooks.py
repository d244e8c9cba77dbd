"""Notebooks that other programs wrote are attached, asked, saved and reopened without loss.

A notebook is saved in three ways: by its own program, which writes what it read; by nbformat, as nbclient and Jupyter's
server do; and by JupyterLab's page, whose numbers are JavaScript's, through the server. Whatever differs from the same
way of saving without our turn was changed by us.
"""

from __future__ import annotations

import copy
import json
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

from mm_magics.display.mime_bundle import make_bundle
from mm_magics.history.cell_matching import Execution
from mm_magics.history.turn import Turn
from mm_magics.session import Session
from mm_magics.simulator import ScriptedAnswer, Simulator
from tests.history.foreign_notebooks import DIALECTS, PROMPT, generate
from tests.page.bridge import Page

Save = Callable[[bytes, Callable[[Any], None]], bytes]

SEEDS = range(14)
ANSWERS: list[list[dict[str, Any]]] = [
    [{"type": "text", "text": "A ridge.\r\n\u2028Ünïcode 🪸"}],
    [{"type": "thinking", "thinking": "", "signature": "s"}, {"type": "text", "text": "A ridge."}],
    [{"type": "text", "text": "A."}, {"type": "later", "z": [1.0, -0.0, 1e22], "a": {"y": 2**60 + 1, "b": None}}],
    [{"type": "text", "text": "A " * 30_000}],
]
CLOCK = 2_000_000_000


def prompt_cell(notebook: Any) -> Any:
    """The cell with the source `PROMPT`."""
    (found,) = (cell for cell in notebook["cells"] if "".join(cell["source"]) == PROMPT)
    return found


def save_as_read(file: bytes, change: Callable[[Any], None]) -> bytes:
    notebook = json.loads(file.decode("utf-8-sig"))
    assert notebook["nbformat"] == 4, "an old format has no outputs with a turn"
    change(notebook)
    return json.dumps(notebook, indent=2, ensure_ascii=False).encode()


def save_by_nbformat(file: bytes, change: Callable[[Any], None]) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of what it repairs
        notebook = nbformat.reads(file.decode("utf-8-sig"), as_version=4)
        change(notebook)
        return nbformat.writes(notebook, version=nbformat.NO_CONVERT).encode()


def save_by_page(page: Page) -> Save:
    def save(file: bytes, change: Callable[[Any], None]) -> bytes:
        """The server reads the file, the page changes it, and the server writes it."""

        def on_page(notebook: Any) -> None:
            given = json.loads(json.dumps(notebook))
            change(given)
            saved = nbformat.from_dict(page.call("roundTrip", given))
            notebook.clear()
            notebook.update(saved)

        return save_by_nbformat(file, on_page)

    return save


def session_on(path: Path, endpoint: Simulator) -> Session:
    session = Session(base_url=endpoint.base_url, api_key=endpoint.key, max_retries=0, replay="off")
    session.attach(path)
    session.refresh()
    return session


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_foreign_notebook_is_attached_asked_saved_and_reopened(
    dialect: str, simulator: Simulator, page: Page, tmp_path: Path
) -> None:
    ways: list[Save] = [save_as_read, save_by_nbformat, save_by_page(page)]
    saved = 0
    for seed in SEEDS:
        file = generate(dialect, seed)
        path = tmp_path / f"{seed}.ipynb"
        for save in (*ways[seed % 3 :], *ways[: seed % 3]):
            try:
                unchanged = save(file, lambda _: None)
            except Exception:
                continue  # this program cannot open the notebook
            saved += 1
            check(unchanged, path, save, simulator, ANSWERS[seed % len(ANSWERS)])
            break
    assert saved == len(SEEDS)


def check(file: bytes, path: Path, save: Save, simulator: Simulator, answer: Any) -> None:
    path.write_bytes(file)
    os.utime(path, (CLOCK, CLOCK))
    first = session_on(path, simulator)
    with first:
        assert first.notebook
        assert first.notebook.error is None
        cell_id = first.place(Execution(PROMPT, page="page", run="first"))
        simulator.answers.append(ScriptedAnswer(answer, size=5_000))
        turn = first.ask(PROMPT.partition("\n")[2], cell_id=cell_id)

        def add_answer(notebook: Any) -> None:
            cell = prompt_cell(notebook)
            bundle = json.loads(json.dumps(make_bundle(turn)))
            cell["outputs"] = [nbformat.from_dict({"output_type": "display_data", "metadata": {}, "data": bundle})]

        path.write_bytes(save(file, add_answer))
        os.utime(path, (CLOCK + 100, CLOCK + 100))
        only_the_output_differs(save(file, lambda _: None), path.read_bytes())
        stays_in_its_cell(first, path, turn)
    with session_on(path, simulator) as second:
        stays_in_its_cell(second, path, turn)
    assert [record.problems for record in simulator.log if record.problems] == []


def only_the_output_differs(before: bytes, after: bytes) -> None:
    notebooks = [json.loads(each.decode("utf-8-sig")) for each in (before, after)]
    for notebook in notebooks:
        cell = prompt_cell(notebook)
        cell["outputs"] = []
    assert without_new_ids(notebooks[0]) == without_new_ids(notebooks[1])


def without_new_ids(notebook: Any) -> Any:
    """The notebook without the ids that nbformat makes at random for cells without one."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.get("cells", []):
        cell.pop("id", None)
    return notebook


def stays_in_its_cell(session: Session, path: Path, turn: Turn) -> None:
    """The next request has the same bytes as before the save, and the prompt cell does not see its own answer."""
    session.refresh()
    assert session.notebook
    assert session.notebook.error is None
    assert session.notebook.document
    faults = session.notebook.document.faults
    turns = session.history.turns("main")
    if not turns:
        assert faults, "the turn was lost without a word"
        return
    (restored,) = turns
    assert json.dumps(restored.closed) == json.dumps(turn.closed)
    assert restored.id == turn.id
    assert session.prepare("And an atoll?").body["messages"][:-1] == turn.closed
    own = session.prepare("What is a reef?", cell_id=session.place(Execution(PROMPT, page="page", run="second")))
    assert own.body["messages"][:-1] == [], f"{path} {faults}"
