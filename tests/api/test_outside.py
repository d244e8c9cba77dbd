"""Data from outside is found in any record, also in one that somebody else wrote."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics.api.outside import outside_blocks, recalled_ids

RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "A page."}
TEXT = {"type": "text", "text": "A page."}
TURN = [
    {"role": "user", "content": "Look."},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {}}]},
    {"role": "user", "content": [RESULT, TEXT]},
]
ODD = [None, 1, [], ["t1"], {}, {"t1": 1}, "denied"]


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_a_call_that_is_recorded_in_an_odd_way_came_from_outside(odd: Any) -> None:
    calls = [
        {"id": odd, "marked": True},
        {"id": odd, "outcome": "denied"},
        {"id": odd, "name": odd, "outcome": odd},
        {"id": "t2", "outcome": odd, "marked": odd},
        odd,
    ]
    for tools in (odd, calls, [{"id": "t1", "outcome": None}]):
        found = outside_blocks(TURN, [{"tools": tools}])
        assert id(RESULT) in found
        assert "t1" not in recalled_ids([{"tools": tools}])


def test_a_call_that_was_denied_or_marked_did_not() -> None:
    for call in ({"id": "t1", "outcome": "denied"}, {"id": "t1", "marked": True}):
        assert id(RESULT) not in outside_blocks(TURN, [{"tools": [call]}])
