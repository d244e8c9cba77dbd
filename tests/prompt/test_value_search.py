"""Values are found in a text however they are written, and others are not."""

from __future__ import annotations

import json
import textwrap
import time
from html import escape
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics.prompt.value_search import ValueSearch
from tests.pace import PATIENCE


def is_found(value: object, text: str) -> bool:
    return ValueSearch({"rule": [value]}).found(text) == {"rule": {0}}


FOUND: dict[str, tuple[object, str]] = {
    "as it is": ("ana@example.org", "Write to ana@example.org."),
    "in another case": ("ana@example.org", "ANA@EXAMPLE.ORG"),
    "without accents": ("José Muñoz", "jose munoz"),
    "with accents": ("Jose Munoz", "José Muñoz"),
    "decomposed": ("José Muñoz", "Jose\u0301 Mun\u0303oz"),
    "full width": ("ana@example.org", "ａｎａ＠ｅｘａｍｐｌｅ．ｏｒｇ"),
    "with invisible characters": ("ana@example.org", "ana\u200b@exa\u00admple.org"),
    "over two lines": ("12 Harbour Street", "12 Harbour\n    Street"),
    "with other spaces": ("12 Harbour Street", "12\u00a0Harbour  Street"),
    "in JSON": ('Ana "Ü" O\'Neil', json.dumps({"name": 'Ana "Ü" O\'Neil'})),
    "in JSON in JSON": ('Ana "Ü" Souza', json.dumps(json.dumps({"name": 'Ana "Ü" Souza'}))),
    "in a repr": ("Ana\tSouza's", repr(["Ana\tSouza's"])),
    "in HTML": ("Smith & Sons", escape("<td>Smith & Sons</td>")),
    "in a URL": ("ana@example.org", f"https://example.org/?to={quote('ana@example.org', safe='')}"),
    "in a Markdown table": ("left|right side", r"| left\|right side |"),
    "in CSV": ('the "first" one', '1,"the ""first"" one",2'),
    "cut": ("12 Harbour Street, 2nd house, Porto", "12 Harbour Street, 2nd ho..."),
    "cut with one character": ("12 Harbour Street, 2nd house, Porto", "12 Harbour Street, 2nd ho…"),
    "an emoji in JSON": ("🦪🦪🦪🦪🦪🦪🦪🦪", json.dumps("🦪🦪🦪🦪🦪🦪🦪🦪")),
    "in a word": ("12345678ab", "x12345678aby"),
    "an integer": (4915112345678, "tel:4915112345678"),
    "an integer as a float": (4915112345678, "4915112345678.0"),
    "an integer with separators": (12345678, "12,345,678 rows"),
    "an integer in Swiss notation": (12345678, "12'345'678"),
    "a float": (52431.75, "52431.750"),
    "a float with a separator": (52431.75, "$52,431.75"),
    "a negative number": (-52431.75, "-52431.75"),
    "a phone number": ("+49 151 12345678", "+49-151-12345678"),
    "a phone number as an integer": (4915112345678, "+49 151 1234 5678, 5 times"),
    "a card number": ("4111 1111 1111 1111", "4111111111111111"),
    "digits in text": ("12345678", "ID12345678"),
    "digits of another script": ("12345678", "١٢٣٤٥٦٧٨"),
    "a date": ("1990-04-12", "born 1990-04-12 00:00:00"),
    "a fraction": (0.12345678, "p=0.12345678"),
}


@pytest.mark.parametrize(("value", "text"), FOUND.values(), ids=FOUND)
def test_a_value_is_found_however_it_is_written(value: object, text: str) -> None:
    assert is_found(value, text)
    assert is_found(value, f"before {text} after")


NOT_FOUND: dict[str, tuple[object, str]] = {
    "too short": ("ana@x.y", "ana@x.y"),
    "too short a number": (1234567, "1234567"),
    "another value": ("ana@example.org", "eva@example.org"),
    "the beginning of a longer number": (12345678, "123456789"),
    "digits of several numbers": (12345678, "1234 5678, 12, 34"),
    "a cut text with the same short beginning": ("https://example.org/ana", "https://example..."),
    "spaces only": ("          ", "          "),
}


@pytest.mark.parametrize(("value", "text"), NOT_FOUND.values(), ids=NOT_FOUND)
def test_other_texts_are_not_taken_for_a_value(value: object, text: str) -> None:
    assert not is_found(value, text)


ENCODINGS: list[Any] = [
    str,
    repr,
    json.dumps,
    lambda text: json.dumps(json.dumps([text])),
    lambda text: json.dumps(text, ensure_ascii=False),
    escape,
    lambda text: quote(text, safe=""),
    str.upper,
    lambda text: "\n".join(textwrap.wrap(text, 3, drop_whitespace=False)),
]
WORDS = st.text(st.characters(codec="utf-8", categories=("L", "Nd", "P", "Zs", "So")), min_size=8, max_size=30)


@given(value=WORDS, encode=st.sampled_from(ENCODINGS), around=st.tuples(st.text(max_size=9), st.text(max_size=9)))
@example(value="Anadolı 12", encode=str.upper, around=("", ""))
def test_any_value_is_found_in_any_encoding(value: str, encode: Any, around: tuple[str, str]) -> None:
    search = ValueSearch({"rule": [value]})
    if search.found(value):  # long enough
        before, after = (each.encode("utf-8", "replace").decode() for each in around)
        text = f"{before} – {encode(value)} – {after}".replace("\\ –", "–").replace("% –", "–")
        if "\\" not in before + value and "%" not in before + value and "&" not in before + value:
            assert search.found(text) == {"rule": {0}}


def test_every_value_of_every_rule_is_counted() -> None:
    search = ValueSearch({"a": ["value one", "value two", "value six"], "b": ["value two"]})
    assert search.found("value one, value two") == {"a": {0, 1}, "b": {0}}


HUGE = {
    "digits": "1" * 300_000,
    "groups of digits": "1 " * 150_000,
    "separators": "1" + " ." * 150_000,
    "dots": "... " * 75_000,
    "backslashes": "\\" * 300_000,
    "percent signs": "%" * 300_000,
    "entities": "&amp;" * 60_000,
    "accents": "e" + "\u0301" * 300_000,
    "beginnings of values": "customer" * 40_000,
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_no_text_takes_long(text: str) -> None:
    values = [f"customer{number}@example.org" for number in range(10_000)]
    search = ValueSearch({"text": values, "numbers": range(10**13, 10**13 + 10_000)})
    began = time.process_time()
    search.found(text)
    assert time.process_time() - began < 10 * PATIENCE


def test_the_time_grows_with_the_text_and_not_with_the_number_of_values() -> None:
    search = ValueSearch({"rule": [f"customer{number}@example.org" for number in range(10_000)]})
    text = "customer of the month, customer2 and customer33 " * 2_000 + "customer9999@example.org"
    assert search.found(text) == {"rule": {9999}}
