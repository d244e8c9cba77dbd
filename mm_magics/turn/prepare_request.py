"""Build and check the request for a prompt: its context, its parameters, and what endpoints require besides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mm_magics.api import request
from mm_magics.api.messages import ANSWER, Message
from mm_magics.api.models import takes_images
from mm_magics.api.request import PreparedMessage
from mm_magics.api.sendable import images_not_sent, without_result_images
from mm_magics.history.compacted_context import SentContext
from mm_magics.history.context_messages import context_tools, prepared_messages
from mm_magics.history.turn import Turn
from mm_magics.tools.builtin.recall import RECALL
from mm_magics.turn.prepared import PreparedRequest
from mm_magics.turn.request_fields import RequestFields
from mm_magics.turn.window import fitting_max_tokens, input_size, surely_fits


def prepare_request(fields: RequestFields, context: SentContext, prompt: Message, *, sees_all: bool) -> PreparedRequest:
    """Return the request for a prompt.

    Args:
        fields: What the user asked for.
        context: The earlier turns.
        prompt: The new user message.
        sees_all: Whether they are all turns above.

    Raises:
        RequestError: The endpoint would refuse the request.
    """
    turns = context.turns
    model, system, params = fields.model, fields.system, fields.params
    prepared, image_notes = _for_model(model, prepared_messages(turns, prompt))
    sent = {**params, **_tools(turns, params)}
    body = request.build_body(model, [each.sent for each in prepared], system, sent)
    request.check(body)
    encoded = request.encode(body, prepared)
    requested: int = params["max_tokens"]
    used = input_size(context, body, encoded, sees_all=sees_all)
    if not surely_fits(model, requested, encoded):
        body["max_tokens"] = fitting_max_tokens(model, requested, used.most)
        encoded = request.encode(body, prepared)
    sha256 = request.request_sha256(model, system, params, (each.sha256 for each in prepared))
    notes = [*fields.notes, *image_notes, *request.describe_ignored_fields(body)]
    return PreparedRequest(model, system or None, dict(params), body, encoded, prepared, sha256, notes, used.about)


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
    """Return the `tools` of a request to a prompt that offers none of its own, and its `tool_choice`.

    They are those that earlier turns offered: endpoints refuse calls in the context without definitions, and find a
    request in their cache only if its tools are the same. A prompt that offers tools has definitions; those of earlier
    turns beside them would be offered as well.
    """
    offered = params.get("tools") or []
    if offered and [each.get("name") for each in offered if isinstance(each, dict)] != [RECALL]:
        return {}
    earlier = context_tools(turns)
    if not offered:
        return {"tools": earlier, "tool_choice": {"type": "none"}} if earlier else {}
    return {"tools": [*(each for each in earlier if each["name"] not in (ANSWER, RECALL)), *offered]}
