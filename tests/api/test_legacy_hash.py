"""The hash of records of schema 1, which is only compared: it must stay what release 0.1 wrote."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from mm_magics.api.legacy_hash import (
    legacy_hash_input,
    legacy_message_sha256,
    legacy_request_sha256s,
    may_be_changed,
)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_message_is_hashed_as_json_with_sorted_keys_and_escapes() -> None:
    block = {"type": "text", "text": "ü", "n": 1.0}
    expected = sha256(r'{"content":[{"n":1.0,"text":"\u00fc","type":"text"}],"role":"user"}')
    assert legacy_message_sha256({"role": "user", "content": [block], "x": 1}) == expected
    as_text = legacy_message_sha256({"role": "assistant", "content": "a"})
    assert as_text == sha256('{"content":[{"text":"a","type":"text"}],"role":"assistant"}')


@pytest.mark.parametrize(("system", "written"), [(None, "null"), ("", "null"), ("Be brief.", '"Be brief."')])
def test_a_request_is_hashed_with_what_can_change_its_answer(system: str | None, written: str) -> None:
    params = {"top_p": 0.5, "max_tokens": 9, "metadata": {"user_id": "u"}, "stream": True}
    text = f'{{"messages":["a","b"],"model":"M","params":{{"max_tokens":9,"top_p":0.5}},"system":{written}}}'
    assert legacy_hash_input("M", system, params, iter("ab")) == text.encode()
    assert list(legacy_request_sha256s("M", system, params, iter("ab"))) == [sha256(text)]


def test_whole_numbers_that_were_floats_have_a_second_hash() -> None:
    both = list(legacy_request_sha256s("M", None, {"temperature": 1, "top_p": 1, "max_tokens": 9}, iter("a")))
    assert both == [
        sha256('{"messages":["a"],"model":"M","params":{"max_tokens":9,"temperature":1,"top_p":1},"system":null}'),
        sha256('{"messages":["a"],"model":"M","params":{"max_tokens":9,"temperature":1.0,"top_p":1.0},"system":null}'),
    ]


@pytest.mark.parametrize(
    ("value", "changed"),
    [
        (5, True),
        (0, True),
        (True, False),
        (1.5, False),
        (1.0, False),
        ("5", False),
        (None, False),
        ([], False),
        (["a", 5], True),
        ({"a": [{"b": 5}]}, True),
        ({"a": [{"b": "5"}]}, False),
        ({"max_tokens": 5, "temperature": 1, "top_p": 1, "thinking": {"budget_tokens": 5}}, False),
        ({"max_tokens": 5, "top_k": 5}, True),
    ],
    ids=str,
)
def test_a_whole_number_of_unknown_type_may_have_been_a_float(value: Any, changed: bool) -> None:
    assert may_be_changed(value) is changed
