"""Turn the settings of a prompt into the fields of its request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mm_magics.api import messages, request
from mm_magics.api.messages import Block, Message, System
from mm_magics.errors import PromptError, UsageError
from mm_magics.history.context_messages import Context
from mm_magics.text import without_surrogates
from mm_magics.tools.loop import Toolbox

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


class RequestFields(NamedTuple):
    """The fields of a request other than its messages. `is_replaced`: lone surrogates in them were replaced."""

    model: str
    system: System
    params: dict[str, Any]
    is_replaced: bool


def request_fields(settings: Mapping[str, Any], toolbox: Toolbox | None) -> RequestFields:
    """Return the fields of a request.

    Args:
        settings: The settings of the prompt.
        toolbox: What the model may call.

    Raises:
        UsageError: The system prompt, `params` or `tool_choice` is invalid.
        RequestError: `thinking` is invalid.
    """
    offered = toolbox.offer(settings["tool_choice"]) if toolbox else {}
    given = settings["model"], system_prompt(settings["system"]), {**request_params(settings), **offered}
    model, system, params = clean = without_surrogates(given)
    return RequestFields(model, system, params, clean is not given)


def user_message(content: str | Sequence[Block]) -> tuple[Message, bool]:
    """Return the user message with this text or these blocks, and whether lone surrogates in it were replaced.

    Raises `PromptError` if its last text is blank.
    """
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    given = messages.blocks({"content": blocks})
    texts = [str(block.get("text", "")) for block in given if block.get("type") == "text"]
    if not blocks or (texts and not texts[-1].strip()):
        raise PromptError("The prompt is empty.", "Write the prompt below the %%minimax line.")
    message: Message = {"role": "user", "content": blocks}
    clean = without_surrogates(message)
    return clean, clean is not message


def system_prompt(value: Any) -> System:
    """Return the system prompt; None if it is empty. Raises `UsageError` unless it is text or text blocks."""
    if value is None or isinstance(value, str):
        return value or None
    blocks: list[Any] = list(value) if isinstance(value, list | tuple) else [None]
    if not all(isinstance(each, dict) and each.get("type") == "text" and each.get("text") for each in blocks):
        raise UsageError(
            "The system prompt must be a text or a list of text blocks.", 'A block is {"type": "text", …}.'
        )
    return blocks or None


def check_tool_choice(choice: str | None) -> None:
    """Raise `UsageError` if the choice requires a tool, for a prompt that offers none."""
    if choice not in (None, "auto", "none"):
        raise UsageError(f"tool_choice is {choice}, but no tools are offered.", "Offer some with --tools.")


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
