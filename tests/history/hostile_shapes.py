"""Notebooks of any size whose reading could take more than linear time, by name."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from mm_magics.history.notebook import MIME_TYPE

Json = dict[str, Any]


def record(number: int, messages: list[Any] | None = None, **more: Any) -> Json:
    """Return a turn record."""
    asked = [
        {"role": "user", "content": [{"type": "text", "text": f"q{number}"}]},
        {"role": "assistant", "content": [{"type": "text", "text": f"a{number}"}]},
    ]
    return {
        "schema": 2,
        "id": f"t{number}",
        "thread": "main",
        "cell_id": f"c{number}",
        "created": "",
        "status": "complete",
        "model": "MiniMax-M2.7",
        "system": None,
        "params": {"max_tokens": 10},
        "messages": asked if messages is None else messages,
        "responses": [],
        "request_sha256": "0" * 64,
        "error": None,
        **more,
    }


def cell(number: int, *records: Json, source: str | list[str] = "%%minimax\nq", **more: Any) -> Json:
    outputs = [{"output_type": "display_data", "data": {MIME_TYPE: each}, "metadata": {}} for each in records]
    return {"cell_type": "code", "id": f"c{number}", "source": source, "outputs": outputs, "metadata": {}, **more}


def calls(*ids: str) -> list[Json]:
    return [
        {"role": "user", "content": [{"type": "text", "text": "q"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": id_, "name": "f", "input": {}} for id_ in ids]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id_, "content": "r"} for id_ in ids]},
        {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
    ]


def each(make: Callable[[int], Json], source: str = "%%minimax\nq") -> Callable[[int], list[Json]]:
    """Return the shape in which each cell has one turn."""
    return lambda n: [cell(number, make(number), source=source) for number in range(n)]


def printed(text: str) -> Json:
    return {"output_type": "stream", "text": text}


def fork(parent: str, turn: str, cell_id: str = "") -> Json:
    return {"base": {"thread": parent, "turn": turn, "cell": cell_id}}


def star(turn: Callable[[int], str]) -> Callable[[int], list[Json]]:
    """Return the shape in which half of the cells are one thread, and each other one is a fork of it."""

    def cells(n: int) -> list[Json]:
        main = [cell(number, record(number)) for number in range(n // 2)]
        forks = (record(k, thread=f"f{k}", **fork("main", turn(n // 2), "")) for k in range(n // 2, n))
        return main + [cell(k, made) for k, made in enumerate(forks, n // 2)]

    return cells


TEXT = {"type": "text", "text": "x"}
SHAPES: dict[str, Callable[[int], list[Json]]] = {
    "turns": each(record),
    "turns of schema 1": each(lambda k: record(k, schema=1)),
    "a chain of forks": each(lambda k: record(k, thread=f"f{k}", **(fork(f"f{k - 1}", f"t{k - 1}") if k else {}))),
    "a chain of forks whose last turn is gone": each(
        lambda k: record(k, thread=f"f{k}", **(fork(f"f{k - 1}", "gone") if k else {}))
    ),
    "a chain of forks that end in the first thread": each(
        lambda k: record(k, thread=f"f{k}", **(fork(f"f{k - 1}", "t0") if k else {}))
    ),
    "a circle of forks": lambda n: [
        cell(k, record(k, thread=f"f{k}", **fork(f"f{(k - 1) % n}", f"t{(k - 1) % n}"))) for k in range(n)
    ],
    "forks of themselves": each(lambda k: record(k, thread=f"f{k}", **fork(f"f{k}", f"t{k}"))),
    "a star of forks": star(lambda half: f"t{half - 1}"),
    "a star of forks of nothing": star(lambda half: "gone"),
    "threads": each(lambda k: record(k, thread=f"f{k}")),
    "turns that share one id": each(lambda k: record(k, id="t")),
    "calls with one id": each(lambda k: record(k, calls("a"))),
    "calls with one id without results": each(lambda k: record(k, calls("a")[:2])),
    "calls whose new ids are taken": each(lambda k: record(k, calls("a" if k % 2 else f"a_{k + 2}"))),
    "calls with one id of schema 1": each(lambda k: record(k, calls("a"), schema=1)),
    "a turn with many calls": lambda n: [cell(0, record(0, calls(*map(str, range(n)))))],
    "a turn with many equal calls": lambda n: [cell(0, record(0, calls(*["a"] * n)))],
    "a turn with many rounds": lambda n: [cell(0, record(0, calls("a") * n))],
    "a turn with many questions": lambda n: [
        cell(0, record(0, [{"role": "user", "content": [TEXT]}] * n + [{"role": "assistant", "content": [TEXT]}]))
    ],
    "a turn with many answers": lambda n: [
        cell(0, record(0, [{"role": "user", "content": [TEXT]}] + [{"role": "assistant", "content": [TEXT]}] * n))
    ],
    "a turn with many blocks": lambda n: [
        cell(0, record(0, [{"role": "user", "content": [TEXT]}, {"role": "assistant", "content": [TEXT] * n}]))
    ],
    "many versions": lambda n: [cell(0, record(0, versions=[record(k) for k in range(1, n)]))],
    "versions of versions": lambda n: [
        cell(0, record(0, versions=[record(1, versions=[record(k) for k in range(2, n)])]))
    ],
    "a cell that runs many prompts": lambda n: [
        cell(0, *map(record, range(n)), source="run_cell_magic('minimax')\n" + "x = 1\n" * n)
    ],
    "turns that see the last ones": each(lambda k: record(k, context=50)),
    "equal cells": lambda n: [cell(k, source="x") for k in range(n)],
    "equal cells without ids": lambda n: [{**cell(k, source="x"), "id": None} for k in range(n)],
    "two kinds of cells without ids": lambda n: [{**cell(k, source="xy"[k % 2]), "id": None} for k in range(n)],
    "cells without ids": lambda n: [{**cell(k, source=f"x{k}"), "id": None} for k in range(n)],
    "one id": lambda n: [{**cell(k, record(k)), "id": "c"} for k in range(n)],
    "a long source": lambda n: [cell(0, record(0), source="# x\n\n" * n + "%%minimax\nq")],
    "a long list as source": lambda n: [cell(0, record(0), source=["# x\n"] * n + ["%%minimax\n", "q"])],
    "many flags": lambda n: [cell(0, record(0), source="%%minimax" + " --thread 'a\"" * n + "\nq")],
    "escape sequences": lambda n: [cell(0, source="x", outputs=[printed("\x1b]0;\x1b[" * n)])],
    "marks": lambda n: [cell(0, source="x", outputs=[printed("<" + "/" * n + "<" * n)])],
    "many outputs": lambda n: [cell(0, source="x", outputs=[printed("a")] * n)],
    "deep": lambda n: [cell(0, record(0, params={"a": json.loads("[" * (n % 190) + "]" * (n % 190))}))] * (n // 10),
}


def notebook(name: str, size: int) -> str:
    """Return the text of a notebook of this shape."""
    return json.dumps({"cells": SHAPES[name](size), "metadata": {}, "nbformat": 4, "nbformat_minor": 4})
