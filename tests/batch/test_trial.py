"""Trials: a random sample is asked first, with its cost, and with how often the answers agree with labels."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_magics import AgreementError, Session, map_prompts
from mm_magics.api.messages import ANSWER
from mm_magics.batch.dry_run import DryRun
from mm_magics.batch.sample import sample
from mm_magics.batch.trial import Trial, agreement_of, cost_range
from mm_magics.errors import NeverSendError, UsageError
from mm_magics.simulator import ScriptedAnswer, Simulator, tool_use
from tests.batch.simulated import FRAMES, OK_TEMPLATE, column_names, column_of, ok_template, sent_rows, sent_texts

ECHO = '{{ row.text }} [[simulator: thinking="" say="{{ row.text }}!"]]'
SAY = '{{ row.text }} [[simulator: thinking="" say="{{ row.says }}"]]'


def trial_of(*args: Any, **options: Any) -> Trial:
    result = map_prompts(*args, progress=False, **options)
    assert isinstance(result, Trial)
    return result


# The sample -----------------------------------------------------------------------------------------------------


@given(st.integers(0, 500), st.integers(1, 500), st.integers(1, 500))
def test_a_sample_is_the_same_each_time_and_contains_every_smaller_one(count: int, size: int, other: int) -> None:
    chosen = sample(count, size)
    assert chosen == sample(count, size) == sorted(set(chosen))
    assert len(chosen) == min(count, size)
    assert all(0 <= each < count for each in chosen)
    small, large = sorted([size, other])
    assert set(sample(count, small)) <= set(sample(count, large))


def test_every_row_is_equally_likely_to_be_in_a_sample() -> None:
    hits = [0] * 10
    for seed in range(4_000):
        for each in sample(10, 3, seed):
            hits[each] += 1
    assert max(hits) - min(hits) < 0.2 * 1_200


@pytest.mark.parametrize("name", FRAMES)
def test_a_trial_asks_only_its_rows_and_the_run_does_not_pay_for_them_again(
    session: Session, endpoint: Simulator, name: str
) -> None:
    data = FRAMES[name]({"text": [f"t{n}" for n in range(40)], "n": list(range(40))})
    trial = trial_of(ECHO, data, session=session, trial=7)
    assert len(sent_texts(endpoint)) == trial.asked == 7
    assert type(trial.frame) is type(data)
    assert column_of(trial.frame, "n") == trial.rows == sample(40, 7)
    assert column_of(trial.frame, "answer") == trial.values == [f"t{n}!" for n in trial.rows]
    assert trial.calls_left == 33
    run = map_prompts(ECHO, data, session=session)
    assert (run.asked, run.stored, len(sent_rows(endpoint))) == (33, 7, 40)
    assert column_names(run.frame) == ["text", "n", "answer", "answer_error"]


@pytest.mark.parametrize(
    ("data", "template"),
    [
        (pd.Series([f"t{n}" for n in range(30)]), OK_TEMPLATE),
        (pl.Series([f"t{n}" for n in range(30)]), OK_TEMPLATE),
        ([f"t{n}" for n in range(30)], OK_TEMPLATE),
        (pa.table({"text": [f"t{n}" for n in range(30)]}).to_batches()[0], ok_template()),
    ],
    ids=lambda each: type(each).__module__ if not isinstance(each, str) else "",
)
def test_a_trial_takes_every_kind_of_rows(session: Session, endpoint: Simulator, data: Any, template: str) -> None:
    trial = trial_of(template, data, session=session, trial=4)
    assert len(trial.frame) == 4
    assert sent_texts(endpoint) == [f"t{n}" for n in trial.rows] or len(endpoint.log) == 4


def test_a_trial_of_a_dask_frame_reads_the_partitions_that_have_its_rows(session: Session) -> None:
    dask = pytest.importorskip("dask.dataframe")
    frame = pd.DataFrame({"text": [f"t{n}" for n in range(30)]}, index=range(100, 130))
    trial = trial_of(ECHO, dask.from_pandas(frame, npartitions=4), session=session, trial=9)
    assert [each + 100 for each in trial.rows] == list(trial.frame.index)
    assert list(trial.frame["answer"]) == [f"t{n}!" for n in trial.rows]


@settings(max_examples=30, deadline=None)
@given(values=st.lists(st.sampled_from([1.0, 2.0, 2.5, None]), min_size=5, max_size=30))
def test_a_trial_reads_each_value_as_the_run_does(values: list[float | None]) -> None:
    """A column of integers with gaps has integers, which only the whole column tells."""
    from mm_magics.batch.rows import Rows
    from mm_magics.batch.sample import SampledRows

    rows = Rows(pd.DataFrame({"n": values}))
    everything = [repr(row["n"]) for row in rows]
    numbers = sample(len(values), 4)
    assert [repr(row["n"]) for row in SampledRows(rows, numbers)] == [everything[each] for each in numbers]


def test_a_trial_of_more_rows_than_there_are_asks_all_of_them(session: Session) -> None:
    trial = trial_of(OK_TEMPLATE, ["a", "b", "a", None], session=session, trial=100)
    assert (trial.rows, trial.asked, trial.calls_left) == ([0, 1, 2, 3], 2, 0)
    assert trial.run_cost is not None
    assert trial.run_cost.low == trial.run_cost.expected == trial.run_cost.high == trial.cost
    assert trial_of(OK_TEMPLATE, [], session=session, trial=3).rows == []


# The report -----------------------------------------------------------------------------------------------------


def test_the_report_shows_inputs_answers_errors_and_costs(session: Session) -> None:
    rows = [{"text": f"t{n}", "other": "private", "says": "a|b *c* <b>"} for n in range(50)]
    rows[sample(50, 3)[1]]["text"] = None
    trial = trial_of(SAY, rows, session=session, trial=3)
    report = str(trial)
    assert "Trial with 3 of 50 rows of the data: 2 answered, 1 failed (2 calls, 0 answers from the store)." in report
    assert "a|b *c* <b>" in report
    assert "failed: {{ row.text }} failed" in report
    assert "private" not in report
    assert "Cost of a row: $0.0" in report
    assert "The whole run, with 47 more calls: < $0.0001" in report or "with 47 more calls: ≈ $" in report
    assert r"a\|b \*c\* &lt;b&gt;" in trial.markdown
    (turn,) = session.history.turns("main")
    assert turn.text == trial.markdown


def test_a_long_report_shows_rows_that_disagree_first(session: Session) -> None:
    rows = [{"text": f"t{n}", "says": "yes", "truth": "no" if n == 119 else "yes"} for n in range(120)]
    trial = trial_of(SAY, rows, session=session, trial=120, label="truth")
    assert "50 of the 120 rows:" in str(trial)
    assert "t119" in str(trial)


def test_a_dry_run_offers_a_trial_and_estimates_it(session: Session, endpoint: Simulator) -> None:
    rows = [f"t{n}" for n in range(31)]
    assert "--trial 30" in str(map_prompts(OK_TEMPLATE, rows, session=session, dry_run=True))
    planned = map_prompts(OK_TEMPLATE, rows, session=session, dry_run=True, trial=30)
    assert isinstance(planned, DryRun)
    assert (planned.rows, planned.calls, "--trial" in str(planned)) == (30, 30, False)
    assert endpoint.log == []


def test_a_model_without_a_known_price_has_no_cost(session: Session) -> None:
    trial = trial_of(OK_TEMPLATE, [f"t{n}" for n in range(9)], session=session, trial=3, model="unheard-of")
    assert (trial.run_cost, trial.costs) == (None, [None] * 3)
    assert "$" not in str(trial)


# The cost of the run --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 30, 150])
def test_the_interval_contains_the_cost_of_the_run_nearly_always(size: int) -> None:
    source = random.Random(7)
    hits = 0
    for _ in range(400):
        costs = [source.lognormvariate(0, 0.5) for _ in range(1_000)]
        chosen = costs[:size]
        found = cost_range(sum(chosen), chosen, len(costs) - size)
        assert found is not None
        hits += found.low <= sum(costs) <= found.high
    assert 0.91 <= hits / 400 <= 0.99


def test_one_answer_says_too_little_about_the_cost() -> None:
    assert cost_range(1.0, [1.0], 10) is None
    assert cost_range(1.0, [], 0) == (1.0, 1.0, 1.0)


# Agreement ------------------------------------------------------------------------------------------------------


@given(st.integers(1, 2_000), st.data())
def test_the_interval_of_the_agreement_contains_its_share(n: int, data: st.DataObject) -> None:
    agreeing = data.draw(st.integers(0, n))
    found = agreement_of(agreeing, n)
    assert 0 <= found.low <= found.share <= found.high <= 1
    fewer = agreement_of(max(0, agreeing - 1), n)
    assert fewer.low <= found.low


def test_the_agreement_is_known_from_tables() -> None:
    assert str(agreement_of(137, 150)) == "agreement 0.91, 95 % interval 0.85 to 0.95, n = 150"
    low, high = agreement_of(81, 263)[1:3]  # Newcombe, 1998, table I
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def labelled(wrong: int, count: int = 100) -> list[dict[str, Any]]:
    return [{"text": f"t{n}", "says": "good", "truth": "bad" if n < wrong else "Good "} for n in range(count)]


def test_require_refuses_a_lower_bound_below_it(session: Session) -> None:
    options: dict[str, Any] = {"session": session, "trial": 100, "label": "truth"}
    trial = trial_of(SAY, labelled(9), **options)
    assert trial.agreement == agreement_of(91, 100)
    assert trial_of(SAY, labelled(9), **options, require=0.83).agreement == trial.agreement
    with pytest.raises(AgreementError) as caught:
        trial_of(SAY, labelled(9), **options, require=0.85)
    assert caught.value.message == (
        "The lower bound of the agreement is below the required 0.85: "
        "agreement 0.91, 95 % interval 0.83 to 0.96, n = 100."
    )


def test_rows_without_a_label_do_not_count_and_failed_rows_do_not_agree(session: Session) -> None:
    rows: list[dict[str, Any]] = labelled(0, 10)
    rows[0]["truth"] = rows[1]["truth"] = None
    rows[2]["text"] = None
    trial = trial_of(SAY, rows, session=session, trial=10, label="truth")
    assert trial.agreement == agreement_of(7, 8)
    for row in rows:
        row["truth"] = None
    assert trial_of(SAY, rows, session=session, trial=10, label="truth").agreement is None


@dataclass
class Verdict:
    good: bool
    reason: str


def test_a_label_is_compared_with_the_field_of_the_schema_that_it_names(session: Session, endpoint: Simulator) -> None:
    endpoint.answers.extend(ScriptedAnswer([tool_use(ANSWER, {"good": n < 6, "reason": "x"})]) for n in range(8))
    rows = [{"text": f"t{n}", "truth": True} for n in range(8)]
    options: dict[str, Any] = {"session": session, "schema": Verdict, "trial": 8}
    with pytest.raises(UsageError, match="must name a field") as caught:
        trial_of("{{ row.text }}", rows, **options, label="truth")
    assert caught.value.hint == "Write one of these: truth=good, truth=reason"
    assert endpoint.log == []
    trial = trial_of("{{ row.text }}", rows, **options, label="truth=good")
    assert trial.agreement == agreement_of(6, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "truth"}, r"label needs trial\."),
        ({"require": 0.8}, r"require needs trial\."),
        ({"trial": 9, "require": 0.3}, r"require needs label\."),
        ({"trial": 0}, "at least 1, not 0"),
        ({"trial": 2.5}, "at least 1, not 2.5"),
        ({"trial": True}, "at least 1, not True"),
        ({"trial": 9, "label": "truth", "require": 85}, "share above 0 and below 1, such as 0.85, not 85"),
        ({"trial": 9, "label": "truth", "require": "0.8"}, "not '0.8'"),
        ({"trial": 9, "label": "truth", "require": 0.85}, "With 9 rows the lower bound of the agreement is below 0.85"),
        (
            {"trial": 9, "label": "Truth"},
            "there is no column Truth; the columns are text, says, truth; write row.truth",
        ),
        ({"trial": 9, "label": "truth=field"}, r"The schema has no field field\."),
    ],
)
def test_options_that_do_not_fit_are_errors_before_anything_is_sent(
    session: Session, endpoint: Simulator, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        map_prompts(SAY, labelled(0), session=session, **options)
    assert endpoint.log == []


def test_a_label_that_is_never_sent_is_refused_because_it_would_be_in_the_thread(endpoint: Simulator) -> None:
    with Session(base_url=endpoint.base_url, api_key=endpoint.key, never_send=["df.truth"]) as session:
        data = pd.DataFrame(labelled(0))
        session.namespace = {"df": data}
        with pytest.raises(NeverSendError):
            trial_of(SAY, data, session=session, trial=9, label="truth")
    assert endpoint.log == []
