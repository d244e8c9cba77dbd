"""The log that tests read: one record per request, and whether assistant messages came back as they were issued.

Always true: no record holds a key; a record is in the log before the first byte of its answer is sent, and says how it
ended before the last one is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Literal

from mm_magics.api.messages import Block, blocks
from mm_magics.simulator.tokens import canonical, without_mark

SECRET_HEADERS = frozenset({"authorization", "x-api-key", "proxy-authorization", "cookie"})
MOST_ISSUED = 20_000
"""Messages remembered; older ones are forgotten."""

End = Literal["complete", "left", "broken"]


@dataclass(frozen=True, slots=True)
class Replayed:
    """One assistant message of a request. `index`: its place in `messages`.

    `issued`: whether the simulator issued it (or something it was made from). `differences`: empty if it came back
    unchanged, else what happened, such as `dropped thinking`, `changed text` or `changed signature`.
    """

    index: int
    issued: bool
    differences: tuple[str, ...] = ()

    @property
    def unchanged(self) -> bool:
        return self.issued and not self.differences


@dataclass(frozen=True, slots=True)
class Record:
    """One request and what became of it.

    `auth`: the header that decided; `auth_headers`: all that could have. `problems`: why it was refused, empty if it
    was not. `usage`: as answered. `fault`: the fault that struck. `ended`: None while the answer is sent, then
    `complete`, `left` (the client went away) or `broken` (the simulator broke off, as a fault or because it closed).
    `deltas`: how many were sent.
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
    replayed: tuple[Replayed, ...] = ()
    usage: Mapping[str, int] | None = None
    fault: str | None = None
    ended: End | None = None
    deltas: int = 0

    def as_json(self) -> dict[str, Any]:
        """For a log file: the body once, as text only where it is not JSON."""
        out = asdict(self)
        raw = out.pop("raw")
        if self.body is None and raw:
            out["raw"] = raw.decode("utf-8", "replace")
        return out


def auth_headers(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the headers that can carry a key."""
    return tuple(name for name in ("authorization", "x-api-key") if headers.get(name))


def open_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that hold no secret."""
    return {name: value for name, value in headers.items() if name not in SECRET_HEADERS}


class Issued:
    """The messages that this simulator sent, as digests, to recognise them when they come back."""

    def __init__(self) -> None:
        self._messages: OrderedDict[bytes, tuple[_Print, ...]] = OrderedDict()
        self._with: dict[bytes, list[bytes]] = {}

    def add(self, content: Sequence[Block]) -> None:
        """Remembers a message's content."""
        prints = tuple(map(_print, content))
        key = _key(prints)
        if not prints or key in self._messages:
            return
        self._messages[key] = prints
        for trait in {trait for each in prints for trait in each.traits}:
            self._with.setdefault(trait, []).append(key)
        if len(self._messages) > MOST_ISSUED:
            self._forget(*self._messages.popitem(last=False))

    def _forget(self, key: bytes, prints: tuple[_Print, ...]) -> None:
        for trait in {trait for each in prints for trait in each.traits}:
            self._with[trait].remove(key)
            if not self._with[trait]:
                del self._with[trait]

    def report(self, messages: Sequence[Mapping[str, Any]]) -> tuple[Replayed, ...]:
        """One entry per assistant message of a request."""
        return tuple(
            self._replayed(number, blocks(message))
            for number, message in enumerate(messages)
            if message.get("role") == "assistant"
        )

    def _replayed(self, index: int, content: Sequence[Block]) -> Replayed:
        given = tuple(map(_print, content))
        if _key(given) in self._messages:
            return Replayed(index, issued=True)
        keys = {key: None for each in given for trait in each.traits for key in self._with.get(trait, ())}
        if not keys:
            return Replayed(index, issued=False)
        best = min((_differences(self._messages[key], given) for key in reversed(keys)), key=len)
        return Replayed(index, issued=True, differences=best)


@dataclass(frozen=True, slots=True)
class _Print:
    """A block's digests: of all of it, and of what makes it recognisable though another part of it was changed."""

    kind: str
    whole: bytes
    traits: tuple[bytes, ...]


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def _print(block: Block) -> _Print:
    kind = str(block.get("type"))
    bare = without_mark(block)
    names = {"thinking": ("signature", "thinking"), "text": ("text",), "tool_use": ("id",)}.get(kind, ())
    traits = [_digest(canonical([kind, name, bare[name]])) for name in names if name in bare]
    whole = _digest(canonical(bare))
    return _Print(kind, whole, (*traits, whole))


def _key(prints: Sequence[_Print]) -> bytes:
    return _digest(canonical([each.whole.hex() for each in prints]))


def _differences(issued: Sequence[_Print], given: Sequence[_Print]) -> tuple[str, ...]:
    """What happened to a message between its issue and its return."""
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


def _changed_part(issued: _Print, given: _Print) -> str:
    if issued.kind == "thinking" and len(issued.traits) == 3:
        if issued.traits[0] not in given.traits:
            return "signature"
        if issued.traits[1] not in given.traits:
            return "thinking"
    return issued.kind
