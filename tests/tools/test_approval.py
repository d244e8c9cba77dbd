"""Which calls require approval: which rules match, which one wins, and what "Allow … in this notebook" allows."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics.tools.approval import (
    BOUND_ARGUMENTS,
    Decision,
    Rules,
    Verdict,
    argument_text,
    deny_all,
    standing_rule,
    standing_rule_label,
)
from mm_magics.tools.tool import Tool, ToolCall

ASKS = Tool("shell", "", {}, print, asks=True)
RUNS = Tool("look", "", {}, print)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def call(name: str = "shell", **arguments: Any) -> ToolCall:
    return ToolCall("toolu_1", name, arguments)


def test_without_a_rule_only_acting_tools_require_approval() -> None:
    assert Rules().verdict(ASKS, call()) == "ask"
    assert Rules().verdict(RUNS, call("look")) == "allow"


@pytest.mark.parametrize(
    ("pattern", "arguments", "matches"),
    [
        ("shell", {}, True),
        ("sh*", {}, True),
        ("*", {}, True),
        ("s[gh]ell", {}, True),
        ("Shell", {}, False),
        ("shel", {}, False),
        ("shell", {"command": "git *"}, True),
        ("shell", {"command": "git"}, False),
        ("shell", {"command": "GIT *"}, False),
        ("shell", {"command": "git*", "timeout": "5"}, True),
        ("shell", {"command": "git*", "timeout": "6"}, False),
        ("shell", {"command": "git*", "folder": "*"}, False),
        ("shell", {"deep": '{"a": [[]1, true], "b": null}'}, True),
        ("other", {"command": "git*"}, False),
    ],
)
def test_a_rule_matches_by_name_and_by_every_argument(pattern: str, arguments: dict[str, str], matches: bool) -> None:
    rules = Rules()
    rules.add("deny", pattern, arguments)
    made = call(command="git status\n--short", timeout=5, deep={"b": None, "a": [1, True]})
    assert rules.verdict(ASKS, made) == ("deny" if matches else "ask")


@given(st.lists(st.sampled_from(["allow", "ask", "deny"]), min_size=1))
def test_deny_beats_ask_beats_allow_in_any_order(verdicts: list[Verdict]) -> None:
    rules = Rules()
    for number, verdict in enumerate(verdicts):
        rules.add(verdict, "sh*" + "*" * number)
    strongest = next(each for each in ("deny", "ask", "allow") if each in verdicts)
    assert rules.verdict(ASKS, call()) == strongest
    assert rules.verdict(RUNS, call()) == strongest


def test_a_rule_for_the_same_calls_replaces_the_previous_one() -> None:
    rules = Rules()
    rules.add("deny", "shell", {"command": "ls", "timeout": "1"})
    rules.add("allow", "shell", {"timeout": "1", "command": "ls"})
    assert [each.verdict for each in rules] == ["allow"]
    rules.add("ask", "shell", {"command": "ls"})
    assert [each.verdict for each in rules] == ["allow", "ask"]


def test_rules_are_removed_by_name_or_all_at_once() -> None:
    rules = Rules()
    for pattern in ("shell", "sh*", "look"):
        rules.add("deny", pattern)
    rules.add("allow", "shell", {"command": "ls"})
    assert rules.remove("shell") == 2
    assert [each.pattern for each in rules] == ["sh*", "look"]
    assert rules.remove("shell") == 0
    assert (rules.clear(), list(rules)) == (2, [])


@pytest.mark.fuzz
@given(st.sampled_from(sorted(BOUND_ARGUMENTS)), st.text(), st.text(), json_values)
@example("shell", "ls [ab]*?", "ls ab", 1)
@example("shell", "rm *", "rm -rf everything", 1)
def test_a_standing_rule_for_an_acting_tool_allows_exactly_this_argument(
    name: str, text: str, other: str, rest: Any
) -> None:
    tool = dataclasses.replace(ASKS, name=name)
    rules = Rules()
    rules.add("allow", *standing_rule(call(name, **{BOUND_ARGUMENTS[name]: text})))
    assert rules.verdict(tool, call(name, **{BOUND_ARGUMENTS[name]: text, "rest": rest})) == "allow"
    assert rules.verdict(tool, call(name, **{BOUND_ARGUMENTS[name]: other})) == ("allow" if other == text else "ask")
    assert rules.verdict(tool, call(name)) == "ask"


def test_a_standing_rule_for_any_other_tool_allows_its_name() -> None:
    tool = dataclasses.replace(ASKS, name="mcp_query")
    rules = Rules()
    rules.add("allow", *standing_rule(call("mcp_query", sql="select 1")))
    assert rules.verdict(tool, call("mcp_query", sql="select 2")) == "allow"
    assert rules.verdict(dataclasses.replace(ASKS, name="mcp_query2"), call("mcp_query2", sql="select 1")) == "ask"


def test_the_button_names_what_it_allows() -> None:
    assert standing_rule_label(call("python", code="1")) == "Allow python with exactly this code in this notebook"
    assert (
        standing_rule_label(call("write_file", path="a", text=""))
        == "Allow write_file with exactly this path in this notebook"
    )
    assert standing_rule_label(call("mcp_query")) == "Allow every call of mcp_query in this notebook"


def test_a_standing_rule_without_its_argument_allows_nothing_more() -> None:
    rules = Rules()
    rules.add("allow", *standing_rule(call("shell")))
    assert rules.verdict(ASKS, call("shell", command="ls")) == "ask"


def test_where_nobody_can_be_asked_calls_are_denied_with_a_reason() -> None:
    assert deny_all(call()) == Decision(allowed=False, reason="There was no one to ask for approval.", always=False)
    assert Decision(True) == (True, "", False)


@pytest.mark.parametrize(
    ("value", "text"),
    [("Grüße", "Grüße"), ({"b": "ü", "a": [1, None]}, '{"a": [1, null], "b": "ü"}'), (True, "true"), (5, "5")],
)
def test_arguments_are_matched_as_text(value: Any, text: str) -> None:
    assert argument_text(value) == text


def test_a_standing_rule_has_the_argument_as_it_is() -> None:
    assert standing_rule(call("write_file", path="a[1]*?.txt", text="x")) == (
        "write_file",
        {"path": "a[1]*?.txt"},
        True,
    )
    assert standing_rule(call("shell", command="sort X]")) == ("shell", {"command": "sort X]"}, True)
    assert standing_rule(call("python", code=["x"])) == ("python", {"code": '["x"]'}, True)
    assert standing_rule(call("shell")) == ("shell", {"command": ""}, True)
    assert standing_rule(call("mcp_query", command="x")) == ("mcp_query", {}, False)


def test_an_added_rule_is_returned_with_its_arguments_in_order() -> None:
    rules = Rules()
    rule = rules.add("allow", "shell", {"timeout": "5", "command": "ls"})
    assert (rule.verdict, rule.pattern, rule.arguments) == ("allow", "shell", (("command", "ls"), ("timeout", "5")))
    assert list(rules) == [rule]
    assert rules.add("deny", "look").arguments == ()


def test_rules_can_be_changed_while_they_are_read() -> None:
    rules = Rules()
    rules.add("allow", "a")
    rules.add("allow", "b")
    for rule in rules:
        rules.remove(rule.pattern)
    assert list(rules) == []


def test_rules_can_be_removed_on_another_thread_while_they_are_used() -> None:
    rules, tool = Rules(), Tool("add", "", {"type": "object"}, print, asks=True, origin={"srv": "1"})
    done = threading.Event()

    def forget() -> None:
        while not done.is_set():
            for rule in rules:
                rules.remove_rule(rule)

    thread = threading.Thread(target=forget)
    thread.start()
    try:
        for number in range(3_000):
            rules.add("allow", f"a{number % 7}*")
            rules.add("allow", "add")
            assert rules.verdict(tool, ToolCall("1", "add", {})) in ("ask", "allow")
    finally:
        done.set()
        thread.join()
