"""The encoded requests of one turn: each one is the one before it with another round of messages.

Every request is, byte for byte, what joining, checking and encoding all messages again would produce. That is only
done when a round drops or renames something; otherwise only the new messages are encoded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from mm_magics.api import messages, request
from mm_magics.api.messages import Message
from mm_magics.api.sendable import Invented, sent_form
from mm_magics.api.size import sent_size
from mm_magics.turn.window import fitting_max_tokens


class RequestBody:
    """The request of one turn, extended round by round.

    Attributes:
        context: The earlier turns that are sent with it, in the form in which they are sent.
        own_form: Converts the messages of the turn itself to the form in which they are sent.
        max_tokens: The `max_tokens` of the latest request.

    Args:
        body: The first request of the turn.
        encoded: The same as JSON.
        context: The earlier turns.
        max_tokens: The `max_tokens` that the user asked for; a request has less if it would not fit the window.
    """

    def __init__(
        self, body: Mapping[str, Any], encoded: bytes, context: Sequence[Sequence[Message]], max_tokens: int
    ) -> None:
        self.context = context
        self.own_form: Callable[[Sequence[Message]], Sequence[Message]] = lambda turn: turn
        self.max_tokens: int = body["max_tokens"]
        self._requested = max_tokens
        self._fields = {key: value for key, value in body.items() if key not in ("messages", "tool_choice")}
        self._array = bytearray(encoded[len(request.encode({**body, "messages": []})) - 2 : -2])
        self._tool_ids = messages.tool_ids(body["messages"])

    def next(
        self,
        turn: Sequence[Message],
        unfinished: Sequence[int | None],
        choice: Mapping[str, Any] | None,
        *,
        invented: Invented | None = None,
        outside: Collection[int] = (),
        counted: int = 0,
    ) -> bytes:
        """Return the next request, after a round was added to the turn.

        Args:
            turn: All messages of the turn. The last is the user's, or the assistant's if its answer must be continued.
            unfinished: For each response, the index of the block that was cut, as `messages.repair_turn` takes it.
            choice: The request's `tool_choice`.
            invented: The fields that are not sent, as in `sent_form`.
            outside: The blocks that contain data from outside, as in `sent_form`.
            counted: How many tokens the latest response and everything before it have; 0 if it is unknown.

        Raises:
            RequestError: The request breaks the endpoint's contract.
        """
        fields = {**self._fields, **({"tool_choice": dict(choice)} if choice else {})}
        size = len(self._array)
        alone = messages.repair_turn([turn[0], *turn[-2:]], unfinished[-1:])
        is_round = [each["role"] for each in turn[-3:]] == ["user", "assistant", "user"]
        new = self.own_form(sent_form(alone, invented, outside))
        ids = messages.tool_ids(new)
        if is_round and len(new) == 3 and all(each["content"] for each in new) and not ids & self._tool_ids:
            request.check({**fields, "messages": new})
            self._array += b"".join(b"," + request.json_of(each).encode() for each in new[1:])
            self._tool_ids |= ids
        else:
            array = self._joined(turn, unfinished, invented, outside)
            request.check({**fields, "messages": array}, resumes=turn[-1]["role"] == "assistant")
            self._array = bytearray(b",".join(request.json_of(each).encode() for each in array))
            self._tool_ids = messages.tool_ids(array)
        added = bytes(self._array[size:] if counted else self._array)
        self.max_tokens = fitting_max_tokens(str(fields["model"]), self._requested, counted + sent_size(added).tokens())
        head = request.encode({**fields, "max_tokens": self.max_tokens, "messages": []})
        return b"".join((head[:-2], self._array, head[-2:]))

    def _joined(
        self,
        turn: Sequence[Message],
        unfinished: Sequence[int | None],
        invented: Invented | None,
        outside: Collection[int],
    ) -> list[Message]:
        """Return all messages; of a turn without a sendable answer, only those of the user."""
        closed = messages.repair_turn(turn, unfinished) or [each for each in turn if each["role"] == "user"]
        return messages.join_turns([*self.context, self.own_form(sent_form(closed, invented, outside))])
