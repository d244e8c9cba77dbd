"""A prompt that is checked and encoded: everything a turn needs before its first request is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from mm_magics.api import models
from mm_magics.api.messages import Message, System
from mm_magics.api.models import Price
from mm_magics.api.request import PreparedMessage
from mm_magics.api.usage import reported
from mm_magics.errors import UsageError
from mm_magics.history.compacted_context import SentContext
from mm_magics.history.compaction import Compaction
from mm_magics.history.context_messages import Context
from mm_magics.history.replay import ReplayMode
from mm_magics.history.turn import Status, Turn
from mm_magics.prompt.template import FilledExpression
from mm_magics.tools.loop import Toolbox
from mm_magics.turn.context_budget import CompactionPlan, CompactMode, plan_compaction
from mm_magics.turn.window import MAYBE_FULL, Size
from mm_magics.wording import counted


@dataclass(frozen=True)
class PreparedRequest:
    """A request of the Messages API: its `body`, and the UTF-8 JSON of it.

    `sha256` identifies the request: it covers the model, the system prompt, the parameters and the messages as recorded
    (`prepared`). What is only needed for the request to be accepted is in `body`, but not in `params` or the hash: a
    lower `max_tokens`, and definitions of tools that the context calls. `notes` say which fields have no effect.
    `tokens` is about how many input tokens it has.
    """

    model: str
    system: System
    params: dict[str, Any]
    body: dict[str, Any]
    encoded_body: bytes = field(repr=False)
    prepared: Sequence[PreparedMessage] = field(repr=False)
    sha256: str
    notes: list[str]
    tokens: int


@dataclass(frozen=True)
class Position:
    """Where a turn belongs in the notebook: its thread, its cell, and which turns it sees.

    `base` is where the thread was forked from, as `History.base` returns it. `source_sha256` is the hash of the prompt
    as the user typed it.
    """

    thread: str
    cell_id: str | None
    context: Context
    base: dict[str, str] | None
    source_sha256: str = ""


class ForModel(Protocol):
    """Prepares a prompt for another model, or with another summary in its context.

    `as_before` asks the model to think with the fields that mm_magics 0.1 sent.
    """

    def __call__(
        self, model: str, *, as_before: bool = False, compaction: Compaction | None = None
    ) -> PreparedPrompt: ...


@dataclass(frozen=True)
class PreparedPrompt:
    """A prompt that is ready to send, as `Session.prepare` returns it.

    `message` is the new user message; `context` are the earlier turns, and how they are sent; `toolbox` is what the
    model may call, if anything. `timeout` is in seconds. `notes` are for the user; the turn does not keep them, but
    `turn_notes`; those that are `call_notes` too are left out if the turn is replayed. `on_begin` is called when the
    turn begins that shows the notes.
    `replaced` says whether lone surrogates were replaced in the request. `default_model` is the default, "" if somebody
    chose a model; `for_model` prepares the prompt for another one. `own_price` is the price that the user set for the
    model; `max_cost` is in US dollars. `compact` says whether earlier turns may be summarized first. `in_context`
    prepares the prompt for other earlier turns. `turn_id` is the id of its turn, if that is known already.
    `expressions` are those that were filled in.
    """

    message: Message
    context: SentContext = field(repr=False)
    request: PreparedRequest
    position: Position
    toolbox: Toolbox | None
    timeout: float
    replay: ReplayMode
    notes: list[str]
    default_model: str
    for_model: ForModel = field(repr=False, compare=False)
    replaced: bool = False
    max_cost: float | None = None
    own_price: Price | None = None
    compact: CompactMode = "never"
    turn_notes: Sequence[str] = ()
    call_notes: Sequence[str] = ()
    in_context: Callable[[SentContext], PreparedPrompt] | None = field(default=None, repr=False, compare=False)
    turn_id: str = ""
    expressions: Sequence[FilledExpression] = ()
    on_begin: Sequence[Callable[[], None]] = field(default=(), repr=False, compare=False)

    def begin(self) -> None:
        """Remember what the notes of this prompt report: its turn begins, and shows them."""
        for each in self.on_begin:
            each()

    @property
    def context_turns(self) -> Sequence[Turn]:
        """The earlier turns that are sent."""
        return self.context.turns

    @property
    def compacted(self) -> Compaction | None:
        """What the turn records about its context: how it differs from that of the turns above."""
        context = self.context
        return context.compaction if context.compaction != context.inherited else None

    @property
    def plan(self) -> CompactionPlan | None:
        """Which turns must be summarized before the prompt is sent; None if it is sent as it is."""
        return plan_compaction(self.context, self.size, self.compact)

    @property
    def may_compact(self) -> bool:
        """Whether earlier turns are summarized if the endpoint refuses the request for its size."""
        is_long = self.size.share is None or self.size.share > MAYBE_FULL
        return self.compact != "never" and bool(self.context.all) and is_long

    @property
    def price(self) -> Price | None:
        """What a call costs; None if it is unknown."""
        return self.own_price or models.model(self.model).price

    def check_limits(self, limit: str = "") -> None:
        """Raise `UsageError` if a limit on the cost cannot be enforced, because the price of the model is unknown.

        Args:
            limit: The name of another limit than `max_cost`, if there is one.
        """
        name = limit or ("" if self.max_cost is None else "max_cost")
        if name and self.price is None:
            instead = "" if name == "spending_cap" else f", or leave {name} out"
            raise UsageError(
                f"The price of {self.model} is unknown, so {name} cannot be enforced. Nothing was sent.",
                f"Set it with %minimax price {self.model} IN OUT{instead}.",
            )

    def add_cost(self, responses: Iterable[dict[str, Any]]) -> None:
        """Add the cost to these entries of `Turn.responses` if the user set the price of the model."""
        if self.own_price is not None:
            for response in responses:
                response["cost"] = models.cost_at(self.own_price, reported(response))

    @property
    def size(self) -> Size:
        """The size of the request beside the window of its model."""
        entry = models.model(self.model)
        price = self.own_price or entry.price_of(self.request.tokens)
        return Size(self.request.tokens, entry.window, len(self.context.all), price)

    @property
    def instead_of(self) -> str:
        """The default model that this prompt's model answers for; "" if it answers for itself."""
        return self.default_model if self.model != self.default_model else ""

    @property
    def max_tokens(self) -> int:
        """The `max_tokens` that the user asked for. `body` has less if that would not fit the window."""
        value: int = self.request.params["max_tokens"]
        return value

    @property
    def body(self) -> dict[str, Any]:
        """The request body that is sent."""
        return self.request.body

    @property
    def model(self) -> str:
        return self.request.model

    @property
    def thread(self) -> str:
        return self.position.thread

    @property
    def cell_id(self) -> str | None:
        return self.position.cell_id

    def turn(
        self,
        status: Status,
        messages: list[Message],
        responses: list[dict[str, Any]],
        *,
        notes: Sequence[str] = (),
        **fields: Any,
    ) -> Turn:
        """Return the turn that this prompt became.

        Args:
            status: How the turn ended.
            messages: All messages of the turn, `self.message` first.
            responses: One entry per model call, as `Turn.responses` describes them.
            notes: The notes of the turn, besides `turn_notes`.
            fields: Other fields of `Turn`: `id`, `created`, `error`, `endpoint`.
        """
        request, position = self.request, self.position
        return Turn(
            thread=position.thread,
            cell_id=position.cell_id,
            context=position.context,
            base=position.base,
            source_sha256=position.source_sha256,
            model=request.model,
            system=request.system,
            params=request.params,
            request_sha256=request.sha256,
            status=status,
            messages=messages,
            responses=responses,
            notes=list(dict.fromkeys([*self.turn_notes, *notes])),
            compacted=self.compacted,
            **fields,
        )


def model_note(refused: str, answered: str) -> str:
    """Return the note of a turn that another model than the default one answered."""
    return f"{refused} is no longer offered here. {answered} answered; choose with %minimax model NAME."


class PromptSent(NamedTuple):
    """The first event of a turn: its prompt is on its way to the endpoint."""

    prompt: PreparedPrompt


class Waiting(NamedTuple):
    """The prompt is not sent yet, because its context is not complete."""

    prompt: PreparedPrompt

    def __str__(self) -> str:
        return "Waiting for the prompt above."


class ModelReplaced(NamedTuple):
    """The endpoint does not offer the default model. The prompt is sent again, to the model that it names now."""

    prompt: PreparedPrompt


class Summarizing(NamedTuple):
    """Earlier turns are being summarized before the prompt is sent."""

    turns: int

    def __str__(self) -> str:
        return f"Summarizing {counted(self.turns, 'earlier turn')}, so that the conversation fits the window."


class Summarized(NamedTuple):
    """The summary is written, and the prompt is sent with it."""

    prompt: PreparedPrompt

    def __str__(self) -> str:
        return str(self.prompt.context.compaction)


class TurnEnd(NamedTuple):
    """The last event of a turn. The turn is in the history, if anything was received."""

    turn: Turn
