"""The answer store: what it contains, its errors for other files, and that no file is ever damaged."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import resource
import sqlite3
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from mm_magics import Session, map_prompts
from mm_magics.batch.store import COMMIT_ROWS, COMMIT_S, INDEX_ROWS, MAX_KEYS, Reply, Store, checksum
from mm_magics.errors import NotRecordedError, StoreError
from mm_magics.simulator import ScriptedAnswer, Simulator, text, thinking
from tests.batch.map_process import outcome_of, start_run
from tests.batch.simulated import OK_TEMPLATE, ok_template

FILE = Path("answers.sqlite")


def run(session: Session, rows: Any = ("a", "b"), **options: Any) -> Any:
    return map_prompts(OK_TEMPLATE, list(rows), session=session, store=FILE, **options)


def execute(statement: str, file: Path = FILE) -> list[Any]:
    base = sqlite3.connect(file)
    found = base.execute(statement).fetchall()
    base.commit()
    base.close()
    return found


# Contents -------------------------------------------------------------------------------------------------------


def test_an_answer_is_stored_verbatim_under_the_hash_of_its_request(session: Session, endpoint: Simulator) -> None:
    odd: list[Any] = [thinking(" hm \u2028"), {"type": "hologram", "depth": [1, None, {}]}, text("Grüße 🦪")]
    endpoint.answers.append(ScriptedAnswer(odd))
    run(session, ["a"])
    prompt = session.prepare(OK_TEMPLATE.replace("{{ row }}", "a"), context="none")
    ((sha256, created, model, messages, responses),) = execute(
        "SELECT sha256, created, model, messages, responses FROM answers"
    )
    assert sha256.hex() == prompt.request.sha256
    assert (created[:2], created[-1], model) == ("20", "Z", "MiniMax-M2.7")
    (message,) = json.loads(messages)
    signed = {**odd[0], "signature": message["content"][0].get("signature")}
    assert message == {"role": "assistant", "content": [signed, *odd[1:]]}
    (response,) = json.loads(responses)
    assert response["usage"] == {name: count for name, count in (endpoint.log[0].usage or {}).items() if count}
    assert response["stop_reason"] == "end_turn"


def test_the_file_is_in_wal_mode_and_has_an_application_id(session: Session) -> None:
    run(session)
    assert execute("PRAGMA journal_mode") == [("wal",)]
    assert execute("PRAGMA application_id") == [(0x4D4D6167,)]
    assert execute("PRAGMA user_version") == [(2,)]
    assert execute("PRAGMA integrity_check") == [("ok",)]


def test_answers_are_stored_while_the_run_continues(session: Session, endpoint: Simulator) -> None:
    session.config.concurrency = 1
    seen = []

    def prompt_for(row: str) -> str:
        if row == "b" and FILE.exists():
            seen.append(len(endpoint.log))
        return OK_TEMPLATE.replace("{{ row }}", row)

    rows = [f"a{n}" for n in range(128)] + ["b"]
    map_prompts(prompt_for, rows, session=session, store=FILE)
    assert seen[0] >= 128 - 2 * session.config.concurrency
    assert execute("SELECT count(*) FROM answers") == [(129,)]


def test_a_stored_answer_is_never_changed(tmp_path: Path) -> None:
    with Store(FILE) as store:
        for answer in ("first", "second"):
            store.put(b"x", "m", Reply([{"role": "assistant", "content": answer}], []))
        assert len(store) == 1
        assert store.get(b"x") == Reply([{"role": "assistant", "content": "first"}], [])
        assert store.get(b"y") is None
        assert list(store.get_many([b"x", *(bytes([n % 256, n // 256]) for n in range(MAX_KEYS - 1))])) == [b"x"]


# Files that are not stores --------------------------------------------------------------------------------------


def other_database() -> None:
    execute("CREATE TABLE mine (x)")


def other_application() -> None:
    execute("PRAGMA application_id = 7")
    execute("PRAGMA user_version = 1")


def other_schema() -> None:
    Store(FILE).close()
    execute("PRAGMA user_version = 3")


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


NOT_STORES = {
    other_database: "is a database, but not an answer store.",
    other_application: "is a database, but not an answer store.",
    other_schema: "is an answer store of schema 3; this version of mm_magics reads schema 2.",
    garbage: "is damaged: file is not a database.",
    overwritten: "is damaged: ",
    cut_short: "is damaged: ",
}


@pytest.mark.parametrize("make", NOT_STORES, ids=lambda each: each.__name__)
def test_a_file_that_is_not_a_store_is_an_error_and_is_not_modified(
    session: Session, endpoint: Simulator, make: Any
) -> None:
    make()
    before = FILE.read_bytes()
    with pytest.raises(StoreError) as caught:
        run(session)
    assert NOT_STORES[make] in caught.value.message
    assert "was not changed" in caught.value.hint
    assert str(caught.value).count("\n") == 1
    assert FILE.read_bytes() == before
    assert endpoint.log == []
    assert session.history.threads() == {}


def test_only_a_damaged_answer_is_requested_again(session: Session, endpoint: Simulator) -> None:
    run(session, ["a", "b", "c"])
    execute("UPDATE answers SET messages = '[{' WHERE sha256 = (SELECT sha256 FROM answers LIMIT 1)")
    again = run(session, ["a", "b", "c"])
    assert (again.values, again.asked, again.stored) == (["ok"] * 3, 1, 2)
    assert again.notes == ["1 stored answer in answers.sqlite cannot be read."]
    assert (run(session, ["a", "b", "c"]).asked, len(endpoint.log)) == (0, 4)


@pytest.mark.parametrize("change", ["replace(messages, 'ok', 'no')", "replace(messages, '\"ok', '\"ok ')"])
def test_an_answer_that_was_changed_is_requested_again_and_stays_marked(
    session: Session, endpoint: Simulator, change: str
) -> None:
    run(session, ["a", "b"])
    execute(f"UPDATE answers SET messages = {change} WHERE id = 1")
    again = run(session, ["a", "b"])
    assert (again.values, again.asked) == (["ok", "ok"], 1)
    assert again.notes == ["1 stored answer in answers.sqlite cannot be read."]
    assert execute("SELECT id, damaged FROM answers ORDER BY id") == [(1, 1), (2, 0), (3, 0)]
    assert (run(session, ["a", "b"]).asked, run(session, ["a", "b"], replay="only").notes) == (0, [])


FIRST_SCHEMA = """
CREATE TABLE answers (
  sha256 BLOB PRIMARY KEY, created TEXT NOT NULL, model TEXT NOT NULL, messages TEXT NOT NULL, responses TEXT NOT NULL
) WITHOUT ROWID
"""


def as_first_schema() -> None:
    """Write the store as versions of mm_magics before this one did."""
    rows = execute("SELECT sha256, created, model, messages, responses FROM answers")
    FILE.unlink()
    base = sqlite3.connect(FILE)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute(FIRST_SCHEMA)
    base.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?)", rows)
    base.execute("PRAGMA application_id = 0x4D4D6167")
    base.execute("PRAGMA user_version = 1")
    base.commit()
    base.close()


def test_a_store_of_the_first_schema_is_replayed_and_extended(session: Session, endpoint: Simulator) -> None:
    run(session, ["a", "b"])
    as_first_schema()
    assert run(session, ["a", "b"], replay="only").values == ["ok", "ok"]
    assert execute("PRAGMA user_version") == [(1,)]
    more = run(session, ["a", "b", "c"])
    assert (more.values, more.asked, more.stored) == (["ok"] * 3, 1, 2)
    assert execute("PRAGMA user_version") == [(2,)]
    assert execute("SELECT count(*) FROM first_answers") == [(2,)]
    again = run(session, ["a", "b", "c"], replay="only")
    assert (again.values, len(endpoint.log)) == (["ok"] * 3, 3)
    with Store(FILE) as store:
        assert (len(store), store.models()) == (3, {"MiniMax-M2.7"})


def test_a_damaged_answer_of_the_first_schema_is_requested_again(session: Session) -> None:
    run(session, ["a", "b"])
    as_first_schema()
    execute("UPDATE answers SET messages = '[{' WHERE sha256 = (SELECT sha256 FROM answers LIMIT 1)")
    assert (run(session, ["a", "b"]).asked, run(session, ["a", "b"]).asked) == (1, 0)


def test_every_answer_is_found_as_the_index_grows(tmp_path: Path) -> None:
    other = Store(FILE)
    for start in range(0, 2 * INDEX_ROWS, 500):
        with Store(FILE) as store:
            for n in range(start, start + 500):
                digest = hashlib.sha256(n.to_bytes(4)).digest()
                store.put(digest, "m", Reply([{"role": "assistant", "content": str(n)}], []))
        known = [hashlib.sha256(n.to_bytes(4)).digest() for n in range(0, start + 500, 97)]
        with Store(FILE) as fresh:
            assert fresh.get_many(known).keys() == other.get_many(known).keys() == set(known)
    other.close()
    assert execute("SELECT count(*) FROM hashes") > [(INDEX_ROWS - 500,)]


def test_few_bytes_are_written_for_an_answer(tmp_path: Path) -> None:
    def written() -> int:
        return int(Path("/proc/self/io").read_text().partition("wchar: ")[2].split()[0])

    if not Path("/proc/self/io").exists():
        pytest.skip("the system does not count written bytes")
    reply = Reply([{"role": "assistant", "content": "x" * 350}], [{"id": "1" * 32, "usage": {"output_tokens": 40}}])
    before = written()
    with Store(FILE) as store:
        for start in range(0, 20_000, 64):
            digests = [hashlib.sha256(n.to_bytes(4)).digest() for n in range(start, start + 64)]
            store.claim(digests)
            for digest in digests:
                store.put(digest, "MiniMax-M2.7", reply)
    assert written() - before < 4 * FILE.stat().st_size


def test_a_damaged_answer_is_missing_in_a_replay_and_is_not_changed(session: Session, endpoint: Simulator) -> None:
    run(session)
    execute("UPDATE answers SET messages = '[{'")
    with pytest.raises(NotRecordedError, match="2 of 2 rows have no stored answer"):
        run(session, replay="only")
    assert execute("SELECT DISTINCT messages FROM answers") == [("[{",)]


BAD_MESSAGES = ["5", "null", "{}", '"text"', "[1]", '[{"role": "assistant"}]', '[{"role": "assistant", "content": 5}]']
BAD_MESSAGES += ['[{"role": "assistant", "content": [1]}]', '[{"role": 1, "content": "x"}]', "[" * 100_000, "", "[NaN]"]
BAD_RESPONSES = [
    "5",
    "null",
    "{}",
    "[1]",
    "[null]",
    '[{"usage": 5}]',
    '[{"stop_reason": ["x"]}]',
    '[{"model": {}}]',
    "[",
]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("messages", each) for each in (*BAD_MESSAGES, b"[]", 5)),
        *(("responses", each) for each in (*BAD_RESPONSES, b"[]", 1.5)),
    ],
)
def test_a_stored_answer_of_another_form_is_requested_again(
    session: Session, endpoint: Simulator, column: str, value: Any
) -> None:
    run(session)
    set_all(column, value)
    again = run(session)
    assert (again.values, again.asked) == (["ok"] * 2, 2)
    assert again.notes == ["2 stored answers in answers.sqlite cannot be read."]


def set_all(column: str, value: Any) -> None:
    """Set a column of all answers, and their checksums."""
    base = sqlite3.connect(FILE)
    base.create_function("checksum", 2, checksum)
    base.execute(f"UPDATE answers SET {column} = ?", (value,))
    base.execute("UPDATE answers SET checksum = checksum(messages, responses)")
    base.commit()
    base.close()


@pytest.mark.parametrize(
    "usage",
    ['{"output_tokens": "x"}', '{"output_tokens": null}', '{"output_tokens": [1]}', '{"input_tokens": -1e400}', "{}"],
)
def test_strange_counts_in_a_store_do_not_end_a_run(session: Session, endpoint: Simulator, usage: str) -> None:
    run(session)
    set_all("responses", f'[{{"stop_reason": "end_turn", "usage": {usage}}}]')
    assert list(run(session, figures=True).values) == ["ok", "ok"]
    assert len(endpoint.log) == 2


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_only_its_owner_can_read_a_new_store(session: Session, umask: int) -> None:
    before = os.umask(umask)
    try:
        with Store(FILE) as store:
            run(session)
            assert len(store) == 2
            files = sorted(Path().glob("answers.sqlite*"))
            assert len(files) == 3
            assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    finally:
        os.umask(before)


def test_the_mode_of_an_existing_store_is_kept(session: Session) -> None:
    run(session)
    FILE.chmod(0o640)
    run(session, ["c"])
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o640


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file to another user")
@pytest.mark.parametrize(("user", "name"), [(1, "daemon"), (54321, "user 54321")])
def test_answers_from_the_store_of_another_user_are_reported(session: Session, user: int, name: str) -> None:
    assert not [note for note in run(session).notes if "belongs to" in note]
    assert not [note for note in run(session).notes if "belongs to" in note]
    os.chown(FILE, user, -1)
    (note,) = run(session).notes
    assert note == f"answers.sqlite belongs to {name}, who chose the answers that came from it."


@pytest.mark.parametrize("place", ["no/such/folder/a.sqlite", "."])
def test_a_path_that_cannot_be_a_file_is_an_error(session: Session, endpoint: Simulator, place: str) -> None:
    with pytest.raises(StoreError, match=r"Cannot use the answer store .*: unable to open database file"):
        map_prompts(OK_TEMPLATE, ["a"], session=session, store=place)
    assert endpoint.log == []


def test_a_store_that_breaks_during_a_run_loses_no_answer(session: Session, endpoint: Simulator) -> None:
    session.config.concurrency = 4

    def prompt_for(row: int) -> str:
        if row == 130:
            execute("DROP TABLE answers")
        return ok_template(str(row))

    result = map_prompts(prompt_for, range(300), session=session, store=FILE)
    assert result.values.count("ok") == len(endpoint.log) == result.asked
    assert 100 < result.asked < 150
    assert len(result.errors) == 300 - result.asked
    assert result.errors[-1].why == "Not sent: Cannot use the answer store answers.sqlite: no such table: answers."
    assert len(result.notes) == 1


# Folders and disks that cannot be written -----------------------------------------------------------------------


@pytest.mark.parametrize("there", [True, False], ids=["a store", "no store"])
def test_a_folder_that_cannot_be_written_is_an_error(endpoint: Simulator, tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    if there:
        Store(folder / "a.sqlite").close()
    for each in (*folder.iterdir(), folder):
        each.chmod(0o555 if each is folder else 0o444)
    found = outcome_of(start_run(endpoint, folder / "a.sqlite", 3, 'say="ok"', env={"NO_OVERRIDE": "yes"}))
    assert found["error"].startswith(f"StoreError: Cannot use the answer store {folder / 'a.sqlite'}: ")
    assert "that the file can be written, or name another file: %minimax set store FILE, or" in found["error"]
    assert endpoint.log == []
    assert [each.name for each in folder.iterdir()] == (["a.sqlite"] if there else [])


@pytest.mark.slow
@pytest.mark.traced
def test_with_a_full_disk_all_answers_are_still_in_the_result(endpoint: Simulator, tmp_path: Path) -> None:
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    long = 'tokens=2000 thinking="" wait=0.05'
    untraced = {"COVERAGE_PROCESS_CONFIG": "", "MAP_OPTIONS": '{"concurrency": 2}'}  # few answers per commit
    found = outcome_of(start_run(endpoint, tmp_path / "a.sqlite", 60, long, preexec_fn=small, env=untraced))
    answered = [value for value in found["values"] if value is not None]
    assert found["error"] == ""
    assert 10 < len(answered) < 60
    assert len(answered) == len(endpoint.log)
    assert all(len(value) == 8_000 for value in answered)
    assert len(found["notes"]) == 1
    assert "Check that the disk has space" in found["notes"][0]
    assert all(why.startswith("Not sent: Cannot use the answer store ") for why in found["reasons"])
    assert execute("PRAGMA integrity_check", tmp_path / "a.sqlite") == [("ok",)]
    (stored,) = execute("SELECT count(*) FROM answers", tmp_path / "a.sqlite")[0]
    assert 0 < stored <= len(answered)
    before = len(endpoint.log)
    again = outcome_of(start_run(endpoint, tmp_path / "a.sqlite", 60, long))
    assert again["reasons"] == []
    assert len(endpoint.log) - before == 60 - stored
    assert os.stat(tmp_path / "a.sqlite").st_size > 400_000


# Several processes, and file systems that cannot be written --------------------------------------------------------


def open_at_once(barrier: Any, path: Path, failures: Any) -> None:
    barrier.wait()
    try:
        with Store(path) as store:
            store.put(os.getpid().to_bytes(4), "m", Reply([], []))
    except StoreError as error:
        failures.put(str(error))


def test_several_processes_can_create_one_store_at_the_same_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for number in range(15):
        barrier, failures = context.Barrier(4), context.Queue()
        path = tmp_path / f"{number}.sqlite"
        processes = [context.Process(target=open_at_once, args=(barrier, path, failures)) for _ in range(4)]
        for each in processes:
            each.start()
        for each in processes:
            each.join()
        assert failures.empty()
        assert execute("SELECT count(*) FROM answers", path) == [(4,)]


def test_answers_are_written_together_and_are_found_before(tmp_path: Path) -> None:
    reply = Reply([{"role": "assistant", "content": "x"}], [])
    with Store(FILE) as store:
        for number in range(COMMIT_ROWS - 1):
            store.put(bytes([number]), "m", reply)
        assert execute("SELECT count(*) FROM answers") == [(0,)]
        assert store.get(bytes([7])) == reply
        store.flush(only_if_due=True)
        time.sleep(COMMIT_S)
        store.flush(only_if_due=True)
        assert execute("SELECT count(*) FROM answers") == [(COMMIT_ROWS - 1,)]
        for number in range(COMMIT_ROWS):
            store.put(bytes([9, number]), "m", reply)
        assert execute("SELECT count(*) FROM answers") == [(2 * COMMIT_ROWS - 1,)]
        store.put(b"last", "m", reply)
    assert execute("SELECT count(*) FROM answers") == [(2 * COMMIT_ROWS,)]


def test_answers_are_replayed_from_a_file_system_that_cannot_be_written(endpoint: Simulator, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    outcome_of(start_run(endpoint, folder / "a.sqlite", 3, 'say="ok"'))
    for each in (*folder.iterdir(), folder):
        each.chmod(0o555 if each is folder else 0o444)
    asked = len(endpoint.log)
    options = {"NO_OVERRIDE": "yes", "MAP_OPTIONS": '{"replay": "only"}'}
    found = outcome_of(start_run(endpoint, folder / "a.sqlite", 3, 'say="ok"', env=options))
    assert (found["error"], found["values"], found["stored"]) == ("", ["ok"] * 3, 3)
    assert [each.name for each in folder.iterdir()] == ["a.sqlite"]
    assert len(endpoint.log) == asked


def test_replay_creates_no_store(session: Session) -> None:
    with pytest.raises(NotRecordedError):
        run(session, replay="only")
    assert not FILE.exists()
