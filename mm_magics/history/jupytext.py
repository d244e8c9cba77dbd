"""Scripts of cells that jupytext pairs with notebooks."""

from __future__ import annotations

import re
from pathlib import Path

_HEADER = 2_000
"""Characters at the start of a script that contain jupytext's header."""
_PROMPT_AS_CODE = re.compile(r"^# %%minimax\b", re.MULTILINE)
"""A prompt cell of which only the magic is a comment: jupytext comments the text of the magics that it knows."""


def splits_prompts(script: Path) -> bool:
    """Return whether a line `# %%` in a prompt would start a new cell when jupytext reads the script."""
    try:
        text = script.read_text("utf-8", errors="replace")
    except OSError:
        return False
    return "jupytext" in text[:_HEADER] and _PROMPT_AS_CODE.search(text) is not None
