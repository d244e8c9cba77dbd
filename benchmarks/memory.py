"""A long thread: building a request from 1,000 turns, restoring them from a file, and the size of the file."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.endpoint import EndpointProcess
from benchmarks.measurements import Measurement
from benchmarks.texts import markdown
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.history.turn import Turn
from mm_magics.session import Session
from mm_magics.turn.prepared import PreparedPrompt

TURNS = 1_000
CHARACTERS = 4_000


def measure(_endpoint: EndpointProcess) -> Iterator[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        whole, half = (_notebook(Path(folder), count) for count in (TURNS, TURNS // 2))
        reading = _best(lambda: json.loads(whole.read_text("utf-8")))
        restoring = _best(lambda: _session(whole))
        size = f"{whole.stat().st_size / 1e6:.1f} MB"
        yield Measurement(
            f"restoring {TURNS:,} turns of 4 kB from a notebook",
            restoring * 1000,
            500,
            "{:.0f} ms",
            f"{restoring / reading:.1f} × json.loads of the file, {size}",
        )
        fresh = _session(whole)
        first = _seconds(lambda: _request(fresh))
        building, smaller = (_best(partial(_request, _session(path))) for path in (whole, half))
        note = f"encoding included; {first * 1000:.0f} ms the first time"
        yield Measurement(f"building the request of {TURNS:,} turns", building * 1000, 20, "{:.1f} ms", note)
        yield Measurement(f"the same ÷ {TURNS // 2:,} turns", building / smaller, 3.0, note=f"{smaller * 1000:.1f} ms")
        weight = (whole.stat().st_size - 3_000 * TURNS) / (CHARACTERS * TURNS)
        yield Measurement("(a saved notebook - 3 kB per turn) ÷ its text", weight, 4, note=size)


def _best(function: Callable[[], object], times: int = 7) -> float:
    return min(_seconds(function) for _ in range(times))


def _seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def _session(path: Path) -> Session:
    session = Session()
    session.attach(path)
    session.refresh()
    return session


def _request(session: Session) -> PreparedPrompt:
    return session.prepare("And now?", cell_id="new")


def _notebook(folder: Path, count: int) -> Path:
    """Write a notebook of this many prompt cells, each with an answer of 4,000 characters, as JupyterLab saves it."""
    text = markdown(CHARACTERS * count)
    cells: list[dict[str, Any]] = []
    for number in range(count):
        turn = turn_of(f"cell{number}", text[number * CHARACTERS : (number + 1) * CHARACTERS])
        output = {"output_type": "display_data", "metadata": {}, "data": make_bundle(turn)}
        cell = {"cell_type": "code", "id": turn.cell_id, "metadata": {}, "execution_count": number, "outputs": [output]}
        cells.append({**cell, "source": ["%%minimax\n", f"Question {number}"]})
    path = folder / f"{count}.ipynb"
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1), "utf-8")
    return path


def turn_of(cell_id: str, text: str) -> Turn:
    usage = {"input_tokens": 1_000, "output_tokens": 1_000}
    return Turn(
        thread="main",
        cell_id=cell_id,
        status="complete",
        model="MiniMax-M2.7",
        params={"max_tokens": 65_536, "temperature": 1.0},
        messages=[
            {"role": "user", "content": [{"type": "text", "text": f"Question {cell_id}"}]},
            {"role": "assistant", "content": [{"type": "text", "text": text}]},
        ],
        responses=[
            {"id": "0" * 32, "model": "MiniMax-M2.7", "stop_reason": "end_turn", "usage": usage, "seconds": 3.2}
        ],
        request_sha256="0" * 64,
    )
