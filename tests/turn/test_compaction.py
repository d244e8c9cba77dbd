"""Compaction: a summary stands for earlier turns, and the prompt that needed it is answered."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mm_magics import Session
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.display.terminal import TerminalView
from mm_magics.display.usage_line import usage_of
from mm_magics.errors import EndpointError
from mm_magics.events import Summarized, Summarizing
from mm_magics.history.notebook import read_notebook
from mm_magics.history.replay import check_cells
from mm_magics.history.thread import History
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.simulator import Fault, ScriptedAnswer, Simulator, text
from mm_magics.turn.context_budget import ContextBudget
from tests.turns import broken_rules

SUMMARY = "Turn 1: the user asked about reefs."
MODEL = "MiniMax-M2.7"


def words(tokens: int, word: str = "word") -> str:
    """A text of about this many tokens, as the simulator counts them."""
    return f"{word} " * (tokens * 4 // (len(word) + 1))


def bodies(endpoint: Simulator) -> list[dict[str, Any]]:
    return [record.body for record in endpoint.log]


def prompts(body: dict[str, Any]) -> list[str]:
    """The beginnings of the user's texts in a request."""
    users = [each["content"] for each in body["messages"] if each["role"] == "user"]
    return [(content if isinstance(content, str) else content[-1]["text"])[:12].strip() for content in users]


@pytest.fixture
def filled(session: Session, endpoint: Simulator) -> Session:
    """Eight turns of 23,000 tokens: 90 % of the window."""
    session.settings.assign("model", MODEL)
    endpoint.answers.extend([f"Answer {number}." for number in range(8)])
    for number in range(8):
        session.ask(f"Question {number}: {words(23_200)}", cell_id=f"c{number}", compact="never")
    assert [record.status for record in endpoint.log] == [200] * 8
    return session


def compact(session: Session, endpoint: Simulator, cell: str = "new", **flags: Any) -> Turn:
    endpoint.answers.extend([SUMMARY, "The next answer."])
    return session.ask("What next?", cell_id=cell, compact="auto", **flags)


def test_older_turns_are_summarized_when_the_window_is_nearly_full(filled: Session, endpoint: Simulator) -> None:
    turn = compact(filled, endpoint)
    assert turn.text == "The next answer."
    assert turn.compacted is not None
    assert turn.compacted.summary == SUMMARY
    assert turn.compacted.turns == tuple(each.id for each in filled.history.turns("main")[:4])
    asked, sent = bodies(endpoint)[-2:]
    assert prompts(asked) == ["Question 0:", "Question 1:", "Question 2:", "Question 3:", "Write a summ"]
    assert prompts(sent) == ["The first 4", "Question 4:", "Question 5:", "Question 6:", "Question 7:", "What next?"]
    assert sent["messages"][1]["content"] == [{"type": "text", "text": SUMMARY}]
    assert len(filled.history.turns("main")) == 9


def test_the_summary_applies_to_the_turns_below_and_is_written_once(filled: Session, endpoint: Simulator) -> None:
    compact(filled, endpoint)
    before = len(endpoint.log)
    endpoint.answers.append("More.")
    turn = filled.ask("And then?", cell_id="later", compact="auto")
    assert len(endpoint.log) == before + 1
    assert prompts(bodies(endpoint)[-1])[0] == "The first 4"
    assert turn.compacted is None
    assert not filled.history.stale()


def test_the_record_with_a_summary_follows_the_schema_and_is_read_again(filled: Session, endpoint: Simulator) -> None:
    turn = compact(filled, endpoint)
    record = json.loads(json.dumps(turn.record()))
    assert broken_rules(record) == []
    assert Turn.from_record(record) == turn
    bundle = make_bundle(turn)
    assert "4 turns summarized · 9" in bundle["text/html"]
    assert SUMMARY in bundle["text/html"]
    assert usage_of([turn]).calls == 2


def restarted(session: Session) -> History:
    """The history of a new kernel, from the records of this one."""
    history = History()
    for turn in session.history.turns("main"):
        history.put(Turn.from_record(json.loads(json.dumps(turn.record()))))
    return history


def test_a_restart_restores_the_summary_and_nothing_is_stale(filled: Session, endpoint: Simulator) -> None:
    compact(filled, endpoint)
    endpoint.answers.append("More.")
    filled.ask("And then?", cell_id="later", compact="auto")
    before = filled.prepare("Now?", cell_id="last").request.sha256
    history = restarted(filled)
    assert not history.stale()
    filled.history = filled.budget._history = history
    assert filled.prepare("Now?", cell_id="last").request.sha256 == before


