"""The encoded requests of one turn with tools: each one is the one before it with another round of messages.

Every request is, byte for byte, what joining, checking and encoding all messages again would produce. That is only
done when a round drops or renames something; otherwise only the new messages are encoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mm_magics.api import messages, request
from mm_magics.api.messages import Message


class RequestBody:
    """The request of one turn, extended round by round.

    Args:
        body: The first request of the turn.
        encoded: The same as JSON.
        context: The earlier turns that are sent with it, closed.
    """

    def __init__(self, body: Mapping[str, Any], encoded: bytes, context: Iterable[Sequence[Message]]) -> None:
        self._fields = {key: value for key, value in body.items() if key not in ("messages", "tool_choice")}
        self._context = context
        self._array = bytearray(encoded[len(request.encode({**body, "messages": []})) - 2 : -2])
        self._tool_ids = messages.tool_ids(body["messages"])

    def next(
        self, turn: Sequence[Message], unfinished: Sequence[int | None], choice: Mapping[str, Any] | None
    ) -> bytes:
        """Return the next request, after a round was added to the turn.

        Args:
            turn: All messages of the turn, the user's last.
            unfinished: For each response, the index of the block that was cut, as `messages.repair_turn` takes it.
            choice: The request's `tool_choice`.

        Raises:
            RequestError: The request breaks the endpoint's contract.
        """
        fields = {**self._fields, **({"tool_choice": dict(choice)} if choice else {})}
        alone = messages.repair_turn([turn[0], *turn[-2:]], unfinished[-1:])
        ids = messages.tool_ids(alone)
        if len(alone) == 3 and not ids & self._tool_ids:
            request.check({**fields, "messages": alone})
            self._array += b"".join(b"," + request.json_of(each).encode() for each in alone[1:])
            self._tool_ids |= ids
        else:
            array = self._joined(turn, unfinished)
            request.check({**fields, "messages": array})
            self._array = bytearray(b",".join(request.json_of(each).encode() for each in array))
            self._tool_ids = messages.tool_ids(array)
        head = request.encode({**fields, "messages": []})
        return b"".join((head[:-2], self._array, head[-2:]))

    def _joined(self, turn: Sequence[Message], unfinished: Sequence[int | None]) -> list[Message]:
        """Return all messages; of a turn without a sendable answer, only those of the user."""
        closed = messages.repair_turn(turn, unfinished) or [each for each in turn if each["role"] == "user"]
        return messages.join_turns([*self._context, closed])
