"""The built-in tools that work on files: `read_file`, `list_files`, `write_file`.

Only regular files are opened, so that no call waits for a pipe or a device. `paths` decides which paths may be used.
"""

from __future__ import annotations

import codecs
import io
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TextIO

from mm_magics.errors import ToolError
from mm_magics.tools.builtin.bounded_text import LIMIT
from mm_magics.tools.builtin.checked import checker, schema
from mm_magics.tools.builtin.paths import confined, displayed
from mm_magics.tools.tool import Tool

ENTRIES = 500
"""Entries of one listing."""
LOOKED_AT = 100_000
"""Entries that one search looks at."""

READ_RISK = (
    "What it reads goes to the endpoint, without being asked for. Hidden files and those that look like keys are "
    "refused; a secret in any other file of the folder is not recognised."
)
LIST_RISK = "Names and sizes of the files in the folder go to the endpoint; hidden ones are left out."
WRITE_RISK = "Replaces whole files in the folder. What it writes may be run later, by an import or by another program."

_PATH = {"type": "string", "description": "Relative to the folder."}
_READ = schema(
    ("path",),
    path=_PATH,
    start_line={"type": "integer", "minimum": 1, "description": "The first line, 1 by default."},
    lines={"type": "integer", "minimum": 1, "description": "How many lines at most; all by default."},
)
_LIST = schema(
    path={"type": "string", "description": "The folder to list, relative to the chosen one; that by default."},
    pattern={
        "type": "string",
        "description": "Such as *.csv or data/*.csv: the files below, at any depth, whose name or path matches.",
    },
)
_WRITE = schema(("path", "text"), path=_PATH, text={"type": "string", "description": "All that the file is to hold."})


def file_tools(folder: Path) -> list[Tool]:
    """`read_file`, `list_files` and `write_file` in this folder."""
    root = folder.resolve()
    return [
        Tool(
            "read_file",
            "Read a text file of the user's folder.",
            _READ,
            lambda path, start_line=1, lines=None: _read(confined(root, path), start_line, lines),
            checker(_READ),
            risk=READ_RISK,
        ),
        Tool(
            "list_files",
            "List a folder, or find files below it by a pattern. Hidden ones are left out.",
            _LIST,
            lambda path=".", pattern="": _list(root, confined(root, path.removesuffix("/") or path), pattern),
            checker(_LIST),
            risk=LIST_RISK,
        ),
        Tool(
            "write_file",
            "Write a whole text file in the user's folder, in place of one that is there. Missing folders are made.",
            _WRITE,
            lambda path, text: _write(root, confined(root, path), text),
            checker(_WRITE),
            asks=True,
            risk=WRITE_RISK,
        ),
    ]


# Reading ----------------------------------------------------------------------------------------------------------


def _read(path: Path, start: int, count: int | None) -> str:
    text, number = "", 0
    with _opened(path) as file:
        for number, line in enumerate(_lines(file), 1):
            if number < start:
                continue
            if text and (number - start == count or len(text) + len(line) > LIMIT):
                return f"{text}… [cut here: go on with start_line={number}]"
            if len(line) > LIMIT:
                return f"{line[:LIMIT]}\n… [the rest of this long line is left out: go on with start_line={number + 1}]"
            text += line
    if start > max(number, 1):
        raise ToolError(f"It has {number} lines: there is no line {start}.")
    return text or "[the file is empty]"


def _lines(file: TextIO) -> Iterator[str]:
    """The lines, at most LIMIT + 1 characters of each, so that one endless line does not fill the memory."""
    while line := file.readline(LIMIT + 1):
        yield line
        while line and not line.endswith("\n"):
            line = file.readline(LIMIT + 1)


def _opened(path: Path) -> TextIO:
    """The regular text file at this path, in its encoding: by its mark, else UTF-8, else Latin-1."""
    binary = _opened_binary(path)
    try:
        start = binary.peek(65_536)[:65_536]
        encoding = _encoding(start)
        if encoding is None:
            size = os.fstat(binary.fileno()).st_size
            raise ToolError(f"{path.name!r} is not text ({size:,} bytes).", "Only text files can be read.")
        return io.TextIOWrapper(binary, encoding, errors="replace")
    except BaseException:
        binary.close()
        raise