@pytest.mark.parametrize("mode", ["auto", "never"])
def test_an_unchanged_prompt_with_a_summary_replays_without_a_call(
    filled: Session, endpoint: Simulator, mode: str
) -> None:
    first = compact(filled, endpoint)
    endpoint.answers.append("More.")
    filled.ask("And then?", cell_id="later", compact="auto")
    before = len(endpoint.log)
    again = filled.ask("What next?", cell_id="new", compact=mode, replay="only")
    assert (again.text, again.compacted) == (first.text, first.compacted)
    assert filled.ask("And then?", cell_id="later", compact=mode, replay="only").text == "More."
    assert len(endpoint.log) == before
    assert not filled.history.stale()


def test_a_new_session_replays_a_notebook_with_a_summary_without_a_call(
    filled: Session, endpoint: Simulator, tmp_path: Path
) -> None:
    compact(filled, endpoint)
    endpoint.answers.append("More.")
    filled.ask("And then?", cell_id="later", compact="auto")
    turns = filled.history.turns("main")
    outputs = [{"output_type": "display_data", "data": {MIME_TYPE: turn.record()}, "metadata": {}} for turn in turns]
    cells = [
        {
            "cell_type": "code",
            "id": str(turn.cell_id),
            "source": f"%%minimax\n{turn.prompt}",
            "metadata": {},
            "outputs": [output],
        }
        for turn, output in zip(turns, outputs, strict=True)
    ]
    notebook = tmp_path / "long.ipynb"
    notebook.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    before = len(endpoint.log)
    with Session(base_url=endpoint.base_url, api_key="none", model=MODEL, replay="only") as session:
        session.settings.assign("replay_from", [str(notebook)])
        for turn in turns:
            assert session.ask(turn.prompt, cell_id=turn.cell_id).text == turn.text
        assert not session.history.stale()
        assert [each.compacted for each in session.history.turns("main")] == [each.compacted for each in turns]
    assert len(endpoint.log) == before
    states = [each.state for each in check_cells(read_notebook(notebook))]
    assert states == ["recorded"] * len(turns)


