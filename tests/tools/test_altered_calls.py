"""A tool call that the endpoint changed while it was sent is answered, but never runs."""

from __future__ import annotations

import pytest

from mm_magics import Session
from mm_magics.api.messages import problems
from mm_magics.simulator import Simulator, tool_use
from tests.tools.scripted import add, calls, outcomes, results, script

FAULTS = ((1, "altered-call"), (2, None))


@pytest.mark.parametrize("allowed", [False, True])
def test_a_call_that_was_altered_never_runs_and_the_turn_says_so(
    session: Session, endpoint: Simulator, allowed: bool
) -> None:
    ran: list[int] = []

    def look(n: int) -> int:
        """Look."""
        ran.append(n)
        return n

    if allowed:
        session.rules.add("allow", "look")
    script(
        endpoint, calls(tool_use("look", {"n": 1}), fault="altered-call"), calls(tool_use("look", {"n": 2})), "Done."
    )
    turn = session.ask("Go.", tools=[look])
    assert ran == [2]
    assert results(turn) == [
        ("Not run: the call was changed while it was received. Call the tool again.", True),
        ("2", False),
    ]
    assert outcomes(turn) == ["failed", "done"]
    note = (
        "A call of look was not run: the endpoint sent a text_delta into it, so it may not be the call that was shown."
    )
    assert note in turn.notes
    assert turn.messages[1]["content"][1]["text"] == '{"harmless": true}', "the block was not kept verbatim"
    session.ask("And now?")
    assert all(problems(record.body["messages"]) == [] and record.status == 200 for record in endpoint.log)


def test_one_altered_call_does_not_stop_the_others_of_its_message(session: Session, endpoint: Simulator) -> None:
    odd = {**tool_use("add", {"a": 1, "b": 1}), "text": "shown"}
    script(endpoint, calls(odd, tool_use("add", {"a": 2, "b": 2})), "Done.")
    turn = session.ask("Go.", tools=[add])
    assert [text for text, _ in results(turn)][1] == "4"
    assert outcomes(turn) == ["failed", "done"]


def test_an_altered_call_is_not_an_answer_that_matches_a_schema(session: Session, endpoint: Simulator) -> None:
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}
    first, second = (calls(tool_use("final_answer", {"count": count}), fault=fault) for count, fault in FAULTS)
    script(endpoint, first, second)
    assert session.value(session.ask("How many?", schema=schema), schema) == {"count": 2}
    assert len(endpoint.log) == 2
