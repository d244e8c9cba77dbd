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
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, TextIO

from pydantic import Field

from mm_magics.errors import ToolError
from mm_magics.system import replace_file
from mm_magics.tools.builtin.bounded_text import LIMIT
from mm_magics.tools.builtin.file_preview import preview_write
from mm_magics.tools.builtin.open_files import check_link, in_folder, open_folder
from mm_magics.tools.builtin.paths import confined, displayed
from mm_magics.tools.builtin.secret_texts import find_secret
from mm_magics.tools.builtin.typed_function import builtin_tool
from mm_magics.tools.tool import Tool
from mm_magics.wording import counted

MAX_ENTRIES = 500
"""Entries in one listing."""

MAX_SCANNED = 100_000
"""Entries that one search looks at."""

READ_RISK = (
    "What it reads is sent to the endpoint without approval. Hidden files, and those that look like keys by name or "
    "content, are refused; other secrets are not recognized."
)
LIST_RISK = "Names and sizes of the files in the folder are sent to the endpoint; hidden ones are left out."
WRITE_RISK = "Replaces whole files in the folder. What it writes may be run later, by an import or by another program."

_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

FilePath = Annotated[str, Field(strict=True, description="Path of the file, relative to the folder.")]


def file_tools(folder: Path) -> list[Tool]:
    """Make `read_file`, `list_files` and `write_file` for this folder."""
    root = folder.resolve()
    return [
        builtin_tool(read_file, root, risk=READ_RISK),
        builtin_tool(list_files, root, risk=LIST_RISK),
        replace(
            builtin_tool(write_file, root, risk=WRITE_RISK, asks=True),
            preview=partial(preview_write, root, partial(_open_binary, root)),
        ),
    ]


# Reading ----------------------------------------------------------------------------------------------------------


def read_file(
    root: Path,
    path: FilePath,
    start_line: Annotated[int, Field(strict=True, ge=1, description="First line to read.")] = 1,
    lines: Annotated[int, Field(strict=True, ge=1, description="Maximum number of lines to read.")] = LIMIT,
) -> str:
    """Read a text file in the user's folder."""
    text, number = "", 0
    with _open_text(root, confined(root, path)) as file:
        for number, line in enumerate(_lines(file), 1):
            if number < start_line:
                continue
            if text and (number - start_line == lines or len(text) + len(line) > LIMIT):
                return f"{text}… [cut here: continue with start_line={number}]"
            if len(line) > LIMIT:
                return f"{line[:LIMIT]}\n… [the rest of this line is cut: continue with start_line={number + 1}]"
            text += line
    if start_line > max(number, 1):
        raise ToolError(f"The file has {counted(number, 'line')}: there is no line {start_line}.")
    return text or "[the file is empty]"


def _lines(file: TextIO) -> Iterator[str]:
    """The lines, at most LIMIT + 1 characters of each, so that a huge line does not fill the memory."""
    while line := file.readline(LIMIT + 1):
        yield line
        while line and not line.endswith("\n"):
            line = file.readline(LIMIT + 1)


def _open_text(root: Path, path: Path) -> TextIO:
    """Open a regular text file in its encoding: by its byte order mark, else UTF-8, else Latin-1."""
    binary = _open_binary(root, path)
    try:
        start = binary.peek(65_536)[:65_536]
        encoding = _encoding(start)
        if encoding is None:
            size = os.fstat(binary.fileno()).st_size
            raise ToolError(f"{path.name!r} is not text ({size:,} bytes).", "Only text files can be read.")
        text = io.TextIOWrapper(binary, encoding, errors="replace")
        if secret := find_secret(text):
            raise ToolError(
                f"{path.name!r} contains {secret}, so it cannot be read.", "Ask the user for what you need from it."
            )
        text.seek(0)
        return text
    except BaseException:
        binary.close()
        raise


def _open_binary(root: Path, path: Path) -> io.BufferedReader:
    if path == root:
        raise ToolError(f"{path.name!r} is a folder.")
    try:
        with open_folder(root, path.parent) as folder:
            name = in_folder(path, folder)
            check_link(path, folder)
            _check_regular(path, os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)  # opening may do more
            file = io.FileIO(os.open(name, _READ, dir_fd=folder))
        try:
            _check_regular(path, os.fstat(file.fileno()).st_mode)
        except ToolError:
            file.close()
            raise
        return io.BufferedReader(file, 65_536)
    except OSError as error:
        raise ToolError(f"{path.name!r} cannot be read: {error.strerror}.") from None


def _check_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise ToolError(
            f"{path.name!r} is a folder." if stat.S_ISDIR(mode) else f"{path.name!r} is not a regular file."
        )


def _encoding(start: bytes) -> str | None:
    for bom, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if start.startswith(bom):
            return encoding
    if b"\0" in start:
        return None
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


