"""A recorded turn that stands in for a new answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Self

from mm_magics.endpoint.call import Wake
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from mm_magics.tools.approval import Approve, deny_all
from mm_magics.turn.ledger import Ledger
from mm_magics.turn.prepared import PreparedPrompt, PromptSent, TurnEnd


class ReplayedAnswer:
    """The turn that was recorded for exactly this request. Nothing is sent, and no tool runs."""

    has_content: bool = True

    def __init__(self, prompt: PreparedPrompt, turn: Turn, history: History, ledger: Ledger) -> None:
        ledger.replayed += 1
        self.prompt = prompt
        self.notes = prompt.notes
        at = prompt.position
        self.turn = replace(
            turn, thread=at.thread, cell_id=at.cell_id or turn.cell_id, context=at.context, base=at.base
        )
        if turn.schema > 1:
            self.turn = replace(self.turn, source_sha256=at.source_sha256)
        stored = history.put(replace(self.turn, cell_id=at.cell_id, versions=[], newer=0))
        self.turn = replace(stored, cell_id=self.turn.cell_id)

    def __iter__(self) -> Iterator[PromptSent | TurnEnd]:
        return self.events(lambda: None)

    def events(self, _wake: Wake, _approve: Approve = deny_all) -> Iterator[PromptSent | TurnEnd]:
        yield PromptSent(self.prompt)
        yield TurnEnd(self.turn)

    def so_far(self) -> Turn:
        return self.turn

    def close(self) -> Turn:
        return self.turn

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: no connection is open."""
