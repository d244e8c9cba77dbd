"""Turn the settings of a prompt into the fields of its request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mm_magics.api import messages
from mm_magics.api.messages import Block, Message, System
from mm_magics.api.thinking import earlier_fields, thinking_fields
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
    "compact",
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
    """The fields of a request other than its messages.

    `is_replaced`: lone surrogates in them were replaced. `notes` say which settings have no effect.
    """

    model: str
    system: System
    params: dict[str, Any]
    is_replaced: bool
    notes: list[str]


def request_fields(settings: Mapping[str, Any], toolbox: Toolbox | None, *, as_before: bool = False) -> RequestFields:
    """Return the fields of a request.

    Args:
        settings: The settings of the prompt.
        toolbox: What the model may call.
        as_before: Use the fields for thinking that mm_magics 0.1 sent to every model.

    Raises:
        UsageError: The system prompt, `params` or `tool_choice` is invalid.
        RequestError: `thinking` is invalid.
    """
    offered = toolbox.offer(settings["tool_choice"]) if toolbox else {}
    params, notes = request_params(settings, as_before=as_before)
    given = settings["model"], system_prompt(settings["system"]), {**params, **offered}
    model, system, params = clean = without_surrogates(given)
    return RequestFields(model, system, params, clean is not given, notes)


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
    """Return the system prompt; None if it is blank. Raises `UsageError` unless it is text or text blocks."""
    if value is None or isinstance(value, str):
        return value if value and value.strip() else None
    blocks: list[Any] = list(value) if isinstance(value, list | tuple) else [None]
    if not all(
        isinstance(each, dict) and each.get("type") == "text" and each.get("text") and isinstance(each["text"], str)
        for each in blocks
    ):
        raise UsageError(
            "The system prompt must be a text or a list of text blocks.", 'A block is {"type": "text", …}.'
        )
    return [each for each in blocks if each["text"].strip()] or None


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


def request_params(settings: Mapping[str, Any], *, as_before: bool = False) -> tuple[dict[str, Any], list[str]]:
    """Return the fields of the request other than model, system and messages, and notes about thinking.

    Fields that are not set are left out.

    Raises:
        UsageError: `params` contains a field that has a setting of its own.
        RequestError: `thinking` is invalid.
    """
    if own := {"model", "system", "messages", "stream"} & settings["params"].keys():
        field = min(own)
        hint = f"Use the setting {field} instead." if field in PROMPT_SETTINGS else f"mm_magics sets {field} itself."
        raise UsageError(f"params cannot contain {field}.", hint)
    fields: dict[str, Any] = {name: settings[name] for name in ("max_tokens", "temperature", "top_p")}
    fields["metadata"] = {"user_id": settings["user_id"]} if settings["user_id"] else None
    fields = {name: value for name, value in fields.items() if value is not None}
    given, value, notes = settings["params"], settings["thinking"], list[str]()
    if as_before:
        fields |= earlier_fields(value, settings["max_tokens"])
    elif value is not None or "thinking" not in given:
        thinking, notes = thinking_fields(settings["model"], value, settings["max_tokens"])
        fields |= thinking
    own, config = fields.get("output_config"), given.get("output_config")
    both = {"output_config": {**own, **config}} if own and isinstance(config, dict) else {}
    return {**fields, **given, **both}, notes
