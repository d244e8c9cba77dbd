"""The context of a request: the messages of earlier turns, with the hashes and the JSON prepared for them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from mm_magics.api import messages, request
from mm_magics.api.legacy_hash import (
    legacy_hash_suffixes,
    legacy_message_sha256,
    legacy_request_sha256s,
    may_be_changed,
)
from mm_magics.api.messages import Message
from mm_magics.api.outside import enclosed_prompt
from mm_magics.api.request import PreparedMessage
from mm_magics.api.sendable import sent_name
from mm_magics.history.turn import Turn
from mm_magics.text import without_surrogates

NOT_OFFERED = "This tool is not offered any more."
Context = str | int
"""Which turns a prompt sees: `above`, `all`, `none`, or the last N above."""


def context_messages(turns: Sequence[Turn], prompt: Message) -> list[Message]:
    """Return the `messages` array of a request: the turns, closed, then the new user message."""
    return messages.join_turns([*(turn.closed for turn in turns), [prompt]])


def prepared_messages(turns: Sequence[Turn], prompt: Message) -> list[PreparedMessage]:
    """Return the array of `context_messages`, prepared. Only the prompt and what joining changes is prepared here."""
    joined, sources = messages.join_with_sources([*(turn.closed for turn in turns), [prompt]])
    sent, own = joined, enclosed_prompt(prompt)
    if own is not prompt or any(turn.sent is not turn.closed for turn in turns):
        sent = messages.join_turns([*(turn.sent for turn in turns), [own]])
    prepared = [each for turn in turns for each in turn.prepared]
    return [
        PreparedMessage.of(message, form) if source is None or source >= len(prepared) else prepared[source]
        for message, form, source in zip(joined, sent, sources, strict=True)
    ]


def context_tools(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """Return the tools that these turns offered or called, in the order of the first offers.

    Endpoints refuse calls in the history without definitions. A tool without a recorded definition gets a minimal one.
    """
    found: dict[str, dict[str, Any]] = {}
    for turn in turns:
        recorded = turn.params.get("tools")
        for each in recorded if isinstance(recorded, list) and turn.closed else ():
            if isinstance(each, dict) and isinstance(each.get("input_schema"), dict):
                definition = {name: value for name, value in each.items() if name != "cache_control"}
                found.setdefault(str(each.get("name")), without_surrogates(definition))
        for name in map(sent_name, messages.called_tools(turn.closed)):
            definition = {"name": name, "description": NOT_OFFERED, "input_schema": {"type": "object"}}
            found.setdefault(name, definition)
    return list(found.values())


def request_digest(above: Sequence[Turn], turn: Turn) -> str:
    """Return the hash of the request that the turn would send now, with these turns above it."""
    prepared = prepared_messages(above, turn.messages[0]) if turn.messages else []
    return request.request_sha256(turn.model, turn.system, turn.params, (each.sha256 for each in prepared))


def answered(above: Sequence[Turn], turn: Turn) -> bool:
    """Return whether the turn answered the request that it would send now, with these turns above it."""
    if turn.schema > 1:
        return turn.request_sha256 == request_digest(above, turn)
    sent = context_messages(above, turn.messages[0]) if turn.messages else []
    return _legacy_answered(turn, map(legacy_message_sha256, sent), any(map(may_be_changed, sent)))


def _legacy_answered(turn: Turn, message_hashes: Iterable[str], changed: bool) -> bool:
    """Return whether a turn of schema 1 answered the messages with these hashes.

    If a save may have changed a number in the request (`changed`, for its messages), the hash proves nothing, and the
    turn is believed.
    """
    hashes = legacy_request_sha256s(turn.model, turn.system, turn.params, message_hashes)
    return turn.request_sha256 in hashes or _may_have_answered(turn, changed=changed)


def _may_have_answered(turn: Turn, *, changed: bool) -> bool:
    """Return whether a save may have changed a number in a request of schema 1, besides those that are tried."""
    is_unchanged = any(isinstance(value, float) and value.is_integer() for value in turn.params.values())
    return not is_unchanged and (changed or may_be_changed(turn.params))


class _Chain:
    """The hashes after each turn of a context. `first` is the number of the first one in its thread."""

    def __init__(self, first: int, above: Sequence[Turn], *, has_schema_1: bool) -> None:
        self.first = first
        self.ids = messages.ToolIds()
        self.states = [_State(hashlib.sha256(START), hashlib.sha256(START) if has_schema_1 else None)]
        for turn in above:
            self.add(turn)
        self.states = self.states[-1:]

    def __len__(self) -> int:
        return self.first + len(self.states) - 1

    def add(self, turn: Turn) -> None:
        renamed = self.ids.add(turn.closed)
        known = [each.sha256 for each in turn.prepared] if renamed is turn.closed else []
        state = self.states[-1].with_messages(renamed, known)
        self.states.append(state._replace(chain=hash((state.chain, turn.id))))

    def shorten(self, length: int) -> None:
        while len(self) > length:
            self.ids.remove()
            self.states.pop()


class ContextHash:
    """The hash of a request, extended turn by turn: a history of 1,000 turns is checked in one pass this way.

    `chain` differs for different contexts: it identifies the turns that were added so far.
    """

    def __init__(self, *, has_schema_1: bool) -> None:
        """Start without turns. `has_schema_1` is whether there are turns of schema 1, whose hash is another one."""
        self._has_schema_1 = has_schema_1
        self._chains = [_Chain(0, (), has_schema_1=has_schema_1)]

    @property
    def chain(self) -> int:
        return self._state.chain

    @property
    def _state(self) -> _State:
        return self._chains[-1].states[-1]

    def __len__(self) -> int:
        """Return how many turns were added."""
        return len(self._chains[-1])

    def shorten(self, length: int) -> None:
        """Remove turns from the end, until this many are left."""
        while self._chains[-1].first >= max(length, 1):
            self._chains.pop()
        self._chains[-1].shorten(length)

    def add(self, turn: Turn) -> None:
        self._chains[-1].add(turn)

    def restart(self, above: Sequence[Turn]) -> None:
        """Send the turns that were added so far in another form from now on: these, with a summary among them."""
        if len(self) == self._chains[-1].first > 0:
            self._chains.pop()
        self._chains.append(_Chain(len(self), above, has_schema_1=self._has_schema_1))

    def digest(self, turn: Turn) -> str:
        """Return the hash of the request that the turn would send now."""
        state = self._with_prompt(turn)
        return state.settled().digest(request.hash_suffix(turn.model, turn.system, turn.params))

    def answered_by(self, turn: Turn) -> bool:
        """Return whether the turn answered the request that it would send now."""
        if turn.schema > 1:
            return turn.request_sha256 == self.digest(turn)
        state = self._with_prompt(turn).settled()
        suffixes = legacy_hash_suffixes(turn.model, turn.system, turn.params)
        if turn.request_sha256 in map(state.legacy_digest, suffixes):
            return True
        return _may_have_answered(turn, changed=state.may_be_changed)

    def _with_prompt(self, turn: Turn) -> _State:
        prompt = turn.messages[:1]
        return self._state.with_messages(self._chains[-1].ids.renamed(prompt), [])


START = b'{"messages":['
"""How the input of the hash of a request begins, in each schema."""


class _State(NamedTuple):
    """The hash of the messages so far, but for the last one, which the next turn may extend: it is `open`."""

    sha256: Any
    legacy_sha256: Any
    settled_count: int = 0
    open: Message | None = None
    open_hash: str = ""
    may_be_changed: bool = False
    chain: int = 0

    def with_messages(self, added: Sequence[Message], hashes: Sequence[str]) -> _State:
        """Return the state after these messages, whose hashes are known or else computed."""
        state = self
        for number, message in enumerate(added):
            if not message["content"]:
                continue
            if state.open is not None and state.open["role"] == message["role"]:
                joined = [*messages.blocks(state.open), *messages.blocks(message)]
                state = state._replace(open={"role": message["role"], "content": joined}, open_hash="")
            else:
                known = hashes[number] if hashes else ""
                state = state.settled()._replace(open=message, open_hash=known)
        return state

    def settled(self) -> _State:
        """Return the state with the last message in its hash."""
        if self.open is None:
            return self
        comma = b"," if self.settled_count else b""
        new, legacy, changed = self.sha256.copy(), None, False
        new.update(b'%b"%b"' % (comma, (self.open_hash or request.message_sha256(self.open)).encode()))
        if self.legacy_sha256 is not None:
            legacy = self.legacy_sha256.copy()
            legacy.update(b'%b"%b"' % (comma, legacy_message_sha256(self.open).encode()))
            changed = self.may_be_changed or may_be_changed(self.open)
        return _State(new, legacy, self.settled_count + 1, may_be_changed=changed, chain=self.chain)

    def digest(self, suffix: bytes) -> str:
        return _hexdigest(self.sha256, suffix)

    def legacy_digest(self, suffix: bytes) -> str:
        return _hexdigest(self.legacy_sha256, suffix)


def _hexdigest(sha256: Any, suffix: bytes) -> str:
    whole = sha256.copy()
    whole.update(b"]," + suffix)
    return str(whole.hexdigest())


class OtherContexts:
    """Whether turns answered the context that they have, if that is not all turns above.

    Each such context is hashed as a whole, which takes time quadratic in the number of turns. So there is a limit to it
    (2,000 turns that each see all others), and what is not checked counts as not answered.
    """

    def __init__(self) -> None:
        self._left = MAX_HASHED
        self._parts: dict[int, bytes] = {}

    def are_answered_by(self, turn: Turn, turns: Sequence[Turn]) -> bool:
        """Return whether the turn answered the request that it would send with these turns."""
        parts = [self._part(each) for each in turns]
        is_plain = turn.schema > 1 and all(parts) and turn.messages[0].get("role") == "user"
        self._left -= len(turns) * (1 if is_plain else _SLOW)
        if self._left < 0:
            return False
        if not is_plain:
            return answered(turns, turn)
        prompt = b'"%b"' % request.message_sha256(turn.messages[0]).encode()
        suffix = request.hash_suffix(turn.model, turn.system, turn.params)
        return turn.request_sha256 == _hexdigest(hashlib.sha256(START + b",".join([*parts, prompt])), suffix)

    def _part(self, turn: Turn) -> bytes:
        """Return what a turn adds to the input of the hash; b"" if that depends on the other turns."""
        if id(turn) not in self._parts:
            ends = bool(turn.closed) and turn.closed[-1]["role"] == "assistant" and not messages.tool_ids(turn.closed)
            hashes = [b'"%b"' % each.sha256.encode() for each in turn.prepared] if ends else []
            self._parts[id(turn)] = b",".join(hashes)
        return self._parts[id(turn)]


MAX_HASHED = 4_000_000
"""Turns that are hashed for other contexts."""
_SLOW = 20
"""How much more a turn costs if joining turns may change it."""
