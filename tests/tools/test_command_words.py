"""A pattern allows a command only word by word, and only a plain simple one."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mm_magics.tools.approval import Rules
from mm_magics.tools.command_words import matches_command, plain_words
from mm_magics.tools.tool import Tool, ToolCall

MORE = {
    "a second command": [
        "git status; X",
        "git status;X",
        "git status\nX",
        "git status\r\nX",
        "git status & X",
        "git status &",
    ],
    "a condition": ["git status && X", "git status || X", "git status&&X", "if git status; then X; fi", "! git status"],
    "a pipe": ["git status | X", "git status |& X", "git log|X"],
    "a substitution": ["git $(X)", "git `X`", 'git "$(X)"', 'git "`X`"', "git log $((1))", "git <(X)", "git >(X)"],
    "a variable": ["git $X", "git ${X}", 'git "$X"', "git log $'X'", 'git log $"X"'],
    "a redirection": [
        "git log > X",
        "git log >X",
        "git log 2>&1",
        "git log < X",
        "git log >> X",
        "git log <<< X",
        "git log <<X",
    ],
    "an assignment": ["X=1 git log", "PATH=. git log", "GIT_SSH_COMMAND=x git log", "X+=1 git log"],
    "a group": ["(git log)", "{ git log; }", "git log {a,b}", "git () { X; }"],
    "a glob": ["git add *", "git add ?", "git add [ab]", "git add ~", "git add ~root/x"],
    "an escape": ["git log \\; X", "git log \\\nX", "git\\ log", "\\git log", 'git "a\\"b"'],
    "a comment": ["git log # X", "#git log", "git log #"],
    "open quotes": ["git log 'X", 'git log "X', "git log 'a\nX'"],
    "other white space": [
        "git\u00a0status",
        "git\u2003status",
        "git\x0bstatus",
        "git\x0cstatus",
        "git\x00status",
        "git\u2028X",
    ],
    "a path or wrapper": [
        "/tmp/git status",
        "./git status",
        "env git status",
        "sudo git status",
        "exec git log",
        "eval git log",
    ],
    "nothing": ["", " ", "git", "''"],
}


@pytest.mark.parametrize("command", [each for some in MORE.values() for each in some])
def test_a_pattern_allows_no_command_that_does_more(command: str) -> None:
    assert not matches_command("git *", command)
    rules = Rules()
    rules.add("allow", "shell", {"command": "git *"})
    tool = Tool("shell", "", {}, print, asks=True)
    assert rules.verdict(tool, ToolCall("1", "shell", {"command": command})) == "ask"


@pytest.mark.parametrize(
    ("pattern", "command", "matches"),
    [
        ("git *", "git status", True),
        ("git *", "git log --format='%h %s' -n 3", True),
        ("git *", "  git   status  ", True),
        ("git *", 'git commit -m "a; b | c > d & e"', True),
        ("git *", "git commit -m 'costs $5 and `x`'", True),
        ("git *", "'git' status", True),
        ("git *", "gitk status", False),
        ("git*", "git status", False),
        ("git*", "gitk", True),
        ("git log *", "git log a b", True),
        ("git log *", "git log", False),
        ("git log *", "git status log", False),
        ("git * --short", "git status --short", True),
        ("git * --short", "git status -v --short", False),
        ("git status", "git status", True),
        ("git status", "git status --short", False),
        ("python tests/*.py", "python tests/a.py", True),
        ("python tests/*.py", "python 'tests/a b.py'", True),
        ("python tests/*.py", "python tests/a.py evil.py", False),
        ("echo 'a  b'", "echo 'a  b'", True),
        ("echo 'a  b'", "echo a b", False),
        ("*", "ls", True),
        ("*", "ls -l", True),
        ("*", "ls; X", False),
        ("echo '", "echo '", False),
        ("", "", False),
    ],
)
def test_words_are_matched_one_by_one(pattern: str, command: str, matches: bool) -> None:
    assert matches_command(pattern, command) == matches


ALPHABET = "git ab'\"\\$`;&|<>(){}*?[]~#!=\n\t-"


@pytest.mark.fuzz
@given(st.text(st.sampled_from(ALPHABET), max_size=15))
@example("'a'\"b\" c")
@settings(max_examples=200)
def test_a_shell_reads_a_plain_command_as_the_same_words_and_nothing_else(command: str) -> None:
    words = plain_words(command)
    if words is None or words[0] not in ("git",):
        return
    script = 'git() { for each in git "$@"; do printf \'%s\\0\' "$each"; done; }\n' + command
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.split("\0")[:-1] == words


def test_any_text_of_a_command_can_be_denied() -> None:
    rules = Rules()
    rules.add("allow", "shell")
    rules.add("deny", "shell", {"command": "*sudo*"})
    rules.add("deny", "shell", {"command": "git push *"})
    tool = Tool("shell", "", {}, print, asks=True)
    for command in (
        "sudo ls",
        "ls; sudo x",
        "echo $(sudo x)",
        "git push origin",
        "git   push origin",
        "git 'push' origin",
    ):
        assert rules.verdict(tool, ToolCall("1", "shell", {"command": command})) == "deny", command
    assert rules.verdict(tool, ToolCall("1", "shell", {"command": "git log"})) == "allow"


def test_commands_of_other_tools_are_matched_by_words_too() -> None:
    rules = Rules()
    rules.add("allow", "terminal__*", {"command": "git *"})
    tool = Tool("terminal__run", "", {}, print, asks=True)
    assert rules.verdict(tool, ToolCall("1", "terminal__run", {"command": "git log"})) == "allow"
    assert rules.verdict(tool, ToolCall("1", "terminal__run", {"command": "git log; rm x"})) == "ask"


@pytest.mark.parametrize("command", ["ls *.py | wc -l > n", "echo $HOME", "a\nb", "git status; rm x"])
def test_exactly_one_command_can_be_allowed_whatever_it_does(command: str, tmp_path: Path) -> None:
    rules = Rules()
    rules.add("allow", "shell", {"command": command}, exactly=True)
    tool = Tool("shell", "", {}, print, asks=True)
    assert rules.verdict(tool, ToolCall("1", "shell", {"command": command})) == "allow"
    for other in (f"{command} ", f" {command}", command.replace(" ", "  "), f"{command}; x", shlex.quote(command)):
        if other != command:
            assert rules.verdict(tool, ToolCall("1", "shell", {"command": other})) == "ask", other
