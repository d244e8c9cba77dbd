"""The store of answers: what is in it, what it says of a file that is none, and that no file is ever spoilt."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from mm_magics import Session, map_prompts
from mm_magics.batch.store import MOST_KEYS, Reply, Store
from mm_magics.errors import StoreError
from mm_magics.simulator import Answer, Simulator, text, thinking
from tests.batch.asked import SAY, say
from tests.batch.other import begun, told

FILE = Path("answers.sqlite")


def run(session: Session, rows: Any = ("a", "b"), **options: Any) -> Any:
    return map_prompts(SAY, list(rows), session=session, store=FILE, **options)


def look(statement: str, file: Path = FILE) -> list[Any]:
    base = sqlite3.connect(file)
    found = base.execute(statement).fetchall()
    base.commit()
    base.close()
    return found


# What is in it --------------------------------------------------------------------------------------------------


def test_an_answer_is_stored_verbatim_under_the_hash_of_its_request(session: Session, endpoint: Simulator) -> None:
    odd: list[Any] = [thinking(" hm \u2028"), {"type": "hologram", "depth": [1, None, {}]}, text("Grüße 🦪")]
    endpoint.answers.append(Answer(odd))
    run(session, ["a"])
    prompt = session.prepare(SAY.replace("{{ row }}", "a"), context="none")
    ((sha256, created, model, messages, responses),) = look("SELECT * FROM answers")
    assert sha256.hex() == prompt.request.sha256
    assert (created[:2], created[-1], model) == ("20", "Z", "MiniMax-M2.7")
    (message,) = json.loads(messages)
    signed = {**odd[0], "signature": message["content"][0].get("signature")}
    assert message == {"role": "assistant", "content": [signed, *odd[1:]]}
    (response,) = json.loads(responses)
    assert response["usage"] == {name: count for name, count in (endpoint.log[0].usage or {}).items() if count}
    assert response["stop_reason"] == "end_turn"


def test_the_file_is_in_wal_mode_and_says_what_it_is(session: Session) -> None:
    run(session)
    assert look("PRAGMA journal_mode") == [("wal",)]
    assert look("PRAGMA application_id") == [(0x4D4D6167,)]
    assert look("PRAGMA user_version") == [(1,)]
    assert look("PRAGMA integrity_check") == [("ok",)]


def test_an_answer_is_in_the_file_while_the_run_goes_on(session: Session, endpoint: Simulator) -> None:
    session.config.concurrency = 1
    seen = []

    def worded(row: str) -> str:
        if row == "b" and FILE.exists():
            seen.append(len(endpoint.log))
        return SAY.replace("{{ row }}", row)

    rows = [f"a{n}" for n in range(128)] + ["b"]
    map_prompts(worded, rows, session=session, store=FILE)
    assert seen[0] >= 128 - 2 * session.config.concurrency
    assert look("SELECT count(*) FROM answers") == [(129,)]


def test_what_is_stored_is_never_changed(tmp_path: Path) -> None:
    with Store(FILE) as store:
        for answer in ("first", "second"):
            store.put(b"x", "m", Reply([{"role": "assistant", "content": answer}], []))
        assert len(store) == 1
        assert store.get(b"x") == Reply([{"role": "assistant", "content": "first"}], [])
        assert store.get(b"y") is None
        assert list(store.among([b"x", *(bytes([n % 256, n // 256]) for n in range(MOST_KEYS - 1))])) == [b"x"]


# Files that are no stores ---------------------------------------------------------------------------------------


def other_database() -> None:
    look("CREATE TABLE mine (x)")


def other_application() -> None:
    look("PRAGMA application_id = 7")
    look("PRAGMA user_version = 1")


def other_schema() -> None:
    Store(FILE).close()
    look("PRAGMA user_version = 2")


def garbage() -> None:
    FILE.write_bytes(b"no database at all " * 100)


def overwritten() -> None:
    with Store(FILE) as store:
        for n in range(200):
            store.put(bytes([n]), "m", Reply([{"role": "assistant", "content": "x" * 500}], []))
    data = FILE.read_bytes()
    FILE.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


def cut_short() -> None:
    overwritten()
    FILE.write_bytes(FILE.read_bytes()[:5000])


NO_STORES = {
    other_database: "is a database, but no store of answers.",
    other_application: "is a database, but no store of answers.",
    other_schema: "is a store of schema 2; this version reads 1.",
    garbage: "is damaged: file is not a database.",
    overwritten: "is damaged: ",
    cut_short: "is damaged: ",
}


@pytest.mark.parametrize("made", NO_STORES, ids=lambda each: each.__name__)
def test_a_file_that_is_no_store_is_said_and_left_as_it_is(session: Session, endpoint: Simulator, made: Any) -> None:
    made()
    before = FILE.read_bytes()
    with pytest.raises(StoreError) as caught:
        run(session)
    assert NO_STORES[made] in caught.value.message
    assert "it is kept" in caught.value.hint
    assert str(caught.value).count("\n") == 1
    assert FILE.read_bytes() == before
    assert endpoint.log == []
    assert session.history.threads() == {}


def test_an_answer_that_is_damaged_is_said(session: Session, endpoint: Simulator) -> None:
    run(session)
    look("UPDATE answers SET messages = '[{'")
    with pytest.raises(StoreError, match="is damaged"):
        run(session)
    assert len(endpoint.log) == 2


@pytest.mark.parametrize("place", ["no/such/folder/a.sqlite", "."])
def test_a_place_that_holds_no_file_is_said(session: Session, endpoint: Simulator, place: str) -> None:
    with pytest.raises(StoreError, match="cannot be used: unable to open database file"):
        map_prompts(SAY, ["a"], session=session, store=place)
    assert endpoint.log == []


def test_a_store_that_goes_away_in_mid_run_costs_no_answer(session: Session, endpoint: Simulator) -> None:
    session.config.concurrency = 4

    def worded(row: int) -> str:
        if row == 130:
            look("DROP TABLE answers")
        return say(str(row))

    result = map_prompts(worded, range(300), session=session, store=FILE)
    assert result.values.count("ok") == len(endpoint.log) == result.asked
    assert 100 < result.asked < 150
    assert len(result.errors) == 300 - result.asked
    assert result.errors[-1].why == "Not asked: The store answers.sqlite cannot be used: no such table: answers."
    assert len(result.notes) == 1


# Folders and disks that take nothing ----------------------------------------------------------------------------


@pytest.mark.parametrize("there", [True, False], ids=["a store", "no store"])
def test_a_folder_that_cannot_be_written_is_said(endpoint: Simulator, tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    if there:
        Store(folder / "a.sqlite").close()
    for each in (*folder.iterdir(), folder):
        each.chmod(0o555 if each is folder else 0o444)
    found = told(begun(endpoint, folder / "a.sqlite", 3, 'say="ok"', env={"CAGED": "yes"}))
    assert found["error"].startswith(f"StoreError: The store {folder / 'a.sqlite'} cannot be used: ")
    assert "may the file be written?" in found["error"]
    assert endpoint.log == []
    assert [each.name for each in folder.iterdir()] == (["a.sqlite"] if there else [])


@pytest.mark.slow
@pytest.mark.traced
def test_a_full_disk_is_said_and_what_was_paid_for_is_in_the_result(endpoint: Simulator, tmp_path: Path) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    long = 'tokens=2000 thinking=""'
    untraced = {"COVERAGE_PROCESS_CONFIG": ""}  # its own file would be as small
    found = told(begun(endpoint, tmp_path / "a.sqlite", 60, long, preexec_fn=small, env=untraced))
    answered = [value for value in found["values"] if value is not None]
    assert found["error"] == ""
    assert 10 < len(answered) < 60
    assert len(answered) == len(endpoint.log)
    assert all(len(value) == 8_000 for value in answered)
    assert len(found["notes"]) == 1
    assert "Is there room on the disk" in found["notes"][0]
    assert all(why.startswith("Not asked: The store ") for why in found["whys"])
    assert look("PRAGMA integrity_check", tmp_path / "a.sqlite") == [("ok",)]
    (stored,) = look("SELECT count(*) FROM answers", tmp_path / "a.sqlite")[0]
    assert 10 < stored <= len(answered)
    before = len(endpoint.log)
    again = told(begun(endpoint, tmp_path / "a.sqlite", 60, long))
    assert again["whys"] == []
    assert len(endpoint.log) - before == 60 - stored
    assert os.stat(tmp_path / "a.sqlite").st_size > 400_000
