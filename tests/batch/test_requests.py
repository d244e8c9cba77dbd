"""The requests of a map run have the hashes and bytes that the same requests have elsewhere."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics import Session, map_prompts
from mm_magics.api import request
from mm_magics.api.legacy_hash import legacy_message_sha256, legacy_request_sha256s
from mm_magics.batch.requests import RequestBuilder
from mm_magics.errors import PromptError
from mm_magics.simulator import Simulator
from mm_magics.text import replace_surrogates
from tests.batch.simulated import OK_TEMPLATE

TEXTS = st.text(st.characters(codec=None), min_size=1).filter(str.strip)
TURNS = st.lists(TEXTS, max_size=2)


def whole_request(session: Session, text: str, **flags: Any) -> tuple[bytes, str]:
    """Return the bytes and the hash of the request, computed from all of it."""
    prompt = session.prepare(text, **flags)
    hashes = [request.message_sha256(each) for each in prompt.body["messages"]]
    whole = request.request_sha256(prompt.model, prompt.request.system, prompt.request.params, hashes)
    return request.encode({**prompt.body, "stream": False}), whole


@given(TEXTS, st.none() | TEXTS, st.dictionaries(st.sampled_from(["top_k", "x"]), TEXTS | st.integers()), TURNS)
@example("half \ud83e of a pair", "\udfff", {"x": "\ud800"}, ["\udead"])
@example('"', "\\", {"x": '"messages":[]'}, ["]}"])
def test_hash_and_bytes_equal_those_of_the_whole_request(
    text: str, system: str | None, params: dict[str, Any], past: list[str]
) -> None:
    with (
        Simulator(answers=["yes"] * len(past)) as endpoint,
        Session(base_url=endpoint.base_url, api_key="k") as session,
    ):
        session.keys.enter(endpoint.base_url, endpoint.key)
        for each in past:
            session.ask(each)
        flags: dict[str, Any] = {"system": system, "params": params, "context": "all"}
        builder = RequestBuilder(session.prepare("{{ row.text }}", **flags))
        body, sha256 = whole_request(session, text, **flags)
        digest = builder.digest(text)
        assert digest.hex() == sha256
        assert builder.build(text, digest).body == body
        assert json.loads(body)["messages"][-1]["content"][0]["text"] == replace_surrogates(text)


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_an_empty_text_is_an_error(session: Session, text: str) -> None:
    with pytest.raises(PromptError, match="The prompt is empty"):
        RequestBuilder(session.prepare("x")).digest(text)


def test_the_sent_bytes_are_the_built_bytes(session: Session, endpoint: Simulator) -> None:
    flags: dict[str, Any] = {"system": "Be brief.", "temperature": 0.5, "params": {"x": "half \ud83e"}, "user_id": "u"}
    map_prompts(OK_TEMPLATE, ["half \ud83e"], session=session, **flags)
    text = OK_TEMPLATE.replace("{{ row }}", "half \ud83e")
    assert endpoint.log[0].raw == whole_request(session, text, **flags, context="none")[0]
    assert endpoint.log[0].headers["anthropic-version"] == "2023-06-01"
    assert endpoint.log[0].auth_headers == ("authorization",)
    assert endpoint.log[0].stream is False


def test_rows_see_the_thread_only_with_context(session: Session, endpoint: Simulator) -> None:
    session.ask("Before.")
    map_prompts(OK_TEMPLATE, ["a"], session=session)
    map_prompts(OK_TEMPLATE, ["a"], session=session, context="all")
    assert [len(record.body["messages"]) for record in endpoint.log] == [1, 1, 5]


def test_the_answers_in_a_store_of_an_earlier_version_are_found(
    session: Session, endpoint: Simulator, tmp_path: Path
) -> None:
    path, rows = tmp_path / "answers.sqlite", ["one", "zwölf", "half \ud83e"]
    options: dict[str, Any] = {"session": session, "store": path, "progress": False, "temperature": 1.0}
    first = map_prompts(OK_TEMPLATE, rows, **options)
    with closing(sqlite3.connect(path)) as connection, connection:
        for row in rows:
            text = OK_TEMPLATE.replace("{{ row }}", row)
            prompt = session.prepare(text, context="none", temperature=1.0)
            sent = {"role": "user", "content": [{"type": "text", "text": text}]}
            (old,) = legacy_request_sha256s(prompt.model, None, prompt.request.params, [legacy_message_sha256(sent)])
            names = bytes.fromhex(old), bytes.fromhex(prompt.request.sha256)
            assert connection.execute("UPDATE answers SET sha256 = ? WHERE sha256 = ?", names).rowcount == 1
    planned = map_prompts(OK_TEMPLATE, rows, dry_run=True, **options)
    assert (planned.calls, planned.stored) == (0, 3)
    assert map_prompts(OK_TEMPLATE, rows, **options).values == first.values
    assert len(endpoint.log) == 3