CHANGES = {
    "a summarized turn is asked again": lambda session: session.ask("Question 0, again", cell_id="c0"),
    "a summarized turn is removed": lambda session: session.history.forget(session.history.turns("main")[1]),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_summary_of_turns_that_changed_is_not_used_and_the_prompt_says_so(
    filled: Session, endpoint: Simulator, change: Any
) -> None:
    compact(filled, endpoint)
    endpoint.answers.append("Again.")
    change(filled)
    prompt = filled.prepare("Now?", cell_id="last", compact="auto")
    assert "The summary of 4 turns is not used any more" in " ".join(prompt.notes)
    assert "The first 4" not in prompts(prompt.body)
    assert ("new", filled.history.turns("main")[-1].id) in filled.history.stale()


def test_a_summary_whose_turn_was_edited_by_hand_is_not_used(filled: Session, endpoint: Simulator) -> None:
    compact(filled, endpoint)
    history = History()
    for number, turn in enumerate(restarted(filled).turns("main")):
        edited = [{"role": "user", "content": "Something else."}, *turn.messages[1:]]
        history.put(replace(turn, messages=edited) if number == 2 else turn)
    filled.history = filled.budget._history = history
    assert "The first 4" not in prompts(filled.prepare("Now?", cell_id="last").body)


def test_a_cell_that_is_moved_above_the_summarized_turns_does_not_use_the_summary(
    filled: Session, endpoint: Simulator
) -> None:
    turn = compact(filled, endpoint)
    history = History()
    for each in [turn, *filled.history.turns("main")[:-1]]:
        history.put(each)
    filled.history = filled.budget._history = history
    assert "The first 4" not in prompts(filled.prepare("Now?", cell_id="last").body)
    assert turn.place in history.stale()


def test_a_second_summary_stands_for_the_turns_of_the_first_too(filled: Session, endpoint: Simulator) -> None:
    first = compact(filled, endpoint)
    assert first.compacted
    endpoint.answers.extend(["Long."] * 4)
    for number in range(4):
        filled.ask(f"Later {number}: {words(22_000)}", cell_id=f"l{number}", compact="auto")
    endpoint.answers.extend(["Both.", "Fine."])
    turn = filled.ask(f"Now? {words(5_000)}", cell_id="last", compact="auto")
    assert turn.compacted
    assert turn.compacted.turns[:4] == first.compacted.turns
    assert len(turn.compacted.turns) > 4
    asked, sent = bodies(endpoint)[-2:]
    assert prompts(asked)[:2] == ["The first 4", "Question 4:"]
    assert prompts(sent)[0].startswith(f"The first {len(turn.compacted.turns)}"[:12])
    assert "Both." in json.dumps(sent["messages"][1])
    assert not filled.history.stale()


def test_never_sends_all_turns(filled: Session, endpoint: Simulator) -> None:
    endpoint.answers.append("Fine.")
    filled.ask("What next?", cell_id="new")  # a script
    assert prompts(bodies(endpoint)[-1])[0] == "Question 0:"


def test_now_summarizes_a_short_conversation_but_its_last_turns(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([*(f"Answer {number}." for number in range(6)), SUMMARY, "Fine."])
    for number in range(6):
        session.ask(f"Question {number}.", model=MODEL)
    turn = session.ask("Now?", compact="now", model=MODEL)
    assert turn.compacted
    assert len(turn.compacted.turns) == 2
    assert session.prepare("Again?", compact="now").plan


# Failures ---------------------------------------------------------------------------------------------------------


def test_if_the_summary_fails_the_prompt_is_sent_with_all_turns(filled: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([], fault=Fault("insufficient-balance")), "Fine."])
    turn = filled.ask("What next?", cell_id="new", compact="auto", view=None)
    assert turn.text == "Fine."
    assert turn.compacted is None
    assert prompts(bodies(endpoint)[-1])[0] == "Question 0:"


def test_if_the_summary_fails_and_the_turns_do_not_fit_the_error_says_so(filled: Session, endpoint: Simulator) -> None:
    endpoint.answers.append(ScriptedAnswer([], fault=Fault("insufficient-balance")))
    with pytest.raises(EndpointError, match="Earlier turns could not be summarized, so nothing was sent") as caught:
        filled.ask(f"What next? {words(15_000)}", cell_id="new", compact="auto")
    assert caught.value.turn.status == "failed"
    assert len(filled.history.context_turns("main", "new")) == 8
    endpoint.answers.extend([SUMMARY, "Fine."])
    assert filled.ask(f"What next? {words(15_000)}", cell_id="new", compact="auto").text == "Fine."


def test_a_summary_that_was_paid_for_is_used_by_the_next_attempt(filled: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([SUMMARY, ScriptedAnswer([], fault=Fault("insufficient-balance"))])
    with pytest.raises(EndpointError):
        filled.ask("What next?", cell_id="new", compact="auto")
    before = len(endpoint.log)
    endpoint.answers.append("Fine.")
    turn = filled.ask("What next?", cell_id="new", compact="auto")
    assert turn.compacted
    assert turn.compacted.summary == SUMMARY
    assert len(endpoint.log) == before + 1


def test_an_empty_summary_is_not_used(filled: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([text(" ")]), "Fine."])
    turn = filled.ask("What next?", cell_id="new", compact="auto")
    assert (turn.text, turn.compacted) == ("Fine.", None)


def test_stop_while_the_summary_is_written_ends_the_turn(filled: Session, endpoint: Simulator) -> None:
    stop = threading.Event()
    endpoint.answers.append(ScriptedAnswer([text(SUMMARY)], wait=30))
    with filled.stream("What next?", cell_id="new", compact="auto", stop=stop) as answer:
        events = answer.events(lambda: None)
        seen = []
        for event in events:
            seen.append(event)
            if isinstance(event, Summarizing):
                assert str(event) == "Summarizing 4 earlier turns, so that the conversation fits the window."
                stop.set()
    assert answer.close().status == "stopped"
    assert not any(isinstance(event, Summarized) for event in seen)
    assert len(filled.history.context_turns("main", None)) >= 8


def test_a_switch_to_a_smaller_window_is_summarized_in_parts(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([f"Answer {number}." for number in range(10)])
    for number in range(10):
        session.ask(f"Question {number}: {words(60_000)}", model="MiniMax-M3")
    before = len(endpoint.log)
    endpoint.answers.extend(["Part.", "Parts.", "All parts.", "Last part.", "Fine."])
    turn = session.ask("Now?", model=MODEL, compact="auto")
    assert turn.compacted
    assert {record.status for record in endpoint.log} == {200}
    assert len(turn.compacted.responses) == len(endpoint.log) - before - 1 > 1
    assert turn.status == "complete"


def test_a_turn_that_is_larger_than_the_window_is_summarized_from_its_beginning_and_end(
    session: Session, endpoint: Simulator
) -> None:
    endpoint.answers.extend(["One.", "Part.", "Fine."])
    session.ask(f"Huge: {words(500_000)} The end.", model="MiniMax-M3")
    turn = session.ask("Now?", model=MODEL, compact="auto")
    assert {record.status for record in endpoint.log} == {200}
    assert turn.compacted
    shown = json.dumps(bodies(endpoint)[-2]["messages"][0])
    assert "Huge: " in shown
    assert "The end." in shown


def test_a_request_that_the_endpoint_refuses_for_its_size_is_sent_with_a_summary(
    session: Session, endpoint: Simulator
) -> None:
    endpoint.answers.extend([f"Answer {number}." for number in range(6)])
    for number in range(6):
        session.ask(f"Question {number}: {words(20_000)}", model=MODEL, cell_id=f"c{number}")
    endpoint.answers.extend([ScriptedAnswer([], fault=Fault("context-window")), SUMMARY, "Fine."])
    turn = session.ask("Now?", model=MODEL, cell_id="new", compact="auto")
    assert turn.text == "Fine."
    assert turn.compacted
    assert (turn.status, turn.error, turn.versions) == ("complete", None, [])


@pytest.mark.parametrize(("compact", "turns"), [("never", 8), ("auto", 0)])
def test_an_error_about_the_size_names_the_numbers(
    session: Session, endpoint: Simulator, compact: str, turns: int
) -> None:
    endpoint.answers.extend(["Yes."] * turns)
    for number in range(turns):
        session.ask(f"Question {number}: {words(23_200)}", model=MODEL)
    with pytest.raises(EndpointError) as caught:
        session.ask(words(20_000 if turns else 210_000), model=MODEL, compact=compact)
    numbers = r"context window exceeds limit .*: the request has about 2\d\d,\d\d\d tokens of the window of 204,800"
    assert re.search(numbers, str(caught.value))
    assert ("--compact now" if turns else "Send a shorter prompt.") in str(caught.value)


# What the user sees -----------------------------------------------------------------------------------------------


def test_a_terminal_says_that_turns_are_summarized(filled: Session, endpoint: Simulator) -> None:
    file = io.StringIO()
    endpoint.answers.extend([SUMMARY, "Fine."])
    filled.ask("What next?", cell_id="new", compact="auto", view=TerminalView(Console(file=file, width=200)))
    lines = file.getvalue().splitlines()
    assert "Summarizing 4 earlier turns, so that the conversation fits the window." in lines
    assert any(line.startswith("4 turns summarized · 9") for line in lines)
    assert SUMMARY not in lines


def test_an_interrupt_while_the_summary_is_written_loses_nothing(filled: Session, endpoint: Simulator) -> None:
    class Interrupting:
        due = None

        def show(self, event: object) -> None:
            if isinstance(event, Summarizing):
                while len(endpoint.log) == 8 or endpoint.answers:
                    time.sleep(0.01)
                raise KeyboardInterrupt

    endpoint.answers.append(ScriptedAnswer([text(SUMMARY)], wait=1))
    with pytest.raises(KeyboardInterrupt):
        filled.ask("What next?", cell_id="new", compact="auto", view=Interrupting())
    assert len(filled.history.context_turns("main", "new")) == 8
    endpoint.answers.extend([SUMMARY, "Fine."])
    assert filled.ask("What next?", cell_id="new", compact="auto").text == "Fine."


def test_a_fork_shares_the_summary(filled: Session, endpoint: Simulator) -> None:
    compact(filled, endpoint)
    filled.history.fork("main", "side")
    endpoint.answers.append("Aside.")
    filled.ask("Aside?", cell_id="aside", thread="side", compact="auto")
    assert prompts(bodies(endpoint)[-1])[0] == "The first 4"
    assert not filled.history.stale()


def test_without_the_cell_of_the_summary_the_kernel_that_wrote_it_records_it_again(
    filled: Session, endpoint: Simulator
) -> None:
    turn = compact(filled, endpoint)
    filled.history.forget(turn)
    assert filled.prepare("Now?", cell_id="last", compact="auto").compacted == turn.compacted
    filled.budget = ContextBudget(filled.history)  # as in a new kernel
    prompt = filled.prepare("Now?", cell_id="last", compact="auto")
    assert not prompt.context.compaction
    assert prompt.plan


def test_pinned_turns_and_turns_with_an_open_call_are_not_summarized(filled: Session, endpoint: Simulator) -> None:
    first, second, *_ = filled.history.turns("main")
    filled.budget.pin("main", first, on=True)
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "open", "name": "look", "input": {}}]}
    opened: Any = [second.messages[0], call]
    filled.history.put(replace(second, messages=opened, id="opened", responses=[]))
    plan = filled.prepare("Now?", cell_id="new", compact="now").plan
    assert plan
    assert {turn.id for turn in plan.covered}.isdisjoint({first.id, "opened"})
    assert plan.pinned == (first.id,)
