"""The text of a tool call is complete, and a reader sees every character of it."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics.text import MAX_BLANKS, MAX_EMPTY_LINES, visible
from mm_magics.tools.approval import question_about
from mm_magics.tools.builtin.file_preview import MAX_DIFF
from mm_magics.tools.builtin.files import file_tools
from mm_magics.tools.call_text import call_hash, call_parts
from mm_magics.tools.tool import ToolCall
from tests.outside import JSON, TEXT

CASES = json.loads((Path(__file__).parents[1] / "display" / "call_text.json").read_text("utf-8"))
ARGUMENTS = st.dictionaries(st.sampled_from(["code", "command", "path", "text", "a"]) | TEXT, JSON, max_size=3)
ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize("case", CASES, ids=[case["what"] for case in CASES])
def test_a_call_is_shown_as_on_the_page(case: Any) -> None:
    parts = call_parts(case["name"], json.loads(case["block"])["input"])
    assert [part._asdict() for part in parts] == case["parts"]


@pytest.mark.fuzz
@given(ANY_TEXT | st.text(st.sampled_from("a \t\n\u200b\u202e\u0300"), max_size=400))
def test_a_reader_sees_every_character(text: str) -> None:
    shown = visible(text)
    assert all(char in "\n\t" or (unicodedata.category(char)[0] not in "CZ") or char == " " for char in shown), (
        "an invisible character is shown as itself"
    )
    assert not re.search(rf"[ \t]{{{MAX_BLANKS + 1}}}|(?:\n[ \t]*){{{MAX_EMPTY_LINES + 2},}}\n", shown)
    visible_ones = [char for char in text if unicodedata.category(char)[0] in "LNPS" and visible(char) == char]
    assert [char for char in shown if char in visible_ones][: len(visible_ones)] or not visible_ones


@pytest.mark.parametrize("code", [0xE0100, 0xE01EF, 0x2D7F, 0x16FE4, 0x1107F, 0x1D159, 0xFFFC, 0xE0041, 0x1BCA0])
def test_a_character_without_a_shape_is_named(code: int) -> None:
    assert visible(f"a{chr(code)}b") == f"a[U+{code:04X}]b"


@pytest.mark.fuzz
@given(st.sampled_from(["python", "shell", "write_file", "f"]), ARGUMENTS)
def test_every_argument_is_shown_in_full(name: str, arguments: dict[str, Any]) -> None:
    parts = call_parts(name, arguments)
    code = {part.label: part.text for part in parts if part.label != "arguments" or part.language != "json"}
    shown = "\n".join(part.text for part in parts)
    for argument, value in arguments.items():
        if visible(argument) in code and isinstance(value, str):
            assert visible(value) in shown
        else:
            assert visible(json.dumps(argument, ensure_ascii=False)) in shown


def test_the_hash_tells_calls_apart_that_look_alike() -> None:
    calls = [
        ("f", {"a": 9007199254740993}),
        ("f", {"a": 9007199254740992}),
        ("f", {"a": "9007199254740992"}),
        ("f", {"a": 1}),
        ("f", {"a": 1.0}),
        ("f", {"a": True}),
        ("f", {}),
        ("g", {}),
        ("f", {"a": "x\u200b"}),
        ("f", {"a": "x"}),
    ]
    assert len({call_hash(*call) for call in calls}) == len(calls)
    assert call_hash("f", {"a": 1, "b": 2}) == call_hash("f", {"b": 2, "a": 1})


def test_each_question_has_its_own_id() -> None:
    call = ToolCall("same", "f", {})
    ids = {question_about(call).id for _ in range(50)}
    assert len(ids) == 50
    assert "same" not in ids


# Files ----------------------------------------------------------------------------------------------------------------


def parts_of(folder: Path, path: str, text: str) -> dict[str, tuple[str, str]]:
    (tool,) = (each for each in file_tools(folder) if each.name == "write_file")
    question = question_about(ToolCall("1", "write_file", {"path": path, "text": text}), tool)
    return {part.label: (part.language, part.text) for part in question.parts}


def test_a_change_of_a_file_is_shown_as_a_diff(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\ny = 2\n", encoding="utf-8")
    diff = "--- now\n+++ proposed\n@@ -1,2 +1,2 @@\n x = 1\n-y = 2\n+y = 3"
    shown = {"arguments": ("json", '{\n  "path": "a.py"\n}'), "change of the file": ("diff", diff)}
    assert parts_of(tmp_path, "a.py", "x = 1\ny = 3\n") == shown
    assert parts_of(tmp_path, "a.py", "x = 1\ny = 2\n")["change of the file"] == ("diff", "No change.")


@pytest.mark.parametrize("hidden", ["\u202e", "\u200b", "\r", " " * 500])
def test_the_lines_of_a_diff_hide_nothing(tmp_path: Path, hidden: str) -> None:
    (tmp_path / "a.py").write_text("x = 1\n", encoding="utf-8")
    _, diff = parts_of(tmp_path, "a.py", f"x = 1{hidden}\n")["change of the file"]
    assert "-x = 1\n+x = 1" in diff
    assert hidden not in diff


@pytest.mark.parametrize("path", ["new.py", "../a.py", ".env", "folder", "link", "large.txt", "binary"])
def test_a_file_that_cannot_be_compared_is_shown_as_its_new_text(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/etc/hostname")
    (tmp_path / "large.txt").write_text("a" * MAX_DIFF, encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    assert parts_of(tmp_path, path, "a\nb")["text"][1] == "a\nb"
