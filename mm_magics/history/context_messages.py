"""The context of a request: the messages of earlier turns, with the hashes and the JSON prepared for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mm_magics.api import messages, request
from mm_magics.api.legacy_hash import legacy_message_sha256, legacy_request_sha256s, may_be_changed
from mm_magics.api.messages import Message
from mm_magics.api.outside import enclosed_prompt
from mm_magics.api.request import PreparedMessage
from mm_magics.api.sendable import sent_name
from mm_magics.history.turn import Turn
from mm_magics.text import without_surrogates

NOT_OFFERED = "This tool is not offered any more."
Context = str | int
"""Which turns a prompt sees: `above`, `all`, `none`, or the last N above."""


def context_messages(turns: Sequence[Turn], prompt: Message) -> list[Message]:
    """Return the `messages` array of a request: the turns, closed, then the new user message."""
    return messages.join_turns([*(turn.closed for turn in turns), [prompt]])


def prepared_messages(turns: Sequence[Turn], prompt: Message) -> list[PreparedMessage]:
    """Return the array of `context_messages`, prepared. Only the prompt and what joining changes is prepared here."""
    joined, sources = messages.join_with_sources([*(turn.closed for turn in turns), [prompt]])
    sent, own = joined, enclosed_prompt(prompt)
    if own is not prompt or any(turn.sent is not turn.closed for turn in turns):
        sent = messages.join_turns([*(turn.sent for turn in turns), [own]])
    prepared = [each for turn in turns for each in turn.prepared]
    return [
        PreparedMessage.of(message, form) if source is None or source >= len(prepared) else prepared[source]
        for message, form, source in zip(joined, sent, sources, strict=True)
    ]


def context_tools(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return the tools that a request without tools must define because the turns contain calls.

    Endpoints refuse calls in the history without definitions. They are those that the turns were recorded with; a tool
    without a recorded definition gets a minimal one.
    """
    found: dict[str, dict[str, Any]] = {}
    for turn in turns:
        if called := messages.called_tools(turn.closed):
            recorded = turn.params.get("tools")
            for each in recorded if isinstance(recorded, list) else ():
                if isinstance(each, dict) and isinstance(each.get("input_schema"), dict):
                    definition = {name: value for name, value in each.items() if name != "cache_control"}
                    found.setdefault(str(each.get("name")), without_surrogates(definition))
            for name in map(sent_name, called):
                definition = {"name": name, "description": NOT_OFFERED, "input_schema": {"type": "object"}}
                found.setdefault(name, definition)
    return list(found.values())


def request_digest(above: Sequence[Turn], turn: Turn) -> str:
    """Return the hash of the request that the turn would send now, with these turns above it."""
    prepared = prepared_messages(above, turn.messages[0]) if turn.messages else []
    return request.request_sha256(turn.model, turn.system, turn.params, (each.sha256 for each in prepared))


def answered(above: Sequence[Turn], turn: Turn) -> bool:
    """Return whether the turn answered the request that it would send now, with these turns above it."""
    if turn.schema > 1:
        return turn.request_sha256 == request_digest(above, turn)
    sent = context_messages(above, turn.messages[0]) if turn.messages else []
    return _legacy_answered(turn, map(legacy_message_sha256, sent), any(map(may_be_changed, sent)))


def _legacy_answered(turn: Turn, message_hashes: Iterable[str], changed: bool) -> bool:
    """Return whether a turn of schema 1 answered the messages with these hashes.

    If a save may have changed a number in the request (`changed`, for its messages), the hash proves nothing, and the
    turn is believed.
    """
    hashes = legacy_request_sha256s(turn.model, turn.system, turn.params, message_hashes)
    if turn.request_sha256 in hashes:
        return True
    is_unchanged = any(isinstance(value, float) and value.is_integer() for value in turn.params.values())
    return not is_unchanged and (changed or may_be_changed(turn.params))


class ContextHash:
    """The hashes of the messages that a turn sees, extended turn by turn.

    A history of 1,000 turns is checked in one pass this way. It works as long as joining the turns changes no message,
    which is nearly always; otherwise `answered_by` leaves the work to `answered`.

    `chain` differs for different contexts: it identifies the turns that were added so far.
    """

    def __init__(self, context: Sequence[Turn], turns: Sequence[Turn]) -> None:
        """Start with the turns of `context`; those of `turns` are added later."""
        _, sources = messages.join_with_sources(turn.closed for turn in (*context, *turns))
        self._is_plain = None not in sources
        self._has_schema_1 = any(turn.schema == 1 for turn in turns)
        self._turns: list[Turn] = []
        self._hashes: list[str] = []
        self._legacy_hashes: list[str] = []
        self._may_be_changed = False
        self.chain = 0
        for turn in context:
            self.add(turn)

    def add(self, turn: Turn) -> None:
        self.chain = hash((self.chain, turn.id))
        self._turns.append(turn)
        if self._is_plain:
            self._hashes += [each.sha256 for each in turn.prepared]
            if self._has_schema_1:
                self._legacy_hashes += map(legacy_message_sha256, turn.closed)
                self._may_be_changed |= any(map(may_be_changed, turn.closed))

    def answered_by(self, turn: Turn) -> bool:
        """Return whether the turn answered the request that it would send now."""
        if not self._is_plain or not turn.closed:
            return answered(self._turns, turn)
        if turn.schema == 1:
            hashes = [*self._legacy_hashes, legacy_message_sha256(turn.messages[0])]
            return _legacy_answered(turn, hashes, self._may_be_changed or may_be_changed(turn.messages[0]))
        hashes = [*self._hashes, request.message_sha256(turn.messages[0])]
        return turn.request_sha256 == request.request_sha256(turn.model, turn.system, turn.params, hashes)
