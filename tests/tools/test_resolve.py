"""Which names and functions a prompt may offer as tools."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics import Session
from mm_magics.errors import UsageError
from mm_magics.simulator import Simulator
from mm_magics.tools.tool import Tool
from tests.tools.scripted import add


@pytest.mark.parametrize(
    ("tools", "expected"),
    [
        (["nothing"], "There is no tool named nothing."),
        (["number"], "number is not a function but a value of type int."),
        (["python"], "python is both your function and another tool."),
        ([add, lambda a, b: 1], "lambda"),
        ([Tool("add", "", {"type": "object"}, print), add], "Two tools are named add."),
        (
            [Tool("final_answer", "", {"type": "object"}, print)],
            "tool name final_answer is reserved",
        ),
    ],
)
def test_tools_that_cannot_be_offered_are_refused_before_anything_is_sent(
    session: Session, endpoint: Simulator, tools: Any, expected: str
) -> None:
    session.namespace = {"number": 3, "python": add}
    with pytest.raises(UsageError, match=expected):
        session.ask("Go.", tools=tools)
    assert len(endpoint.log) == 0
