"""Build a prompt for a model and with a summary in its context: the same prompt may be sent to another, or with one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mm_magics.api.messages import Message
from mm_magics.api.models import own_price
from mm_magics.history.compacted_context import SentContext
from mm_magics.history.compaction import Compaction
from mm_magics.prompt.template import FilledExpression
from mm_magics.tools.approval import Rules
from mm_magics.tools.builtin.recall import with_recall
from mm_magics.tools.loop import make_toolbox
from mm_magics.tools.tool import Tool
from mm_magics.turn.context_budget import summarized_turns
from mm_magics.turn.prepare_request import prepare_request
from mm_magics.turn.prepared import Position, PreparedPrompt
from mm_magics.turn.request_fields import request_fields

if TYPE_CHECKING:
    from mm_magics.tools.schema.output_schema import OutputSchema


@dataclass(frozen=True)
class PromptBuilder:
    """What a prompt has whatever model it is sent to.

    Attributes:
        message: The new user message.
        is_replaced: Whether lone surrogates in it were replaced.
        settings: The settings of the prompt.
        tools: The tools that it offers.
        output_schema: What the answer must match, if anything.
        rules: The user's approval rules.
        running: Set while tools run.
        context: Its earlier turns.
        position: Where its turn belongs.
        default_model: As in `PreparedPrompt`.
        prices: The prices that the user set.
        notes: What the user must know, whatever the model.
        turn_notes: Which of it the turn records.
        on_begin: As in `PreparedPrompt`.
        expressions: As in `PreparedPrompt`.
        check_model: Raises `UsageError` if a model is not allowed.
    """

    message: Message
    is_replaced: bool
    settings: Mapping[str, Any]
    tools: Mapping[str, Tool]
    output_schema: OutputSchema | None
    rules: Rules
    running: threading.Event
    context: SentContext
    position: Position
    default_model: str
    prices: Mapping[str, Sequence[float]]
    notes: Sequence[str]
    turn_notes: Sequence[str]
    on_begin: Sequence[Callable[[], None]]
    expressions: Sequence[FilledExpression]
    check_model: Callable[[str], None]

    def __call__(self, model: str, *, as_before: bool = False, compaction: Compaction | None = None) -> PreparedPrompt:
        """Return the prompt for this model, as `ForModel` describes it.

        Raises:
            UsageError: A setting has an invalid value.
            RequestError: The endpoint would refuse the request.
        """
        self.check_model(model)
        settings = {**self.settings, "model": model}
        context = self.context if compaction is None else self.context.with_compaction(compaction)
        tools = with_recall(self.tools, summarized_turns(context), settings["tool_limit"])
        toolbox = make_toolbox(tools, self.output_schema, settings, self.rules, self.running)
        fields = request_fields(settings, toolbox, as_before=as_before)
        request = prepare_request(fields, context, self.message, sees_all=self.position.context == "above")
        return PreparedPrompt(
            message=self.message,
            context=context,
            request=request,
            position=self.position,
            toolbox=toolbox,
            timeout=settings["timeout"],
            replay=settings["replay"],
            notes=[*self.notes, *request.notes],
            default_model=self.default_model,
            for_model=partial(self, compaction=compaction),
            in_context=lambda found: replace(self, context=found)(model),
            replaced=self.is_replaced or fields.is_replaced,
            max_cost=settings["max_cost"],
            own_price=own_price(self.prices, model),
            compact=settings["compact"],
            turn_notes=self.turn_notes,
            on_begin=self.on_begin,
            expressions=self.expressions,
        )
