"""Canonical JSON: the vectors of RFC 8785, and what other programs do to JSON when they save it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics.api.canonical import canonical_json
from mm_magics.errors import RequestError
from tests.page_json import Page, write_file

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with Page() as page:
        yield page


@pytest.mark.parametrize(
    ("value", "written"),
    [
        # RFC 8785, appendix B
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992, "9007199254740992"),
        (295147905179352830000, "295147905179352830000"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (1e23, "1e+23"),
        (999999999999999700000.0, "999999999999999700000"),
        (1e21, "1e+21"),
        (333333333.3333333, "333333333.3333333"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (1424953923781206.2, "1424953923781206.2"),
        # section 3.2.3: names are sorted by their UTF-16 code units
        (
            {"€": 1, "\r": 2, "\ufb33": 3, "1": 4, "😀": 5, "\x80": 6, "ö": 7},
            '{"\\r":2,"1":4,"\x80":6,"ö":7,"€":1,"😀":5,"\ufb33":3}',
        ),
        ('€$\x0f\nA\'B"\\\\"/', r'''"€$\u000f\nA'B\"\\\\\"/"'''),
        # beyond the RFC: what JavaScript makes of a number that is too large
        (9007199254740993, "9007199254740992"),
        (-(10**17) - 1, "-100000000000000000"),
        (10**400, "null"),
        ((1, [True, None]), "[1,[true,null]]"),
    ],
)
def test_the_canonical_form(value: Any, written: str) -> None:
    assert canonical_json(value).decode() == written


@given(VALUES)
def test_the_canonical_form_is_that_of_the_rfc(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except rfc8785.IntegerDomainError:
        return
    assert canonical_json(value) == expected


@pytest.mark.fuzz
@given(VALUES)
@example({"z": 1.0, "a": [9007199254740993, -0.0, 1e16, 1e-7, 10**400], "10": 1, "2": 2})
def test_saving_a_value_does_not_change_its_canonical_form(page: Page, value: Any) -> None:
    assert canonical_json(json.loads(write_file(page.save(value)))) == canonical_json(value)
    assert canonical_json(page.save(json.loads(write_file(value)))) == canonical_json(value)


def test_different_values_have_different_forms() -> None:
    values = [None, False, True, 0, 1, 1.5, "", "1", [], {}, [1], {"1": 1}, [[1]], "\ud800", "\udfff", "\ufffd"]
    assert len(set(map(canonical_json, values))) == len(values)


@pytest.mark.parametrize("value", [float("nan"), float("-inf"), {1, 2}, b"x", {(1, 2): 3}, {1: 2}, [object()]])
def test_a_value_that_json_cannot_represent_is_a_request_error(value: Any) -> None:
    with pytest.raises(RequestError, match=r"^The request cannot be written as JSON: .+\.$"):
        canonical_json([value])
