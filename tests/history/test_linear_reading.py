"""Reading a notebook takes time linear in its size, whatever shape it has and whatever is read of it."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_magics import cli, doctor
from mm_magics.history import export, notebook_context
from mm_magics.history.notebook import parse_notebook
from mm_magics.history.replay import check_cells
from mm_magics.ipython.commands import Context, threads, usage
from mm_magics.session import Session
from tests.history.hostile_shapes import SHAPES, notebook

SIZE, FACTOR = 60, 6
MAX_RATIO = 2.5
"""How much more than `FACTOR` times as long the larger notebook may take. Quadratic time is `FACTOR` times more."""


def session_of(text: str) -> Session:
    session = Session()
    session.receive(parse_notebook(text, "page.ipynb", 0.0))
    session.refresh()
    return session


def load(text: str, _: Path) -> None:
    """Read it as a prompt does, and again after a save that changed the first cell."""
    session = session_of(text)
    content = json.loads(text)
    content["cells"] = [{**content["cells"][0], "source": "new", "id": "new"}, *content["cells"][::-1]]
    session.receive(replace(parse_notebook(json.dumps(content), "page.ipynb", 1e12)))
    session.prepare("And now?", cell_id="new")


def commands(text: str, _: Path) -> None:
    session = session_of(text)
    context = Context(session)
    threads.history(context, "")
    threads.thread(context, "")
    usage.usage(context, "")
    session.history.removed()
    threads.clear(context, "")
    list(doctor._notebook(session))


def saved(text: str, folder: Path) -> None:
    """Save, load and clear the turns."""
    session = session_of(text)
    turns = session.history.all_turns()
    path = folder / "turns.json"
    export.write_file(path, export.to_json(turns))
    session.history.load(export.load_turns(path))
    export.to_messages_json(turns)
    threads.clear(Context(session), "main")


def sees(text: str, _: Path) -> None:
    document = parse_notebook(text, "page.ipynb", 0.0)
    notebook_context.format_cells(notebook_context.cells_above(document, {}, None), 0)
    notebook_context.other_cells(document, {}, "c0")


def shell(text: str, folder: Path) -> None:
    path = folder / "page.ipynb"
    path.write_text(text)
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        cli.main(["history", str(path)])
        cli.main(["history", str(path), "--json"])


READERS: dict[str, Callable[[str, Path], object]] = {
    "a prompt": load,
    "commands": commands,
    "save and load": saved,
    "--sees": sees,
    "mm-magics history": shell,
    "replay check": lambda text, _: list(check_cells(parse_notebook(text, "page.ipynb", 0.0))),
}


def seconds(read: Callable[[str, Path], object], text: str, folder: Path) -> float:
    """Return the processor time of reading, without the collection of garbage."""
    gc.collect()
    gc.disable()
    began = time.process_time()
    try:
        read(text, folder)
    finally:
        gc.enable()
    return time.process_time() - began


@pytest.mark.slow
@pytest.mark.timed
@pytest.mark.parametrize("shape", SHAPES)
def test_reading_takes_time_linear_in_the_size(shape: str, tmp_path: Path) -> None:
    small, large = notebook(shape, SIZE), notebook(shape, SIZE * FACTOR)
    growth = len(large) / len(small)
    for name, read in READERS.items():
        for _ in range(3):  # another process can slow down one of them
            base = max(0.02, min(seconds(read, small, tmp_path) for _ in range(2)))
            if (ratio := seconds(read, large, tmp_path) / base) < MAX_RATIO * growth:
                break
        else:
            raise AssertionError(f"{name}: {ratio:.0f} times as long for {growth:.0f} times the size")


MAX_STEPS = 25
"""Calls of functions per byte of a notebook."""
MORE_STEPS = 60_000
"""Calls that do not depend on the size, and those that import what is needed."""


def steps(text: str) -> int:
    """Return how many functions are called to read the notebook as a prompt does."""
    count = 0

    def count_call(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count_call)
    try:
        session = session_of(text)
        threads.history(Context(session), "")
        list(threads.all_threads(session))
        usage.usage(Context(session), "")
        list(check_cells(parse_notebook(text, "page.ipynb", 0.0)))
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.fuzz
@pytest.mark.slow
@settings(max_examples=max(20, settings.default.max_examples // 10), deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(SHAPES)), st.integers(1, 60)), min_size=1, max_size=4), st.booleans())
def test_any_mixture_of_shapes_is_read_in_steps_linear_in_its_size(parts: list[tuple[str, int]], mixed: bool) -> None:
    cells = [cell for name, size in parts for cell in SHAPES[name](size)]
    if mixed:  # the shapes share their threads, ids and cells
        cells = [cell for number in range(7) for cell in cells[number::7]]
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4})
    assert steps(text) < MAX_STEPS * len(text) + MORE_STEPS
