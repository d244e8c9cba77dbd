"""Decide whether a tool call may run: by the user's rules, or by asking the user.

Rules are added by a command or a button and are lost when the kernel ends; none is read from a file.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

from mm_magics.tools.call_text import CallPart, call_hash, call_parts
from mm_magics.tools.command_words import matches_command
from mm_magics.tools.tool import Tool, ToolCall

Verdict = Literal["allow", "ask", "deny"]
VERDICTS: tuple[Verdict, ...] = ("allow", "ask", "deny")

BOUND_ARGUMENTS: Mapping[str, str] = {"python": "code", "shell": "command", "write_file": "path"}
"""The argument that a standing rule is limited to, for tools where allowing every call would allow anything."""


class Decision(NamedTuple):
    """The user's answer to an approval request.

    >>> Decision(False, "Not on a Friday.")
    Decision(allowed=False, reason='Not on a Friday.', always=False)

    Attributes:
        allowed: Whether this call may run.
        reason: Why not; it is sent to the model.
        always: Whether to allow later calls too, by the rule `standing_rule(call)`.
    """

    allowed: bool
    reason: str = ""
    always: bool = False


Approve = Callable[[ToolCall], bool | Decision]
"""Decides a call that requires approval, usually by asking the user."""


class Question(NamedTuple):
    """What a user is asked about a call. It is made by the kernel alone, and only a decision about it counts.

    Attributes:
        id: An id that the kernel makes: a question is answered once, whatever ids the model uses.
        sha256: The hash of exactly the call that runs if it is allowed.
        name: The name of the tool.
        parts: What the call does, as it must be shown: completely.
        risk: What the call may do.
        always: The label of the button that adds a standing rule.
    """

    id: str
    sha256: str
    name: str
    parts: list[CallPart]
    risk: str
    always: str


def question_about(call: ToolCall, tool: Tool | None = None) -> Question:
    """Return a new question about the call. A tool with a preview shows it instead of the arguments it stands for."""
    previewed = tool.preview(call.input) if tool and tool.preview else {}
    parts = [previewed.get(part.label, part) for part in call_parts(call.name, call.input)]
    risk = tool.risk if tool else ""
    always = standing_rule_label(call, "turn" if tool and tool.in_turn else "notebook")
    return Question(secrets.token_hex(16), call_hash(call.name, call.input), call.name, parts, risk, always)


def deny_all(_call: ToolCall) -> Decision:
    """Deny the call: the `Approve` of a front end where nobody can be asked."""
    return Decision(False, "There was no one to ask for approval.")


@dataclass(frozen=True)
class Rule:
    """A verdict on the calls whose name and `arguments` (as text) match these case-sensitive `fnmatch` patterns.

    A command is allowed only if it matches word by word (`command_words`), and denied if its text matches, too.
    `exactly` means that the arguments are the texts themselves instead of patterns.
    """

    verdict: Verdict
    pattern: str
    arguments: tuple[tuple[str, str], ...] = ()
    exactly: bool = False

    def matches(self, call: ToolCall) -> bool:
        return fnmatchcase(call.name, self.pattern) and all(
            name in call.input and self._matches(name, argument_text(call.input[name]), pattern)
            for name, pattern in self.arguments
        )

    def _matches(self, argument: str, text: str, pattern: str) -> bool:
        if self.exactly:
            return text == pattern
        if argument != "command":
            return fnmatchcase(text, pattern)
        return matches_command(pattern, text) or (self.verdict != "allow" and fnmatchcase(text, pattern))


class Rules:
    """The rules of one kernel, in the order in which they were added.

    >>> from mm_magics.tools.tool import Tool
    >>> rules = Rules()
    >>> _ = rules.add("allow", "shell", {"command": "git *"})
    >>> shell = Tool("shell", "Run a command.", {"type": "object"}, print, asks=True)
    >>> rules.verdict(shell, ToolCall("1", "shell", {"command": "git status"}))
    'allow'
    >>> rules.verdict(shell, ToolCall("2", "shell", {"command": "rm -r data"}))
    'ask'
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # the page removes rules on another thread
        self._rules: list[Rule] = []
        self._allowed: dict[Rule, dict[str, str]] = {}
        """What each rule allows: the hashes of MCP servers and of their tools, by name."""

    def __iter__(self) -> Iterator[Rule]:
        return iter(list(self._rules))

    def add(
        self,
        verdict: Verdict,
        pattern: str,
        arguments: Mapping[str, str] | None = None,
        exactly: bool = False,
        known: Mapping[str, str] | None = None,
    ) -> Rule:
        """Add a rule. It replaces a rule for the same name and arguments.

        Args:
            verdict: `allow`, `ask` or `deny`.
            pattern: Pattern of tool names, with `*`, `?` and `[…]`.
            arguments: Patterns of arguments, by name; a call must match them all.
            exactly: Whether the arguments are the texts themselves instead of patterns.
            known: What the MCP servers and their tools are now (`MCPServers.known`): the rule allows no other.
        """
        rule = Rule(verdict, pattern, tuple(sorted((arguments or {}).items())), exactly)
        with self._lock:
            self._keep([each for each in self._rules if replace(each, verdict=verdict) != rule])
            self._rules.append(rule)
            self._allowed[rule] = dict(known or {})
        return rule

    def remove(self, pattern: str) -> int:
        """Remove the rules with exactly this name pattern and return how many there were."""
        with self._lock:
            return self._keep([each for each in self._rules if each.pattern != pattern])

    def remove_rule(self, rule: Rule) -> None:
        """Remove the rule, if it is still there."""
        with self._lock:
            self._keep([each for each in self._rules if each != rule])

    def remove_number(self, number: int) -> Rule | None:
        """Remove the rule with this number, from 1 in the order of the rules, and return it; None without one."""
        with self._lock:
            if not 1 <= number <= len(self._rules):
                return None
            rule = self._rules[number - 1]
            self.remove_rule(rule)
            return rule

    def clear(self) -> int:
        """Remove all rules and return how many there were."""
        with self._lock:
            return self._keep([])

    def _keep(self, rules: list[Rule]) -> int:
        before, self._rules = self._rules, rules
        self._allowed = {rule: self._allowed[rule] for rule in rules}
        return len(before) - len(rules)

    def verdict(self, tool: Tool, call: ToolCall) -> Verdict:
        """Return the strictest verdict of the matching rules; without one, what the tool itself requires."""
        with self._lock:
            verdicts = {
                rule.verdict
                for rule in self._rules
                if rule.matches(call) and (rule.verdict != "allow" or self._is_unchanged(rule, tool))
            }
        for verdict in ("deny", "ask", "allow"):
            if verdict in verdicts:
                return verdict
        return "ask" if tool.asks else "allow"

    def _is_unchanged(self, rule: Rule, tool: Tool) -> bool:
        """Return whether the tool is still what the rule allowed: the same server, tool and definition."""
        allowed = self._allowed[rule]
        return all(allowed.setdefault(name, current) == current for name, current in tool.origin.items())


def standing_rule(call: ToolCall) -> tuple[str, dict[str, str], bool]:
    """Return what `Rules.add` needs for the rule that "Allow … in this notebook" adds for this call.

    For the tools of `BOUND_ARGUMENTS`, the rule matches exactly this value of that argument.

    >>> standing_rule(ToolCall("1", "shell", {"command": "ls *.py", "timeout": 5}))
    ('shell', {'command': 'ls *.py'}, True)
    """
    bound = BOUND_ARGUMENTS.get(call.name)
    return (call.name, {bound: argument_text(call.input.get(bound, ""))}, True) if bound else (call.name, {}, False)


def standing_rule_label(call: ToolCall, scope: str = "notebook") -> str:
    """Return the label of the button that adds the rule. It says exactly what will be allowed, and in which scope.

    >>> standing_rule_label(ToolCall("1", "shell", {"command": "ls"}))
    'Allow shell with exactly this command in this notebook'
    """
    bound = BOUND_ARGUMENTS.get(call.name)
    allowed = f"{call.name} with exactly this {bound}" if bound else f"every call of {call.name}"
    return f"Allow {allowed} in this {scope}"


def argument_text(value: Any) -> str:
    """The text that patterns match: a string unchanged, any other value as JSON with sorted keys."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
