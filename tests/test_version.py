"""The Python package, its npm package and what describes it name one version: `mm_magics.__version__`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import mm_magics

ROOT = Path(__file__).parents[1]


def _first(pattern: str) -> Callable[[str], str]:
    def find(text: str) -> str:
        found = re.search(pattern, text, re.MULTILINE)
        assert found is not None
        return found[1]

    return find


NAMED: dict[str, Callable[[str], str]] = {
    "labextension/package.json": lambda text: str(json.loads(text)["version"]),
    "CITATION.cff": _first(r"^version: (.+)$"),
    "CHANGELOG.md": _first(r"^## \[(.+?)\]"),
    "README.md": _first(r"^Version (\S+) is not on PyPI yet"),
}


@pytest.mark.parametrize("file", NAMED)
def test_a_file_names_the_version_of_the_package(file: str) -> None:
    assert NAMED[file]((ROOT / file).read_text("utf-8")) == mm_magics.__version__, f"change it in {file} as well"


def test_the_changelog_dates_each_version_or_says_that_it_is_not_released() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert all(re.fullmatch(r"\[[\d.]+\] – (\d{4}-\d\d-\d\d|unreleased)", each) for each in headings), headings
