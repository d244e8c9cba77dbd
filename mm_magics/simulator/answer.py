"""`ScriptedAnswer`: the content, timing and fault of one answer, from a script, a directive or the generator.

Content blocks are those of the Messages API. A thinking signature or a tool call id that a block leaves out is derived
from the request, so the same request gets the same content, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from mm_magics.api.messages import Block
from mm_magics.errors import UsageError
from mm_magics.simulator.tokens import CHARACTERS_PER_TOKEN, block_text, count

ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"

SHORT_THINKING = "I was told what to say, so I say it."  # language: ok (spoken by the simulated model)


@dataclass(frozen=True, slots=True)
class StreamPosition:
    """A position in a stream, for a fault or a stall.

    Args:
        after: The number of deltas to send first.
        at: The name of an event; the position is at the next one after these deltas.
        part: Whether the position is before, within or after that event.

    Example:
        Break off in the middle of the first `content_block_stop` event:

        >>> Fault("close", StreamPosition(at="content_block_stop", part="during")).name
        'close'
    """

    after: int = 0
    at: str | None = None
    part: Literal["before", "during", "after"] = "before"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault to apply to an answer.

    Args:
        name: One of `faults.catalogue.NAMES`.
        spot: Where in the stream it occurs. None: at the fault's default position.
        times: How often it occurs for identical requests. None: every time.
        retry_after: The value of a `retry-after` header to send with it.
        to: The target of a redirect.

    Example:
        Refuse the same request twice, then answer it:

        >>> ScriptedAnswer([text("Hi")], fault=Fault("rate-limit", times=2, retry_after="1")).fault.times
        2
    """

    name: str
    spot: StreamPosition | None = None
    times: int | None = None
    retry_after: str | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """One scripted answer.

    Args:
        blocks: Content blocks as in the Messages API; `text`, `thinking` and `tool_use` make them.
        stop_reason: None: `tool_use` if there is a tool call, else `end_turn`.
        size: Characters per text delta.
        thinking_size: Characters per thinking delta. None: all in one delta.
        fragments: Characters per delta of a tool's input. None: all in one delta.
        rate: Deltas per second. None: the simulator's rate.
        wait: Seconds before the first byte.
        stall: Seconds of silence at `spot`.
        spot: The position of the stall. None: before the first delta.
        fault: A fault, or its name.

    Example:
        >>> answer = ScriptedAnswer([thinking("Simple."), text("4")], size=1, rate=20)
        >>> answer.blocks[1]
        {'type': 'text', 'text': '4'}
    """

    blocks: Sequence[Block] = ()
    stop_reason: str | None = None
    size: int = CHARACTERS_PER_TOKEN
    thinking_size: int | None = CHARACTERS_PER_TOKEN
    fragments: int | None = None
    rate: float | None = None
    wait: float = 0.0
    stall: float = 0.0
    spot: StreamPosition | None = None
    fault: Fault | str | None = None

    @property
    def fault_or_none(self) -> Fault | None:
        """The fault, also where only its name was given."""
        return Fault(self.fault) if isinstance(self.fault, str) else self.fault


def text(text: str) -> Block:
    """Make a text block."""
    return {"type": "text", "text": text}


def thinking(thinking: str) -> Block:
    """Make a thinking block. The simulator signs it; add `"signature": None` to leave it unsigned."""
    return {"type": "thinking", "thinking": thinking}


def tool_use(name: str, input: Mapping[str, Any] | None = None) -> Block:
    """Make a tool call. The simulator adds its id."""
    return {"type": "tool_use", "name": name, "input": dict(input or {})}


def to_scripted_answer(answer: ScriptedAnswer | str) -> ScriptedAnswer:
    """Turn a string into an answer with that text and a short thinking block before it."""
    if isinstance(answer, str):
        return ScriptedAnswer([thinking(SHORT_THINKING), text(answer)], thinking_size=None)
    if not isinstance(answer, ScriptedAnswer):
        raise UsageError(f"an answer must be a ScriptedAnswer or a string, not {type(answer).__name__}")
    return answer


# Completing and truncating --------------------------------------------------------------------------------------


def signature(thinking: str) -> str:
    """Return the 64 hex characters that sign this thinking text."""
    return sha256(b"thinking:" + thinking.encode()).hexdigest()


def tool_id(seed: str, number: int) -> str:
    """Return an id such as `call_function_<12 of a-z0-9>_<n>`; `number` counts from 1."""
    digest = int(sha256(f"{seed} tool".encode()).hexdigest(), 16)
    letters = []
    for _ in range(12):
        digest, place = divmod(digest, len(ID_ALPHABET))
        letters.append(ID_ALPHABET[place])
    return f"call_function_{''.join(letters)}_{number}"


def complete_blocks(blocks: Sequence[Block], seed: str, sign: Callable[[str], str] = signature) -> list[Block]:
    """Add signatures and tool call ids, and replace text that UTF-8 cannot encode."""
    out: list[Block] = []
    calls = 0
    for given in blocks:
        block = dict(given)
        if block.get("type") == "text":
            block["text"] = _encodable(str(block.get("text", "")))
        elif block.get("type") == "thinking":
            block["thinking"] = _encodable(str(block.get("thinking", "")))
            block.setdefault("signature", sign(block["thinking"]))
            if block["signature"] is None:
                del block["signature"]
        elif block.get("type") == "tool_use":
            calls += 1
            block = {"type": "tool_use", "id": tool_id(seed, calls), **block}
        out.append(block)
    return out


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def truncate_blocks(
    blocks: Sequence[Block], max_tokens: int, sign: Callable[[str], str] = signature
) -> tuple[list[Block], int | None]:
    """Truncate the content to `max_tokens`.

    Returns:
        The blocks that fit, and the number of characters that fit of a truncated tool call's JSON. The second is None
        unless the last block is a truncated call, whose input is then empty and whose JSON is a fragment.
    """
    out: list[Block] = []
    left = max_tokens
    for block in blocks:
        if left <= 0:
            break
        size = count(block_text(block))
        if size <= left:
            out.append(block)
            left -= size
            continue
        kind = block.get("type")
        room = left * CHARACTERS_PER_TOKEN
        if kind == "text":
            out.append({**block, "text": block["text"][:room]})
        elif kind == "thinking":
            cut = block["thinking"][:room]
            out.append({**block, "thinking": cut, **({"signature": sign(cut)} if "signature" in block else {})})
        elif kind == "tool_use":
            out.append({**block, "input": {}})
            return out, max(room - len(str(block.get("name", ""))), 0)
        break
    return out, None
