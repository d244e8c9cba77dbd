"""The tool calls of a turn that the model wrote into its text: no block of the record contains them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mm_magics.api.messages import Block, blocks, images_in
from mm_magics.history.turn import Turn


class RecordedCall(NamedTuple):
    """A call in a text, from the turn's responses, and what was sent as its result, if there is one.

    The images follow the texts of all results of the message; the last call has them.
    """

    id: str
    name: str
    input: Mapping[str, Any]
    result: str | None
    images: Sequence[Block] = ()


def text_calls_of(turn: Turn, call_number: int) -> Iterator[RecordedCall]:
    """Yield the calls in the text of the turn's message with this number, from 0."""
    response = turn.responses[call_number] if call_number < len(turn.responses) else {}
    recorded = response.get("tools")
    calls = [each for each in recorded if isinstance(each, dict)] if isinstance(recorded, list) else []
    if not any("name" in each for each in calls):
        return
    answers = [at for at, message in enumerate(turn.messages) if message["role"] == "assistant"]
    following = turn.messages[answers[call_number] + 1 : answers[call_number] + 2]
    results = [str(block.get("text")) for message in following for block in blocks(message)]
    images = [image for message in following for image in images_in(message)]
    for number, each in enumerate(calls):
        result = results[number] if number < len(results) else None
        shown = images if number == len(calls) - 1 else ()
        yield RecordedCall(str(each.get("id")), str(each.get("name")), each.get("input") or {}, result, shown)
