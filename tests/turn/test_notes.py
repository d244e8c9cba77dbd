"""The notes of a turn about how it ended: they are part of it, and every place that shows the turn shows them once."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mm_magics import Session
from mm_magics.display.export_html import render_page
from mm_magics.display.export_markdown import render_markdown
from mm_magics.display.mime_bundle import make_bundle, output_metadata
from mm_magics.display.page_view import final_state
from mm_magics.display.terminal import TerminalView
from mm_magics.events import ToolFinished
from mm_magics.history import export
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.simulator import ScriptedAnswer, Simulator, text, tool_use
from tests.display.html import text as text_of
from tests.page_json import write_file
from tests.tools.scripted import add, calls, divide, script
from tests.turns import broken_rules
from tests.turns import turn as make_turn


def _empty(session: Session, endpoint: Simulator) -> dict[str, Any]:
    endpoint.answers.append(ScriptedAnswer([text(" ")]))
    return {}


def _unknown_stop_reason(session: Session, endpoint: Simulator) -> dict[str, Any]:
    endpoint.answers.append(ScriptedAnswer([text("Hi.")], stop_reason="moon_phase"))
    return {}


def _choice_not_honored(session: Session, endpoint: Simulator) -> dict[str, Any]:
    script(endpoint, "I would rather talk.")
    return {"tools": [add], "tool_choice": "any"}


def _rounds(session: Session, endpoint: Simulator) -> dict[str, Any]:
    script(endpoint, calls(tool_use("add", {"a": 1, "b": 1})), "This is what I have.")
    return {"tools": [add], "max_rounds": 1}


def _cost(session: Session, endpoint: Simulator) -> dict[str, Any]:
    script(endpoint, calls(tool_use("add", {"a": 1, "b": 1})), "Enough.")
    return {"tools": [add], "max_cost": 0.000001}


def _schema_not_honored(session: Session, endpoint: Simulator) -> dict[str, Any]:
    endpoint.answers.append('{"depth": 3}')
    return {"schema": {"type": "object", "properties": {"depth": {"type": "integer"}}}}


ENDINGS: dict[str, tuple[Callable[[Session, Simulator], dict[str, Any]], str]] = {
    "an empty answer": (_empty, "The answer is empty. Run the cell again, or rephrase the prompt."),
    "an unknown stop reason": (
        _unknown_stop_reason,
        "Unknown stop reason: moon_phase. The partial response is kept.",
    ),
    "a tool choice that was not honored": (
        _choice_not_honored,
        "The endpoint did not honor tool_choice any: there was no such call.",
    ),
    "the last round": (_rounds, "No more tools were called: 1 round of tool calls is the limit."),
    "the cost limit": (_cost, "No more tools were called: the turn has cost"),
    "a schema that was not honored": (
        _schema_not_honored,
        "The endpoint did not honor tool_choice final_answer: there was no such call.",
    ),
}

ending = pytest.mark.parametrize("name", ENDINGS)
IGNORED = "top_k is ignored by the endpoint."


def ask(name: str, session: Session, endpoint: Simulator, **options: Any) -> tuple[Turn, str]:
    flags = ENDINGS[name][0](session, endpoint)
    turn = session.ask("Go.", params={"top_k": 3}, **flags, **options)
    (note,) = turn.notes
    assert note.startswith(ENDINGS[name][1])
    return turn, note


@ending
def test_an_end_note_is_part_of_the_turn_and_its_record(name: str, session: Session, endpoint: Simulator) -> None:
    turn, note = ask(name, session, endpoint)
    record = json.loads(json.dumps(turn.record()))
    assert record["notes"] == [note]
    assert broken_rules(record) == []
    assert Turn.from_record(record).notes == [note]
    assert session.history.turns("main")[-1].notes == [note]


@ending
def test_the_terminal_shows_an_end_note_once_below_the_summary(
    name: str, session: Session, endpoint: Simulator
) -> None:
    file = io.StringIO()
    view = TerminalView(Console(file=file, width=200, highlight=False, markup=False, soft_wrap=True))
    _, note = ask(name, session, endpoint, view=view)
    lines = file.getvalue().splitlines()
    assert lines.count(note) == lines.count(IGNORED) == 1
    assert lines[-1] == note


@ending
def test_each_format_of_the_output_shows_an_end_note_once(name: str, session: Session, endpoint: Simulator) -> None:
    flags = ENDINGS[name][0](session, endpoint)
    with session.stream("Go.", params={"top_k": 3}, **flags) as answer:
        list(answer)
    assert answer.notes == [IGNORED], "notes about this run are not part of the turn"
    turn = answer.close()
    (note,) = turn.notes
    bundle = make_bundle(turn, notes=answer.notes)
    assert output_metadata(answer.notes) == {MIME_TYPE: {"notes": [IGNORED]}}
    assert bundle[MIME_TYPE]["notes"] == [note]
    assert text_of(bundle["text/html"]).count(note) == 1
    assert bundle["text/html"].count(IGNORED) == 1
    assert bundle["text/markdown"].count(note) == 1
    assert bundle["text/plain"].count(note) == 1
    assert final_state(turn)["notes"] == [note]


@ending
def test_every_export_contains_an_end_note(name: str, session: Session, endpoint: Simulator, tmp_path: Path) -> None:
    turn, note = ask(name, session, endpoint)
    assert render_markdown([turn]).count(note) == 1
    assert text_of(render_page([turn], "main")).count(note) == 1
    saved = tmp_path / "thread.json"
    saved.write_text(export.to_json([turn]), "utf-8")
    assert export.load_turns(saved)[0].notes == [note]


@ending
def test_a_replayed_turn_has_its_recorded_notes(name: str, session: Session, endpoint: Simulator) -> None:
    flags = ENDINGS[name][0](session, endpoint)
    turn = session.ask("Go.", **flags)
    sent = len(endpoint.log)
    session.history.clear("main")
    session.history.load([turn])
    prompt = session.prepare("Go.", context="none", replay="only", **flags)
    with session.stream(prompt) as answer:
        list(answer)
    assert len(endpoint.log) == sent
    assert answer.close().notes == turn.notes
    assert answer.notes == []


@pytest.mark.parametrize("form", ["text", "json"])
def test_notes_are_below_an_answer_in_another_format(form: Any, session: Session, endpoint: Simulator) -> None:
    turn, note = ask("an unknown stop reason", session, endpoint)
    assert make_bundle(turn, answer_format=form)["text/markdown"].endswith(f"{note}\n```")


def test_a_stopped_turn_has_the_notes_of_the_calls_before(session: Session, endpoint: Simulator) -> None:
    script(endpoint, calls(tool_use("add", {"a": 1, "b": 1})), "Never read.")
    with session.stream("Go.", tools=[add, divide], tool_choice="divide") as answer:
        for event in answer:
            if isinstance(event, ToolFinished):
                break
    turn = answer.close()
    assert turn.status == "stopped"
    assert turn.notes == ["The endpoint did not honor tool_choice divide: there was no such call."]


def test_what_was_restored_is_a_note_of_the_run_and_shown_in_the_terminal(
    session: Session, endpoint: Simulator, tmp_path: Path
) -> None:
    path = tmp_path / "book.ipynb"
    old = make_turn(cell_id="a")
    output = {"output_type": "display_data", "metadata": {}, "data": {MIME_TYPE: old.record()}}
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "execution_count": 1, "source": "%%minimax\nhi"}
    book = {"cells": [{**cell, "outputs": [output]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(write_file(book), "utf-8")
    session.attach(path)
    file = io.StringIO()
    view = TerminalView(Console(file=file, width=200, highlight=False, markup=False, soft_wrap=True))
    turn = session.ask("And now?", view=view)
    assert "1 turn restored from book.ipynb.\n" in file.getvalue()
    assert turn.notes == []
