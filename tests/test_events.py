"""`mm_magics.events`: the public events of a turn."""

from __future__ import annotations

from types import UnionType
from typing import get_args

from mm_magics import events
from mm_magics.turn.compacting_answer import CompactingEvent


def members(union: UnionType) -> set[type]:
    return set(get_args(union))


def test_the_union_has_every_event_that_a_turn_yields() -> None:
    assert members(events.Event) == members(CompactingEvent)


def test_every_event_of_the_union_is_exported() -> None:
    assert {"Event", *(each.__name__ for each in members(events.Event))} == set(events.__all__)
    assert all(getattr(events, each.__name__) is each for each in members(events.Event))


def test_every_event_has_a_docstring() -> None:
    written = {each.__name__ for each in members(events.Event) if not str(each.__doc__).startswith(f"{each.__name__}(")}
    assert written == {each.__name__ for each in members(events.Event)}
