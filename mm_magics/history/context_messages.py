"""The context of a request: the messages of earlier turns, with the hashes and the JSON prepared for them."""

from __future__ import annotations

from collections.abc import Sequence

from mm_magics.api import messages, request
from mm_magics.api.messages import Message
from mm_magics.api.request import PreparedMessage
from mm_magics.history.turn import Turn

Context = str | int
"""Which turns a prompt sees: `above`, `all`, `none`, or the last N above."""


def context_messages(turns: Sequence[Turn], prompt: Message) -> list[Message]:
    """Return the `messages` array of a request: the turns, closed, then the new user message."""
    return messages.join_turns([*(turn.closed for turn in turns), [prompt]])


def prepared_messages(turns: Sequence[Turn], prompt: Message) -> list[PreparedMessage]:
    """Return the array of `context_messages`, prepared. Only the prompt and what joining changes is prepared here."""
    joined, sources = messages.join_with_sources([*(turn.closed for turn in turns), [prompt]])
    prepared = [each for turn in turns for each in turn.prepared]
    return [
        PreparedMessage.of(message) if source is None or source >= len(prepared) else prepared[source]
        for message, source in zip(joined, sources, strict=True)
    ]


def request_digest(above: Sequence[Turn], turn: Turn) -> str:
    """Return the hash of the request that the turn would send now, with these turns above it."""
    prepared = prepared_messages(above, turn.messages[0]) if turn.messages else []
    return request.request_sha256(turn.model, turn.system, turn.params, (each.sha256 for each in prepared))


class ContextHash:
    """The hashes of the messages that a turn sees, extended turn by turn.

    A history of 1,000 turns is checked in one pass this way. It works as long as joining the turns changes no message,
    which is nearly always; otherwise `digest` returns None.

    `chain` differs for different contexts: it identifies the turns that were added so far.
    """

    def __init__(self, context: Sequence[Turn], turns: Sequence[Turn]) -> None:
        """Start with the turns of `context`; those of `turns` are added later."""
        closed = [turn.closed for turn in (*context, *turns)]
        _, sources = messages.join_with_sources(closed)
        self._is_plain = len(sources) == sum(map(len, closed)) and None not in sources
        self._hashes: list[str] = []
        self.chain = 0
        for turn in context:
            self.add(turn)

    def add(self, turn: Turn) -> None:
        self.chain = hash((self.chain, turn.id))
        if self._is_plain:
            self._hashes += [each.sha256 for each in turn.prepared]

    def digest(self, turn: Turn) -> str | None:
        """Return the hash of the request that the turn would send now; None if `request_digest` must work it out."""
        if not self._is_plain or not turn.closed:
            return None
        hashes = [*self._hashes, request.message_sha256(turn.messages[0])]
        return request.request_sha256(turn.model, turn.system, turn.params, hashes)
