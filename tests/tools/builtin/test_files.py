"""The file tools: real files, pipes and devices, encodings, cuts and whole writes."""

from __future__ import annotations

import os
import socket
import stat
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics.errors import ToolError, ToolInputError
from mm_magics.tools.builtin import files
from mm_magics.tools.builtin.bounded_text import LIMIT
from tests.pace import PATIENCE
from tests.tools.builtin.conftest import call

# Reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Grüße 🦪\n".encode(), "Grüße 🦪\n"),
        ("Grüße".encode("utf-8-sig"), "Grüße"),
        ("Grüße".encode("utf-16"), "Grüße"),
        ("Grüße".encode("utf-32"), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        (b"", "[the file is empty]"),
        (b"x" * 65_535 + "ü".encode(), None),
    ],
)
def test_text_is_read_in_its_encoding(folder: Path, content: bytes, text: str | None) -> None:
    (folder / "a.txt").write_bytes(content)
    read = call(folder, "read_file", path="a.txt")
    assert read == text if text is not None else "Ã" not in read


def test_a_binary_file_is_refused_with_its_size(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0" + b"x" * 2000)
    with pytest.raises(ToolError, match=r"'a\.png' is not text \(2,011 bytes\)"):
        call(folder, "read_file", path="a.png")


@pytest.mark.fuzz
@given(st.lists(st.text("ab é\t", max_size=30), min_size=1, max_size=40), st.integers(1, 12))
def test_continuing_after_each_cut_reads_the_whole_file(maze: Path, lines: list[str], count: int) -> None:
    whole = "\n".join(lines)
    (maze / "a" / "whole.txt").write_text(whole)
    read, start = "", 1
    while True:
        part = call(maze, "read_file", path="a/whole.txt", start_line=start, lines=count)
        text, cut, more = part.partition("… [cut here: continue with start_line=")
        read += text
        if not cut:
            break
        assert text.count("\n") == count
        start = int(more.rstrip("]"))
    assert read == (whole or "[the file is empty]")


def test_a_long_file_is_cut_at_a_line_and_says_how_to_continue(folder: Path) -> None:
    (folder / "long.txt").write_text("".join(f"line {number}\n" for number in range(1, 100_000)))
    part = call(folder, "read_file", path="long.txt")
    assert len(part) < LIMIT + 100
    number = int(part.rpartition("start_line=")[2].rstrip("]"))
    assert part.splitlines()[-2] == f"line {number - 1}"
    assert call(folder, "read_file", path="long.txt", start_line=number, lines=1).startswith(f"line {number}\n…")


def test_a_huge_line_is_cut_and_the_next_can_be_read(folder: Path) -> None:
    with open(folder / "wide.txt", "w") as file:
        file.writelines("x" * 1_000_000 for _ in range(50))
        file.write("\nsecond\n")
    part = call(folder, "read_file", path="wide.txt")
    assert part.startswith("x" * LIMIT + "\n… [the rest of this line is cut: continue with start_line=2]")
    assert call(folder, "read_file", path="wide.txt", start_line=2) == "second\n"


def test_a_start_line_beyond_the_end_is_an_error(folder: Path) -> None:
    (folder / "a.txt").write_text("1\n2\n")
    with pytest.raises(ToolError, match="The file has 2 lines: there is no line 3"):
        call(folder, "read_file", path="a.txt", start_line=3)


def test_anything_but_a_regular_file_is_refused_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)  # a socket's name must be short
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        (folder / "sub").mkdir()
        before = time.monotonic()
        for name in ("pipe", "socket"):
            with pytest.raises(ToolError, match="is not a regular file"):
                call(folder, "read_file", path=name)
            with pytest.raises(ToolError, match="is not a regular file"):
                call(folder, "write_file", path=name, text="x")
        with pytest.raises(ToolError, match="is a folder"):
            call(folder, "read_file", path="sub")
        assert time.monotonic() - before < 20 * PATIENCE
    with pytest.raises(ToolError, match="is not a regular file"):
        call(Path("/dev"), "read_file", path="zero")


@pytest.mark.parametrize(
    ("name", "given", "text"),
    [
        ("read_file", {}, "path: required, but missing"),
        ("read_file", {"path": 5}, "path: Input should be a valid string"),
        ("read_file", {"path": "a", "start_line": 0}, "start_line: Input should be greater than or equal to 1"),
        ("read_file", {"path": "a", "start_line": 1.5}, "start_line: Input should be a valid integer"),
        ("read_file", {"path": "a", "lines": True}, "lines: Input should be a valid integer"),
        ("read_file", {"path": "a", "encoding": "x"}, "encoding: unknown name"),
        ("write_file", {"path": "a"}, "text: required, but missing"),
        ("list_files", {"path": None}, "path: Input should be a valid string"),
    ],
)
def test_invalid_arguments_are_named(folder: Path, name: str, given: dict[str, Any], text: str) -> None:
    with pytest.raises(ToolInputError, match=text):
        call(folder, name, **given)


