"""Events of one streamed message, in the order `MessageStart`, blocks, `MessageStop`.

Blocks are plain dicts as the Messages API defines them, with every field the endpoint sent.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from mm_magics.api.messages import Block


class MessageStart(NamedTuple):
    """The response begins. `message` is the message so far, including `usage`."""

    message: dict[str, Any]


class BlockStart(NamedTuple):
    """Content block `number` begins. `block` is its initial state; its content follows as `Delta` events."""

    number: int
    block: Block


class Delta(NamedTuple):
    """More content of a block. `kind` is `text`, `thinking` or `input` (a fragment of a tool's JSON input)."""

    number: int
    kind: str
    text: str


class BlockStop(NamedTuple):
    """Block `number` has ended. `block` is the whole block, or the part of it that was received."""

    number: int
    block: Block


class MessageStop(NamedTuple):
    """The message is complete."""

    message: dict[str, Any]


class OtherEvent(NamedTuple):
    """Any other event of the stream, as sent: a ping, a change of the message's fields, an unknown type."""

    event: dict[str, Any]


StreamEvent = MessageStart | BlockStart | Delta | BlockStop | MessageStop | OtherEvent
