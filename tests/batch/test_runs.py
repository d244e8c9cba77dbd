"""Which rows a map run sends: equal rows once, stored rows never, failed rows again on request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mm_magics import Session, map_prompts
from mm_magics.batch.dry_run import DryRun
from mm_magics.batch.result import MapResult
from mm_magics.errors import MissingKeyError, NotRecordedError, UsageError
from mm_magics.simulator import Fault, ScriptedAnswer, Simulator, text
from tests.batch.simulated import OK_TEMPLATE, ok_template, sent_rows, sent_texts
from tests.turns import broken_rules

ONCE = '{{ row }} [[simulator: thinking="" say="ok" fault=unknown-error times=1]]'
"""A template that fails the first time it is sent."""


def reasons(result: MapResult) -> dict[int, str]:
    return dict(result.errors)


# Equal and stored rows ------------------------------------------------------------------------------------------


def test_equal_rows_are_sent_once_and_all_get_the_answer(session: Session, endpoint: Simulator) -> None:
    result = map_prompts(OK_TEMPLATE, ["a", "b", "a", "a", "b"], session=session)
    assert result.values == ["ok"] * 5
    assert sorted(sent_texts(endpoint)) == ["a", "b"]
    assert result.asked == 2


def test_equal_rows_after_the_answer_are_not_sent_either(session: Session, endpoint: Simulator) -> None:
    rows = ["a", *(f"other {n}" for n in range(140)), "a"]
    assert map_prompts(OK_TEMPLATE, rows, session=session).values == ["ok"] * 142
    assert sent_texts(endpoint).count("a") == 1


def test_stored_rows_are_not_sent_again_and_new_rows_are(session: Session, endpoint: Simulator) -> None:
    map_prompts(OK_TEMPLATE, ["a", "b"], session=session)
    result = map_prompts(OK_TEMPLATE, ["b", "c", "a", "a"], session=session)
    assert (result.asked, result.stored, result.values) == (1, 3, ["ok"] * 4)
    assert sent_texts(endpoint)[2:] == ["c"]
    assert result.cost > 0
    assert map_prompts(OK_TEMPLATE, ["a"], session=session).cost == 0


def test_settings_that_can_change_the_answer_make_another_request(session: Session, endpoint: Simulator) -> None:
    for flags in ({}, {"model": "MiniMax-M2"}, {"temperature": 0.5}, {"system": "Be brief."}, {"user_id": "u"}):
        map_prompts(OK_TEMPLATE, ["a"], session=session, **flags)
    assert len(endpoint.log) == 4


def test_each_run_can_have_its_own_store(session: Session, endpoint: Simulator, tmp_path: Any) -> None:
    for name in ("one.sqlite", "two.sqlite", "one.sqlite"):
        map_prompts(OK_TEMPLATE, ["a"], session=session, store=tmp_path / name)
    assert len(endpoint.log) == 2


# Failed rows ----------------------------------------------------------------------------------------------------


def test_a_failed_row_stops_no_other_and_is_sent_again_by_retry_failed(session: Session, endpoint: Simulator) -> None:
    result = map_prompts(
        lambda row: ONCE.replace("{{ row }}", row) if row == "b" else f"{row} {OK_TEMPLATE[10:]}",
        list("abc"),
        session=session,
    )
    assert reasons(result) == {1: "unknown error, 798 (1000) (HTTP 500, api_error)"}
    assert result.values == ["ok", None, "ok"]
    again = result.retry_failed()
    assert (again.values, again.errors, again.asked, again.stored) == (["ok"] * 3, [], 1, 2)
    assert len(result.errors) == 1


def test_failed_rows_are_not_stored_and_are_sent_by_the_next_run(session: Session, endpoint: Simulator) -> None:
    assert len(map_prompts(ONCE, ["a", "a", "b"], session=session).errors) == 3
    assert len(sent_rows(endpoint)) == 2
    assert map_prompts(ONCE, ["a", "a", "b"], session=session).values == ["ok"] * 3
    assert len(sent_rows(endpoint)) == 4


@pytest.mark.parametrize(
    ("answer", "reason", "stored"),
    [
        (
            ScriptedAnswer([text("x" * 4_000)]),
            "The answer was cut off by max_tokens or by the model's context window.",
            True,
        ),
        (ScriptedAnswer([text("I will not.")], stop_reason="refusal"), "The model refused to answer.", True),
        (
            ScriptedAnswer([text("far")], stop_reason="model_context_window_exceeded"),
            "The answer was cut off by max",
            True,
        ),
        (ScriptedAnswer([text("")]), "The answer is empty.", False),
        (ScriptedAnswer([]), "The answer is empty.", False),
        (ScriptedAnswer([text("half")], fault="stop-error"), "The endpoint ended the answer with an error.", False),
        (ScriptedAnswer([text("a")], fault="html"), "The endpoint responded with text/html", False),
        (ScriptedAnswer([text("a")], fault="base-resp"), "login fail: ", False),
        (ScriptedAnswer([text("a")], fault="input-sensitive"), "input new_sensitive (1026)", False),
        (ScriptedAnswer([text("a")], fault="cut-gzip"), "", False),
        (
            ScriptedAnswer([text("a")], fault=Fault("redirect", to="http://127.0.0.1:9")),
            "redirects to another URL",
            False,
        ),
    ],
    ids=lambda each: str(each)[:40],
)
def test_an_invalid_or_incomplete_answer_is_an_error_of_its_row(
    session: Session, endpoint: Simulator, answer: ScriptedAnswer, reason: str, stored: bool
) -> None:
    endpoint.answers.append(answer)
    result = map_prompts(OK_TEMPLATE, ["a"], session=session, max_tokens=100)
    (error,) = result.errors
    assert error.row == 0
    assert reason in error.why
    assert "\n" not in error.why
    after = map_prompts(OK_TEMPLATE, ["a"], session=session, max_tokens=100)
    assert after.stored == stored
    assert len(sent_rows(endpoint)) == 2 - stored
    if stored:
        assert after.errors == result.errors
        assert after.values == result.values != [None]


def test_a_function_makes_the_prompts_and_its_failures_are_errors_of_their_rows(
    session: Session, endpoint: Simulator
) -> None:
    def prompt_for(row: Any) -> Any:
        if row["n"] == 1:
            raise RuntimeError("no\nluck")
        return {0: "fine", 2: None, 3: "", 4: 7}[row.n]

    result = map_prompts(prompt_for, pd.DataFrame({"n": range(5)}), session=session)
    assert reasons(result) == {
        1: "prompt_for(row) failed with RuntimeError: no luck.",
        2: "prompt_for(row) returned a value of type NoneType, not a string.",
        3: "The prompt is empty.",
        4: "prompt_for(row) returned a value of type int, not a string.",
    }
    assert sent_texts(endpoint) == ["fine"]


def test_a_template_that_fails_for_some_rows_is_an_error_of_those(session: Session, endpoint: Simulator) -> None:
    result = map_prompts(ok_template("{{ 6 // row.n }}"), [{"n": 3}, {"n": 0}, {"n": 2}], session=session)
    assert list(reasons(result)) == [1]
    assert "ZeroDivisionError" in reasons(result)[1]
    assert sorted(sent_texts(endpoint)) == ["2", "3"]


def test_a_template_can_use_names_of_the_session_or_of_the_call(session: Session, endpoint: Simulator) -> None:
    session.namespace = {"language": "French", "row": "hidden"}
    map_prompts("{{ language }} {{ row }}", ["a"], session=session)
    map_prompts("{{ language }} {{ row }}", ["a"], session=session, namespace={"language": "Dutch"})
    assert sent_texts(endpoint) == ["French a", "Dutch a"]


# Dry runs, replay, errors and output ----------------------------------------------------------------------------


def test_a_dry_run_counts_calls_rows_and_cost_and_sends_nothing(session: Session, endpoint: Simulator) -> None:
    map_prompts(OK_TEMPLATE, ["a"], session=session)
    dry_run = map_prompts(OK_TEMPLATE, ["a", "b", "b", None, "c", "d"], session=session, dry_run=True)
    assert isinstance(dry_run, DryRun)
    assert (dry_run.rows, dry_run.calls, dry_run.stored, list(dry_run.errors)) == (6, 3, 1, [3])
    assert [each.partition(" ")[0] for each in dry_run.prompts] == ["a", "b", "b"]
    report = str(dry_run)
    assert "6 rows: 3 calls, 1 answer from the store, 1 equal to another row, 1 error." in report
    assert "row 3: {{ row }} failed" in report
    assert "< $0.0001" in report
    assert dry_run.tokens_out == 3
    assert len(endpoint.log) == 1


def test_a_dry_run_for_a_model_without_a_known_price_has_no_cost(session: Session) -> None:
    dry_run = map_prompts(OK_TEMPLATE, ["a"], session=session, dry_run=True, model="unheard-of")
    assert isinstance(dry_run, DryRun)
    assert dry_run.cost is None
    assert "$" not in str(dry_run)


def test_a_dry_run_creates_no_store(session: Session) -> None:
    map_prompts(OK_TEMPLATE, ["a"], session=session, dry_run=True)
    assert not Path(session.config.store).exists()


def test_replay_only_sends_nothing_and_reports_missing_answers(session: Session, endpoint: Simulator) -> None:
    map_prompts(OK_TEMPLATE, ["a", "b"], session=session)
    assert map_prompts(OK_TEMPLATE, ["b", "a"], session=session, replay="only").values == ["ok", "ok"]
    with pytest.raises(NotRecordedError, match=r"2 of 3 rows have no stored answer\."):
        map_prompts(OK_TEMPLATE, ["a", "c", "d"], session=session, replay="only")
    assert len(endpoint.log) == 2


def test_without_a_key_the_run_is_an_error_and_adds_no_turn(endpoint: Simulator) -> None:
    session = Session(base_url=endpoint.base_url)
    with pytest.raises(MissingKeyError, match=r"No API key found for 127\.0\.0\.1"):
        map_prompts(OK_TEMPLATE, ["a"], session=session)
    assert session.history.threads() == {}


def test_tools_and_an_invalid_template_are_errors(session: Session, endpoint: Simulator) -> None:
    with pytest.raises(UsageError, match="python requires approval, and a map run only calls tools that read"):
        map_prompts(OK_TEMPLATE, ["a"], session=session, tools=["python"])
    with pytest.raises(UsageError, match="is not a Python expression"):
        map_prompts("{{ row. }}", ["a"], session=session)
    assert endpoint.log == []


def test_a_run_adds_one_turn_that_summarizes_it(session: Session) -> None:
    map_prompts(OK_TEMPLATE, ["a", "b", None], session=session)
    (turn,) = session.history.turns("main")
    assert broken_rules(turn.record()) == []
    assert turn.text.startswith(
        "Map run over 3 rows of the data: 2 answered, 1 failed (2 calls, 0 answers from the store)."
    )
    assert "- row 0: ok" in turn.text
    assert "- row 2: {{ row }} failed" in turn.text
    assert turn.responses[0]["calls"] == 2


def test_progress_is_written_to_standard_error(session: Session, capsys: Any) -> None:
    map_prompts(OK_TEMPLATE, ["a", "b"], session=session)
    assert capsys.readouterr().err.splitlines()[-1].startswith("████████████████████ 2 of 2 rows")
    map_prompts(OK_TEMPLATE, ["c"], session=session, progress=False)
    assert capsys.readouterr().err == ""