# Listing ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(folder: Path) -> Path:
    for path in ("b.csv", "a.txt", ".hidden", ".git/x.csv", "data/c.csv", "data/deep/d.csv", "data/deep/e.txt"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("12345")
    (folder / "away").symlink_to("../outside")
    return folder


def test_a_folder_is_listed_without_its_hidden_files(tree: Path) -> None:
    lines = call(tree, "list_files").splitlines()
    assert lines[0] == "a.txt  5 bytes"
    assert [line.split()[0] for line in lines] == ["a.txt", "away", "b.csv", "data/"]
    for path in ("data", "data/"):
        assert call(tree, "list_files", path=path) == "data/c.csv  5 bytes\ndata/deep/"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.csv", ["b.csv", "data/c.csv", "data/deep/d.csv"]),
        ("**/*.csv", ["b.csv", "data/c.csv", "data/deep/d.csv"]),
        ("data/**/*.csv", ["data/c.csv", "data/deep/d.csv"]),
        ("data/deep/*", ["data/deep/d.csv", "data/deep/e.txt"]),
        ("secret*", []),
        (".*", []),
    ],
)
def test_files_are_found_by_a_pattern_and_never_through_a_link_outside(
    tree: Path, pattern: str, found: list[str]
) -> None:
    text = call(tree, "list_files", pattern=pattern)
    assert [line.split()[0] for line in text.splitlines()] == (found or ["[nothing"])


def test_every_listed_file_can_be_read_by_its_name(tree: Path) -> None:
    for line in call(tree, "list_files", path="data", pattern="*").splitlines():
        assert call(tree, "read_file", path=line.split()[0]) == "12345"


def test_a_long_listing_and_a_long_search_are_cut(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(files.MAX_ENTRIES + 10):
        (folder / f"{number:04}").touch()
    for arguments in ({}, {"pattern": "*"}):
        lines = call(folder, "list_files", **arguments).splitlines()
        assert len(lines) == files.MAX_ENTRIES + 1
        assert "cut here after 500" in lines[-1]
    monkeypatch.setattr(files, "MAX_SCANNED", 100)
    assert "stopped after 100 files" in call(folder, "list_files", pattern="nothing")


def test_names_that_are_not_utf8_or_printable_are_shown_on_one_line_each(folder: Path) -> None:
    for name in (b"bad\xff", b"two\nlines", b"\x1b[31mred"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).touch()
    text = call(folder, "list_files")
    assert text.encode()
    assert text.count("\n") == 2
    assert "\x1b" not in text


# Writing ----------------------------------------------------------------------------------------------------------


def test_a_file_is_written_whole_with_the_folders_it_needs(folder: Path) -> None:
    text = call(folder, "write_file", path="a/b/c.txt", text="Grüße\r\n")
    assert text == "a/b/c.txt was created: 9 bytes."
    assert (folder / "a/b/c.txt").read_bytes() == "Grüße\r\n".encode()
    assert "was replaced: 0 bytes" in call(folder, "write_file", path="a/b/c.txt", text="")
    assert sorted(os.listdir(folder / "a/b")) == ["c.txt"]


def test_permissions_are_kept_and_new_files_get_the_default_ones(folder: Path) -> None:
    (folder / "run.sh").write_text("x")
    (folder / "run.sh").chmod(0o750)
    (folder / "usual").touch()
    for name in ("run.sh", "new"):
        call(folder, "write_file", path=name, text="y")
    assert stat.S_IMODE((folder / "run.sh").stat().st_mode) == 0o750
    assert (folder / "new").stat().st_mode == (folder / "usual").stat().st_mode


def test_a_file_that_cannot_be_written_stays_as_it_was_and_nothing_else_is_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.txt").write_text("old")

    def no(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", no)
    with pytest.raises(ToolError, match="No space left"):
        call(folder, "write_file", path="a.txt", text="new")
    assert os.listdir(folder) == ["a.txt"]
    assert (folder / "a.txt").read_text() == "old"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".", "not a regular file"),
        ("sub", "not a regular file"),
        ("a.txt/b.txt", "cannot be written: Not a directory"),
        ("fixed.txt", "is read-only"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_replaced_is_an_error(folder: Path, path: str, text: str) -> None:
    (folder / "sub").mkdir()
    (folder / "a.txt").write_text("x")
    (folder / "fixed.txt").write_text("x")
    (folder / "fixed.txt").chmod(0o444)
    with pytest.raises(ToolError, match=text):
        call(folder, "write_file", path=path, text="new")
    assert (folder / "fixed.txt").read_text() == (folder / "a.txt").read_text() == "x"
