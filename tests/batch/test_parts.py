"""Answers that are written to Parquet files in a folder, which a later run continues."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mm_magics import Session, StoreError, TurnInterruptedError, UsageError, map_prompts
from mm_magics.batch import parts
from mm_magics.batch.stream import RunTotals
from mm_magics.simulator import Simulator
from tests.batch.simulated import ok_template

ECHO = '{{ row }} [[simulator: thinking="" say="{{ row }}!"]]'
ONCE = '{{ row }} [[simulator: thinking="" say="ok" fault=unknown-error times=1]]'


@dataclass
class Label:
    word: str
    score: int
    sure: bool | None = None


def write(*args: Any, **options: Any) -> RunTotals:
    totals = map_prompts(*args, progress=False, **options)
    assert isinstance(totals, RunTotals)
    return totals


def written(folder: Path | str = "answers", name: str = "part") -> pa.Table:
    """Return what the files have, in the order of the rows."""
    found = [pq.read_table(path) for path in sorted(Path(folder).glob(f"{name}-*.parquet"))]
    return pa.concat_tables(found).sort_by("row") if found else pa.table({"row": []})


def test_the_files_have_a_row_for_each_row_with_its_hash_usage_and_checksum(session: Session) -> None:
    rows: list[str | None] = [*(f"t{n}" for n in range(50)), None]
    totals = write(ECHO, rows, session=session, to="answers")
    assert (totals.rows, totals.asked, totals.failed, totals.written) == (51, 50, 1, 0)
    table = written()
    assert table.column_names == [
        "row", "request_sha256", "answer", "error", "tokens_in", "tokens_out", "cost", "checksum",
    ]  # fmt: skip
    assert table["row"].to_pylist() == list(range(50))
    assert table["answer"].to_pylist() == [f"t{n}!" for n in range(50)]
    assert {len(each) for each in table["request_sha256"].to_pylist()} == {32}
    assert sum(table["cost"].to_pylist()) == pytest.approx(totals.cost)
    (failed,) = written(name="failed").to_pylist()
    assert failed["row"] == 50
    assert "it has no value" in failed["error"]


def test_the_fields_of_a_schema_are_columns_with_its_types(session: Session) -> None:
    write("Label '{{ row }}' 7.", ["a", "b"], session=session, schema=Label, to="answers")
    table = written()
    assert table["word"].to_pylist() == ["a", "b"]
    assert [str(table.schema.field(name).type) for name in ("word", "score", "sure")] == ["string", "int64", "bool"]
    write("Count {{ row }} 7", ["a"], session=session, schema=list[int], to="lists", into="numbers")
    assert isinstance(written("lists")["numbers"].to_pylist()[0], str)


def test_a_run_continues_with_the_rows_that_are_not_written(session: Session, endpoint: Simulator) -> None:
    rows = [f"t{n}" for n in range(40)]
    write(ECHO, rows[:25], session=session, to="answers")
    totals = write(ECHO, rows, session=session, to="answers")
    assert (totals.written, totals.asked, totals.stored) == (25, 15, 25)
    assert written()["row"].to_pylist() == list(range(40))
    for path in Path("answers").glob("part-*"):
        path.unlink()
        break
    before = len(endpoint.log)
    assert write(ECHO, rows, session=session, to="answers").asked == 0
    assert written()["row"].to_pylist() == list(range(40))
    assert len(endpoint.log) == before


def test_failed_rows_are_sent_again_and_their_errors_are_replaced(session: Session) -> None:
    assert write(ONCE, ["a", "b"], session=session, to="answers").failed == 2
    assert written(name="failed")["row"].to_pylist() == [0, 1]
    assert written().num_rows == 0
    assert write(ONCE, ["a", "b"], session=session, to="answers").failed == 0
    assert written()["row"].to_pylist() == [0, 1]
    assert list(Path("answers").glob("failed-*")) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ends=st.lists(st.integers(0, 30), max_size=4), size=st.integers(1, 12))
def test_after_any_series_of_runs_each_row_is_written_once(
    session: Session, tmp_path_factory: pytest.TempPathFactory, ends: list[int], size: int
) -> None:
    folder = tmp_path_factory.mktemp("answers")
    rows = [f"t{n}" for n in range(30)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "PART_ROWS", size)
        for end in [*ends, 30]:
            write(ECHO, rows[:end], session=session, to=folder)
    table = written(folder)
    assert table["row"].to_pylist() == list(range(30))
    assert table["answer"].to_pylist() == [f"{row}!" for row in rows]


@pytest.mark.parametrize("how", ["cut off", "changed", "empty"])
def test_a_damaged_file_is_moved_away_and_its_rows_are_written_again(
    session: Session, endpoint: Simulator, how: str
) -> None:
    rows = [f"t{n}" for n in range(20)]
    write(ECHO, rows, session=session, to="answers")
    (path,) = Path("answers").glob("part-*")
    if how == "changed":
        table = pq.read_table(path)
        texts = ["other", *table["answer"].to_pylist()[1:]]
        pq.write_table(table.set_column(2, "answer", pa.array(texts)), path)
    else:
        path.write_bytes(path.read_bytes()[: 400 if how == "cut off" else 0])
    totals = write(ECHO, rows, session=session, to="answers")
    assert (totals.asked, totals.written) == (0, 0)
    assert any("is damaged; its rows are written again" in note for note in totals.notes)
    assert written()["answer"].to_pylist() == [f"{row}!" for row in rows]
    assert len(list(Path("answers").glob("damaged-*"))) == 1


def test_a_folder_in_an_object_store_is_a_url(session: Session) -> None:
    files = fsspec.filesystem("memory")
    write(ECHO, ["a", "b"], session=session, to="memory://bucket/answers")
    assert write(ECHO, ["a", "b"], session=session, to="memory://bucket/answers").written == 2
    assert len(files.glob("/bucket/answers/part-*.parquet")) == 1
    files.rm("/bucket", recursive=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"into": "other"}, "has other columns: part-000000-"),
        ({"schema": Label}, "has other columns: part-000000-"),
        ({"system": "Be brief."}, "has the answers of another prompt, model or setting"),
        ({"model": "MiniMax-M2"}, "has the answers of another prompt, model or setting"),
        ({"pack": 3}, "has the answers of another prompt, model or setting"),
        ({"template": "Other {{ row }}"}, "has the answers of another prompt, model or setting"),
    ],
    ids=str,
)
def test_a_folder_with_other_answers_is_refused_before_anything_is_sent(
    session: Session, endpoint: Simulator, change: dict[str, Any], message: str
) -> None:
    write(ECHO, ["a"], session=session, to="answers")
    before = len(endpoint.log)
    change = dict(change)
    with pytest.raises(UsageError, match=message) as caught:
        write(change.pop("template", ECHO), ["a", "b"], session=session, to="answers", **change)
    assert len(str(caught.value).splitlines()) == 2
    assert len(endpoint.log) == before


def test_data_that_changed_below_its_answers_is_an_error(session: Session) -> None:
    write(ECHO, ["a", "b"], session=session, to="answers")
    with pytest.raises(StoreError, match="has the answer to another request for row 1"):
        write(ECHO, ["a", "c"], session=session, to="answers")
    assert written()["answer"].to_pylist() == ["a!", "b!"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("file.txt/answers", "Cannot write to file.txt/answers: "),
        ("file.txt", "Cannot write to file.txt: "),
        ("nosuch://bucket/x", "Cannot write to nosuch://bucket/x: "),
        ("", "to must be a folder or a URL, not ''"),
        (7, "to must be a folder or a URL, not 7"),
    ],
)
def test_a_target_that_cannot_be_written_is_one_clear_line_and_nothing_is_sent(
    session: Session, endpoint: Simulator, target: Any, message: str
) -> None:
    Path("file.txt").write_text("mine")
    with pytest.raises(UsageError, match=message) as caught:
        write(ECHO, ["a"], session=session, to=target)
    assert len(caught.value.message.splitlines()) == 1
    assert endpoint.log == []
    assert Path("file.txt").read_text() == "mine"


def test_a_target_that_fails_later_ends_the_run_and_loses_no_answer(
    session: Session, endpoint: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe_file = LocalFileSystem.pipe_file

    def fail(self: Any, path: str, content: bytes) -> None:
        if "part-" in path:
            raise OSError("No space left on device")
        pipe_file(self, path, content)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "pipe_file", fail)
        with pytest.raises(StoreError, match="Cannot write to answers: OSError: No space left on device"):
            write(ECHO, ["a", "b"], session=session, to="answers")
    assert write(ECHO, ["a", "b"], session=session, to="answers").asked == 0
    assert written()["answer"].to_pylist() == ["a!", "b!"]


class Refusing(MemoryFileSystem):
    """An object store that refuses some operations."""

    protocol = "refusing"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    refused: ClassVar[str] = ""

    def _refuse(self, operation: str) -> None:
        if operation == self.refused:
            raise PermissionError("Access Denied:\nthe bucket is not yours.")

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        self._refuse("makedirs")
        super().makedirs(path, exist_ok)

    def glob(self, path: str, **options: Any) -> Any:
        self._refuse("list")
        return super().glob(path, **options)

    def pipe_file(self, path: str, value: bytes, **options: Any) -> None:
        self._refuse("write parts" if "part-" in path else "write")
        super().pipe_file(path, value, **options)

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "rb":
            self._refuse("read")
        return super()._open(path, mode, **options)

    def rm_file(self, path: str) -> None:
        self._refuse("delete")
        super().rm_file(path)


fsspec.register_implementation("refusing", Refusing)


@pytest.mark.parametrize("operation", ["makedirs", "list", "write", "read", "delete"])
def test_an_object_store_that_refuses_is_one_clear_line_and_nothing_is_sent(
    session: Session, endpoint: Simulator, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    target = f"refusing://bucket/{operation}"
    write(ECHO, ["a"], session=session, to=target)
    before = len(endpoint.log)
    with monkeypatch.context() as patch:
        patch.setattr(Refusing, "refused", operation)
        with pytest.raises(UsageError) as caught:
            write(ECHO, ["a", "b"], session=session, to=target)
    expected = f"Cannot write to {target}: PermissionError: Access Denied: the bucket is not yours."
    assert str(caught.value).splitlines() == [expected, "Nothing was sent."]
    assert len(endpoint.log) == before
    assert write(ECHO, ["a", "b"], session=session, to=target).written == 1


def test_an_object_store_that_refuses_during_the_run_loses_no_answer(
    session: Session, endpoint: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, target = [f"t{n}" for n in range(300)], "refusing://bucket/later"
    monkeypatch.setattr(parts, "PART_ROWS", 20)
    template = ok_template("{{ row }}", wait=0.05)
    with monkeypatch.context() as patch:
        patch.setattr(Refusing, "refused", "write parts")
        with pytest.raises(StoreError, match=r"Cannot write to .*: Access Denied: the bucket is not yours") as caught:
            write(template, rows, session=session, to=target)
    assert len(str(caught.value).splitlines()) == 2
    sent = len(endpoint.log)
    assert 20 <= sent < 300
    totals = write(template, rows, session=session, to=target)
    assert (totals.failed, totals.written, totals.asked) == (0, 0, 300 - sent)


def test_fields_that_the_files_have_already_are_refused(session: Session, endpoint: Simulator) -> None:
    with pytest.raises(UsageError, match="cost is a column of each file already"):
        write(ECHO, ["a"], session=session, to="answers", into="cost")
    with pytest.raises(UsageError, match="stream, to and trial cannot be combined"):
        map_prompts(ECHO, ["a"], session=session, to="answers", trial=3)
    assert endpoint.log == []


def test_an_interrupted_run_has_written_what_it_received(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from mm_magics.batch.runner import RowRunner

    handle = RowRunner._handle_events
    calls = 0

    def interrupt(self: Any, timeout: float) -> Any:
        nonlocal calls
        calls += 1
        if self.results.done > 20:
            raise KeyboardInterrupt
        yield from handle(self, timeout)

    rows = [f"t{n}" for n in range(200)]
    with monkeypatch.context() as patch:
        patch.setattr(RowRunner, "_handle_events", interrupt)
        with pytest.raises(TurnInterruptedError) as caught:
            write(ECHO, rows, session=session, to="answers")
    assert isinstance(caught.value.result, RunTotals)
    assert written().num_rows == caught.value.result.asked > 20
    assert write(ECHO, rows, session=session, to="answers").written == caught.value.result.asked
