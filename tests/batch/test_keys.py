"""A map run leaves its key nowhere: not in the store, its log, the results, an error or the output."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from mm_magics import Session, map_prompts
from mm_magics.batch.job import MapOptions, build_job
from mm_magics.simulator import Simulator
from tests.batch.simulated import OK_TEMPLATE, ok_template
from tests.canary import CANARY, echoes, in_files, places
from tests.recorder import Recorder, http


@pytest.fixture
def session() -> Any:
    with Simulator(key=CANARY) as endpoint:
        with Session(base_url=endpoint.base_url, api_key=CANARY, max_retries=0) as session:
            yield session
        assert len(endpoint.log) > 0
        assert {record.auth_headers for record in endpoint.log} == {("authorization",)}


def test_a_run_leaves_no_key_behind(session: Session, tmp_path: Path, capfd: Any) -> None:
    rows = ["a", "b", "a [[simulator: fault=unknown-error]]", "b [[simulator: fault=html]]", None]
    result = map_prompts(OK_TEMPLATE, rows, session=session, figures=True)
    again = result.retry_failed()
    assert len(result.errors) == len(again.errors) == 3
    shown = [repr(each) + str(each) + repr(vars(each)) for each in (result, again)]
    assert places("".join(shown)) == []
    assert places(repr(result.frame) + repr(result.errors)) == []
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert {file.name for file in files} >= {"minimax-answers.sqlite"}
    assert in_files(files) == []
    assert places("".join(capfd.readouterr())) == []


def test_during_a_run_the_store_and_its_log_contain_no_key(session: Session, tmp_path: Path) -> None:
    seen: dict[str, list[str]] = {}

    def prompt_for(row: int) -> str:
        for file in tmp_path.iterdir():
            seen.setdefault(file.name, []).extend(in_files([file]))
        return ok_template(str(row))

    map_prompts(prompt_for, range(200), session=session, store="a.sqlite")
    assert {"a.sqlite", "a.sqlite-wal"} <= set(seen)
    assert {name: found for name, found in seen.items() if found} == {}


def test_a_job_shows_no_key_and_a_key_cannot_be_pickled(session: Session) -> None:
    job = build_job(session, OK_TEMPLATE, ["a"], MapOptions())
    assert places(repr(job) + repr(job.prompt)) == []
    map_prompts(OK_TEMPLATE, ["a"], session=session)
    with pytest.raises(TypeError, match="A key cannot be pickled"):
        pickle.dumps(session.keys.find(session.config.base_url))


def test_a_key_that_the_endpoint_echoes_appears_nowhere(tmp_path: Path, capfd: Any) -> None:
    echoed = " ".join(echoes())
    replies = [
        http(f'{{"type": "error", "error": {{"type": "x", "message": {json.dumps(echoed)}}}}}', status="400 X"),
        http(f"<p>{echoed}</p>", status="500 X", content_type="text/html"),
        http(echoed, content_type="text/plain"),
        http("", f"location: http://127.0.0.1:9/?key={CANARY}", status="307 X"),
        http(f'{{"type": "error", "error": {{"type": "x", "message": {json.dumps(echoed)}}}}}'),
    ]
    with Recorder(*replies) as recorder:
        session = Session(base_url=recorder.base_url, api_key=CANARY, max_retries=0, concurrency=1)
        results = [map_prompts("{{ row }}", [row], session=session) for row in "abcde"]
    assert [len(each.errors) for each in results] == [1] * 5
    assert places("".join(repr(vars(each)) + repr(each.frame) for each in results)) == []
    assert in_files(file for file in tmp_path.rglob("*") if file.is_file()) == []
    assert places("".join(capfd.readouterr())) == []
