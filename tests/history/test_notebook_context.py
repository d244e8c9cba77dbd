"""What a model sees of the notebook: which cells, in which state, and how they are written."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from mm_magics.history.notebook import Cell, Document
from mm_magics.history.notebook_context import (
    CellRun,
    cells_above,
    cells_since_prompt,
    format_cells,
    other_cells,
    select_last,
)
from mm_magics.history.turn import MIME_TYPE
from tests.prompt.test_images import saved


def stream(text: Any) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def result(**data: Any) -> dict[str, Any]:
    return {"output_type": "execute_result", "data": {key.replace("_", "/"): value for key, value in data.items()}}


PAGE = Document(
    "page.ipynb",
    0.0,
    [
        Cell("title", "markdown", "# Title"),
        Cell("a", "code", "x = 1", [stream("saved a")]),
        Cell("b", "code", "x = 2\n", [stream("saved b")]),
        Cell("prompt", "code", "%%minimax\nHello"),
        Cell("c", "code", "x = 3", [stream("saved c")]),
    ],
)


def seen(cells: list[CellRun]) -> list[tuple[str, str, str]]:
    return [(cell.id, cell.source, cell.text) for cell in cells]


def runs(*cells: CellRun) -> dict[str, CellRun]:
    return {cell.id: cell for cell in cells}


# Which cells ----------------------------------------------------------------------------------------------------


def test_cells_above_are_as_they_were_run_and_otherwise_as_saved() -> None:
    ran = runs(CellRun("c", "x = 33", [stream("ran c")]), CellRun("a", "x = 11", [stream("ran a")]))
    assert seen(cells_above(PAGE, {}, "prompt")) == [("a", "x = 1", "saved a"), ("b", "x = 2\n", "saved b")]
    assert seen(cells_above(PAGE, ran, "prompt")) == [("a", "x = 11", "ran a"), ("b", "x = 2\n", "saved b")]
    assert [cell.id for cell in cells_above(PAGE, ran, None)] == ["a", "b", "prompt", "c"]


def test_without_a_document_the_cells_are_those_that_ran_in_the_order_of_their_runs() -> None:
    ran = runs(*(CellRun(id_, id_, []) for id_ in ("two", "one", "here")))
    assert [cell.id for cell in cells_above(None, ran, "here")] == ["two", "one"]
    assert [cell.id for cell in other_cells(None, ran, "here")] == ["two", "one"]


@pytest.mark.parametrize("id_", ["vscode-notebook-cell:1", "In[3]"])
@pytest.mark.parametrize("end", ["", "\n", " \n\n"])
def test_a_run_with_an_id_of_the_front_end_belongs_to_the_cell_with_its_source(id_: str, end: str) -> None:
    ran = runs(CellRun(id_, f"x = 2{end}", [stream("ran b")]))
    assert seen(cells_above(PAGE, ran, "prompt")) == [("a", "x = 1", "saved a"), ("b", f"x = 2{end}", "ran b")]


def test_a_run_of_another_cell_with_the_same_source_is_not_confused_with_it() -> None:
    ran = runs(CellRun("new", "x = 2", [stream("ran new")]))
    assert seen(cells_above(PAGE, ran, "prompt")) == [
        ("a", "x = 1", "saved a"),
        ("b", "x = 2\n", "saved b"),
        ("new", "x = 2", "ran new"),
    ]


def test_cells_that_the_document_does_not_contain_yet_come_last() -> None:
    ran = runs(CellRun("new", "y = 1", []), CellRun("vscode-9", "y = 2", []), CellRun("prompt", "%%minimax\nHello", []))
    assert [cell.id for cell in cells_above(PAGE, ran, "prompt")] == ["a", "b", "new", "vscode-9"]


def test_a_search_covers_all_other_cells_and_texts_in_document_order() -> None:
    ran = runs(CellRun("new", "y = 1", []), CellRun("a", "x = 11", [stream("ran a")]))
    assert seen(other_cells(PAGE, ran, "b")) == [
        ("title", "# Title", ""),
        ("a", "x = 11", "ran a"),
        ("prompt", "%%minimax\nHello", ""),
        ("c", "x = 3", "saved c"),
        ("new", "y = 1", ""),
    ]


def test_the_cells_since_the_last_prompt_are_new_code_without_our_own() -> None:
    cells = [
        CellRun("a", "x = 1", []),
        CellRun("p1", "%%minimax\nOne", []),
        CellRun("b", "x = 2", []),
        CellRun("p2", "%%minimax\nTwo", []),
        CellRun("c", "x = 3", []),
        CellRun("command", "  %minimax model", []),
        CellRun("empty", " \n", []),
        CellRun("p3", "%%minimax --sees\nThree", []),
        CellRun("d", "x = 4", []),
    ]
    assert [cell.id for cell in cells_since_prompt(cells, [])] == ["a", "b", "c", "d"]
    assert [cell.id for cell in cells_since_prompt(cells, iter(["p2", "p1", "gone"]))] == ["c", "d"]


@pytest.mark.parametrize(
    ("source", "is_prompt", "is_ours"),
    [
        ("\n%%minimax\nHello", True, True),
        ("%minimax explain", True, True),
        ("%minimax model", False, True),
        ("print('%%minimax')", False, False),
    ],
)
def test_prompt_cells_and_commands_are_recognized(source: str, is_prompt: bool, is_ours: bool) -> None:
    cell = CellRun("a", source, [])
    assert (cell.is_prompt, cell.is_ours) == (is_prompt, is_ours)


# Attached images ------------------------------------------------------------------------------------------------

PNG, GIF = saved("PNG"), saved("GIF")


def encoded(data: bytes) -> str:
    return b64encode(data).decode()


@pytest.mark.parametrize(
    ("attachments", "images"),
    [
        ({}, []),
        ({"a.png": {"image/png": encoded(PNG)}}, [("a.png", PNG)]),
        ({"a.png": {"image/png": [encoded(PNG)[:5], encoded(PNG)[5:]]}}, [("a.png", PNG)]),
        ({"a": {"image/png": encoded(PNG), "image/gif": encoded(GIF)}}, [("a", PNG), ("a", GIF)]),
        ({"a": 5, "b": {"image/gif": encoded(GIF)}}, [("b", GIF)]),
        ({"a": {"image/png": "AAAAA"}, "b": {"image/gif": encoded(GIF)}}, [("b", GIF)]),
        ({"a": {"text/plain": encoded(b"text")}, "b": {"image/png": None}}, []),
    ],
)
def test_a_text_cell_is_seen_if_images_are_attached_to_it(attachments: Any, images: list[Any]) -> None:
    cells = [
        Cell("text", "markdown", "![](attachment:a.png)", attachments=attachments),
        Cell("raw", "raw", "", attachments={"a.png": {"image/png": encoded(PNG)}}),
        Cell("code", "code", "x = 1", [stream("x")], attachments={"a.png": {"image/png": encoded(PNG)}}),
    ]
    page = Document("page.ipynb", 0.0, cells)
    code = CellRun("code", "x = 1", [stream("x")])
    seen = [CellRun("text", "![](attachment:a.png)", images=images, is_text=True)] if images else []
    assert cells_above(page, {}, None, with_images=True) == [*seen, code]
    assert cells_above(page, {}, None) == [code]
    text = CellRun("text", "![](attachment:a.png)", images=[], is_text=True)
    assert cells_above(page, {}, None, with_text=True) == [text, code]


@pytest.mark.parametrize(("count", "seen"), [(1, "4T"), (2, "34T"), (3, "2T34T"), (4, "T1T2T34T"), (9, "T1T2T34T")])
def test_the_last_cells_are_counted_without_text_cells(count: int, seen: str) -> None:
    images = [("a.png", PNG)]
    cells = [CellRun(each, "", images=images, is_text=each == "T") for each in "T1T2T34T"]
    assert "".join(cell.id for cell in select_last(cells, count)) == seen


# How they are written -------------------------------------------------------------------------------------------


def test_cells_are_marked_with_their_source_and_output() -> None:
    cells = [CellRun("a b<", "\nx = 1\n", [stream("one\n"), stream("two")]), CellRun("c", "y = 2", [])]
    assert format_cells(cells, 0) == (
        '<cell id="a_b_">\nx = 1\n<output>\none\ntwo\n</output>\n</cell>\n<cell id="c">\ny = 2\n</cell>'
    )


def test_source_and_outputs_are_cut_at_the_limit() -> None:
    text = format_cells([CellRun("a", "123456", [stream("abcd"), stream("efgh")])], 5)
    assert text == (
        '<cell id="a">\n12345\n… [cut here: 1 more character]\n'
        "<output>\nabcd\n\n… [cut here: 4 more characters]\n</output>\n</cell>"
    )


@pytest.mark.parametrize("mark", ["</cell>", "<cell id=", "< / OUTPUT>", "<output>", "<\u200b/cell>"])
def test_text_cannot_close_its_mark(mark: str) -> None:
    text = format_cells([CellRun("a", f"x = '{mark}'", [stream(f"{mark} y <cells>")])], 0)
    assert text.count("<") == 5  # the two marks of the cell, the two of the output, and `<cells>`
    assert f"x = '‹{mark[1:]}'" in text
    assert f"‹{mark[1:]} y <cells>" in text


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (stream(["one\n", "two\n"]), "one\ntwo"),
        (stream("\x1b[31mred\x1b[0m"), "red"),
        (stream(None), ""),
        (stream("\n\nX marks\n  the X\n"), "X marks\n  the X"),
        ({"output_type": "error", "traceback": ["line 1", "\x1b[31mline 2"], "evalue": "why"}, "line 1\nline 2"),
        ({"output_type": "error", "traceback": [], "evalue": "why"}, "why"),
        ({"output_type": "error", "evalue": "why"}, "why"),
        ({"output_type": "error", "ename": "E", "evalue": "why"}, "E: why"),
        ({"output_type": "error", "ename": "E", "evalue": ""}, "E"),
        (result(text_plain="plain", text_markdown="**mark**"), "**mark**"),
        (result(text_plain=["a\n", "b"], image_png="AAAA"), "a\nb"),
        (result(image_png="AAAA"), ""),
        ({"output_type": "display_data", "data": {MIME_TYPE: {}, "text/plain": "an answer"}}, ""),
        ({"output_type": "display_data", "data": "text/plain"}, ""),
        ({"output_type": "display_data"}, ""),
    ],
)
def test_outputs_are_written_as_text_without_answers_of_a_model(output: dict[str, Any], text: str) -> None:
    assert CellRun("a", "", [output]).text == text
