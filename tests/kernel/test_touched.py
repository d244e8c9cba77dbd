"""What a kernel touches is listed in docs/reference/files-and-addresses.md: an audit hook records it."""

from __future__ import annotations

import json
import re
import shlex
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mm_magics
from mm_magics.simulator import Simulator
from tests.kernel.conftest import Kernel

ROOT = Path(mm_magics.__file__).parents[1]
PAGE = (ROOT / "docs" / "reference" / "files-and-addresses.md").read_text("utf-8")
MANNERS = ROOT / "tests" / "tools" / "mcp" / "servers" / "manners.py"

WATCH = """
import json, os, sys
touched = {}

def note(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        writes = arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        touched["written" if writes else "read", os.fsdecode(arguments[0])] = None
    elif event in ("os.listdir", "os.scandir") and isinstance(arguments[0], str):
        touched["read", arguments[0]] = None
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink", "sqlite3.connect"):
        touched["written", os.fsdecode(arguments[0])] = None
    elif event in ("socket.connect", "socket.sendto", "socket.bind"):
        touched["address", repr(arguments[1])] = None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        touched["name", str(arguments[0])] = None
    elif event == "subprocess.Popen":
        touched["program", " ".join(map(os.fsdecode, arguments[1]))] = None
    elif event in ("os.system", "os.exec", "os.posix_spawn", "os.fork", "urllib.Request"):
        touched[event, repr(arguments)] = None

sys.addaudithook(note)
"""

TOOLS = ("read_file", "list_files", "write_file", "shell", "python", "manners__whisper")
STEPS = (
    "%load_ext mm_magics",
    "%%minimax\nHello.",
    "%%minimax --attach data.txt --background --out handle\nRead this.",
    "handle.result(20)",
    "rows = [{'text': 'a'}, {'text': 'b'}]",
    "%%minimax --map rows\n{{ row.text }}",
    f"%minimax mcp add manners -- {shlex.join([sys.executable, str(MANNERS)])}",
    *(f"%minimax tools allow {name}" for name in TOOLS),
    *(f"%%minimax --tools {name}\nUse {name}, please." for name in TOOLS),
    "%minimax mcp remove manners",
    "%minimax picker",
    "%minimax models",
    "%minimax doctor",
    "%minimax export out.md",
    "%minimax export out.html",
    "%minimax save turns.json",
    "%minimax load turns.json",
    "%minimax set replay_from other.ipynb",
    "%%minimax --replay auto\nHello again.",
    "%config MiniMax.base_url = 'https://no-key.example'",
    "%minimax doctor",  # looks for a key in the keyring
)
NAMED = ("data.txt", "out.md", "out.html", "turns.json", "notes.txt", "sample.txt")
"""The files that the steps name."""

NOT_SEEN = (
    "/etc/ipython/ipython_config.py",  # there is no such file on this machine
    "/usr/local/etc/ipython/ipython_config.py",
    "PYTHON/…/__pycache__/…",  # everything may be compiled already
    "FOLDER/minimax-answers.sqlite-…",  # opened by SQLite, which Python does not audit
    "/etc/ssl/…",  # opened by OpenSSL
    "/dev/null",
    "/dev/fd",
    "TEMP",  # not in every environment
    "TEMP/…",
    "…ldconfig …",
    "…gcc …",
    "ld …",
)


def rows(heading: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the table below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    for line in section.splitlines()[3:]:
        if line.startswith("|"):
            yield [each.strip() for each in line.strip("|").split("|")]


def listed(heading: str) -> dict[str, str]:
    """Return the names in the first column of a table, with the second column of their row."""
    return {name: row[1] for row in rows(heading) for name in re.findall(r"`([^`]+)`", row[0])}


def pattern(name: str, places: dict[str, Iterable[str]]) -> re.Pattern[str]:
    """Return what a name on the page stands for."""
    parts = re.split(rf"(…|\b(?:{'|'.join(places)})\b)", name)
    return re.compile(
        "".join(
            ".+"
            if part == "…"
            else f"(?:{'|'.join(map(re.escape, places[part]))})"
            if part in places
            else re.escape(part)
            for part in parts
        )
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "book"
    folder.mkdir()
    (folder / "data.txt").write_text("a, b")
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
    for name in ("book.ipynb", "other.ipynb"):
        (folder / name).write_text(json.dumps(notebook))
    (folder / "book.py").write_text("# %% [markdown]\n")
    return folder


def test_the_page_lists_everything_that_a_kernel_touches(folder: Path, simulator: Simulator) -> None:
    home = folder.parent / "home"
    home.mkdir()
    variables = {
        "HOME": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "JPY_SESSION_NAME": str(folder / "book.ipynb"),
        "ANTHROPIC_BASE_URL": simulator.base_url,
        "ANTHROPIC_API_KEY": simulator.key,
    }
    sent = len(simulator.log)
    kernel = Kernel(variables, cwd=str(folder))
    try:
        assert kernel.run(WATCH).error is None
        for step in STEPS:
            run = kernel.run(step)
            assert run.error is None, (step, run.error)
        touched = json.loads(kernel.run("print(json.dumps(list(touched)))").text)
    finally:
        kernel.close()
    host = simulator.base_url.split("/")[2].partition(":")[0]
    unlisted = sorted(find_unlisted(touched, folder, {host}))
    assert unlisted == []
    paths = {f"BASE_URL{each.path.partition('?')[0].removeprefix('/anthropic')}" for each in simulator.log[sent:]}
    assert paths == set(listed("Addresses"))


def find_unlisted(touched: list[list[str]], folder: Path, hosts: set[str]) -> Iterator[str]:
    """Yield what the page does not list, and what it lists although nothing touches it."""
    places: dict[str, Iterable[str]] = {
        "PYTHON": sorted({sys.prefix, sys.base_prefix, str(ROOT), *filter(None, sys.path)}),
        "FOLDER": [str(folder)],
        "FILE": NAMED,
        "TEMP": [tempfile.gettempdir()],
    }
    files, programs = listed("Files"), listed("Programs")
    seen = set[str]()
    for kind, name in touched:
        if kind in ("read", "written"):
            path = str(folder / name)
            found = {each for each in files if pattern(each, places).fullmatch(path)}
            allowed = {each for each in found if kind == "read" or files[each] == "written"}
        elif kind == "program":
            found = allowed = {each for each in programs if pattern(each, places).fullmatch(name)}
        else:
            found = allowed = {kind} if any(host in name for host in hosts) else set[Any]()
        if not allowed:
            yield f"{kind}: {name}"
        seen |= found
    yield from (f"nothing touched {each}" for each in {*files, *programs} - seen - {*NOT_SEEN})
