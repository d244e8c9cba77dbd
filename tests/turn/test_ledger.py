"""The ledger counts every model call that was made, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mm_magics import Session, map_prompts
from mm_magics.api import models
from mm_magics.api.usage import TOKEN_COUNTERS
from mm_magics.errors import EndpointError
from mm_magics.history.notebook import parse_notebook
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.ipython import commands
from mm_magics.simulator import ScriptedAnswer, Simulator, text, tool_use
from mm_magics.turn.ledger import Account, Ledger, accounts_of
from tests.ipython.tables import as_text
from tests.page_json import write_file
from tests.tools.scripted import add, calls, script
from tests.turns import RESPONSE
from tests.turns import turn as make_turn

MODEL = "MiniMax-M2.7"


def reported(endpoint: Simulator) -> dict[str, int]:
    """What the endpoint reported for all its answers."""
    usages = [record.usage or {} for record in endpoint.log]
    return {name: sum(usage.get(name, 0) for usage in usages) for name in TOKEN_COUNTERS}


def _once(session: Session, _: Simulator) -> int:
    session.ask("hi")
    return 1


def _one_cell_three_times(session: Session, _: Simulator) -> int:
    for number in range(3):
        session.ask(f"hi {number}", cell_id="a")
    return 3


def _with_tools(session: Session, endpoint: Simulator) -> int:
    script(endpoint, calls(tool_use("add", {"a": 1, "b": 1})), calls(tool_use("add", {"a": 2, "b": 2})), "4")
    session.ask("Add.", tools=[add])
    return 3


def _forgotten(session: Session, _: Simulator) -> int:
    session.ask("hi")
    session.history.clear("main")
    return 1


def _replayed(session: Session, _: Simulator) -> int:
    session.ask("hi", cell_id="a")
    for _ in range(3):
        session.ask("hi", cell_id="a", replay="auto")
    return 1


def _map(session: Session, _: Simulator) -> int:
    map_prompts("Is it good? {{ row }}", ["a", "b", "a"], session=session, progress=False)
    return 2


def _map_again(session: Session, _: Simulator) -> int:
    for _ in range(2):
        map_prompts("Is it good? {{ row }}", ["a", "b"], session=session, progress=False)
    return 2


def _map_with_corrections(session: Session, endpoint: Simulator) -> int:
    endpoint.answers.extend([calls(tool_use("final_answer", {})), calls(tool_use("final_answer", {"depth": 1}))])
    schema = {"type": "object", "properties": {"depth": {"type": "integer"}}, "required": ["depth"]}
    map_prompts("How deep? {{ row }}", ["a"], session=session, schema=schema, progress=False)
    return 2


COMPLETE = [_once, _one_cell_three_times, _with_tools, _forgotten, _replayed, _map, _map_again, _map_with_corrections]


@pytest.fixture
def session_settings(tmp_path: Path) -> dict[str, Any]:
    return {"store": str(tmp_path / "answers.sqlite"), "concurrency": 1}


@pytest.mark.parametrize("use", COMPLETE, ids=lambda use: use.__name__.strip("_"))
def test_every_call_counts_once_with_what_the_endpoint_reported(
    session: Session, endpoint: Simulator, use: Callable[[Session, Simulator], int]
) -> None:
    assert use(session, endpoint) == len(endpoint.log)
    ((notebook, model), account) = next(iter(session.ledger.accounts.items()))
    assert len(session.ledger.accounts) == 1
    assert (notebook, model) == ("", MODEL)
    assert account.calls == len(endpoint.log)
    assert account.tokens == reported(endpoint)
    assert account.cost == pytest.approx(models.cost(MODEL, account.tokens))
    assert account.unknown == 0
    assert account.seconds > 0


def test_replayed_answers_are_listed_and_cost_nothing(session: Session, endpoint: Simulator) -> None:
    _replayed(session, endpoint)
    assert session.ledger.replayed == 3
    assert "3 answers replayed, without a call." in usage(session)


def test_a_stopped_call_counts_with_what_is_known(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.append(ScriptedAnswer([text("word " * 50)], size=5))
    with session.stream("hi") as answer:
        for event in answer:
            if type(event).__name__ == "Delta":
                break
    assert answer.close().status == "stopped"
    account = session.ledger.total()
    assert (account.calls, account.unknown) == (1, 1)
    session.ask("And now?")
    assert "+ unknown" in usage(session)


def test_a_call_that_was_never_sent_does_not_count(session: Session) -> None:
    session.stream("hi").close()
    assert session.ledger.total() == Account()


@pytest.mark.parametrize("fault", ["usage-limit", "overloaded"])
def test_a_refused_call_counts_and_costs_nothing(session: Session, endpoint: Simulator, fault: str) -> None:
    endpoint.answers.append(ScriptedAnswer(fault=fault))
    with pytest.raises(EndpointError):
        session.ask("hi")
    account = session.ledger.total()
    assert (account.calls, account.cost, account.unknown) == (1, 0.0, 0)


def test_a_call_that_is_cut_counts_with_what_is_known(session: Session, endpoint: Simulator) -> None:
    with pytest.raises(EndpointError):
        session.ask("Hello. [[simulator: fault=close after=3]]")
    account = session.ledger.total()
    assert (account.calls, account.unknown) == (1, 1)
    assert "unknown" in usage(session)


def test_an_answer_without_usage_has_an_unknown_cost(session: Session) -> None:
    session.ask("Hello. [[simulator: fault=no-usage]]")
    account = session.ledger.total()
    assert (account.calls, account.unknown) == (1, 1)
    assert "unknown" in usage(session)


def test_an_unknown_price_is_unknown_everywhere(session: Session) -> None:
    session.ask("hi", model="MiniMax-M4")
    account = session.ledger.total()
    assert (account.calls, account.unknown, account.cost) == (1, 1, 0.0)
    assert [line.split()[-1] for line in usage(session).splitlines()[1:]] == ["unknown", "unknown"]
    assert "unknown" in next(line for line in command(session, "").splitlines() if line.startswith("usage"))
    result: Any = map_prompts("Good? {{ row }}", ["a"], session=session, model="MiniMax-M4", progress=False)
    assert result.cost is None
    session.ask("hi")
    assert "+ unknown" in next(line for line in usage(session).splitlines() if " all " in line)


def test_a_failed_map_call_counts_its_earlier_answers(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([calls(tool_use("final_answer", {})), ScriptedAnswer(fault="unknown-model")])
    schema = {"type": "object", "properties": {"depth": {"type": "integer"}}, "required": ["depth"]}
    result: Any = map_prompts("How deep? {{ row }}", ["a"], session=session, schema=schema, progress=False)
    assert len(result.errors) == 1
    account = session.ledger.total()
    assert account.calls == len(endpoint.log) == 2
    assert account.tokens == result.usage
    assert account.cost == pytest.approx(result.cost) != 0


# What the turns of a notebook stand for -----------------------------------------------------------------------------


def command(session: Session, line: str) -> str:
    shell: Any = SimpleNamespace(user_ns={})
    return as_text(commands.run(commands.Context(session, shell), line))


def usage(session: Session) -> str:
    return command(session, "usage")


def book(*turns: Turn) -> str:
    outputs = [[{"output_type": "display_data", "metadata": {}, "data": {MIME_TYPE: each.record()}}] for each in turns]
    cells = [
        {"cell_type": "code", "id": f"c{number}", "metadata": {}, "source": "%%minimax\nhi", "outputs": each}
        for number, each in enumerate(outputs)
    ]
    return write_file({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def test_the_turns_of_a_notebook_stand_for_their_calls_and_those_of_their_versions() -> None:
    old = make_turn("old", cell_id="a")
    turn = make_turn("new", cell_id="a", versions=[old], responses=[dict(RESPONSE)] * 2)
    accounts = accounts_of([turn, turn, make_turn("other", cell_id="b", model="MiniMax-M4")])
    assert {model: (each.calls, each.unknown) for model, each in accounts.items()} == {
        MODEL: (3, 0),
        "MiniMax-M4": (1, 1),
    }
    assert accounts[MODEL].tokens["input_tokens"] == 27


def test_usage_shows_the_calls_of_this_kernel_and_those_that_the_notebook_stands_for(
    session: Session, tmp_path: Path
) -> None:
    assert usage(session) == "No prompts have been sent yet."
    path = tmp_path / "book.ipynb"
    path.write_text(book(make_turn(cell_id="c0")), "utf-8")
    session.attach(path)
    session.refresh()
    (row,) = [line for line in usage(session).splitlines() if MODEL in line]
    assert row.startswith("the turns of book.ipynb")
    session.ask("hi", cell_id="x")
    rows = [line for line in usage(session).splitlines() if MODEL in line]
    assert rows[0].startswith("this kernel, in book.ipynb")
    assert rows[1].startswith("the turns of book.ipynb")
    assert [row.split(MODEL)[1].split()[0] for row in rows] == ["1", "2"]


def test_the_kernel_counts_the_calls_of_every_session(
    session: Session, endpoint: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ledger, "of_kernel", session.ledger)
    session.ask("hi")
    store = str(tmp_path / "own.sqlite")
    for rows in (["a", "b"], ["c"]):
        with Session(base_url=endpoint.base_url, api_key=endpoint.key, store=store) as own:
            own.ask("hi")
            map_prompts("Good? {{ row }}", rows, session=own, progress=False)
            assert own.ledger.total().calls == 1 + len(rows)
    rows = [line for line in usage(session).splitlines() if line.startswith("this kernel")]
    assert [row.split(MODEL)[0].strip() for row in rows[:2]] == ["this kernel", "this kernel, in your own sessions"]
    assert [row.split(MODEL)[-1].split()[0] for row in rows[:2]] == ["1", "5"]
    assert session.ledger.total().calls == len(endpoint.log)
    assert session.ledger.total().tokens == reported(endpoint)


# Turns without an answer --------------------------------------------------------------------------------------------


def failed(session: Session, endpoint: Simulator, cell_id: str | None) -> Turn:
    endpoint.answers.append(ScriptedAnswer(fault="usage-limit"))
    with pytest.raises(EndpointError) as caught:
        session.ask("hi", cell_id=cell_id)
    turn: Turn = caught.value.turn  # type: ignore[assignment]
    return turn


def test_a_failed_turn_of_a_cell_is_not_restored_and_not_stale(session: Session, endpoint: Simulator) -> None:
    turn = failed(session, endpoint, "c0")
    document = parse_notebook(book(turn), "book.ipynb", 0.0)
    assert session.history.follow(document) == 0
    assert "failed" in command(session, "history")
    session.ask("And now?", cell_id="c1")
    assert len(endpoint.log[-1].body["messages"]) == 1
    assert "stale" not in command(session, "history")
    session.history.forget(session.history.turns("main")[0])
    assert session.history.stale() == set()


def test_a_failed_turn_below_one_that_was_asked_again_is_not_stale(session: Session, endpoint: Simulator) -> None:
    session.ask("one", cell_id="a")
    turn = failed(session, endpoint, "b")
    session.ask("two", cell_id="a")
    assert turn.place not in session.history.stale()
    assert session.history.turn_of_cell("main", "b") == turn


def test_a_failed_answer_does_not_replace_the_earlier_one(session: Session, endpoint: Simulator) -> None:
    first = session.ask("hi", cell_id="a")
    failed(session, endpoint, "a")
    assert session.history.turns("main") == [first]


def test_a_failed_turn_without_a_cell_is_forgotten(session: Session, endpoint: Simulator) -> None:
    failed(session, endpoint, None)
    assert session.history.turns("main") == []


def test_a_stopped_turn_without_an_answer_is_like_a_failed_one(session: Session, endpoint: Simulator) -> None:
    stop = threading.Event()
    stop.set()
    turn = session.ask("hi", cell_id="a", stop=stop)
    assert turn.status == "stopped"
    assert session.history.turns("main") == [turn]
    session.ask("one", cell_id="b")
    session.history.put(make_turn(cell_id="a"))
    assert turn.place not in session.history.stale()
