"""`tests/mutants.toml` is about code that exists: an entry that no longer matches explains nothing."""

from __future__ import annotations

import inspect
import re
import tomllib
from difflib import get_close_matches
from pathlib import Path
from pkgutil import resolve_name

import pytest

REASONS = tomllib.loads(Path(__file__).with_name("mutants.toml").read_text("utf-8"))
ENTRIES = REASONS["equivalent"]


@pytest.mark.parametrize("function", sorted({entry["function"] for entry in ENTRIES}))
def test_an_entry_changes_one_line_of_a_function_that_exists(function: str) -> None:
    lines = [line.strip() for line in inspect.getsource(resolve_name(function)).splitlines()]
    lower = [line.lower() for line in lines]
    for entry in ENTRIES:
        if entry["function"] == function:
            for change in entry["changes"]:
                assert change not in lines, f"this is the code itself: {change}"
                assert get_close_matches(change.lower(), lower, cutoff=0.7), f"no line is like {change}"


@pytest.mark.parametrize("pattern", [each["pattern"] for each in REASONS["same"]])
def test_a_pattern_is_about_code_that_exists(pattern: str) -> None:
    files = Path(__file__).parent.parent.glob("mm_magics/**/*.py")
    assert any(re.search(pattern, file.read_text("utf-8")) for file in files)


def test_a_change_has_one_reason() -> None:
    changes = [(entry["function"], change) for entry in ENTRIES for change in entry["changes"]]
    assert len(changes) == len(set(changes))
