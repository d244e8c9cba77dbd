"""Build the request of a recorded turn again, to show what was sent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from mm_magics.history.compacted_context import context_of
from mm_magics.history.turn import Turn
from mm_magics.turn.prepare_request import prepare_request
from mm_magics.turn.request_fields import RequestFields
from mm_magics.wording import counted


class RequestAgain(NamedTuple):
    """The body of the first request of a turn, whether it was sent like this, and what the user must know about it."""

    body: dict[str, Any]
    note: str
    is_as_sent: bool

    @property
    def text(self) -> str:
        """The body as JSON that can be read."""
        return json.dumps(self.body, ensure_ascii=False, indent=2)


def request_again(turn: Turn, above: Sequence[Turn]) -> RequestAgain:
    """Return the request with which a turn began.

    Args:
        turn: The turn.
        above: The turns that it sees now.

    Raises:
        RequestError: The endpoint would refuse the request.
    """
    context = context_of(above, [turn.compacted] if turn.compacted else [])
    fields = RequestFields(turn.model, turn.system, dict(turn.params), False, [])
    request = prepare_request(fields, context, turn.messages[0], sees_all=turn.context == "above")
    if request.sha256 != turn.request_sha256:
        return RequestAgain(
            request.body, "The turns above changed since this answer. This is what the request would be now.", False
        )
    more = len(turn.responses) - 1
    later = f" {counted(more, 'more request')} followed, with what was received and the results of tools." * (more > 0)
    return RequestAgain(request.body, f"This is the request as it was sent.{later}", True)
