"""Folders for the file tools."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mm_magics.tools.builtin.files import file_tools

SECRET = "sk-very-secret-4711"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a neighbour that contains a secret."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text(SECRET)
    folder = tmp_path / "inside"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def maze() -> Iterator[Path]:
    """A folder full of links: inside, outside, up, in circles."""
    with tempfile.TemporaryDirectory() as place:
        top = Path(place).resolve()
        root = top / "root"
        (root / "a" / "b").mkdir(parents=True)
        (top / "out").mkdir()
        (root / "up").symlink_to("..")
        (root / "a" / "out").symlink_to(top / "out")
        (root / "a" / "up").symlink_to("../..")
        (root / "in").symlink_to("a/b")
        (root / "loop").symlink_to("loop")
        (root / "slash").symlink_to("/")
        yield root


def call(folder: Path, name: str, **given: Any) -> str:
    """Call a file tool of this folder as a model does."""
    tool = {each.name: each for each in file_tools(folder)}[name]
    return str(tool.function(**tool.check(given)))
