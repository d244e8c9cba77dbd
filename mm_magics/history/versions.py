"""The versions of a turn: what a prompt cell answered before, others in its record when the cell is asked again.

Exactly one version is active: the turn itself. The others are its `versions`. They are numbered from 1, the oldest, and
switching between them changes no number.
"""

from __future__ import annotations

from dataclasses import replace

from mm_magics.api.messages import blocks
from mm_magics.history.turn import Turn


def all_versions(turn: Turn) -> list[Turn]:
    """Return the turn and its versions, the oldest first, none with versions of its own.

    >>> from dataclasses import replace
    >>> first = Turn("main", "complete", "MiniMax-M2.7", [{"role": "assistant", "content": "One."}])
    >>> second = succeed(replace(first, id="2", messages=[{"role": "assistant", "content": "Two."}]), first, 5)
    >>> [version.text for version in all_versions(second)], version_number(second)
    (['One.', 'Two.'], 2)
    >>> [version.text for version in all_versions(use_version(second, 1))], version_number(use_version(second, 1))
    (['One.', 'Two.'], 1)
    """
    own = replace(turn, versions=[], newer=0) if turn.versions else turn
    return [*turn.versions[: turn.newer], own, *turn.versions[turn.newer :]][::-1]


def version_number(turn: Turn) -> int:
    """Return the number of the active version."""
    return len(turn.versions) + 1 - turn.newer


def use_version(turn: Turn, number: int) -> Turn:
    """Return the turn with another version active. It belongs to the cell and the thread of the turn."""
    versions = all_versions(turn)
    chosen = versions.pop(number - 1)
    newer = len(versions) - number + 1
    return replace(
        chosen, cell_id=turn.cell_id, thread=turn.thread, base=turn.base, versions=versions[::-1], newer=newer
    )


def succeed(turn: Turn, earlier: Turn | None, limit: int) -> Turn:
    """Return the turn with the cell's earlier turn, and the versions of that, as its versions.

    If the turn is one of them, it becomes the active one again.

    Args:
        turn: The turn that is active from now on.
        earlier: The turn that was active, if any. It becomes a version if anything was received in it.
        limit: The maximum number of versions; the oldest are dropped, but never the one that was active.
    """
    others = [version for version in all_versions(earlier)[::-1] if has_content(version)] if earlier else []
    newer = next((number for number, version in enumerate(others) if version.id == turn.id), None)
    if newer is not None:
        return replace(turn, versions=[*others[:newer], *others[newer + 1 :]], newer=newer)
    oldest_first = sorted(range(len(others)), key=lambda at: (earlier is not None and others[at].id == earlier.id, -at))
    dropped = set(oldest_first[: max(0, len(others) - max(limit, 0))])
    return replace(turn, versions=[each for at, each in enumerate(others) if at not in dropped], newer=0)


def has_content(turn: Turn) -> bool:
    """Return whether anything was received in the turn."""
    return any(blocks(message) for message in turn.messages if message["role"] == "assistant")
