"""What the command line prints: nothing that a terminal would obey, whatever a notebook contains."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mm_magics.cli import main
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.errors import NotebookError
from mm_magics.history.turn import MIME_TYPE
from tests.turns import turn

EVIL = [
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[31m",
    "\x9b31m",
    "\u202eabc\u2066",
    "\b\b\b",
    "\x7f",
    "a\rb",
    "\x1b]8;;http://evil\x1b\\",
]


def is_plain(text: str) -> bool:
    return not any(
        (ord(each) < 0x20 and each not in "\n\t") or 0x7F <= ord(each) < 0xA0 or each in "\u202e\u2066" for each in text
    )


def notebook(path: Path, evil: str) -> str:
    answered = turn(f"prompt {evil}", f"answer {evil}", thread=f"thread {evil}", model=f"model {evil}")
    bundles = [make_bundle(answered), {MIME_TYPE: {"schema": 1, "status": f"odd {evil}"}}]
    cells = [
        {
            "cell_type": "code",
            "id": f"id {evil}",
            "source": f"%%minimax\nprompt {evil}",
            "metadata": {},
            "execution_count": None,
            "outputs": [{"output_type": "display_data", "data": bundle, "metadata": {}}],
        }
        for bundle in bundles
    ]
    metadata = {"mm_magics": {"thread": f"thread {evil}", "system": evil, "model": evil}}
    document = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    file = path / f"file {evil.replace('/', '_')}.ipynb"
    file.write_text(json.dumps(document))
    return str(file)


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize(
    "command",
    [
        ["history"],
        ["history", "--json"],
        ["replay", "check"],
        ["search", "prompt"],
        ["usage", "--by", "model"],
        ["usage", "--by", "notebook"],
    ],
)
def test_nothing_from_a_notebook_reaches_the_terminal_as_a_control_character(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], evil: str
) -> None:
    main([*command, notebook(tmp_path, evil)])
    shown = capsys.readouterr()
    assert shown.out
    assert is_plain(shown.out)
    assert is_plain(shown.err)
    if "--json" in command:
        assert json.loads(shown.out)[0]["messages"][0]["content"][0]["text"] == f"prompt {evil}"


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize(
    "command",
    [
        ["history"],
        ["search", "a"],
        ["usage"],
        ["replay", "check"],
        ["demo"],
        ["simulator", "--host"],
        ["simulator", "--log"],
    ],
)
def test_an_error_shows_no_control_character_of_a_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], evil: str
) -> None:
    assert main([*command, f"{tmp_path}/no folder {evil}/x"]) == 1
    shown = capsys.readouterr()
    assert "no folder" in shown.err
    assert is_plain(shown.out + shown.err)


@pytest.mark.parametrize("evil", EVIL)
def test_an_error_in_ipython_shows_no_control_character(evil: str) -> None:
    assert is_plain("\n".join(NotebookError(f"{evil} cannot be read.", f"Open {evil}.")._render_traceback_()))


def test_text_that_the_terminal_cannot_show_is_escaped_instead_of_ending_the_command(tmp_path: Path) -> None:

    command = [sys.executable, "-c", "import sys; from mm_magics.cli import main; sys.exit(main())", "history"]
    done = subprocess.run(
        [*command, notebook(tmp_path, "Grüße 🦪")], env={"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "prompt Gr\\xfc\\xdfe" in done.stdout
