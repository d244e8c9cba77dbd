"""What follows the first answer to a row: results of tools, or a correction if it does not match its schema."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from mm_magics.api import usage
from mm_magics.api.messages import blocks
from mm_magics.api.outside import outside_blocks
from mm_magics.batch.store import Reply
from mm_magics.tools.approval import Rules, deny_all
from mm_magics.tools.loop import Toolbox, ToolLoop
from mm_magics.tools.runtime.runner import ToolLimits
from mm_magics.tools.schema.output_schema import OutputSchema
from mm_magics.turn.request_body import RequestBody

SCHEMA_ATTEMPTS = 3
"""Answers a model gets to match the schema."""


class Dialogs:
    """Begins the dialog of each row.

    Args:
        toolbox: What the model may call, and what its answer must match.
        check: Returns the body of a request with results of tools if it may be sent.

    Attributes:
        has_tools: Whether tools can be called, which may take long.
        stop: Set it to end the tools that run.
    """

    def __init__(self, toolbox: Toolbox, check: Callable[[bytes], bytes] = bytes) -> None:
        self.has_tools, self.stop = bool(toolbox.tools), threading.Event()
        self._toolbox, self._check = toolbox, check

    @classmethod
    def of_schema(cls, schema: OutputSchema | None) -> Dialogs | None:
        """Return the dialogs of a run without tools; None without a schema."""
        return (
            None
            if schema is None
            else cls(Toolbox({}, Rules(), ToolLimits(0.0, 0), SCHEMA_ATTEMPTS, output_schema=schema))
        )

    def begin(self, body: bytes) -> Dialog:
        """Return the dialog that begins with this request."""
        return Dialog(body, self._toolbox, self.stop, self._check)


class Dialog:
    """The dialog of one row. Calls that require approval are denied, because nobody is asked."""

    def __init__(self, body: bytes, toolbox: Toolbox, stop: threading.Event, check: Callable[[bytes], bytes]) -> None:
        request: dict[str, Any] = json.loads(body)
        *context, self._prompt = request["messages"]
        self._check = check
        self._body = RequestBody(request, body, [context], request["max_tokens"])
        self._loop = ToolLoop(toolbox, request.get("tool_choice") or {}, request["model"], stop)

    def follow(self, reply: Reply) -> bytes | None:
        """Add what follows the last answer to the reply, and return the next request; None if nothing follows.

        Raises:
            NeverSendError: A result of a tool contains what must not be sent.
            StoppedError: The tools were ended.
        """
        step = self._loop.step(blocks(reply.messages[-1]), None)
        for _ in step.events(usage.total_cost(self._loop.model, reply.responses), deny_all):
            pass
        if step.records:
            reply.responses[-1]["tools"] = step.records
        if not step.needs_request:
            return None
        reply.messages.append({"role": "user", "content": step.reply})
        turn = [self._prompt, *reply.messages]
        outside = outside_blocks(turn, reply.responses)
        unfinished = [None] * (len(reply.messages) // 2)
        return self._check(self._body.next(turn, unfinished, self._loop.choice, outside=outside))
