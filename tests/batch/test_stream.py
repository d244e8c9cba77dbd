"""Runs that yield their rows as they are answered, and rows that are read in parts."""

from __future__ import annotations

import threading
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mm_magics import Session, map_prompts
from mm_magics.batch import claims
from mm_magics.batch.rows import Rows
from mm_magics.batch.store import Store
from mm_magics.batch.stream import RowStream
from mm_magics.simulator import Simulator
from tests.batch.simulated import OK_TEMPLATE, ok_template, sent_rows

STORE = Path("minimax-answers.sqlite")
ECHO = '{{ row }} [[simulator: thinking="" say="{{ row }}!"]]'


@dataclass
class Label:
    word: str
    score: int
    sure: bool | None = None


def stream_of(*args: Any, **options: Any) -> RowStream:
    stream = map_prompts(*args, stream=True, progress=False, **options)
    assert isinstance(stream, RowStream)
    return stream


# Streams --------------------------------------------------------------------------------------------------------


def test_each_row_is_yielded_once_with_its_answer_or_its_error(session: Session, endpoint: Simulator) -> None:
    rows: list[str | None] = [f"t{n}" for n in range(200)] + [None, "t0"]
    with stream_of(ECHO, rows, session=session) as stream:
        found = {each.row: each for each in stream}
    assert sorted(found) == list(range(202))
    assert all(found[n].value == f"{rows[n]}!" for n in [*range(200), 201])
    assert found[200].value is None
    assert "it has no value in this row" in found[200].error
    assert found[3].usage is not None
    assert found[3].usage.tokens_out > 0
    assert (stream.totals.asked, stream.totals.failed, stream.totals.rows) == (200, 1, 202)
    with stream_of(ECHO, rows, session=session) as stream:
        assert len(list(stream)) == 202
    assert stream.totals.asked == 0
    assert len(endpoint.log) == 200


def test_rows_are_yielded_before_the_run_ends(session: Session, endpoint: Simulator) -> None:
    rows = [f"t{n}" for n in range(400)]
    with stream_of(OK_TEMPLATE, rows, session=session) as stream:
        next(stream)
        assert len(sent_rows(endpoint)) < 200
    stored = map_prompts(OK_TEMPLATE, rows[:5], session=session, progress=False)
    assert stored.stored >= 1


def test_while_the_reader_pauses_answers_are_stored_and_no_claim_expires(
    session: Session, endpoint: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answered() -> int:
        return sum(each.ended == "complete" for each in endpoint.log)

    monkeypatch.setattr(claims, "RENEW_S", 0.1)
    monkeypatch.setattr(claims, "EXPIRY_S", 2.0)
    rows = [f"t{n}" for n in range(400)]
    with stream_of(ok_template("{{ row }}", wait=0.05), rows, session=session) as stream, Store(STORE) as other:
        next(stream)
        texts = [ok_template(row, wait=0.05) for row in rows]
        digests = [bytes.fromhex(session.prepare(text, context="none").request.sha256) for text in texts]
        _, claimed = other.claim(digests)
        assert claimed
        until = time.monotonic() + 60
        while (endpoint.in_progress or len(other) < answered()) and time.monotonic() < until:
            time.sleep(0.05)
        assert len(other) == answered() > 1, "answers in flight are stored"
        time.sleep(3 * claims.EXPIRY_S)
        found, still = other.claim(claimed)
        assert found.keys() | still == claimed
        other.give_up(digests)
        assert 1 + sum(1 for _ in stream) == 400
    assert stream.totals.asked == 400


def test_a_stream_that_is_closed_early_ends_its_run_and_its_session(endpoint: Simulator) -> None:
    before = threading.active_count()
    with Session(base_url=endpoint.base_url, api_key=endpoint.key) as session:
        stream = stream_of(OK_TEMPLATE, [f"t{n}" for n in range(400)], session=session)
        next(stream)
        stream.close()
        assert list(stream) == []
        stream_of(OK_TEMPLATE, ["a"], session=session).close()
    assert threading.active_count() <= before + 1


def test_an_interrupt_in_the_loop_saves_the_answers_in_flight(session: Session) -> None:
    rows = [f"t{n}" for n in range(100)]
    stream = stream_of(OK_TEMPLATE, rows, session=session)

    def interrupt() -> None:
        with stream:
            next(stream)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    asked = stream.totals.asked
    assert map_prompts(OK_TEMPLATE, rows, session=session, progress=False).stored == asked


def test_schemas_give_values(session: Session) -> None:
    with stream_of("Label '{{ row }}' 7.", ["a", "b"], session=session, schema=Label) as stream:
        assert sorted((each.row, each.value.word, each.value.score) for each in stream) == [(0, "a", 7), (1, "b", 7)]


# Data in --------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(count=st.integers(1, 60), group=st.integers(1, 30), reads=st.lists(st.integers(0, 59), max_size=6))
def test_a_parquet_file_is_read_in_parts_as_its_table(count: int, group: int, reads: list[int]) -> None:
    frame = pd.DataFrame({"n": range(count), "text": [f"t{n}" for n in range(count)]})
    frame.to_parquet("rows.parquet", row_group_size=group)
    rows = Rows("rows.parquet")
    assert len(rows) == count
    assert [(row.n, row.text) for row in rows] == list(zip(frame.n, frame.text, strict=True))
    numbers = [each for each in reads if each < count]
    assert [row.text for row in rows.at(numbers)] == [f"t{n}" for n in numbers]
    assert rows.with_columns({"more": list(range(count))}).column_names == ["n", "text", "more"]


def test_a_folder_of_parquet_files_has_the_columns_of_its_folder_names() -> None:
    for year in (2025, 2026):
        folder = Path(f"rows/year={year}")
        folder.mkdir(parents=True)
        pd.DataFrame({"text": [f"t{year}"] * 3}).to_parquet(folder / "a.parquet")
    found = [(row.text, int(row.year)) for row in Rows(Path("rows"))]
    assert found == [("t2025", 2025)] * 3 + [("t2026", 2026)] * 3


def test_a_file_is_read_in_parts_also_if_it_is_one_row_group() -> None:
    """The memory that PyArrow allocates does not grow with the file."""
    for count in (20_000, 80_000):
        pd.DataFrame({"text": [f"{n % 500}" + "x" * 300 for n in range(count)]}).to_parquet("rows.parquet")
        before, most = pa.total_allocated_bytes(), 0
        for number, row in enumerate(Rows("rows.parquet")):
            assert row.text
            most = most if number % 4_096 else max(most, pa.total_allocated_bytes() - before)
        assert most < 6_000_000


def test_memory_does_not_grow_with_the_answers(session: Session) -> None:
    """Four times the rows need about as much memory."""
    map_prompts(ok_template(), [{"text": f"t{n}"} for n in range(50)], session=session, progress=False)
    peaks = []
    for count in (2_000, 8_000):
        pd.DataFrame({"text": [f"t{n % 50}" for n in range(count)]}).to_parquet("rows.parquet")
        tracemalloc.start()
        with stream_of(ok_template(), "rows.parquet", session=session) as stream:
            assert sum(1 for _ in stream) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0] + 200_000
