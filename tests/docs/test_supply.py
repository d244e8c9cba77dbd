"""The project's pages about dependencies, promises and decisions agree with the project."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINKED = ("README.md", "docs/reference/tools.md", "docs/how-to/use-mcp-servers.md")
DECISIONS = ROOT / "docs" / "decisions"


def names(requirements):
    return {re.match(r"[A-Za-z0-9._-]+", each)[0] for each in requirements}


def justified(heading):
    """The names with a reason in the first column of the table with this heading in docs/decisions/dependencies.md."""
    _, _, table = (DECISIONS / "dependencies.md").read_text("utf-8").partition(f"| {heading} | reason |\n")
    rows = [line.strip("| ").split(" | ") for line in table.partition("\n\n")[0].splitlines()[1:]]
    return [name for first, reason in rows if reason for name in re.findall(r"`([^`]+)`(?!\))", first)]


def test_each_dependency_has_one_reason_and_no_other_package_has_one():
    found = justified("needed by all")
    assert sorted(found) == sorted(names(PROJECT["dependencies"]))


def test_each_optional_dependency_has_a_reason_too():
    extras = PROJECT["optional-dependencies"]
    expected = names(each for extra, needed in extras.items() if extra != "dev" for each in needed)
    assert sorted(justified("extra")) == sorted(expected)


def test_each_promise_names_what_keeps_it_and_tests_that_exist():
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    head = "| promise | kept by | test |\n| --- | --- | --- |\n"
    rows = text.partition(head)[2].partition("\n\n")[0].splitlines()
    assert len(rows) > 8
    for row in rows:
        _, modules, tests = row.strip("| ").split(" | ")
        for path in re.findall(r"`([^`]+)`", modules):
            assert any((ROOT / folder / path).exists() for folder in ("mm_magics", "labextension/src", ".")), path
        assert "`" in modules, row
        paths = [ROOT / path for path in re.findall(r"`(tests/[^`]+)`", tests)]
        assert paths, row
        for path in paths:
            files = sorted(path.rglob("test_*.py")) if path.is_dir() else [path]
            assert any("def test_" in file.read_text("utf-8") for file in files), path


@pytest.mark.parametrize("page", LINKED)
def test_a_page_links_to_the_promises(page):
    assert "SECURITY.md" in (ROOT / page).read_text("utf-8")


def test_each_decision_record_has_its_sections_and_its_place_in_the_index():
    index = (DECISIONS / "index.md").read_text("utf-8")
    records = sorted(DECISIONS.glob("[0-9]*.md"))
    assert len(records) > 30
    assert len({record.name[:4] for record in records}) == len(records), "two records have the same number"
    for record in records:
        title, *sections = re.findall(r"^#+ (.*)$", record.read_text("utf-8"), re.MULTILINE)
        number, _, name = title.partition(". ")
        assert record.name.startswith(f"{int(number):04}-")
        assert sections == ["Context", "Decision", "Consequences"]
        assert f"- [{int(number):04} {name}]({record.name})" in index
