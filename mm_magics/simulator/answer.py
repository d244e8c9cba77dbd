"""What is to be said, and how: the `Answer` that a script, a directive or the generator gives.

Always true: an answer holds content blocks as in the Messages API; what a block leaves out (a thinking's signature, a
call's id) is filled in deterministically, so that the same request gets the same content to the byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

from mm_magics.api.messages import Block
from mm_magics.errors import UsageError
from mm_magics.simulator.tokens import CHARACTERS_PER_TOKEN, block_text, count

ID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"

SHORT_THINKING = "I was told what to say, so I say it."


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a stream: after so many deltas, then before, in, or after the next event of a name."""

    after: int = 0
    at: str | None = None
    part: Literal["before", "during", "after"] = "before"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault asked for by name (`faults.NAMES`). Where `spot` is None, the fault has its own place.

    `times`: how often it strikes per identical request (None: always). `retry_after`: that header, as it is to be sent.
    `to`: where a redirect leads.
    """

    name: str
    spot: Spot | None = None
    times: int | None = None
    retry_after: str | None = None
    to: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One scripted answer. Blocks as in the Messages API; `text`, `thinking` and `tool_use` below make them.

    `size`: characters a delta; `thinking_size`, `fragments`: the same for thinking and for a tool's input (None: all in
    one delta). `rate`: deltas a second (None: the simulator's). `wait`: seconds before the first byte. `stall`: seconds
    of silence at `spot`. `stop_reason` None: `tool_use` if there is a call, else `end_turn`.
    """

    blocks: Sequence[Block] = ()
    stop_reason: str | None = None
    size: int = CHARACTERS_PER_TOKEN
    thinking_size: int | None = CHARACTERS_PER_TOKEN
    fragments: int | None = None
    rate: float | None = None
    wait: float = 0.0
    stall: float = 0.0
    spot: Spot | None = None
    fault: Fault | str | None = None

    @property
    def asked_fault(self) -> Fault | None:
        return Fault(self.fault) if isinstance(self.fault, str) else self.fault


def text(text: str) -> Block:
    return {"type": "text", "text": text}


def thinking(thinking: str) -> Block:
    """A thinking block; the simulator signs it. Add `"signature": None` for one that stays unsigned."""
    return {"type": "thinking", "thinking": thinking}


def tool_use(name: str, input: Mapping[str, Any] | None = None) -> Block:
    """A call; the simulator gives it its id."""
    return {"type": "tool_use", "name": name, "input": dict(input or {})}


def scripted(answer: Answer | str) -> Answer:
    """A text alone stands for that text with a short thinking before it."""
    if isinstance(answer, str):
        return Answer([thinking(SHORT_THINKING), text(answer)], thinking_size=None)
    if not isinstance(answer, Answer):
        raise UsageError(f"an answer is an Answer or a text, not {type(answer).__name__}")
    return answer


# Filling in and cutting -----------------------------------------------------------------------------------------


def signature(thinking: str) -> str:
    """64 hex characters that belong to this thinking text alone."""
    return sha256(b"thinking:" + thinking.encode()).hexdigest()


def tool_id(seed: str, number: int) -> str:
    """`call_function_<12 of a-z0-9>_<n>`; `number` counts from 1."""
    digest = int(sha256(f"{seed} tool".encode()).hexdigest(), 16)
    letters = []
    for _ in range(12):
        digest, place = divmod(digest, len(ID_ALPHABET))
        letters.append(ID_ALPHABET[place])
    return f"call_function_{''.join(letters)}_{number}"


def completed(blocks: Sequence[Block], seed: str) -> list[Block]:
    """The blocks with signatures and tool ids; text that UTF-8 cannot hold is replaced."""
    out: list[Block] = []
    calls = 0
    for given in blocks:
        block = dict(given)
        if block.get("type") == "text":
            block["text"] = _encodable(str(block.get("text", "")))
        elif block.get("type") == "thinking":
            block["thinking"] = _encodable(str(block.get("thinking", "")))
            block.setdefault("signature", signature(block["thinking"]))
            if block["signature"] is None:
                del block["signature"]
        elif block.get("type") == "tool_use":
            calls += 1
            block = {"type": "tool_use", "id": tool_id(seed, calls), **block}
        out.append(block)
    return out


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def limited(blocks: Sequence[Block], max_tokens: int) -> tuple[list[Block], int | None]:
    """The blocks that fit, the last one cut where the limit falls; and how many characters of a cut call's JSON fit.

    The second is None unless the last block is a call that was cut: its input is then empty, its JSON a fragment.
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
            out.append({**block, "thinking": cut, **({"signature": signature(cut)} if "signature" in block else {})})
        elif kind == "tool_use":
            out.append({**block, "input": {}})
            return out, max(room - len(str(block.get("name", ""))), 0)
        break
    return out, None
