"""The request of a dry run as text, with long parts folded, so that it can be read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mm_magics.text import escape_controls
from mm_magics.wording import counted

PROMPT_LIMIT = 4_000
"""Characters of each text of the new message, and of the system prompt."""
CONTEXT_LIMIT = 120
"""Characters of each text of earlier messages and of tools."""
FIRST_MESSAGES, LAST_MESSAGES = 4, 8
"""Messages of the context that are shown."""


def folded_request(body: Mapping[str, Any]) -> str:
    """Return the body of a request as JSON, in which long texts and messages in the middle are folded."""
    *context, prompt = body["messages"]
    shown = [_folded(message, CONTEXT_LIMIT) for message in context]
    if len(shown) > FIRST_MESSAGES + LAST_MESSAGES + 1:
        left_out = len(shown) - FIRST_MESSAGES - LAST_MESSAGES
        shown[FIRST_MESSAGES:-LAST_MESSAGES] = [f"… {counted(left_out, 'more message')}"]
    folded = {
        name: _folded(value, CONTEXT_LIMIT if name == "tools" else PROMPT_LIMIT)
        for name, value in body.items()
        if name != "messages"
    }
    whole = {**folded, "messages": [*shown, _folded(prompt, PROMPT_LIMIT)]}
    return escape_controls(json.dumps(whole, ensure_ascii=False, indent=2))


def _folded(value: Any, limit: int) -> Any:
    """Return JSON without the data of images, which nobody reads, and with long texts cut."""
    if isinstance(value, str) and len(value) > limit:
        return f"{value[:limit]}… [{counted(len(value) - limit, 'more character')}]"
    if isinstance(value, list):
        return [_folded(each, limit) for each in value]
    if isinstance(value, dict):
        if value.get("type") == "base64" and isinstance(value.get("data"), str):
            return {**value, "data": f"… {counted(len(value['data']), 'character')}"}
        return {name: _folded(each, limit) for name, each in value.items()}
    return value
