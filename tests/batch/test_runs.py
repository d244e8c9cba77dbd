"""What a run asks and what it does not: equal rows once, stored rows never, failed rows again when they are wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mm_magics import Session, map_prompts
from mm_magics.batch.dry_run import DryRun
from mm_magics.batch.result import MapResult
from mm_magics.errors import MissingKeyError, NotRecordedError, UsageError
from mm_magics.simulator import Answer, Fault, Simulator, text
from tests.batch.asked import SAY, say, texts
from tests.turns import broken_rules

ONCE = '{{ row }} [[simulator: thinking="" say="ok" fault=unknown-error times=1]]'
"""Fails the first time that it is asked."""


def whys(result: MapResult) -> dict[int, str]:
    return dict(result.errors)


# Once -----------------------------------------------------------------------------------------------------------


def test_equal_rows_are_sent_once_and_all_get_the_answer(session: Session, endpoint: Simulator) -> None:
    result = map_prompts(SAY, ["a", "b", "a", "a", "b"], session=session)
    assert result.values == ["ok"] * 5
    assert sorted(texts(endpoint)) == ["a", "b"]
    assert result.asked == 2


def test_equal_rows_that_come_after_the_answer_are_not_sent_either(session: Session, endpoint: Simulator) -> None:
    rows = ["a", *(f"other {n}" for n in range(140)), "a"]
    assert map_prompts(SAY, rows, session=session).values == ["ok"] * 142
    assert texts(endpoint).count("a") == 1


def test_stored_rows_are_not_sent_again_and_new_ones_are(session: Session, endpoint: Simulator) -> None:
    map_prompts(SAY, ["a", "b"], session=session)
    result = map_prompts(SAY, ["b", "c", "a", "a"], session=session)
    assert (result.asked, result.stored, result.values) == (1, 3, ["ok"] * 4)
    assert texts(endpoint)[2:] == ["c"]
    assert result.cost > 0
    assert map_prompts(SAY, ["a"], session=session).cost == 0


def test_whatever_changes_the_answer_makes_it_another_request(session: Session, endpoint: Simulator) -> None:
    for flags in ({}, {"model": "MiniMax-M2"}, {"temperature": 0.5}, {"system": "Be brief."}, {"user_id": "u"}):
        map_prompts(SAY, ["a"], session=session, **flags)
    assert len(endpoint.log) == 4


def test_each_run_may_have_a_store_of_its_own(session: Session, endpoint: Simulator, tmp_path: Any) -> None:
    for name in ("one.sqlite", "two.sqlite", "one.sqlite"):
        map_prompts(SAY, ["a"], session=session, store=tmp_path / name)
    assert len(endpoint.log) == 2


# Failed rows ----------------------------------------------------------------------------------------------------


def test_a_failing_row_stops_no_other_and_is_asked_by_retry_failed(session: Session, endpoint: Simulator) -> None:
    result = map_prompts(
        lambda row: ONCE.replace("{{ row }}", row) if row == "b" else f"{row} {SAY[10:]}", list("abc"), session=session
    )
    assert whys(result) == {1: "unknown error, 798 (1000) (HTTP 500, api_error)"}
    assert result.values == ["ok", None, "ok"]
    again = result.retry_failed()
    assert (again.values, again.errors, again.asked, again.stored) == (["ok"] * 3, [], 1, 2)
    assert len(result.errors) == 1


def test_failed_rows_are_not_stored_and_asked_by_the_next_run(session: Session, endpoint: Simulator) -> None:
    assert len(map_prompts(ONCE, ["a", "a", "b"], session=session).errors) == 3
    assert len(endpoint.log) == 2
    assert map_prompts(ONCE, ["a", "a", "b"], session=session).values == ["ok"] * 3
    assert len(endpoint.log) == 4


@pytest.mark.parametrize(
    ("answer", "why", "stored"),
    [
        (Answer([text("x" * 4_000)]), "The answer was cut by max_tokens or the model's window.", True),
        (Answer([text("I will not.")], stop_reason="refusal"), "The model refused.", True),
        (Answer([text("far")], stop_reason="model_context_window_exceeded"), "The answer was cut by max", True),
        (Answer([text("")]), "The endpoint's answer says nothing.", False),
        (Answer([]), "The endpoint's answer says nothing.", False),
        (Answer([text("half")], fault="stop-error"), "The endpoint ended the answer with an error.", False),
        (Answer([text("a")], fault="html"), "The endpoint answered with text/html", False),
        (Answer([text("a")], fault="base-resp"), "login fail: ", False),
        (Answer([text("a")], fault="input-sensitive"), "input new_sensitive (1026)", False),
        (Answer([text("a")], fault="cut-gzip"), "", False),
        (Answer([text("a")], fault=Fault("redirect", to="http://127.0.0.1:9")), "redirects elsewhere", False),
    ],
    ids=lambda each: str(each)[:40],
)
def test_an_answer_that_is_none_is_an_error_of_its_row(
    session: Session, endpoint: Simulator, answer: Answer, why: str, stored: bool
) -> None:
    endpoint.answers.append(answer)
    result = map_prompts(SAY, ["a"], session=session, max_tokens=100)
    (error,) = result.errors
    assert error.row == 0
    assert why in error.why
    assert "\n" not in error.why
    after = map_prompts(SAY, ["a"], session=session, max_tokens=100)
    assert after.stored == stored
    assert len(endpoint.log) == 2 - stored
    if stored:
        assert after.errors == result.errors
        assert after.values == result.values != [None]


def test_a_function_makes_the_prompts_and_what_fails_in_it_is_an_error_of_its_row(
    session: Session, endpoint: Simulator
) -> None:
    def worded(row: Any) -> Any:
        if row["n"] == 1:
            raise RuntimeError("no\nluck")
        return {0: "fine", 2: None, 3: "", 4: 7}[row.n]

    result = map_prompts(worded, pd.DataFrame({"n": range(5)}), session=session)
    assert whys(result) == {
        1: "worded(row) failed with RuntimeError: no luck.",
        2: "worded(row) gave a NoneType, not a text.",
        3: "The prompt is empty.",
        4: "worded(row) gave a int, not a text.",
    }
    assert texts(endpoint) == ["fine"]


def test_a_template_that_fails_in_some_rows_is_an_error_of_those(session: Session, endpoint: Simulator) -> None:
    result = map_prompts(say("{{ 6 // row.n }}"), [{"n": 3}, {"n": 0}, {"n": 2}], session=session)
    assert list(whys(result)) == [1]
    assert "ZeroDivisionError" in whys(result)[1]
    assert sorted(texts(endpoint)) == ["2", "3"]


def test_names_of_the_session_and_of_the_call_stand_in_a_template(session: Session, endpoint: Simulator) -> None:
    session.namespace = {"language": "French", "row": "hidden"}
    map_prompts("{{ language }} {{ row }}", ["a"], session=session)
    map_prompts("{{ language }} {{ row }}", ["a"], session=session, namespace={"language": "Dutch"})
    assert texts(endpoint) == ["French a", "Dutch a"]


# Before and without ---------------------------------------------------------------------------------------------


def test_a_plan_counts_calls_rows_and_costs_and_sends_nothing(session: Session, endpoint: Simulator) -> None:
    map_prompts(SAY, ["a"], session=session)
    plan = map_prompts(SAY, ["a", "b", "b", None, "c", "d"], session=session, dry_run=True)
    assert isinstance(plan, DryRun)
    assert (plan.rows, plan.calls, plan.stored, list(plan.errors)) == (6, 3, 1, [3])
    assert [each.partition(" ")[0] for each in plan.prompts] == ["a", "b", "b"]
    said = str(plan)
    assert "6 rows: 3 calls, 1 answers from the store, 1 equal to another row, 1 errors." in said
    assert "row 3: {{ row }} failed" in said
    assert "≈ $0.0" in said
    assert plan.tokens_out == 3
    assert len(endpoint.log) == 1


def test_a_plan_for_a_model_without_a_price_names_no_cost(session: Session) -> None:
    plan = map_prompts(SAY, ["a"], session=session, dry_run=True, model="unheard-of")
    assert isinstance(plan, DryRun)
    assert plan.cost is None
    assert "$" not in str(plan)


def test_a_plan_makes_no_store(session: Session) -> None:
    map_prompts(SAY, ["a"], session=session, dry_run=True)
    assert not Path(session.config.store).exists()


def test_replay_only_sends_nothing_and_says_what_is_missing(session: Session, endpoint: Simulator) -> None:
    map_prompts(SAY, ["a", "b"], session=session)
    assert map_prompts(SAY, ["b", "a"], session=session, replay="only").values == ["ok", "ok"]
    with pytest.raises(NotRecordedError, match=r"2 of 3 rows have no stored answer\."):
        map_prompts(SAY, ["a", "c", "d"], session=session, replay="only")
    assert len(endpoint.log) == 2


def test_without_a_key_one_line_says_so_and_nothing_is_in_the_thread(endpoint: Simulator) -> None:
    session = Session(base_url=endpoint.base_url)
    with pytest.raises(MissingKeyError, match=r"There is no key for 127\.0\.0\.1"):
        map_prompts(SAY, ["a"], session=session)
    assert session.history.threads() == {}


def test_tools_and_a_template_that_is_no_python_are_said(session: Session, endpoint: Simulator) -> None:
    with pytest.raises(UsageError, match="calls no tools"):
        map_prompts(SAY, ["a"], session=session, tools=["python"])
    with pytest.raises(UsageError, match="is not a Python expression"):
        map_prompts("{{ row. }}", ["a"], session=session)
    assert endpoint.log == []


def test_one_turn_sums_the_run_up_in_the_thread(session: Session) -> None:
    map_prompts(SAY, ["a", "b", None], session=session)
    (turn,) = session.history.turns("main")
    assert broken_rules(turn.record()) == []
    assert turn.text.startswith(
        "Run over the 3 rows of the data: 2 answered, 1 not (2 calls, 0 answers from the store)."
    )
    assert "- row 0: ok" in turn.text
    assert "- row 2: {{ row }} failed" in turn.text
    assert turn.responses[0]["calls"] == 2


def test_progress_is_written_to_standard_error(session: Session, capsys: Any) -> None:
    map_prompts(SAY, ["a", "b"], session=session)
    assert capsys.readouterr().err.splitlines()[-1].startswith("████████████████████ 2 of 2 rows")
    map_prompts(SAY, ["c"], session=session, progress=False)
    assert capsys.readouterr().err == ""
