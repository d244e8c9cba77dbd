"""Every event of a turn: what iterating over `Session.stream` yields.

A turn begins with `PromptSent` and ends with `TurnEnd`. In between, each model call yields `MessageStart`, then
`BlockStart`, `Delta` … and `BlockStop` for each content block, then `MessageStop`; `Retrying` comes before another
attempt to send the request, and `ModelReplaced` before it is sent to another model. If the conversation is too long,
`Summarizing` and `Summarized` come first. Tool calls yield
`ApprovalRequested` (if they require approval), `ToolStarted` and `ToolFinished`, after which the next model call
follows. `OtherEvent` is a stream event without effect, such as a ping; `Idle` means that nothing was received for a
moment.

>>> from mm_magics import Session
>>> from mm_magics.events import Delta, TurnEnd
>>> from mm_magics.simulator import Simulator
>>> with Simulator() as endpoint:
...     with Session(base_url=endpoint.base_url, api_key=endpoint.key, model="MiniMax-M2.7") as session:
...         with session.stream("Say hello.") as answer:
...             events = list(answer)
>>> text = "".join(event.text for event in events if isinstance(event, Delta) and event.kind == "text")
>>> isinstance(events[-1], TurnEnd) and events[-1].turn.text == text
True

A match over `Event` is checked for completeness by type checkers.
"""

from __future__ import annotations

from mm_magics.endpoint.call import Idle
from mm_magics.endpoint.reader import Retrying
from mm_magics.endpoint.stream_events import BlockStart, BlockStop, Delta, MessageStart, MessageStop, OtherEvent
from mm_magics.tools.runtime.runner import ApprovalRequested, ToolFinished, ToolStarted
from mm_magics.turn.prepared import ModelReplaced, PromptSent, Summarized, Summarizing, TurnEnd

Event = (
    PromptSent
    | ModelReplaced
    | Summarizing
    | Summarized
    | MessageStart
    | BlockStart
    | Delta
    | BlockStop
    | MessageStop
    | OtherEvent
    | Idle
    | Retrying
    | ApprovalRequested
    | ToolStarted
    | ToolFinished
    | TurnEnd
)
"""What iterating over `Session.stream` yields."""

__all__ = [
    "ApprovalRequested",
    "BlockStart",
    "BlockStop",
    "Delta",
    "Event",
    "Idle",
    "MessageStart",
    "MessageStop",
    "ModelReplaced",
    "OtherEvent",
    "PromptSent",
    "Retrying",
    "Summarized",
    "Summarizing",
    "ToolFinished",
    "ToolStarted",
    "TurnEnd",
]
