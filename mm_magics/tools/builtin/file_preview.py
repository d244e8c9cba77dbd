"""What `write_file` would change, to show when approval is requested."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from difflib import unified_diff
from pathlib import Path
from typing import Any, BinaryIO

from mm_magics.errors import ToolError
from mm_magics.tools.builtin.paths import confined
from mm_magics.tools.call_text import CallPart, shown_part

MAX_DIFF = 200_000
"""Characters of the old and the new text together. The new text of a larger file is shown as it is."""


def preview_write(
    root: Path, open_binary: Callable[[Path], BinaryIO], arguments: Mapping[str, Any]
) -> dict[str, CallPart]:
    """Return the difference to the file to show instead of its text; {} if the file is new or cannot be compared.

    Args:
        root: The folder of the file tools.
        open_binary: Opens a file below it safely.
        arguments: The arguments of the call.
    """
    with suppress(ToolError, OSError, ValueError, KeyError, TypeError, AttributeError):
        with open_binary(confined(root, arguments["path"])) as file:
            old, new = file.read(MAX_DIFF + 1), arguments["text"]
        if len(old) + len(new) <= MAX_DIFF:
            return {"text": shown_part("change of the file", "diff", difference(old.decode(), new))}
    return {}


def difference(old: str, new: str) -> str:
    r"""Return a unified diff.

    >>> print(difference("a\nb\n", "a\nc"))
    --- now
    +++ proposed
    @@ -1,2 +1,2 @@
     a
    -b
    +c
    \ No newline at end of file
    """
    return "\n".join(unified_diff(_lines(old), _lines(new), "now", "proposed", lineterm="")) or "No change."


def _lines(text: str) -> list[str]:
    """Split at line feeds only, and mark a last line that does not end with one."""
    *lines, last = text.split("\n")
    return [*lines, f"{last}\n\\ No newline at end of file"] if last else lines
