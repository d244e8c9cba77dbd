"""Whether a tool may be called: the rules that a person set, and what a person answers when asked.

Always true: rules are made by a command or a button and are gone with the kernel; nothing here reads one from a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, NamedTuple

from mm_magics.tools.tool import Tool, ToolCall

Verdict = Literal["allow", "ask", "deny"]
VERDICTS: tuple[Verdict, ...] = ("allow", "ask", "deny")

BOUND_ARGUMENTS: Mapping[str, str] = {"python": "code", "shell": "command", "write_file": "path"}
"""The argument that a yes for good is bound to, where a yes to every call of the tool would be a yes to anything."""


class Decision(NamedTuple):
    """What was answered: `reason` is told to the model, `always` asks for a rule, `standing_rule(call)`, as well."""

    allowed: bool
    reason: str = ""
    always: bool = False


Approve = Callable[[ToolCall], bool | Decision]


def deny_all(_call: ToolCall) -> Decision:
    """Deny the call: the `Approve` of a front end where nobody can be asked."""
    return Decision(False, "There was nobody to ask.")


@dataclass(frozen=True)
class Rule:
    """A verdict on the calls whose name and `arguments` (as text) match these patterns: `fnmatch`'s, with case."""

    verdict: Verdict
    pattern: str
    arguments: tuple[tuple[str, str], ...] = ()

    def matches(self, call: ToolCall) -> bool:
        return fnmatchcase(call.name, self.pattern) and all(
            name in call.input and fnmatchcase(as_text(call.input[name]), pattern) for name, pattern in self.arguments
        )


class Rules:
    """The rules of one kernel, in the order in which they were given.

    >>> rules = Rules()
    >>> _ = rules.add("allow", "shell", {"command": "git status"})
    >>> [rule.verdict for rule in rules]
    ['allow']
    """

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def __iter__(self) -> Iterator[Rule]:
        return iter(list(self._rules))

    def add(self, verdict: Verdict, pattern: str, arguments: Mapping[str, str] | None = None) -> Rule:
        """A new rule, in place of one for the same name and arguments, whatever that one's verdict was."""
        rule = Rule(verdict, pattern, tuple(sorted((arguments or {}).items())))
        self._rules = [each for each in self._rules if (each.pattern, each.arguments) != (pattern, rule.arguments)]
        self._rules.append(rule)
        return rule

    def remove(self, pattern: str) -> int:
        """Forget the rules for this name, written as it was when they were given; how many there were."""
        before, self._rules = self._rules, [each for each in self._rules if each.pattern != pattern]
        return len(before) - len(self._rules)

    def clear(self) -> int:
        """Forget all rules; how many there were."""
        before, self._rules = self._rules, []
        return len(before)

    def verdict(self, tool: Tool, call: ToolCall) -> Verdict:
        """What the rules that match say: deny before ask before allow. Without one, what the tool itself needs."""
        said = {rule.verdict for rule in self._rules if rule.matches(call)}
        for verdict in ("deny", "ask", "allow"):
            if verdict in said:
                return verdict
        return "ask" if tool.asks else "allow"


def standing_rule(call: ToolCall) -> tuple[str, dict[str, str]]:
    """The pattern and the arguments of the rule that "allow in this notebook" adds for this call.

    The tool's name, and for the tools of `BOUND_ARGUMENTS` that one argument to the letter.

    >>> standing_rule(ToolCall("1", "shell", {"command": "ls *.py", "timeout": 5}))
    ('shell', {'command': 'ls [*].py'})
    """
    bound = BOUND_ARGUMENTS.get(call.name)
    return call.name, {bound: _to_the_letter(as_text(call.input.get(bound, "")))} if bound else {}


def standing_rule_label(call: ToolCall) -> str:
    """What the button for it says, so that nobody allows more than was read.

    >>> standing_rule_label(ToolCall("1", "shell", {"command": "ls"}))
    'Allow shell with this very command in this notebook'
    """
    bound = BOUND_ARGUMENTS.get(call.name)
    what = f"{call.name} with this very {bound}" if bound else f"every call of {call.name}"
    return f"Allow {what} in this notebook"


def as_text(value: Any) -> str:
    """An argument as the patterns see it: a string as it is, anything else as JSON with its keys in order."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _to_the_letter(text: str) -> str:
    return "".join(f"[{each}]" if each in "*?[" else each for each in text)
