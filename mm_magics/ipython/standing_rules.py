"""The rules about tool calls that hold until the kernel ends, as `%minimax tools` and the page list them."""

from __future__ import annotations

import shlex
from hashlib import sha256

from mm_magics.display.protocol import StandingRule
from mm_magics.text import visible
from mm_magics.tools.approval import Rule, Rules

RULE_LENGTH = 100
"""Characters of a rule in the list."""


def standing_rules(rules: Rules, forget: str | None = None) -> list[StandingRule]:
    """Return the rules, after removing the one with the id `forget`. A rule that was removed before stays removed."""
    for rule in rules:
        if _id(rule) == forget:
            rules.remove_rule(rule)
    return [{"id": _id(rule), "text": rule_text(rule)} for rule in rules]


def _id(rule: Rule) -> str:
    return sha256(repr(rule).encode("utf-8", "surrogatepass")).hexdigest()


def rule_text(rule: Rule) -> str:
    """Return the rule as it is typed, on one line, shortened if it is long."""
    words = [rule.pattern, *(f"{name}={pattern}" for name, pattern in rule.arguments)]
    line = f"{rule.verdict} {' '.join(map(shlex.quote, words))}{' (exactly this text)' if rule.exactly else ''}"
    line = visible(line.replace("\n", "⏎"))
    return line if len(line) <= RULE_LENGTH else f"{line[: RULE_LENGTH - 1]}…"
