"""Lock files hold no registry address, and no tracked file a path of the machine that wrote it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["constraints.txt", "labextension/yarn.lock"])
def test_lock_files_hold_no_address(name):
    text = (ROOT / name).read_text("utf-8")
    assert text.strip()
    assert not re.search(r"https?://|git\+|@file:", text)


def test_no_tracked_file_names_a_path_of_this_machine():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True)
    named = [
        name
        for name in filter(None, listed.stdout.decode().split("\0"))
        if (ROOT / name).is_file() and str(ROOT).encode() in (ROOT / name).read_bytes()
    ]
    assert named == []
