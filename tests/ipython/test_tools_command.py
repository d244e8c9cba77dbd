"""`%minimax tools`: what it lists, which rules it makes, and what is typed wrong."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mm_magics.errors import ArgumentError, UsageError
from mm_magics.ipython import arguments, commands
from mm_magics.session import Session
from mm_magics.tools.builtin.catalogue import TOOL_NAMES
from mm_magics.tools.tool import Tool, ToolCall

SHELL: Any = SimpleNamespace(user_ns={})


def said(session: Session, line: str) -> str:
    report = commands.run(session, SHELL, line)
    assert report._repr_markdown_().strip()
    return repr(report)


def verdict(session: Session, name: str, **given: Any) -> str:
    return session.rules.verdict(Tool(name, "", {}, print, asks=True), ToolCall("1", name, given))


def test_it_lists_the_tools_with_their_risks_the_folder_and_the_rules(tmp_path: Any) -> None:
    session = Session(tools_folder=str(tmp_path))
    text = said(session, "tools")
    rows = {words[0]: words[1:] for words in map(str.split, text.splitlines())}
    assert all(name in rows for name in TOOL_NAMES)
    assert rows["shell"][:5] == ["asks", "Runs", "any", "command", "as"]
    assert rows["variables"][:3] == ["runs", "Names,", "types"]
    assert f"Files are those of {tmp_path.resolve()}." in text
    assert "There are no rules." in text
    said(session, "tools allow shell 'command=git status*' timeout=5")
    assert "Rule: allow shell 'command=git status*' timeout=5" in said(session, "tools")


def test_a_rule_that_is_typed_holds_until_it_is_forgotten() -> None:
    session = Session()
    assert "Until this kernel ends: allow shell 'command=git *'." in said(session, "tools allow shell 'command=git *'")
    assert verdict(session, "shell", command="git log") == "allow"
    assert verdict(session, "shell", command="rm -r x") == "ask"
    said(session, "tools deny sh*")
    assert verdict(session, "shell", command="git log") == "deny"
    assert said(session, "tools forget sh*") == "1 rule is forgotten."
    assert verdict(session, "shell", command="git log") == "allow"
    said(session, "tools ask *")
    assert said(session, "tools forget all") == "2 rules are forgotten."
    assert list(session.rules) == []


def test_what_a_listed_rule_says_can_be_typed_again() -> None:
    session = Session()
    line = """tools allow shell "command=echo 'it''s' \\"two  words\\" [*]" """
    said(session, line)
    (rule,) = session.rules
    (listed,) = [each for each in said(session, "tools").splitlines() if each.startswith("Rule: ")]
    said(session, "tools forget all")
    said(session, f"tools {listed.removeprefix('Rule: ')}")
    assert list(session.rules) == [rule]


def test_it_says_if_a_rule_is_for_no_tool_that_is_known() -> None:
    session = Session()
    assert "No tool is called shel yet: did you mean shell?" in said(session, "tools deny shel")
    assert "No tool is called zzz yet." in said(session, "tools deny zzz")
    session.namespace["zzz"] = print
    assert said(session, "tools allow zzz") == "Until this kernel ends: allow zzz."
    assert "No tool is" not in said(session, "tools deny shell") + said(session, "tools deny mcp_*")


def test_it_warns_that_a_pattern_of_commands_matches_text() -> None:
    session = Session()
    assert "also allows 'git log; rm -r *'" in said(session, "tools allow shell 'command=git *'")
    assert verdict(session, "shell", command="git log; rm -r *") == "allow"
    assert "Mind" not in said(session, "tools allow shell command=ls") + said(session, "tools deny shell command=*rm*")


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("alow shell", "'alow' is not allow, ask, deny or forget.", "Did you mean allow?"),
        ("shell", "'shell' is not allow, ask, deny or forget.", ""),
        ("zzz", "'zzz' is not", "%minimax tools allow|ask|deny NAME"),
        ("allow", "A rule needs a tool's name.", "%minimax tools allow NAME"),
        ("deny command=rm*", "'command=rm*' cannot be a tool's name.", ""),
        ("deny a.b", "'a.b' cannot be a tool's name.", ""),
        ("deny ''", "'' cannot be a tool's name.", ""),
        ("deny naïve", "'naïve' cannot be a tool's name.", ""),
        ("allow shell git status", "'git' is not ARGUMENT=PATTERN.", "quotes"),
        ("allow shell =x", "'=x' is not ARGUMENT=PATTERN.", ""),
        ("allow shell cmd=ls", "shell has no argument 'cmd'.", "It has: command, timeout."),
        ("allow shell command=a command=b", "command is given twice.", "two rules"),
        ("allow shell 'command=git", "A quote is not closed.", ""),
        ("allow shell command=\x1b[31m", "control characters", ""),
        ("allow shell\tcommand=x", "control characters", ""),
        ("allow shell command=a\u202eb", "control characters", ""),
        ("forget", "forget takes one name", "%minimax tools"),
        ("forget a b", "forget takes one name", ""),
        ("forget shell", "There is no rule for 'shell'.", "%minimax tools"),
        ("forget all", "There is no rule for 'all'.", ""),
    ],
)
def test_what_is_typed_wrong_changes_nothing_and_is_said_in_a_line(line: str, message: str, hint: str) -> None:
    session = Session()
    with pytest.raises(ArgumentError) as caught:
        commands.run(session, SHELL, f"tools {line}")
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert len(str(caught.value).splitlines()) <= 2
    assert list(session.rules) == []


def test_a_folder_that_is_none_is_said() -> None:
    session = Session(tools_folder="nowhere/at/all")
    with pytest.raises(UsageError, match="is not a folder") as caught:
        commands.run(session, SHELL, "tools")
    assert "%minimax set tools_folder" in caught.value.hint


def test_a_notebook_from_elsewhere_sets_no_rule_and_no_folder() -> None:
    session = Session()
    rules = [{"verdict": "allow", "pattern": "*", "arguments": []}]
    session.receive(
        {"name": "x.ipynb", "order": [], "changed": {}, "pending": []}
        | {"settings": {"rules": rules, "tools": ["shell"], "tools_folder": "/"}, "rules": rules}
    )
    assert verdict(session, "shell", command="ls") == "ask"
    assert session.settings.value("tools_folder") == ""


@pytest.mark.parametrize(
    ("before", "offered"),
    [
        ("%minimax tools ", ["allow", "ask", "deny", "forget"]),
        ("%minimax tools a", ["allow", "ask"]),
        ("%minimax tools deny s", ["shell", "search_cells"]),
        ("%minimax tools forget a", ["all"]),
        ("%minimax tools allow a", []),
        ("%minimax tools allow shell ", []),
    ],
)
def test_tab_completes_verdicts_and_names(before: str, offered: list[str]) -> None:
    assert arguments.completions(before, [], []) == offered
