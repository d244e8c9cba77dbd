"""Turn the settings of a prompt into the fields of its request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mm_magics.api import messages, request
from mm_magics.api.messages import Block, Message
from mm_magics.errors import PromptError, UsageError
from mm_magics.history.context_messages import Context

PROMPT_SETTINGS = (
    "model",
    "system",
    "max_tokens",
    "temperature",
    "top_p",
    "thinking",
    "user_id",
    "params",
    "thread",
    "context",
    "timeout",
    "replay",
    "tools",
    "tool_choice",
    "max_rounds",
    "max_cost",
    "tool_timeout",
    "tool_limit",
)
"""The settings that a flag can override for one prompt."""


def user_message(content: str | Sequence[Block]) -> Message:
    """Return the user message with this text or these blocks. Raises `PromptError` if its last text is blank."""
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    given = messages.blocks({"content": blocks})
    texts = [str(block.get("text", "")) for block in given if block.get("type") == "text"]
    if not blocks or (texts and not texts[-1].strip()):
        raise PromptError("The prompt is empty.", "Write the prompt below the %%minimax line.")
    return {"role": "user", "content": blocks}


def valid_context(value: Any) -> Context:
    """Return the value of the setting `context`. Raises `UsageError` if it is invalid."""
    if value not in ("above", "all", "none") and (type(value) is not int or value < 0):
        raise UsageError(f"context must be above, all, none or a number of turns, not {value!r}.")
    context: Context = value
    return context


def request_params(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the request other than model, system and messages, without those that are not set.

    Raises:
        UsageError: `params` contains a field that has a setting of its own.
        RequestError: `thinking` is invalid.
    """
    if own := {"model", "system", "messages", "stream"} & settings["params"].keys():
        field = min(own)
        hint = f"Use the setting {field} instead." if field in PROMPT_SETTINGS else f"mm_magics sets {field} itself."
        raise UsageError(f"params cannot contain {field}.", hint)
    fields: dict[str, Any] = {name: settings[name] for name in ("max_tokens", "temperature", "top_p")}
    fields["thinking"] = request.thinking_field(settings["thinking"], settings["max_tokens"])
    fields["metadata"] = {"user_id": settings["user_id"]} if settings["user_id"] else None
    return {**{name: value for name, value in fields.items() if value is not None}, **settings["params"]}