def _opened_binary(path: Path) -> io.BufferedReader:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ToolError(f"{path.name!r} is a folder." if path.is_dir() else f"{path.name!r} is not a regular file.")
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        return io.BufferedReader(io.FileIO(os.open(path, flags)), 65_536)
    except OSError as error:
        raise ToolError(f"{path.name!r} cannot be read: {error.strerror}.") from None


def _encoding(start: bytes) -> str | None:
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if start.startswith(mark):
            return encoding
    if b"\0" in start:
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


# Listing ----------------------------------------------------------------------------------------------------------


def _list(root: Path, folder: Path, pattern: str) -> str:
    try:
        if not folder.is_dir():
            raise ToolError("That is not a folder.", "read_file reads a file.")
        found = _matching(root, folder, pattern) if pattern else _entries(root, folder)
    except OSError as error:
        raise ToolError(f"The folder cannot be listed: {error.strerror}.") from None
    lines = [line for line, _ in zip(found, range(ENTRIES + 1), strict=False)]
    if len(lines) > ENTRIES:
        lines[ENTRIES] = f"… [cut here after {ENTRIES}: name a folder or a narrower pattern]"
    return "\n".join(lines) or "[nothing is there, or only hidden files]"


def _entries(root: Path, folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        visible = sorted((each for each in entries if not each.name.startswith(".")), key=lambda each: each.name)
    return [_entry(root, Path(each.path), each.is_dir(follow_symlinks=False)) for each in visible]


def _entry(root: Path, path: Path, is_folder: bool) -> str:
    if is_folder:
        return f"{displayed(path, root)}/"
    with suppress(OSError):
        return f"{displayed(path, root)}  {path.lstat().st_size:,} bytes"
    return displayed(path, root)


def _matching(root: Path, folder: Path, pattern: str) -> Iterator[str]:
    """The files below whose name, or whose path from the folder, matches; links to folders are not followed."""
    patterns = {pattern, pattern.replace("**/", "")}  # as a glob has it, ** may stand for no folder
    looked_at = 0
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        looked_at += len(folders) + len(files)
        if looked_at > LOOKED_AT:
            yield f"… [stopped after {LOOKED_AT:,} files: name a folder]"
            return
        for name in sorted(each for each in files if not each.startswith(".")):
            path = Path(place, name)
            seen_as = (name, path.relative_to(folder).as_posix())
            if any(fnmatchcase(each, wanted) for each in seen_as for wanted in patterns):
                yield _entry(root, path, is_folder=False)


# Writing ----------------------------------------------------------------------------------------------------------


def _write(root: Path, path: Path, text: str) -> str:
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise ToolError("The text holds half a character (a lone surrogate).", "Send it without.") from None
    try:
        mode = _mode(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content, mode)
    except OSError as error:
        raise ToolError(f"{path.name!r} cannot be written: {error.strerror}.") from None
    return f"{displayed(path, root)} {'was new' if mode is None else 'was replaced'} and has {len(content):,} bytes."


def _mode(path: Path) -> int | None:
    """The permissions of the file to be replaced, None if there is none."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise ToolError(f"{path.name!r} is not a regular file: it is not replaced.")
    if not mode & 0o222:
        raise ToolError(f"{path.name!r} is read-only: it is not replaced.")
    return stat.S_IMODE(mode)


def _replace(path: Path, content: bytes, mode: int | None) -> None:
    """Put a whole new file into place at once: whoever reads meanwhile sees the old one or the new one."""
    new = path.with_name(f".mm-magics-{secrets.token_hex(8)}")
    try:
        with open(new, "xb") as file:
            file.write(content)
            if mode is not None:
                os.chmod(new, mode)
        os.replace(new, path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
