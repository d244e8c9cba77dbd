"""What an answer's text is taken for (`--as`): how it is shown, and what `--out` gets.

Always true: the answer itself, in the turn record, is untouched by it.
"""

from __future__ import annotations

import json
import re
from typing import Any, Literal

from mm_magics.errors import ProtocolError

Form = Literal["markdown", "code", "text", "json"]
FORMS: tuple[Form, ...] = ("markdown", "code", "text", "json")

_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})[^\n]*\n(?P<code>.*?)^(?P=fence)[ \t]*$", re.MULTILINE | re.DOTALL)


def value(text: str, form: Form) -> Any:
    """What `--out` gets: the text, the code in its fences, or the JSON value. Raises `ProtocolError` if it is not JSON.

    >>> value("Here:\\n```json\\n[1, 2]\\n```", "json")
    [1, 2]
    """
    if form == "code":
        return _code(text)
    if form != "json":
        return text
    for candidate in (text, _code(text)):
        try:
            return json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    raise ProtocolError("The answer is not JSON.", "It is shown as it came; ask for JSON alone, or use --as text.")


def shaped(text: str, form: Form) -> str:
    """The text as it is shown in that form."""
    if form == "json":
        try:
            return json.dumps(value(text, form), ensure_ascii=False, indent=2)
        except ProtocolError:
            return text
    return _code(text) if form == "code" else text


def _code(text: str) -> str:
    """What stands in the text's fences, one after the other; the text itself if it has none."""
    found = [match["code"].rstrip("\n") for match in _FENCE.finditer(text)]
    return "\n\n".join(found) if found else text.strip()
