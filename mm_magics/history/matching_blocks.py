"""Align two sequences in time nearly linear in their length, however often their elements repeat.

`difflib` needs cubic time for repeated elements. Here, the equal ends of both sequences are aligned first, the longer
one before the other, then the elements that occur once in each of them, then what is between these in the same way (the
"patience" algorithm of version control systems). What repeats everywhere is aligned by its occurrences: the first with
the first, and so on.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence

MAX_DEPTH = 8
"""How often the parts between aligned elements are divided again."""

Pair = tuple[int, int]


def matching_blocks(old: Sequence[Hashable], new: Sequence[Hashable]) -> Iterator[tuple[bool, range, range]]:
    """Yield the parts of both sequences, in order: whether they are equal, and which elements they contain.

    >>> [(equal, *map(list, parts)) for equal, *parts in matching_blocks("abc", "axc")]
    [(True, [0], [0]), (False, [1], [1]), (True, [2], [2])]
    """
    a = b = 0
    for i, j in [*sorted(_pairs(old, new)), (len(old), len(new))]:
        if a < i or b < j:
            yield False, range(a, i), range(b, j)
        if i < len(old):
            yield True, range(i, i + 1), range(j, j + 1)
        a, b = i + 1, j + 1


def _pairs(old: Sequence[Hashable], new: Sequence[Hashable]) -> Iterator[Pair]:
    """Yield the places of aligned elements."""
    waiting = [(0, len(old), 0, len(new), 0)]
    while waiting:
        a, a_end, b, b_end, depth = waiting.pop()
        most = min(a_end - a, b_end - b)
        start = next((n for n in range(most) if old[a + n] != new[b + n]), most)
        end = next((n for n in range(most) if old[a_end - 1 - n] != new[b_end - 1 - n]), most)
        if start >= end:
            end = min(end, most - start)
        else:
            start = min(start, most - end)
        yield from zip(range(a, a + start), range(b, b + start), strict=True)
        yield from zip(range(a_end - end, a_end), range(b_end - end, b_end), strict=True)
        a, a_end, b, b_end = a + start, a_end - end, b + start, b_end - end
        if a == a_end or b == b_end:
            continue
        anchors = _unique(old, new, range(a, a_end), range(b, b_end)) if depth < MAX_DEPTH else []
        if not anchors:
            yield from _rising(_by_occurrence(old, new, range(a, a_end), range(b, b_end)))
            continue
        for i, j in [*anchors, (a_end, b_end)]:
            waiting.append((a, i, b, j, depth + 1))
            a, b = i, j


def _unique(old: Sequence[Hashable], new: Sequence[Hashable], a: range, b: range) -> list[Pair]:
    """Return the places of elements that occur once in each part, as far as they are in the same order."""
    in_old, in_new = Counter(old[i] for i in a), Counter(new[j] for j in b)
    places = {old[i]: i for i in a if in_old[old[i]] == 1}
    return _rising([(places[new[j]], j) for j in b if in_new[new[j]] == 1 and new[j] in places])


def _by_occurrence(old: Sequence[Hashable], new: Sequence[Hashable], a: range, b: range) -> list[Pair]:
    """Return the places of the n-th occurrence of each element in both parts."""
    places = defaultdict(list)
    for i in a:
        places[old[i]].append(i)
    occurrences: Counter[Hashable] = Counter()
    found = []
    for j in b:
        number = occurrences[new[j]]
        occurrences[new[j]] += 1
        if number < len(places.get(new[j], ())):
            found.append((places[new[j]][number], j))
    return found


def _rising(pairs: Sequence[Pair]) -> list[Pair]:
    """Return the longest part of the pairs in which both places rise; the second ones do already."""
    ends: list[int] = []
    at: list[int] = []
    before: list[int] = []
    for number, (i, _) in enumerate(pairs):
        length = bisect_left(ends, i)
        before.append(at[length - 1] if length else -1)
        ends[length : length + 1], at[length : length + 1] = [i], [number]
    found = []
    number = at[-1] if at else -1
    while number >= 0:
        found.append(pairs[number])
        number = before[number]
    return found[::-1]
