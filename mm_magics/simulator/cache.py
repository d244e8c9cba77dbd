"""The prompt cache's counters: how many input tokens are read from the cache and how many are written to it.

`input + read + creation` is always the whole input. The rules are those of `minimax-api.md`, section Cache: explicit
breakpoints write, and look back over 20 blocks including their own. Without breakpoints, an equal prefix of at least
512 tokens is read, and writing costs nothing. Entries live five minutes, renewed at each hit. The explicit and the
passive cache are separate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from time import monotonic

from mm_magics.simulator.tokens import CHARACTERS_PER_TOKEN, Segment

TTL_SECONDS = 300.0
MAX_BREAKPOINTS = 4
LOOK_BACK_BLOCKS = 20
MIN_PASSIVE_TOKENS = 512
PIECE_TOKENS = 64
"""The passive cache compares the prompt in pieces of this many tokens."""

PURGE_ENTRIES = 100_000
"""A cache with more entries than this drops its expired ones."""


@dataclass(frozen=True, slots=True)
class Counters:
    """The input tokens of one call. Their sum is the whole input."""

    input: int
    read: int = 0
    creation: int = 0


class PromptCache:
    """The prompt cache of one endpoint. `clock` returns seconds; tests pass their own."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._explicit: dict[bytes, float] = {}
        self._passive: dict[bytes, float] = {}

    def count(self, model: str, prompt: Sequence[Segment]) -> Counters:
        """Count a call with this prompt, and add the prompt to the cache."""
        if any(segment.marked for segment in prompt):
            return self._count_explicit(model, prompt)
        return self._count_passive(model, prompt)

    def _count_explicit(self, model: str, prompt: Sequence[Segment]) -> Counters:
        prefixes = _chain(model, ((segment.key, segment.text) for segment in prompt))
        marks = [number for number, segment in enumerate(prompt) if segment.marked]
        hit = -1
        for mark in marks:
            for number in range(mark, max(mark - LOOK_BACK_BLOCKS, -1), -1):
                if number > hit and self._alive(self._explicit, prefixes[number]):
                    hit = number
        renewed = [*marks, hit] if hit >= 0 else marks
        self._store(self._explicit, (prefixes[number] for number in renewed))
        read = sum(segment.tokens for segment in prompt[: hit + 1])
        written = sum(segment.tokens for segment in prompt[: marks[-1] + 1])
        total = sum(segment.tokens for segment in prompt)
        return Counters(total - max(read, written), read, max(written - read, 0))

    def _count_passive(self, model: str, prompt: Sequence[Segment]) -> Counters:
        total = sum(segment.tokens for segment in prompt)
        pieces: list[tuple[str, str]] = []
        tokens: list[int] = []
        width = PIECE_TOKENS * CHARACTERS_PER_TOKEN
        for segment in prompt:
            left = segment.tokens
            for start in range(0, max(len(segment.text), 1), width):
                piece = segment.text[start : start + width]
                last = start + width >= len(segment.text)
                pieces.append((segment.key if start == 0 else "", piece))
                tokens.append(left if last else PIECE_TOKENS)
                left -= PIECE_TOKENS
        prefixes = _chain(model, pieces)
        read = 0
        for prefix, size in zip(prefixes, tokens, strict=True):
            if not self._alive(self._passive, prefix):
                break
            read += size
        self._store(self._passive, prefixes)
        return Counters(total - read, read) if read >= MIN_PASSIVE_TOKENS else Counters(total)

    def _alive(self, cache: dict[bytes, float], prefix: bytes) -> bool:
        return cache.get(prefix, float("-inf")) > self._clock()

    def _store(self, cache: dict[bytes, float], prefixes: Iterable[bytes]) -> None:
        now = self._clock()
        if len(cache) > PURGE_ENTRIES:
            for prefix in [prefix for prefix, until in cache.items() if until <= now]:
                del cache[prefix]
        cache.update(dict.fromkeys(prefixes, now + TTL_SECONDS))


def _chain(model: str, parts: Iterable[tuple[str, str]]) -> list[bytes]:
    """A digest for every prefix of the parts; caches of two models never meet."""
    digests = []
    digest = sha256(model.encode("utf-8", "surrogatepass")).digest()
    for key, text in parts:
        size = f"{len(key)},{len(text)};"
        digest = sha256(digest + (size + key + text).encode("utf-8", "surrogatepass")).digest()
        digests.append(digest)
    return digests
