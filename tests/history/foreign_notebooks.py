"""Notebooks as other programs write them: their metadata, formats and habits, generated from a seed.

Each notebook has one prompt cell, as a user adds it, and `dialects` are the programs. Nothing here is written by us.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

Json = dict[str, Any]

PROMPT = "%%minimax\nWhat is a reef?"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TEXTS = [
    "",
    "x = 1",
    "print('Ünïcode 🪸')\n",
    "a\tb  \n\n",
    "line 1\r\nline 2",
    "'''\u2028'''",
    "def f():\n    return 1\n",
]
VALUES: list[Any] = [None, True, 0, 1.0, 1e20, 2**60 + 1, -0.5, "ü", "", [], {}, [1.0, {"z": 1, "a": 2}]]

PYTHON = {"name": "python", "version": "3.11.7", "mimetype": "text/x-python", "file_extension": ".py"}


def _kernel(kernel: str, language: str, **info: Any) -> Json:
    return {
        "kernelspec": {"name": kernel, "display_name": kernel.title(), "language": language},
        "language_info": {"name": language} | info,
    }


def _uuid(random: Random) -> str:
    return f"{random.getrandbits(128):032x}"


# Dialects: (nbformat_minor, the notebook's metadata, the metadata of a cell, the id of a cell or None) --------------


def _colab(random: Random) -> tuple[int, Json, Callable[[int], Json], Callable[[int], str | None]]:
    meta = {"colab": {"provenance": [{"file_id": "1x", "timestamp": 1690000000000}], "toc_visible": True}}
    cell = lambda n: {"id": _uuid(random)[:12], "colab": {"base_uri": "https://localhost:8080/"}, "outputId": f"o{n}"}  # noqa: E731
    return 0, {**meta, **_kernel("python3", "python")}, cell, lambda _: None


def _databricks(random: Random) -> Any:
    key = "application/vnd.databricks.v1+"
    meta = {key + "notebook": {"dashboards": [], "language": "python", "notebookName": "N", "widgets": {}}}
    cell = lambda _: {key + "cell": {"cellMetadata": {"rowLimit": 10000}, "inputWidgets": {}, "nuid": _uuid(random)}}  # noqa: E731
    return 0, meta, cell, lambda _: None


def _deepnote(random: Random) -> Any:
    meta = {"deepnote": {}, "deepnote_execution_queue": [], "deepnote_notebook_id": _uuid(random), "orig_nbformat": 2}
    cell = lambda n: {  # noqa: E731
        "cell_id": f"0000{n}-{_uuid(random)}",
        "deepnote_cell_type": "code",
        "source_hash": "b623e53d",
        "execution_start": 1690000000000 + n,
        "deepnote_to_be_reexecuted": False,
    }
    return 4, meta, cell, lambda _: None


def _kaggle(random: Random) -> Any:
    cell = lambda _: {  # noqa: E731
        "_uuid": _uuid(random),
        "_cell_guid": _uuid(random),
        "trusted": True,
        "execution": {"iopub.status.busy": "2026-01-01T00:00:00.0Z"},
        "papermill": {"duration": 0.1, "exception": None, "tags": []},
    }
    return (
        4,
        {**_kernel("python3", "python"), "kaggle": {"accelerator": "none", "dataSources": []}},
        cell,
        lambda _: None,
    )


def _vscode(random: Random) -> Any:
    meta = {**_kernel("python3", "python", **PYTHON), "vscode": {"interpreter": {"hash": _uuid(random)}}}
    return 4 + random.randrange(2), meta, lambda _: {"vscode": {"languageId": "python"}}, lambda n: f"{n:08x}"


def _polyglot(random: Random) -> Any:
    items = [{"aliases": [], "languageName": "csharp", "name": "csharp"}]
    meta = {**_kernel(".net-csharp", "C#"), "polyglot_notebook": {"kernelInfo": {"items": items}}}
    cell = lambda _: {"dotnet_interactive": {"language": "csharp"}, "polyglot_notebook": {"kernelName": "csharp"}}  # noqa: E731
    return random.choice([2, 4, 5]), meta, cell, lambda n: f"c{n}"


def _r(random: Random) -> Any:
    info = {"codemirror_mode": "r", "pygments_lexer": "r", "version": "4.3.1"}
    return 4, _kernel("ir", "R", **info), lambda _: {"vscode": {"languageId": "r"}}, lambda _: None


def _julia(_random: Random) -> Any:
    return 4, _kernel("julia-1.10", "julia", version="1.10.0"), lambda _: {}, lambda _: None


def _scala(_random: Random) -> Any:
    meta = {"config": {"dependencies": {"scala": []}, "exclusions": []}, **_kernel("scala", "scala"), "name": "Note"}
    return 1, meta, lambda n: {"cell.metadata.exec_info": {"startTs": 1690000000000, "endTs": n}}, lambda _: None


def _jupyterlite(_random: Random) -> Any:
    info = {"codemirror_mode": {"name": "python", "version": 3}, "nbconvert_exporter": "python"}
    return 4, _kernel("python", "python", **info), lambda _: {"trusted": True}, lambda _: None


def _jupytext(_random: Random) -> Any:
    text = {"extension": ".py", "format_name": "percent", "format_version": "1.3", "jupytext_version": "1.16.0"}
    meta = {**_kernel("python3", "python"), "jupytext": {"formats": "ipynb,py:percent", "text_representation": text}}
    return 5, meta, lambda n: {"lines_to_next_cell": 2} if n % 2 else {}, lambda n: f"{n:08x}"


def _quarto(_random: Random) -> Any:
    return 5, _kernel("python3", "python"), lambda _: {"tags": ["remove-input"]}, lambda n: f"fig-{n}"


def _nteract(_random: Random) -> Any:
    hidden = {"source_hidden": False, "outputs_hidden": True}
    cell = lambda _: {"nteract": {"transient": {"deleting": False}}, "jupyter": hidden, "gather": {"logged": 1}}  # noqa: E731
    return 2, {**_kernel("python3", "python"), "nteract": {"version": "0.28.0"}, "microsoft": {}}, cell, lambda _: None


def _nbgrader(random: Random) -> Any:
    grade = {"grade": True, "grade_id": _uuid(random), "locked": True, "points": 1.0, "schema_version": 3}
    return (
        4,
        {**_kernel("python3", "python"), "celltoolbar": "Create Assignment"},
        lambda _: {"nbgrader": grade},
        lambda _: None,
    )


def _jupyter(_random: Random) -> Any:
    slide = {
        "slideshow": {"slide_type": "slide"},
        "editable": True,
        "deletable": False,
        "collapsed": True,
        "scrolled": "auto",
    }
    return 5, _kernel("python3", "python", **PYTHON), lambda _: slide, lambda n: f"cell-{n}"


DIALECTS = {
    "colab": _colab,
    "databricks": _databricks,
    "deepnote": _deepnote,
    "kaggle": _kaggle,
    "vscode": _vscode,
    "polyglot": _polyglot,
    "r": _r,
    "julia": _julia,
    "scala": _scala,
    "jupyterlite": _jupyterlite,
    "jupytext": _jupytext,
    "quarto": _quarto,
    "nteract": _nteract,
    "nbgrader": _nbgrader,
    "jupyter": _jupyter,
}


# Contents -----------------------------------------------------------------------------------------------------------


def _lines(random: Random, text: str) -> str | list[str]:
    """A text as programs write it: in one piece, by lines, or in odd pieces."""
    match random.randrange(4):
        case 0:
            return text
        case 1 if text:
            return [text[:1], text[1:]]
    return text.splitlines(keepends=True)


def _outputs(random: Random) -> list[Json]:
    rich = {
        "text/plain": _lines(random, "<Figure>"),
        "image/png": PNG + "\n" * random.randrange(2),
        "text/html": _lines(random, "<b>ü</b>\n<i>2</i>"),
        "application/json": {"z": 1, "a": [1.0, None, 2**60 + 1]},
        "application/vnd.jupyter.widget-view+json": {"model_id": _uuid(random), "version_major": 2, "version_minor": 0},
    }
    data = {key: rich[key] for key in random.sample(list(rich), 2)}
    every: list[Json] = [
        {"output_type": "stream", "name": "stdout", "text": _lines(random, "one\ntwo\n")},
        {"output_type": "stream", "name": "stderr", "text": "x" * random.choice([1, 100, 200_000])},
        {"output_type": "display_data", "data": data, "metadata": random.choice([{}, {"image/png": {"width": 1.0}}])},
        {"output_type": "execute_result", "data": data, "metadata": {}, "execution_count": random.choice([None, 7])},
        {"output_type": "error", "ename": "E", "evalue": "ü", "traceback": ["\x1b[0;31mE\x1b[0m", ""]},
    ]
    return random.sample(every, random.randrange(len(every) + 1))


def _cell(random: Random, number: int, metadata: Json, id_: str | None) -> Json:
    kind = random.choice(["code", "code", "code", "markdown", "raw"])
    cell: Json = {"cell_type": kind, "metadata": metadata, "source": _lines(random, random.choice(TEXTS))}
    if id_ is not None:
        cell["id"] = id_
    if kind == "code":
        cell |= {"execution_count": random.choice([None, number]), "outputs": _outputs(random)}
    elif kind == "markdown" and random.random() < 0.3:
        cell["attachments"] = {"image.png": {"image/png": PNG}}
    elif kind == "raw":
        cell["metadata"] = {**metadata, "format": "text/restructuredtext"}
    if random.random() < 0.3:
        metadata[random.choice(["name", "tags", "minimax", "ü", "🪸"])] = random.choice(VALUES)
    return cell


def _spoil(random: Random, notebook: Json) -> None:
    """Make one thing about the notebook odd: no program wrote it like this on purpose."""
    cells = notebook["cells"]
    cell = random.choice(cells)
    match random.randrange(12):
        case 0:
            cell.pop("metadata", None)
        case 1 if cell["cell_type"] == "code":
            cell.pop("execution_count", None)
        case 2 if len(cells) > 1:
            cells[-1]["id"] = cells[0].setdefault("id", "same")
        case 3:
            cell["id"] = random.choice(["", "a b", "x" * 100, "ü", 5, None])
        case 4:
            notebook["metadata"]["big"] = random.choice(VALUES)
        case 5:
            notebook["more"] = cell["more"] = random.choice(VALUES)
        case 6:
            cells.append({"cell_type": "visual", "metadata": {}, "source": "?"})
        case 7:
            notebook.pop("metadata", None)
        case 8 if cell.get("outputs"):
            cell["outputs"].append({"output_type": "later", "data": {"text/plain": "?"}})


def _version_3(notebook: Json) -> Json:
    """The notebook in the format of IPython 1 and 2."""
    cells = []
    for cell in notebook["cells"]:
        old = {"cell_type": cell["cell_type"], "metadata": cell.get("metadata", {})}
        if cell["cell_type"] == "code":
            number = cell.get("execution_count")
            outputs = [
                {"output_type": "stream", "stream": "stdout", "text": "one\n"},
                {"output_type": "pyout", "text": ["1"], "prompt_number": number or 1, "metadata": {}},
                {"output_type": "pyerr", "ename": "E", "evalue": "v", "traceback": ["E"]},
                {"output_type": "display_data", "png": PNG, "text": ["<Figure>"], "metadata": {}},
            ]
            # A list of lines without line ends is joined with them in this format, so odd pieces do not exist.
            text = "".join(cell["source"])
            old |= {"collapsed": False, "language": "python", "input": text, "outputs": outputs}
            if number is not None:
                old["prompt_number"] = number
        else:
            old["source"] = cell["source"]
        cells.append(old)
    cells.insert(0, {"cell_type": "heading", "level": 2, "metadata": {}, "source": ["Title"]})
    sheet = {"cells": cells, "metadata": {}}
    return {
        "nbformat": 3,
        "nbformat_minor": 0,
        "metadata": {"name": "", "signature": "sha256:0"},
        "worksheets": [sheet],
    }


def generate(dialect: str, seed: int) -> bytes:
    """Return a notebook file. Its prompt cell has the source `PROMPT`."""
    random = Random(f"{dialect} {seed}")
    minor, metadata, of_cell, id_of = DIALECTS[dialect](random)
    if seed % 4 == 3:
        minor = random.randrange(6)
    cells = [_cell(random, n, of_cell(n), id_of(n)) for n in range(random.choice([0, 1, 2, 5]))]
    at = random.randrange(len(cells) + 1)
    prompt: Json = {"cell_type": "code", "metadata": of_cell(9), "source": _lines(random, PROMPT)}
    prompt |= {"execution_count": None, "outputs": []}
    if (id_ := id_of(99)) is not None:
        prompt["id"] = id_
    cells.insert(at, prompt)
    if minor < 5 and random.random() < 0.8:
        for cell in cells:
            cell.pop("id", None)
    notebook: Json = {"nbformat": 4, "nbformat_minor": minor, "metadata": metadata, "cells": cells}
    if seed % 3 == 2:
        _spoil(random, notebook)
    elif seed % 7 == 6:
        notebook = _version_3(notebook)
        if seed % 2:
            notebook["nbformat"] = 2
    text = json.dumps(notebook, indent=random.choice([None, 0, 1, 2]), ensure_ascii=random.random() < 0.5)
    text += random.choice(["", "\n", "  \n\n"])
    if random.random() < 0.15:
        text = text.replace("\n", "\r\n")
    return (b"\xef\xbb\xbf" if random.random() < 0.1 else b"") + text.encode()
