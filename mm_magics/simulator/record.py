"""The request log: one record per request, which also tells whether assistant messages came back unchanged.

A record never contains a key. It is in the log before the first byte of its answer is sent, and it has its `ended`
before the last byte is sent.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Literal

from mm_magics.api.messages import Block, blocks
from mm_magics.simulator.tokens import exact_json, without_mark

SECRET_HEADERS = frozenset({"authorization", "x-api-key", "proxy-authorization", "cookie"})
MAX_ISSUED = 20_000
"""The number of sent messages to remember; older ones are forgotten."""

End = Literal["complete", "left", "broken"]


@dataclass(frozen=True, slots=True)
class ReturnedMessage:
    """An assistant message that a client sent back in a request.

    Attributes:
        index: Its index in `messages`.
        issued: Whether the simulator sent this message, or one that it was made from.
        differences: What the client changed, such as `dropped thinking`, `changed text` or `changed signature`.
    """

    index: int
    issued: bool
    differences: tuple[str, ...] = ()

    @property
    def unchanged(self) -> bool:
        return self.issued and not self.differences


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request and its outcome.

    Attributes:
        method: The HTTP method.
        path: The path, without the query.
        status: The HTTP status of the answer. None before it is sent.
        stream: Whether the request asks for a stream.
        headers: The request's headers, without those that can hold a secret.
        auth: The header that the key was read from, `authorization` or `x-api-key`.
        auth_headers: All headers that could have held a key.
        raw: The body's bytes.
        body: The body as JSON; None if it is not a JSON object.
        problems: Why the request was refused; empty if it was accepted.
        replayed: The assistant messages of the request.
        usage: The usage that was reported in the answer.
        fault: The fault that was applied.
        ended: None while the answer is being sent, then `complete`, `left` (the client disconnected) or `broken` (a
            fault broke the connection, or the simulator was stopped).
        deltas: The number of deltas sent.
    """

    method: str
    path: str
    status: int | None
    stream: bool
    headers: Mapping[str, str]
    auth: str | None
    auth_headers: tuple[str, ...]
    raw: bytes
    body: Any
    problems: tuple[str, ...] = ()
    replayed: tuple[ReturnedMessage, ...] = ()
    usage: Mapping[str, int] | None = None
    fault: str | None = None
    ended: End | None = None
    deltas: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the record for a log file. It has the raw body only if that is not JSON."""
        out = asdict(self)
        raw = out.pop("raw")
        if self.body is None and raw:
            out["raw"] = raw.decode("utf-8", "replace")
        return out


def auth_headers(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the present headers that can contain a key."""
    return tuple(name for name in ("authorization", "x-api-key") if headers.get(name))


def public_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers without those that can contain a secret."""
    return {name: value for name, value in headers.items() if name not in SECRET_HEADERS}


class IssuedMessages:
    """Digests of the messages that this simulator sent, to recognize them when they come back."""

    def __init__(self) -> None:
        self._messages: OrderedDict[bytes, tuple[_Fingerprint, ...]] = OrderedDict()
        self._by_trait: dict[bytes, list[bytes]] = {}
        self._paused: set[bytes] = set()

    def add(self, content: Sequence[Block], *, paused: bool = False) -> None:
        """Remember a message's content, and whether the message ended with `pause_turn`."""
        prints = tuple(map(_fingerprint, content))
        key = _key(prints)
        if paused:
            self._paused.add(key)
        if not prints or key in self._messages:
            return
        self._messages[key] = prints
        for trait in {trait for each in prints for trait in each.traits}:
            self._by_trait.setdefault(trait, []).append(key)
        if len(self._messages) > MAX_ISSUED:
            self._forget(*self._messages.popitem(last=False))

    def _forget(self, key: bytes, prints: tuple[_Fingerprint, ...]) -> None:
        for trait in {trait for each in prints for trait in each.traits}:
            self._by_trait[trait].remove(key)
            if not self._by_trait[trait]:
                del self._by_trait[trait]

    def is_paused(self, messages: Any) -> bool:
        """Return whether the request continues a message that was paused: its last one, or the end of its last one."""
        last = messages[-1] if isinstance(messages, list) and messages else None
        if not isinstance(last, dict) or last.get("role") != "assistant":
            return False
        prints = tuple(map(_fingerprint, blocks(last)))
        return any(_key(prints[start:]) in self._paused for start in range(len(prints)))

    def report(self, messages: Sequence[Mapping[str, Any]]) -> tuple[ReturnedMessage, ...]:
        """Return one entry per assistant message of a request."""
        return tuple(
            self._compare(number, blocks(message))
            for number, message in enumerate(messages)
            if message.get("role") == "assistant"
        )

    def _compare(self, index: int, content: Sequence[Block]) -> ReturnedMessage:
        given = tuple(map(_fingerprint, content))
        if _key(given) in self._messages:
            return ReturnedMessage(index, issued=True)
        keys = {key: None for each in given for trait in each.traits for key in self._by_trait.get(trait, ())}
        if not keys:
            return ReturnedMessage(index, issued=False)
        best = min((_differences(self._messages[key], given) for key in reversed(keys)), key=len)
        return ReturnedMessage(index, issued=True, differences=best)


@dataclass(frozen=True, slots=True)
class _Fingerprint:
    """The digests of a block: of the whole block, and of the parts that identify it if another part is changed."""

    kind: str
    whole: bytes
    traits: tuple[bytes, ...]


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _fingerprint(block: Block) -> _Fingerprint:
    kind = str(block.get("type"))
    bare = without_mark(block)
    names = {"thinking": ("signature", "thinking"), "text": ("text",), "tool_use": ("id",)}.get(kind, ())
    traits = [_digest(exact_json([kind, name, bare[name]])) for name in names if name in bare]
    signed = {name: bare[name] for name in ("signature",) if name in bare}  # a stream sends it last
    whole = _digest(exact_json({**{name: value for name, value in bare.items() if name not in signed}, **signed}))
    return _Fingerprint(kind, whole, (*traits, whole))


def _key(prints: Sequence[_Fingerprint]) -> bytes:
    return _digest(exact_json([each.whole.hex() for each in prints]))


def _differences(issued: Sequence[_Fingerprint], given: Sequence[_Fingerprint]) -> tuple[str, ...]:
    """Return how a message differs from what was sent."""
    if [each.whole for each in issued] == [each.whole for each in given]:
        return ()
    out: list[str] = []
    left = list(given)
    places: list[int] = []
    for each in issued:
        same = next((one for one in left if one.whole == each.whole), None)
        like = same or next((one for one in left if set(one.traits) & set(each.traits)), None)
        if like is None:
            like = next((one for one in left if one.kind == each.kind and each.kind == "text"), None)
        if like is None:
            out.append(f"dropped {each.kind}")
            continue
        left.remove(like)
        places.append(next(place for place, one in enumerate(given) if one is like))
        if same is None:
            out.append(f"changed {_changed_part(each, like)}")
    out += [f"added {each.kind}" for each in left]
    if places != sorted(places):
        out.append("changed order")
    return tuple(out)


def _changed_part(issued: _Fingerprint, given: _Fingerprint) -> str:
    if issued.kind == "thinking" and len(issued.traits) == 3:
        if issued.traits[0] not in given.traits:
            return "signature"
        if issued.traits[1] not in given.traits:
            return "thinking"
    return issued.kind
