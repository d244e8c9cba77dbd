"""What the project says of what it is made of and promises, compared with what it is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINKED = ("README.md", "docs/tools.md", "docs/mcp.md")


def names(requirements):
    return {re.match(r"[A-Za-z0-9._-]+", each)[0] for each in requirements}


def justified(heading):
    """The names in the first column of the table below this heading in docs/decisions.md, those with a reason."""
    _, _, table = (ROOT / "docs" / "decisions.md").read_text("utf-8").partition(f"| {heading} | for |\n")
    rows = [line.strip("| ").split(" | ") for line in table.partition("\n\n")[0].splitlines()[1:]]
    return [name for first, reason in rows if reason for name in re.findall(r"`([^`]+)`(?!\))", first)]


def test_each_dependency_is_justified_once_and_nothing_else_is():
    found = justified("needed by all")
    assert sorted(found) == sorted(names(PROJECT["dependencies"]))


def test_each_optional_dependency_is_justified_too():
    extras = PROJECT["optional-dependencies"]
    wanted = names(each for extra, needed in extras.items() if extra != "dev" for each in needed)
    assert sorted(justified("extra")) == sorted(wanted)


def test_each_promise_names_tests_that_there_are():
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    rows = text.partition("| promise | test |\n| --- | --- |\n")[2].partition("\n\n")[0].splitlines()
    assert len(rows) > 8
    for row in rows:
        paths = re.findall(r"`(tests/[^`]+)`", row)
        assert paths, row
        assert not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize("page", LINKED)
def test_the_promises_are_linked_from(page):
    assert "SECURITY.md" in (ROOT / page).read_text("utf-8")
