"""Limits in seconds allow for a busy machine, in every test."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
LIMIT = re.compile(r"assert .*(?:(?:monotonic|perf_counter|process_time)\(\)|\bsorted\(seconds\)\S*)[^<=]*<=? (.+)")
SHORTEST_S = 30
"""A longer limit measures nothing: it bounds a test that hangs."""


def tight(line: str) -> bool:
    """Return whether a line compares a measured time with a limit that is short and the same on every machine."""
    found = LIMIT.search(line)
    if not found or "PATIENCE" in found[1] or re.search(r"\b[A-Z_]+_S\b", found[1]):
        return False
    numbers = [float(each) for each in re.findall(r"\d+(?:\.\d+)?", found[1])]
    return bool(numbers) and max(numbers) < SHORTEST_S


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("assert time.monotonic() - began < 2", True),
        ("assert sorted(seconds)[4] <= 0.02", True),
        ("assert time.process_time() - began < 0.5 * SLOWER", True),
        ("assert time.monotonic() - began < 0.5 * PATIENCE", False),
        ("assert time.monotonic() - began < LIMIT_S", False),
        ("assert time.monotonic() - began < 30", False),
        ("assert time.monotonic() < deadline", False),
        ("assert time.monotonic() - began > 0.15", False),
    ],
)
def test_tight_limits_are_recognized(line: str, expected: bool) -> None:
    assert tight(line) == expected


def test_no_limit_in_seconds_is_tight() -> None:
    found = [
        f"{path.relative_to(TESTS)}:{number}: {line.strip()}"
        for path in sorted(TESTS.rglob("*.py"))
        if path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if tight(line)
    ]
    assert found == [], "multiply by PATIENCE of tests/pace.py"
