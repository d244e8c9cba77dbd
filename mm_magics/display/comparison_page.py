"""The view of several answers for notebooks: one output, and one channel, for all of them.

Each answer has a `PageView` of its own, whose ops the channel sends as parts of the turn.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from mm_magics.api.messages import blocks
from mm_magics.display.approval_prompt import prompt_for_approval
from mm_magics.display.page_output import Channel, PageOutput, Receive
from mm_magics.display.page_view import PageView, final_state
from mm_magics.display.protocol import AnswerOp, CloseOp, OpenOp, PartOp, RecordOp, StateOp, TurnOp, is_stop
from mm_magics.endpoint.call import Idle
from mm_magics.events import MessageStart, TurnEnd
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.turn.checks import AnswerChecked
from mm_magics.turn.comparison import AnswerEvent, AnswerFailed, Comparison, ComparisonEvent

FIRST_RECORDED = 1_000
"""The key of the first block of an answer that is replayed: after those of the images of the prompt."""


class ComparisonPageView:
    """Shows several answers on the page. Its Stop button sets `stop`.

    Args:
        stop: Set by the Stop button.
        comparison: The answers.
        output: Where the page displays them.
    """

    approve = staticmethod(prompt_for_approval)

    def __init__(self, stop: threading.Event, comparison: Comparison, output: PageOutput) -> None:
        self._stop, self._output = stop, output
        self._received: set[int] = set()
        turn = comparison.so_far()
        self._channel = output.open_channel(turn, self._receive)
        self._channel.send([RecordOp("record", turn.record())])
        count = len(comparison.parts)
        self._parts = [
            PageView(stop, partial(_part, comparison, number), _PartOutput(output, self._channel, number))
            for number in range(count)
        ]
        output.display(turn)

    @property
    def due(self) -> float | None:
        """When queued ops must be sent."""
        return min((part.due for part in self._parts if part.due is not None), default=None)

    def show(self, event: ComparisonEvent | AnswerChecked) -> None:
        """Send what the event changes, now or soon."""
        match event:
            case AnswerEvent(number, received):
                if isinstance(received, MessageStart):
                    self._received.add(number)
                elif isinstance(received, TurnEnd) and number not in self._received:
                    ops = [PartOp("part", number, op) for op in _recorded_ops(received.turn)]
                    self._channel.send(ops)
                self._parts[number].show(received)
            case AnswerFailed(number, turn):
                self._channel.send([PartOp("part", number, StateOp("state", final_state(turn)))])
            case Idle():
                for part in self._parts:
                    part.show(event)

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Replace the output with the final bundle."""
        status = bundle.get(MIME_TYPE, {}).get("status", "stopped")
        self._channel.send([StateOp("state", {"status": status})])
        self._output.finish(bundle, metadata)
        self._channel.close()

    def _receive(self, content: object) -> None:
        if is_stop(content):
            self._stop.set()


class _PartOutput:
    """The output of one answer: a part of the output of the turn, with the same channel."""

    def __init__(self, output: PageOutput, channel: Channel, number: int) -> None:
        self._channel, self._number = channel, number
        self.send_typesetting = output.send_typesetting

    def open_channel(self, _turn: Turn, _receive: Receive) -> _PartOutput:
        return self

    def send(self, ops: Sequence[TurnOp]) -> None:
        self._channel.send([PartOp("part", self._number, op) for op in ops if not isinstance(op, PartOp)])

    def display(self, turn: Turn) -> None:
        """Do nothing: the turn is displayed with all its answers."""

    def finish(self, bundle: Mapping[str, Any], metadata: Mapping[str, Any]) -> None:
        """Do nothing: the output of the turn ends with the bundle."""

    def close(self) -> None:
        """Do nothing: the channel is closed when all answers have ended."""


def _recorded_ops(turn: Turn) -> Iterator[AnswerOp]:
    """Yield the ops for the blocks of an answer that is replayed."""
    answers = (message for message in turn.messages if message["role"] == "assistant")
    for key, block in enumerate((block for message in answers for block in blocks(message)), FIRST_RECORDED):
        yield OpenOp("open", key, {"type": block.get("type")})
        yield CloseOp("close", key, {"block": block})


def _part(comparison: Comparison, number: int) -> Turn:
    return comparison.parts[number]
