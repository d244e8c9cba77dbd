"""Ask for approval of a tool call with a text prompt, where the page has no buttons for it.

The exact name and arguments are shown, with control characters made visible, before the question. Anything but a clear
yes denies the call.
"""

from __future__ import annotations

import json
from typing import Any

from IPython.core.getipython import get_ipython

from mm_magics.display.ipykernel_compat import current_request
from mm_magics.prompt.values import cut
from mm_magics.text import escape_controls
from mm_magics.tools.approval import Decision, deny_all, standing_rule_label
from mm_magics.tools.tool import ToolCall

MAX_ARGUMENTS = 4_000
"""Characters of the arguments that are shown."""

QUESTION = "y: allow once · a: {always} · n, or a reason: deny. "


def prompt_for_approval(call: ToolCall) -> Decision:
    """Return the user's decision; the call is denied if the front end takes no input."""
    if not _input_allowed():
        return deny_all(call)
    arguments = json.dumps(call.input, ensure_ascii=False, indent=1)
    print(escape_controls(f"\nThe model wants to call {call.name} with\n{cut(arguments, MAX_ARGUMENTS)}"))
    try:
        reply = input(QUESTION.format(always=escape_controls(standing_rule_label(call)))).strip()
    except KeyboardInterrupt:
        raise
    except Exception:  # no input after all: a pipe raises EOFError, ipykernel an error of its own
        return deny_all(call)
    if reply.lower() in ("y", "yes"):
        return Decision(True)
    if reply.lower() in ("a", "always"):
        return Decision(True, always=True)
    return Decision(False, "" if reply.lower() in ("n", "no") else reply)


def _input_allowed() -> bool:
    """Return whether the current request allows input. A terminal has no requests, and always does."""
    shell: Any = get_ipython()
    return bool((current_request(shell).get("content") or {}).get("allow_stdin", True))
