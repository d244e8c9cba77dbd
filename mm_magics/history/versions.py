"""The versions of a turn: what a prompt cell answered before, others in its record when the cell is asked again.

Exactly one version is active: the turn itself. The others are its `versions`. They are numbered from 1, the oldest, and
switching between them changes no number. Answers that were asked for at once are versions too; as long as the user has
chosen none of them (`Turn.undecided`), all of them are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    own = replace(turn, versions=[], newer=0, undecided=False) if turn.versions else turn
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


def compared(turn: Turn) -> list[Turn]:
    """Return the answers that are shown side by side: those asked for at once, until the user has chosen one."""
    if not turn.undecided or turn.comparison is None:
        return [turn]
    own = turn.comparison["id"]
    return [each for each in all_versions(turn) if each.comparison is not None and each.comparison["id"] == own]


def together(turns: Sequence[Turn], active: int) -> Turn:
    """Return the turns, which were asked for at once, as the versions of the one at the position `active`."""
    others = [turn for at, turn in enumerate(turns) if at != active]
    return replace(turns[active], versions=others[::-1], newer=len(turns) - 1 - active, undecided=True)


def succeed(turn: Turn, earlier: Turn | None, limit: int) -> Turn:
    """Return the turn with the cell's earlier turn, and the versions of that, as its versions.

    If the turn is one of them, it becomes the active one again.

    Args:
        turn: The turn that is active from now on, with the versions that it has itself.
        earlier: The turn that was active, if any. It becomes a version if anything was received in it.
        limit: The maximum number of versions; the oldest are dropped, but never one that was active, or is new.
    """
    own = {version.id: version for version in all_versions(turn)}
    before = [version for version in all_versions(earlier) if has_content(version)] if earlier else []
    if own.keys() <= {version.id for version in before}:
        versions = [own.get(version.id, version) for version in before]
    else:
        others = [version for version in before if version.id not in own]
        oldest_first = sorted(range(len(others)), key=lambda at: earlier is not None and others[at].id == earlier.id)
        room = max(limit - len(own) + 1, min(limit, 1), 0)
        dropped = set(oldest_first[: max(0, len(others) - room)])
        versions = [*(each for at, each in enumerate(others) if at not in dropped), *own.values()]
    active = next(at for at, version in enumerate(versions) if version.id == turn.id)
    newer = len(versions) - 1 - active
    return replace(turn, versions=[*versions[:active], *versions[active + 1 :]][::-1], newer=newer)


def has_content(turn: Turn) -> bool:
    """Return whether anything was received in the turn."""
    return any(blocks(message) for message in turn.messages if message["role"] == "assistant")
