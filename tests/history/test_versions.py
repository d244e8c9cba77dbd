"""Versions: asking a cell again keeps its earlier answers, and exactly one of them is active."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics.errors import EndpointError
from mm_magics.history.export import load_turns, to_json
from mm_magics.history.thread import History
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.history.versions import all_versions, compared, succeed, together, use_version, version_number
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from tests.page_json import Page, write_file
from tests.turns import broken_rules, turn


def texts(made: Turn) -> list[str]:
    return [version.text for version in all_versions(made)]


def asked(session: Session, *answers: str, endpoint: Simulator, **flags: Any) -> Turn:
    """Ask the cell `a` once for each answer."""
    endpoint.answers.extend(answers)
    made = [session.ask("Q?", cell_id="a", **flags) for _ in answers]
    return made[-1]


# Asking again ---------------------------------------------------------------------------------------------------


def test_asking_a_cell_again_keeps_the_earlier_answers_the_most_recent_first(
    session: Session, endpoint: Simulator
) -> None:
    made = asked(session, "one", "two", "three", endpoint=endpoint)
    assert (made.text, [each.text for each in made.versions], made.newer) == ("three", ["two", "one"], 0)
    assert all(version.versions == [] for version in made.versions)
    assert session.history.turns("main") == [made]
    assert broken_rules(made.record()) == []
    assert Turn.from_record(json.loads(json.dumps(made.record()))) == made


def test_the_context_contains_only_the_active_version(session: Session, endpoint: Simulator) -> None:
    asked(session, "one", "two", endpoint=endpoint)
    session.ask("Below", cell_id="b")
    sent = json.dumps(endpoint.log[-1].body["messages"])
    assert "two" in sent
    assert "one" not in sent
    asked(session, "three", endpoint=endpoint)
    assert "two" not in json.dumps(endpoint.log[-1].body["messages"])


@pytest.mark.parametrize(("limit", "left"), [(0, []), (1, ["4"]), (3, ["4", "3", "2"]), (5, ["4", "3", "2", "1", "0"])])
def test_the_oldest_versions_are_dropped_at_the_limit(
    session: Session, endpoint: Simulator, limit: int, left: list[str]
) -> None:
    session.config.max_versions = limit
    made = asked(session, *"012345", endpoint=endpoint)
    assert [each.text for each in made.versions] == left


def test_the_version_that_was_active_is_never_the_one_that_is_dropped(session: Session, endpoint: Simulator) -> None:
    session.config.max_versions = 2
    made = asked(session, "one", "two", "three", endpoint=endpoint)
    session.history.use_version(made, 1)
    assert texts(asked(session, "four", endpoint=endpoint)) == ["one", "three", "four"]


def test_a_turn_in_another_thread_or_without_a_cell_has_no_versions(session: Session, endpoint: Simulator) -> None:
    asked(session, "one", endpoint=endpoint)
    assert asked(session, "two", endpoint=endpoint, thread="side").versions == []
    assert [session.ask("hi").versions for _ in range(2)] == [[], []]


@pytest.mark.parametrize("fault", ["close after=3", "cut-tool-json", "only-thinking"])
def test_a_partial_answer_is_a_version(session: Session, endpoint: Simulator, fault: str) -> None:
    with suppress(EndpointError):
        session.ask(f"Q? [[simulator: fault={fault}]]", cell_id="a")
    (first,) = session.history.turns("main")
    made = asked(session, "two", endpoint=endpoint)
    assert made.versions == [first]
    assert made.versions[0].messages[1]["content"]


def test_a_stopped_answer_is_a_version(session: Session, endpoint: Simulator) -> None:
    with session.stream("Q? [[simulator: deltas=50]]", cell_id="a") as answer:
        for number, _ in enumerate(answer):
            if number == 5:
                break
    made = asked(session, "two", endpoint=endpoint)
    assert [each.status for each in made.versions] == ["stopped"]


def test_a_turn_in_which_nothing_was_received_replaces_nothing_and_is_not_a_version(
    session: Session, endpoint: Simulator
) -> None:
    made = asked(session, "one", endpoint=endpoint)
    with pytest.raises(EndpointError):
        session.ask("Q? [[simulator: fault=overloaded]]", cell_id="a", timeout=5)
    assert session.history.turns("main") == [made]
    empty = turn("Q?", [], status="stopped", cell_id="a", messages=made.messages[:1])
    assert succeed(turn("Q?"), empty, 5).versions == []
    assert texts(succeed(turn("Q?", "new"), replace(empty, versions=[made]), 5)) == ["one", "new"]


# Switching ------------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 6), max_size=12), st.integers(1, 6))
def test_switching_changes_neither_the_order_nor_the_number_of_the_versions(choices: list[int], count: int) -> None:
    versions = [turn("Q?", str(number)) for number in range(1, count + 1)]
    made = versions[0]
    for version in versions[1:]:
        made = succeed(version, made, 5)
    for choice in choices:
        made = use_version(made, min(choice, count))
        assert version_number(made) == min(choice, count)
        assert made.text == str(min(choice, count))
        assert texts(made) == [version.text for version in versions]
        assert Turn.from_record(json.loads(json.dumps(made.record()))) == made


def test_the_turns_below_another_version_are_stale_until_the_old_one_is_active_again(
    session: Session, endpoint: Simulator
) -> None:
    made = asked(session, "one", "two", endpoint=endpoint)
    below = session.ask("Below", cell_id="b")
    assert session.history.stale() == set()
    chosen = session.history.use_version(made, 1)
    assert session.history.stale() == {below.place}
    assert session.history.turns("main")[0] is chosen
    session.history.use_version(chosen, 2)
    assert session.history.stale() == set()


def test_a_version_belongs_to_the_cell_and_the_thread_of_the_turn(session: Session) -> None:
    old = turn("Q?", "old", cell_id="elsewhere", context=2)
    copied = turn("Q?", "new", cell_id="copy", thread="side", base={"thread": "main", "turn": "t"}, versions=[old])
    chosen = use_version(copied, 1)
    assert (chosen.text, chosen.cell_id, chosen.thread, chosen.base) == ("old", "copy", "side", copied.base)
    assert chosen.context == 2


def test_a_turn_of_schema_1_keeps_its_record_and_has_versions() -> None:
    old = replace(turn("Q?", "old", cell_id="a"), schema=1)
    chosen = use_version(succeed(turn("Q?", "new", cell_id="a"), old, 5), 1)
    record = json.loads(json.dumps(chosen.record()))
    assert {key: value for key, value in record.items() if key not in ("versions", "newer")} == old.record()
    assert broken_rules(record) == []
    assert texts(Turn.from_record(record)) == ["old", "new"]


@pytest.mark.parametrize(("given", "read"), [(0, 0), (1, 1), (9, 1)])
def test_the_position_of_the_active_version_is_within_the_versions(given: int, read: int) -> None:
    record = {**turn("Q?", "new", versions=[turn("Q?", "old")]).record(), "newer": given}
    assert Turn.from_record(record).newer == read


# Replay ---------------------------------------------------------------------------------------------------------


def test_a_replay_of_the_active_turn_adds_no_version(session: Session, endpoint: Simulator) -> None:
    made = asked(session, "one", "two", endpoint=endpoint)
    again = session.ask("Q?", cell_id="a", replay="auto")
    assert again == made
    assert len(endpoint.log) == 2


def test_a_replay_makes_the_version_with_this_request_active_and_keeps_the_other(
    session: Session, endpoint: Simulator
) -> None:
    first = session.ask("First text", cell_id="a")
    second = session.ask("Second text", cell_id="a")
    again = session.ask("First text", cell_id="a", replay="auto")
    assert (again.id, again.newer, [each.id for each in again.versions]) == (first.id, 1, [second.id])
    assert session.history.turns("main") == [again]
    assert [each.id for each in all_versions(session.ask("Second text", cell_id="a", replay="only"))] == [
        first.id,
        second.id,
    ]
    assert len(endpoint.log) == 2


def test_a_recording_of_another_cell_is_replayed_without_the_versions_of_that_cell(
    session: Session, endpoint: Simulator
) -> None:
    asked(session, "one", "two", endpoint=endpoint, context="none")
    mine = session.ask("Other text", cell_id="b", context="none")
    again = session.ask("Q?", cell_id="b", replay="auto", context="none")
    assert again.text == "two"
    assert [each.id for each in again.versions] == [mine.id]


def test_versions_in_another_notebook_are_replayed_and_its_active_turns_first(
    session: Session, endpoint: Simulator, tmp_path: Path
) -> None:
    first = session.ask("First text", cell_id="a", context="none")
    made = asked(session, "one", "two", endpoint=endpoint, context="none")
    (tmp_path / "other.ipynb").write_text(json.dumps(notebook({"a": made})))
    endpoint.log.clear()
    with Session(replay="only", replay_from=[str(tmp_path)]) as other:
        assert other.ask("First text", context="none").id == first.id
        assert other.ask("Q?", context="none").versions == []
        assert other.history.turns("main")[-1].text == "two"
    assert not endpoint.log


# Files ----------------------------------------------------------------------------------------------------------


def notebook(turns: dict[str, Turn]) -> dict[str, Any]:
    cells = [
        {
            "cell_type": "code",
            "id": id_,
            "source": "%%minimax\nQ?",
            "outputs": [{"output_type": "display_data", "metadata": {}, "data": {MIME_TYPE: made.record()}}],
        }
        for id_, made in turns.items()
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


def test_versions_are_verbatim_after_a_save_by_the_page_and_a_restart(
    session: Session, endpoint: Simulator, tmp_path: Path
) -> None:
    made = asked(session, "one", "two", "three", endpoint=endpoint, params={"temperature": 1.0, "top_p": 1.0})
    made = session.history.use_version(made, 2)
    path = tmp_path / "page.ipynb"
    with Page() as page:
        path.write_text(write_file(page.save(notebook({"a": made, "copy": made}))))
    with Session(base_url=endpoint.base_url, api_key=endpoint.key) as other:
        other.attach(path)
        other.refresh()
        assert other.history.turns("main") == [made, replace(made, cell_id="copy")]
        assert other.history.stale() == {("copy", made.id)}
        copy = asked(other, "four", endpoint=endpoint)
        assert texts(copy) == ["one", "two", "three", "four"]


def test_a_version_chosen_on_a_page_that_cannot_be_updated_stays_active_when_the_file_is_read_again(
    session: Session, endpoint: Simulator, tmp_path: Path
) -> None:
    made = asked(session, "one", "two", endpoint=endpoint)
    path = tmp_path / "page.ipynb"
    path.write_text(json.dumps(notebook({"a": made})))
    session.attach(path)
    session.refresh()

    def saved(page: dict[str, Any], seconds: int) -> str:
        path.write_text(json.dumps(page))
        os.utime(path, (4e9 + seconds, 4e9 + seconds))
        session.refresh()
        return session.history.turns("main")[0].text

    session.history.use_version(session.history.turns("main")[0], 1, pinned=True)
    assert saved(notebook({"a": made}), 1) == "one"
    again = asked(session, "three", endpoint=endpoint)
    assert texts(again) == ["one", "two", "three"]
    assert saved(notebook({"a": again}), 2) == "three"
    session.history.use_version(session.history.turns("main")[0], 1, pinned=True)
    session.history.use_version(session.history.turns("main")[0], 3, pinned=True)
    assert saved(notebook({"a": again}), 3) == "three"


def test_versions_found_in_the_document_are_not_new_turns(
    session: Session, endpoint: Simulator, tmp_path: Path
) -> None:
    made = asked(session, "one", "two", endpoint=endpoint)
    path = tmp_path / "page.ipynb"
    path.write_text(json.dumps(notebook({"a": use_version(made, 1)})))
    os.utime(path, (4e9, 4e9))
    session.attach(path)
    with session.stream("Below", cell_id="b") as answer:
        list(answer)
    assert not any("restored" in note for note in answer.notes)
    assert session.history.turns("main")[0].text == "one"


def test_versions_are_saved_and_loaded(session: Session, endpoint: Simulator, tmp_path: Path) -> None:
    made = asked(session, "one", "two", endpoint=endpoint)
    path = tmp_path / "thread.json"
    path.write_text(to_json([made]))
    history = History()
    history.load(load_turns(path))
    (loaded,) = history.turns("main")
    assert texts(loaded) == ["one", "two"]
    chosen = history.use_version(loaded, 1)
    assert history.turns("main") == [chosen]
    history.load([made])
    assert [each.text for each in history.turns("main")] == ["two"]


def test_a_turn_that_is_lost_while_it_streams_keeps_the_earlier_answers(session: Session, endpoint: Simulator) -> None:
    first = asked(session, "one", endpoint=endpoint)
    with session.stream("Q? [[simulator: deltas=50]]", cell_id="a") as answer:
        for number, _ in enumerate(answer):
            if number == 5:
                lost = answer.so_far()
                break
    assert (lost.status, lost.versions) == ("stopped", [first])
    assert session.history.turns("main")[0].versions == [first]
    assert succeed(turn("Q?", "new", cell_id="a"), lost, 5).versions == [first]


# Succeeding -----------------------------------------------------------------------------------------------------


def version(id_: str, *versions: Turn, newer: int = 0) -> Turn:
    return turn(answer=id_, id=id_, versions=list(versions), newer=newer)


def unanswered(id_: str, *versions: Turn, newer: int = 0) -> Turn:
    return turn(answer=[], id=id_, versions=list(versions), newer=newer)


A, B, C = version("a"), version("b"), version("c")


@pytest.mark.parametrize(
    ("made", "earlier", "limit", "versions", "newer"),
    [
        ("d", None, 5, "", 0),
        ("d", A, 5, "a", 0),
        ("d", A, 0, "", 0),
        ("d", A, -1, "", 0),
        ("d", version("c", B, A), 5, "cba", 0),
        ("d", version("c", B, A), 2, "cb", 0),
        ("d", version("a", C, B, newer=2), 5, "cba", 0),
        ("d", version("a", C, B, newer=2), 2, "ca", 0),
        ("d", version("a", C, B, newer=2), 1, "a", 0),
        ("d", unanswered("c", B, A), 5, "ba", 0),
        ("d", version("c", unanswered("b"), A), 5, "ca", 0),
        ("d", unanswered("c"), 5, "", 0),
        ("c", version("c", B, A), 5, "ba", 0),
        ("b", version("c", B, A), 5, "ca", 1),
        ("a", version("c", B, A), 5, "cb", 2),
        ("b", version("c", B, A), 0, "ca", 1),
    ],
)
def test_a_turn_has_what_it_replaces_among_its_versions(
    made: str, earlier: Turn | None, limit: int, versions: str, newer: int
) -> None:
    found = succeed(version(made), earlier, limit)
    assert ("".join(each.id for each in found.versions), found.newer) == (versions, newer)
    assert found.id == made
    assert all((each.versions, each.newer) == ([], 0) for each in found.versions)


def test_a_new_turn_and_the_versions_it_has_itself_are_the_newest() -> None:
    found = succeed(version("d", A, newer=1), C, 5)
    assert ([each.id for each in all_versions(found)], found.newer) == (["c", "d", "a"], 1)


def compare(*ids: str, active: int = 0, comparison: str = "one") -> Turn:
    """Answers that were asked for at once."""
    answers = [replace(version(id_), comparison={"id": comparison, "number": at}) for at, id_ in enumerate(ids, 1)]
    return together(answers, active)


@pytest.mark.parametrize(
    ("earlier", "limit", "expected"),
    [
        (None, 5, "x y z"),
        (C, 5, "c x y z"),
        (C, 1, "c x y z"),
        (C, 0, "x y z"),
        (version("c", A, B), 5, "b a c x y z"),
        (version("c", A, B), 3, "c x y z"),
        (compare("u", "v", comparison="two"), 5, "u v x y z"),
        (compare("u", "v", comparison="two"), 3, "u x y z"),
        (compare("x", "y", "z", active=2), 5, "x y z"),
        (version("c", *compare("x", "y", "z").versions, compare("x", "y", "z")), 5, "x y z c"),
    ],
)
def test_compared_answers_are_versions_beside_those_of_the_earlier_turn(
    earlier: Turn | None, limit: int, expected: str
) -> None:
    made = compare("x", "y", "z", active=1)
    found = succeed(made, earlier, limit)
    assert [each.id for each in all_versions(found)] == expected.split()
    assert found.id == "y"
    assert [each.id for each in compared(found)] == ["x", "y", "z"]
    assert Turn.from_record(found.record()) == found


@pytest.mark.parametrize("number", [1, 2, 3])
def test_choosing_one_of_the_compared_answers_shows_it_alone(number: int) -> None:
    made = compare("x", "y", "z")
    assert made.undecided
    chosen = use_version(made, number)
    assert [each.id for each in compared(chosen)] == ["xyz"[number - 1]]
    assert [each.id for each in all_versions(chosen)] == ["x", "y", "z"]
    assert not any(each.undecided for each in [chosen, *chosen.versions])
    again = succeed(version("n"), chosen, 5)
    assert [each.id for each in all_versions(again)] == ["x", "y", "z", "n"]
    assert compared(again) == [again]