# Listing ----------------------------------------------------------------------------------------------------------


def list_files(
    root: Path,
    path: Annotated[str, Field(strict=True, description="Folder to list, relative to the user's folder.")] = ".",
    pattern: Annotated[
        str,
        Field(
            strict=True,
            description="List the files at any depth whose name or path matches this pattern instead, "
            "such as *.csv or data/*.csv.",
        ),
    ] = "",
) -> str:
    """List a folder, or find files in it and its subfolders by a pattern. Hidden files are left out."""
    folder = confined(root, path.removesuffix("/") or path)
    try:
        if not folder.is_dir():
            raise ToolError("That is not a folder.", "read_file reads a file.")
        found = _matching(root, folder, pattern) if pattern else _entries(root, folder)
    except OSError as error:
        raise ToolError(f"The folder cannot be listed: {error.strerror}.") from None
    lines = list(islice(found, MAX_ENTRIES + 1))
    if len(lines) > MAX_ENTRIES:
        lines[MAX_ENTRIES] = f"… [cut here after {MAX_ENTRIES} entries: name a subfolder or a narrower pattern]"
    return "\n".join(lines) or "[nothing here, or only hidden files]"


def _entries(root: Path, folder: Path) -> list[str]:
    with open_folder(root, folder) as opened, os.scandir(folder if opened is None else opened) as entries:
        visible = sorted((each for each in entries if not each.name.startswith(".")), key=lambda each: each.name)
    return [_entry(root, folder / each.name, each.is_dir(follow_symlinks=False)) for each in visible]


def _entry(root: Path, path: Path, is_folder: bool) -> str:
    if is_folder:
        return f"{displayed(path, root)}/"
    with suppress(OSError):
        return f"{displayed(path, root)}  {path.lstat().st_size:,} bytes"
    return displayed(path, root)


def _matching(root: Path, folder: Path, pattern: str) -> Iterator[str]:
    """The files at any depth whose name or relative path matches; links to folders are not followed."""
    patterns = {pattern, pattern.replace("**/", "")}  # as in a glob, ** may match no folder
    scanned = 0
    for place, folders, files in _walk(root, folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        scanned += len(folders) + len(files)
        if scanned > MAX_SCANNED:
            yield f"… [stopped after {MAX_SCANNED:,} files: name a subfolder]"
            return
        for name in sorted(each for each in files if not each.startswith(".")):
            path = Path(place, name)
            names = (name, path.relative_to(folder).as_posix())
            if any(fnmatchcase(each, glob) for each in names for glob in patterns):
                yield _entry(root, path, is_folder=False)


def _walk(root: Path, folder: Path) -> Iterator[tuple[str, list[str], list[str]]]:
    with open_folder(root, folder) as opened:
        if opened is None:
            yield from os.walk(folder)
        else:
            for place, folders, files, _ in os.fwalk(dir_fd=opened):
                yield str(folder / place), folders, files


# Writing ----------------------------------------------------------------------------------------------------------


def write_file(
    root: Path,
    path: FilePath,
    text: Annotated[str, Field(strict=True, description="The whole new content of the file.")],
) -> str:
    """Write a whole text file in the user's folder and replace an existing one. Missing folders are created."""
    file, content = confined(root, path), text.encode()
    if file == root:
        raise ToolError(f"{file.name!r} is not a regular file, so it is not replaced.")
    try:
        with open_folder(root, file.parent, create=True) as folder:
            mode = _mode(file, folder)
            _replace(file, folder, content, mode)
    except OSError as error:
        raise ToolError(f"{file.name!r} cannot be written: {error.strerror}.") from None
    return f"{displayed(file, root)} was {'created' if mode is None else 'replaced'}: {counted(len(content), 'byte')}."


def _mode(path: Path, folder: int | None) -> int | None:
    """The permissions of the file to replace, None if it does not exist."""
    check_link(path, folder)
    try:
        mode = os.stat(in_folder(path, folder), dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):
        raise ToolError(f"{path.name!r} is not a regular file, so it is not replaced.")
    if not mode & 0o222:
        raise ToolError(f"{path.name!r} is read-only, so it is not replaced.")
    return stat.S_IMODE(mode)


def _replace(path: Path, folder: int | None, content: bytes, mode: int | None) -> None:
    """Replace the file in one step: anyone who reads it sees the old content or the new one."""
    new = in_folder(path.with_name(f".mm-magics-{secrets.token_hex(8)}"), folder)
    try:
        with open(new, "xb", opener=lambda name, flags: os.open(name, flags, 0o666, dir_fd=folder)) as file:
            file.write(content)
            if mode is not None:
                os.chmod(file.fileno() if os.chmod in os.supports_fd else new, mode)
        replace_file(new, in_folder(path, folder), folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(new, dir_fd=folder)
        raise
