"""Tools in map runs: those that only read are called for each row, and their results are sent and stored."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mm_magics import Session, map_prompts, minimax_tool
from mm_magics.errors import UsageError
from mm_magics.interrupts import StoppedError
from mm_magics.simulator import ScriptedAnswer, Simulator, text, tool_use
from tests.batch.simulated import sent_rows

ROW = "{{ row }}"


def price(item: str) -> int:
    """Return the price of an item."""
    return {"a": 3, "b": 5}[item]


@minimax_tool(asks=True)
def order(item: str) -> str:
    """Order an item."""
    raise AssertionError("ordered")


@pytest.fixture
def calling(endpoint: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """A simulator that calls the first tool for each row, and then answers with the result."""

    def answer(request: Any) -> ScriptedAnswer:
        *_, last = request.messages
        content = last["content"]
        results = [block for block in content if block["type"] == "tool_result"]
        if not results:
            return ScriptedAnswer([tool_use(request.tools[0]["name"], {"item": content[-1]["text"]})])
        found = results[0]["content"]
        lines = (found if isinstance(found, str) else found[0]["text"]).splitlines()
        assert lines[0].startswith("Data from outside") or results[0].get("is_error")
        return ScriptedAnswer([text(lines[2] if len(lines) == 4 else "\n".join(lines))])

    monkeypatch.setattr(endpoint._endpoint, "_answer", answer)
    return endpoint


def test_a_tool_is_called_for_each_row_and_its_result_is_sent_and_stored(session: Session, calling: Simulator) -> None:
    result = map_prompts(ROW, ["a", "b", "a"], session=session, tools=[price], progress=False)
    assert result.values == ["3", "5", "3"]
    assert (result.asked, len(sent_rows(calling))) == (4, 4)
    assert session.ledger.total().calls == 4
    again = map_prompts(ROW, ["a", "b", "a"], session=session, tools=[price], progress=False)
    assert (again.values, again.asked, again.stored) == (result.values, 0, 3)


def test_a_tool_that_fails_is_reported_to_the_model(session: Session, calling: Simulator) -> None:
    (value,) = map_prompts(ROW, ["c"], session=session, tools=[price], progress=False).values
    assert "KeyError" in value


def test_tools_that_act_are_refused_before_anything_is_sent(session: Session, endpoint: Simulator) -> None:
    for tools in ([order], [price, order], ["python"], ["shell"], ["write_file"]):
        with pytest.raises(UsageError, match="requires approval, and a map run only calls tools that read"):
            map_prompts(ROW, ["a"], session=session, tools=tools)
    session.rules.add("allow", "order")
    with pytest.raises(UsageError, match="order requires approval"):
        map_prompts(ROW, ["a"], session=session, tools=[order])
    for options in ({"pack": 3}, {"engine": object()}):
        with pytest.raises(UsageError, match="tools cannot be combined with"):
            map_prompts(ROW, ["a"], session=session, tools=[price], **options)
    assert endpoint.log == []


def test_tools_are_called_one_at_a_time_while_other_rows_are_sent(session: Session, calling: Simulator) -> None:
    running = most = 0

    def slow(item: str) -> str:
        """Return an item slowly."""
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.02)
        running -= 1
        return item

    rows = [f"t{number}" for number in range(12)]
    result = map_prompts(ROW, rows, session=session, tools=[slow], progress=False)
    assert result.values == rows
    assert most == 1


def test_the_end_of_a_run_ends_its_tools(session: Session, calling: Simulator) -> None:
    begun, ended = threading.Event(), threading.Event()

    def endless(item: str) -> str:
        """Never return."""
        begun.set()
        try:
            while True:
                time.sleep(0.01)
        finally:
            ended.set()

    stream = map_prompts(ROW, ["a"], session=session, tools=[endless], stream=True, progress=False)
    thread = threading.Thread(target=lambda: (begun.wait(20), stream._runner._stop.set()))
    thread.start()
    with pytest.raises(StoppedError):
        list(stream)
    thread.join()
    stream.close()
    assert begun.is_set()
    assert ended.wait(20)


def test_results_of_tools_are_searched_for_what_is_never_sent(calling: Simulator, tmp_path: Path) -> None:
    people = pd.DataFrame({"email": ["a@example.org"]})
    found = {"a": "the address is a@example.org"}

    def lookup(item: str) -> str:
        """Look an item up."""
        return found[item]

    with Session(
        base_url=calling.base_url, api_key=calling.key, never_send=["people.email"], store=str(tmp_path / "a.sqlite")
    ) as session:
        session.namespace = {"people": people}
        (error,) = map_prompts(ROW, ["a"], session=session, tools=[lookup], progress=False).errors
    assert "people.email" in error.why
    assert "a@example.org" not in str([record.body for record in calling.log])


def test_max_rounds_ends_the_calls_of_a_row(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend([ScriptedAnswer([tool_use("price", {"item": "a"})]) for _ in range(2)])
    endpoint.answers.append("It costs 3.")
    result = map_prompts(ROW, ["a"], session=session, tools=[price], max_rounds=2, progress=False)
    assert result.values == ["It costs 3."]
    assert sent_rows(endpoint)[-1].body["tool_choice"] == {"type": "none"}
