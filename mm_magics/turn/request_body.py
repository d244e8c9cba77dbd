"""The requests of one turn with tools: each is the one before it with a round more at its end.

Always true: what is sent is, to the byte, what would be sent if the whole past were joined, checked and written anew.
Only a round in which something is left out or renamed makes that necessary; of any other one, it alone is worked on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mm_magics.api import messages, request
from mm_magics.api.messages import Message


class Body:
    """`body` and its bytes, `content`, are the turn's first request; `past` the turns that it sees, closed."""

    def __init__(self, body: Mapping[str, Any], content: bytes, past: Iterable[Sequence[Message]]) -> None:
        self._fields = {key: value for key, value in body.items() if key not in ("messages", "tool_choice")}
        self._past = past
        self._array = bytearray(content[len(request.encode({**body, "messages": []})) - 2 : -2])
        self._used = messages.tool_ids(body["messages"])

    def next(
        self, turn: Sequence[Message], unfinished: Sequence[int | None], choice: Mapping[str, Any] | None
    ) -> bytes:
        """The bytes of the next request, once a round was added to the turn. Raises `RequestError`.

        `turn` are its messages, the user's last; `unfinished` as `messages.closed` takes it.
        """
        fields = {**self._fields, **({"tool_choice": dict(choice)} if choice else {})}
        alone = messages.closed([turn[0], *turn[-2:]], unfinished[-1:])
        ids = messages.tool_ids(alone)
        if len(alone) == 3 and not ids & self._used:
            request.check({**fields, "messages": alone})
            self._array += b"".join(b"," + request.json_of(each).encode() for each in alone[1:])
            self._used |= ids
        else:
            array = self._joined(turn, unfinished)
            request.check({**fields, "messages": array})
            self._array = bytearray(b",".join(request.json_of(each).encode() for each in array))
            self._used = messages.tool_ids(array)
        head = request.encode({**fields, "messages": []})
        return b"".join((head[:-2], self._array, head[-2:]))

    def _joined(self, turn: Sequence[Message], unfinished: Sequence[int | None]) -> list[Message]:
        """All that is sent; of a turn in which nothing of an answer can be, what the user says in it."""
        closed = messages.closed(turn, unfinished) or [each for each in turn if each["role"] == "user"]
        return messages.join([*self._past, closed])
