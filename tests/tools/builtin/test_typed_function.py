"""What every built-in tool checks: its arguments are as strict as their types, and free of lone surrogates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mm_magics.errors import ToolInputError
from mm_magics.tools.builtin.catalogue import TOOL_NAMES, any_turn, builtin_tools
from mm_magics.tools.tool import Tool

VALID: dict[str, dict[str, Any]] = {
    "python": {"code": "1"},
    "variables": {"pattern": "*"},
    "read_file": {"path": "a.txt", "start_line": 1, "lines": 1},
    "list_files": {"path": ".", "pattern": "*"},
    "write_file": {"path": "a.txt", "text": "x"},
    "shell": {"command": "true", "timeout": 1},
    "search_cells": {"text": "x"},
    "read_cells": {"cells": "1"},
    "get_errors": {},
    "read_variable": {"name": "x"},
    "insert_cell": {"below": "top", "source": "x", "kind": "code"},
    "edit_cell": {"cell": "1", "search": "x", "replacement": "y"},
    "move_cell": {"cell": "1", "below": "end"},
    "delete_cell": {"cell": "1"},
    "run_cell": {"cell": "1"},
}
ARGUMENTS = [(tool, name) for tool, arguments in VALID.items() for name in arguments]


@pytest.fixture
def tools(tmp_path: Path) -> dict[str, Tool]:
    return builtin_tools({}, tmp_path, list, page=list, turn=any_turn())


def test_every_tool_describes_itself_and_all_its_arguments(tools: dict[str, Tool]) -> None:
    assert tuple(tools) == TOOL_NAMES == tuple(VALID)
    for name, tool in tools.items():
        assert tool.schema["type"] == "object"
        assert tool.schema["additionalProperties"] is False
        assert set(tool.schema["properties"]) == set(VALID[name])
        assert all(each["description"].endswith(".") for each in tool.schema["properties"].values())
        assert tool.description.endswith(".")
        assert tool.check(VALID[name]) == VALID[name]


@pytest.mark.parametrize(("tool", "name"), ARGUMENTS)
@pytest.mark.parametrize("value", [None, True, [], {}, "kind"])
def test_no_argument_is_converted_to_its_type(tools: dict[str, Tool], tool: str, name: str, value: Any) -> None:
    other = "1" if isinstance(VALID[tool][name], int) else 1
    with pytest.raises(ToolInputError, match=f"{name}: Input should be"):
        tools[tool].check({**VALID[tool], name: other if value == "kind" else value})


@pytest.mark.parametrize(("tool", "name"), [each for each in ARGUMENTS if isinstance(VALID[each[0]][each[1]], str)])
def test_a_lone_surrogate_is_refused_before_anything_is_written_or_run(
    tools: dict[str, Tool], tool: str, name: str
) -> None:
    with pytest.raises(ToolInputError, match=f"{name}: it contains half a character"):
        tools[tool].check({**VALID[tool], name: "a\ud800"})


@pytest.mark.parametrize("tool", TOOL_NAMES)
def test_an_unknown_argument_is_refused(tools: dict[str, Tool], tool: str) -> None:
    with pytest.raises(ToolInputError, match="unknown_name"):
        tools[tool].check({**VALID[tool], "unknown_name": 1})
