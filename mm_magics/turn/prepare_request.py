"""Build and check the request for a prompt: its context, its parameters, and what endpoints require besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mm_magics.api import request
from mm_magics.api.messages import Message
from mm_magics.api.models import takes_images
from mm_magics.api.request import PreparedMessage
from mm_magics.api.sendable import images_not_sent, without_result_images
from mm_magics.history.context_messages import Context, context_tools, prepared_messages
from mm_magics.history.turn import Turn
from mm_magics.turn.prepared import PreparedRequest
from mm_magics.turn.request_fields import RequestFields
from mm_magics.turn.window import context_tokens, fitting_max_tokens, surely_fits


def prepare_request(fields: RequestFields, turns: Sequence[Turn], context: Context, prompt: Message) -> PreparedRequest:
    """Return the request for a prompt.

    Args:
        fields: What the user asked for.
        turns: The earlier turns that are sent.
        context: How they were selected.
        prompt: The new user message.

    Raises:
        RequestError: The endpoint would refuse the request.
    """
    model, system, params = fields.model, fields.system, fields.params
    prepared, image_notes = _for_model(model, prepared_messages(turns, prompt))
    sent = {**params, **_tools(turns, params)}
    body = request.build_body(model, [each.sent for each in prepared], system, sent)
    request.check(body)
    encoded = request.encode(body, prepared)
    requested: int = params["max_tokens"]
    if not surely_fits(model, requested, encoded):
        used = context_tokens(turns, body, encoded, sees_all=context == "above")
        body["max_tokens"] = fitting_max_tokens(model, requested, used)
        encoded = request.encode(body, prepared)
    sha256 = request.request_sha256(model, system, params, (each.sha256 for each in prepared))
    notes = [*fields.notes, *image_notes, *request.describe_ignored_fields(body)]
    return PreparedRequest(model, system or None, dict(params), body, encoded, prepared, sha256, notes)


def _for_model(model: str, prepared: list[PreparedMessage]) -> tuple[list[PreparedMessage], list[str]]:
    """Leave the images of earlier tool results out for a model that takes none, and return a note about it."""
    if takes_images(model):
        return prepared, []
    total = 0
    for at, each in enumerate(prepared):
        sent, count = without_result_images(each.sent, model)
        if count:
            prepared[at] = replace(each, sent=sent, json=request.json_of(sent))
            total += count
    return prepared, [f"Of earlier tool results, {images_not_sent(total, model)}"] if total else []


def _tools(turns: Sequence[Turn], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return `tools` and `tool_choice` for a context with tool calls: endpoints refuse it without definitions.

    A prompt that offers tools has definitions. Those of earlier turns beside them would be offered as well.
    """
    needed = [] if params.get("tools") else context_tools(turns)
    return {"tools": needed, "tool_choice": {"type": "none"}} if needed else {}
