"""Ask for approval of a tool call with a text prompt, where the page has no buttons for it.

The whole call is shown before the question, a screen at a time. Anything but a clear yes denies the call.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

from IPython.core.getipython import get_ipython

from mm_magics.display.ipykernel_compat import current_request
from mm_magics.text import visible
from mm_magics.tools.approval import Decision, Question, deny_all, question_about
from mm_magics.tools.tool import ToolCall
from mm_magics.wording import counted

QUESTION = "y: allow once · a: {always} · n, or a reason: deny. "
MORE = "{left} more · Enter: continue · n, or a reason: deny. "


def prompt_for_approval(call: ToolCall, question: Question | None = None) -> Decision:
    """Return the user's decision; the call is denied if the front end takes no input, or before it is shown to its end.

    Args:
        call: The call.
        question: The question about it, if it was made already.
    """
    if not _input_allowed():
        return deny_all(call)
    question = question or question_about(call)
    try:
        return _ask(question)
    except KeyboardInterrupt:
        raise
    except Exception:  # no input after all: a pipe raises EOFError, ipykernel an error of its own
        return deny_all(call)


def _ask(question: Question) -> Decision:
    screen = shutil.get_terminal_size()
    lines = list(_lines(question, max(20, screen.columns)))
    rows = max(5, screen.lines - 3)
    for start in range(0, len(lines), rows):
        print("\n".join(lines[start : start + rows]))
        if (left := len(lines) - start - rows) > 0 and (
            reply := input(MORE.format(left=counted(left, "line"))).strip()
        ):
            return Decision(False, "" if reply.lower() in ("n", "no") else reply)
    reply = input(QUESTION.format(always=visible(question.always))).strip()
    if reply.lower() in ("y", "yes"):
        return Decision(True)
    if reply.lower() in ("a", "always"):
        return Decision(True, always=True)
    return Decision(False, "" if reply.lower() in ("n", "no") else reply)


def _lines(question: Question, width: int) -> Iterator[str]:
    """Yield the lines of the question, none of them longer than the screen."""
    yield ""
    yield from _rows(visible(f"A call of {question.name} needs your approval. {question.risk}".rstrip()), width)
    for part in question.parts:
        for line in f"{part.label} ({part.size}):\n{part.text}".expandtabs(4).split("\n"):
            yield from _rows(line, width)


def _rows(line: str, width: int) -> Iterator[str]:
    """Yield the rows of the screen that the line fills. Some characters take two columns."""
    from rich.cells import chop_cells

    yield from [line] if len(line) <= width // 2 else chop_cells(line, width) or [""]


def _input_allowed() -> bool:
    """Return whether the current request allows input. A terminal has no requests, and always does."""
    shell: Any = get_ipython()
    return bool((current_request(shell).get("content") or {}).get("allow_stdin", True))
