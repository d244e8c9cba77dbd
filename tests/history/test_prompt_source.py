"""Which cells are prompt cells, and what their prompt is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager

from mm_magics.history.prompt_source import (
    NOT_RUN,
    REPEATED,
    complete_prompt_cell,
    drop_lines_above,
    find_prompt,
    is_prompt,
    repeating_magic,
    second_magic,
)

CELLS = json.loads((Path(__file__).parent / "prompt_cells.json").read_text("utf-8"))
TWIN = Path(__file__).parents[2] / "labextension" / "src" / "lab" / "prompt-cell.ts"


@pytest.mark.parametrize("source", [*CELLS["prompt"], *CELLS["explain"]])
def test_a_prompt_cell_is_recognized(source: str) -> None:
    assert is_prompt(source)


@pytest.mark.parametrize("source", CELLS["neither"])
def test_other_cells_are_not_prompt_cells(source: str) -> None:
    assert not is_prompt(source)


@pytest.mark.parametrize("source", CELLS["prompt"])
def test_ipython_runs_the_magic_of_every_prompt_cell(source: str) -> None:
    """Each cell magic is run with the text below it, which is transformed again by the magics above `%%minimax`."""
    manager = TransformerManager()
    manager.cleanup_transforms.insert(0, drop_lines_above)
    calls: list[tuple[str, str, str]] = []

    class Shell:
        def run_cell_magic(self, name: str, line: str, text: str) -> None:
            calls.append((name, line, text))
            if name != "minimax":
                self.run(text)

        def run(self, cell: str) -> None:
            exec(manager.transform_cell(cell), {"get_ipython": lambda: self})

    Shell().run(source)
    assert calls[-1][0] == "minimax"
    assert calls[-1][2].strip() in ("", "Hi.")


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("%%minimax", ""),
        ("%%minimax\n", ""),
        ("%%minimax --help", "--help"),
        ("# Why?\n\n%%minimax -h", "-h"),
        ("%%minimax?", "--help"),
        ("%%minimax??", "--help"),
        ("?%%minimax", "--help"),
        ("??%%minimax\n", "--help"),
        (" %%minimax ?", "--help"),
        ("\n%%minimax?\ntext", "--help"),
    ],
)
def test_a_prompt_cell_without_text_runs_and_asks_for_help(source: str, line: str) -> None:
    manager = TransformerManager()
    manager.cleanup_transforms[:0] = [drop_lines_above, complete_prompt_cell]
    assert manager.transform_cell(source) == f"get_ipython().run_cell_magic('minimax', {line!r}, '\\n')\n"


@pytest.mark.parametrize("source", ["%%minimax2", "%%time", "%minimax", "%minimax?", "1 + 1", "", "%%minimax\nHi."])
def test_no_other_cell_is_completed(source: str) -> None:
    lines = source.splitlines(keepends=True)
    assert complete_prompt_cell(lines) is lines


@pytest.mark.parametrize("source", [each for each in CELLS["neither"] if each.strip()])
def test_other_cells_are_passed_on_unchanged(source: str) -> None:
    lines = source.splitlines(keepends=True)
    assert drop_lines_above(lines) is lines


def test_the_front_end_knows_the_same_magics() -> None:
    for name in NOT_RUN | REPEATED:
        assert f" {name} " in TWIN.read_text("utf-8").replace("'", " ")


def test_the_parts_of_a_prompt_cell() -> None:
    found = find_prompt("# Why?\n%%time\n\n  %%minimax -m X \nOne\r\nTwo\n")
    assert found == (3, ("time",), "%%minimax -m X", "One\r\nTwo\n")


@pytest.mark.parametrize(
    ("source", "magic"),
    [
        ("%%timeit\n%%minimax\nHi.", "timeit"),
        ("# x\n\n%%time\n%%timeit -n 1\n%%minimax\nHi.", "timeit"),
        ("%%time\n%%minimax\nHi.", ""),
        ("x = 1\n%%timeit", ""),
        ("%%minimax\n%%timeit", ""),
        ("", ""),
    ],
)
def test_a_magic_that_repeats_its_text_is_found(source: str, magic: str) -> None:
    assert repeating_magic(source) == magic


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("One.\n%%minimax\nTwo.", 2),
        ("One.\n\n  %%minimax -m X\nTwo.", 3),
        ("%%minimax", 1),
        ("One.\n# %%minimax", None),
        ("One. %%minimax", None),
        ("%%minimaxed\n%minimax history", None),
        ("```\n%%minimax\n```", None),
        ("~~~text\n```\n%%minimax\n~~~\n%%minimax", 5),
        ("````\n```\n%%minimax\n````\n", None),
        ("```\nopen\n%%minimax", None),
        ("``` x ```\n%%minimax\n```", None),
    ],
)
def test_a_second_magic_line_is_found_outside_code_blocks(text: str, line: int | None) -> None:
    assert second_magic(text) == line


def test_in_a_terminal_a_prompt_is_complete_only_after_an_empty_line() -> None:
    manager = TransformerManager()
    manager.cleanup_transforms[:0] = [drop_lines_above, complete_prompt_cell]
    typed = ["%%minimax", "%%minimax\nHello.", "# a\n%%minimax -m M\nHello."]
    assert [manager.check_complete(each)[0] for each in typed] == ["incomplete"] * 3
    assert manager.check_complete("%%minimax\nHello.\n\n")[0] == "complete"
    assert manager.transform_cell("%%minimax").count("run_cell_magic") == 1
