"""A page shows the request of a turn exactly as it was sent, without keys, pins turns, and changes summaries."""

from __future__ import annotations

import json

import pytest

from mm_magics import Session
from mm_magics.history.turn import Turn
from mm_magics.ipython import turn_requests
from mm_magics.ipython.turn_requests import pin, show_request, show_summary
from mm_magics.simulator import ScriptedAnswer, Simulator, text, tool_use


def ask(session: Session, prompt: str, cell: str, **flags: object) -> Turn:
    return session.ask(prompt, cell_id=cell, approve=lambda _call: True, **flags)


def shown(session: Session, turn: Turn) -> tuple[object, str]:
    request = show_request(session, turn.id)
    assert request is not None
    return json.loads(request["text"]), request["note"]


def look(place: str) -> str:
    """Look at a place."""
    return f"It is {place}."


FLAGS: dict[str, dict[str, object]] = {
    "nothing else": {},
    "a system prompt": {"system": "Be brief."},
    "parameters": {"temperature": 0.3, "max_tokens": 77, "thinking": "off"},
    "tools": {"tools": [look]},
    "fewer turns above": {"context": 1},
    "a schema": {"schema": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}},
}


@pytest.mark.parametrize("flags", FLAGS.values(), ids=FLAGS)
def test_it_is_the_body_that_was_sent(session: Session, endpoint: Simulator, flags: dict[str, object]) -> None:
    ask(session, "One.", "a", tools=[look])
    ask(session, "Two.", "b")
    before = len(endpoint.log)
    turn = ask(session, "Three.", "c", **flags)
    ask(session, "Four.", "d")
    body, note = shown(session, turn)
    assert body == endpoint.log[before].body
    assert note.startswith("This is the request as it was sent.")


def test_a_turn_with_tools_names_its_later_requests(session: Session, endpoint: Simulator) -> None:
    endpoint.answers += [ScriptedAnswer([tool_use("look", {"place": "here"})]), ScriptedAnswer([text("Here.")])]
    _, note = shown(session, ask(session, "Look.", "a", tools=[look]))
    assert "1 more request followed" in note


def summarized(session: Session, endpoint: Simulator) -> Turn:
    """Ask seven prompts; the last one has a summary in its context."""
    session.settings.assign("model", "MiniMax-M2.7")
    endpoint.answers.extend([*(["Yes."] * 6), "The summary:\nreefs.", "Answer."])
    for number in range(6):
        ask(session, f"Question {number}.", f"c{number}")
    return ask(session, "Question 6.", "c6", compact="now")


def test_a_summary_is_in_it(session: Session, endpoint: Simulator) -> None:
    turn = summarized(session, endpoint)
    assert shown(session, turn)[0] == endpoint.log[-1].body


def test_a_page_changes_the_summary_of_the_next_prompt(session: Session, endpoint: Simulator) -> None:
    turn = summarized(session, endpoint)
    before = show_summary(session, turn.id, None)
    assert before is not None
    assert before["text"] == "The summary:\nreefs."
    assert before["note"].startswith("2 turns summarized")
    after = show_summary(session, turn.id, "Corals.")
    assert after is not None
    assert after["text"] == "Corals."
    assert after["note"].endswith("edited")
    ask(session, "Question 7.", "c7")
    assert "Corals." in str(endpoint.log[-1].body)
    assert "reefs." not in str(endpoint.log[-1].body)
    assert not session.history.stale()


def test_a_page_removes_the_summary(session: Session, endpoint: Simulator) -> None:
    turn = summarized(session, endpoint)
    for change in ("  ", "Too late.", None):
        assert show_summary(session, turn.id, change) == {"text": "", "note": ""}
    ask(session, "Question 7.", "c7")
    assert "Question 0." in str(endpoint.log[-1].body)
    assert show_summary(session, "unknown", None) is None


def test_a_turn_whose_context_changed_says_so(session: Session) -> None:
    ask(session, "One.", "a")
    turn = ask(session, "Two.", "b")
    ask(session, "Another one.", "a")
    body, note = shown(session, turn)
    assert "Another one." in str(body)
    assert "changed since" in note


def test_an_earlier_version_has_its_own_request(session: Session, endpoint: Simulator) -> None:
    first = ask(session, "One.", "a")
    sent = endpoint.log[-1].body
    ask(session, "Two.", "a")
    assert shown(session, first)[0] == sent


def test_keys_are_redacted(session: Session, endpoint: Simulator) -> None:
    turn = ask(session, f"Is {endpoint.key} a key?", "a")
    assert "Is [key] a key?" in str(shown(session, turn)[0])


def test_a_long_request_is_folded(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn_requests, "WHOLE_LIMIT", 9_000)
    turn = ask(session, "word " * 3_000, "a")
    body, note = shown(session, turn)
    assert "more characters" in str(body)
    assert note.endswith("Long texts are folded.")


def test_an_unknown_turn_has_none(session: Session) -> None:
    assert show_request(session, "t") is None
    assert pin(session, "t", True) is False


def test_a_turn_is_pinned_and_unpinned(session: Session) -> None:
    turn, other = ask(session, "One.", "a"), ask(session, "Two.", "b")
    assert pin(session, turn.id, True)
    assert session.budget.pinned() == {turn.place}
    assert pin(session, other.id, True)
    assert pin(session, turn.id, False)
    assert session.budget.pinned() == {other.place}
    ask(session, "Three.", "c")
    assert session.budget.pinned() == {other.place}


def test_a_cell_that_runs_several_prompts_has_the_request_of_each(session: Session, endpoint: Simulator) -> None:
    session.history.run = "run 1"
    before = len(endpoint.log)
    turns = [ask(session, f"Number {number}.", "a") for number in range(3)]
    for number, turn in enumerate(turns):
        assert shown(session, turn)[0] == endpoint.log[before + number].body
