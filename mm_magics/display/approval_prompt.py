"""Asks whoever sits at the keyboard whether a tool may be called, in words.

Always true: the exact name and arguments are shown, inert, before the question; whatever is not a clear yes is a no.
"""

from __future__ import annotations

import json
from typing import Any

from IPython.core.getipython import get_ipython

from mm_magics.display.sanitize import escape_controls
from mm_magics.prompt.values import cut
from mm_magics.tools.approval import Decision, deny_all, standing_rule_label
from mm_magics.tools.tool import ToolCall

SHOWN = 4_000
QUESTION = "y: allow it once · a: {always} · n, or a reason: do not allow it. "


def by_input(call: ToolCall) -> Decision:
    """What the user answers; no where there is nobody to ask."""
    if not _takes_input():
        return deny_all(call)
    arguments = json.dumps(call.input, ensure_ascii=False, indent=1)
    print(escape_controls(f"\nThe model wants to call {call.name} with\n{cut(arguments, SHOWN)}"))
    try:
        said = input(QUESTION.format(always=escape_controls(standing_rule_label(call)))).strip()
    except KeyboardInterrupt:
        raise
    except Exception:  # no one to ask after all: a pipe raises an EOFError
        return deny_all(call)
    if said.lower() in ("y", "yes"):
        return Decision(True)
    if said.lower() in ("a", "always"):
        return Decision(True, always=True)
    return Decision(False, "" if said.lower() in ("n", "no") else said)


def _takes_input() -> bool:
    """Whether the request that runs allows input; where there are no requests, as in a terminal, one may try."""
    shell: Any = get_ipython()
    parent: dict[str, Any] = getattr(shell, "get_parent", dict)()
    return bool((parent.get("content") or {}).get("allow_stdin", True))
