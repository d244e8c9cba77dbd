"""A recorded turn that stands in for a new answer, and how it is found."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import Self

from mm_magics.api import models
from mm_magics.endpoint.call import Wake
from mm_magics.errors import RequestError
from mm_magics.history.compacted_context import applies
from mm_magics.history.compaction import Compaction
from mm_magics.history.replay import RecordedRequest, Recordings, find_in_history
from mm_magics.history.thread import History
from mm_magics.history.turn import Turn
from mm_magics.tools.approval import Approve, deny_all
from mm_magics.turn.ledger import Ledger
from mm_magics.turn.prepared import PreparedPrompt, PromptSent, TurnEnd

MAX_SUMMARIES = 20
"""Summaries that are tried to find the recording of a prompt."""


def find_recorded(
    prompt: PreparedPrompt,
    history: History,
    recordings: Recordings,
    sources: Iterable[str],
    used: Collection[str] = (),
) -> Turn | None:
    """Return a recording of the request: the cell's own, another one of this notebook, or one in `sources`.

    None of those with an id in `used` is returned. If nobody chose the prompt's model, a recording counts too if the
    default model was asked and answered, or if another model answered because the default one was not offered.
    """
    own, default = history.turn_of_cell(prompt.thread, prompt.cell_id), prompt.default_model
    for same in _same_prompts(prompt, history, recordings, sources):
        sent = same.request
        requested = RecordedRequest(
            same.message, sent.model, sent.system, sent.params, [each.message for each in sent.prepared], sent.sha256
        )
        turn = find_in_history(history, requested, own, used) or recordings.find(requested, sources, used)
        if turn and (same.model in (prompt.model, default) or turn.instead_of == default):
            return replace(turn, compacted=same.compacted) if turn.schema > 1 else turn
    return None


def _same_prompts(
    prompt: PreparedPrompt, history: History, recordings: Recordings, sources: Iterable[str]
) -> Iterator[PreparedPrompt]:
    """Yield the prompt and, if nobody chose its model, the same for the default one and those that answered for it.

    Each is followed by its earlier form, if that differs.
    """
    yield from _forms(prompt)
    for compaction in islice(_other_summaries(prompt, history, recordings, sources), MAX_SUMMARIES):
        with suppress(RequestError):
            yield from _forms(prompt.for_model(prompt.model, compaction=compaction))
    if default := prompt.default_model:
        versions = (version for turn in history.all_turns() for version in (turn, *turn.versions))
        answered = {turn.model for turn in versions if turn.instead_of == default}
        for model in sorted({default, *answered, *recordings.substitutes(default, sources)} - {prompt.model}):
            with suppress(RequestError):  # a model that does not take what the prompt contains
                yield from _forms(prompt.for_model(model))


def _other_summaries(
    prompt: PreparedPrompt, history: History, recordings: Recordings, sources: Iterable[str]
) -> Iterator[Compaction]:
    """Yield the recorded summaries that can stand for turns of the prompt's context, the last ones first."""
    if not prompt.context.all:
        return
    versions = [version for turn in history.all_turns() for version in (turn, *turn.versions)]
    found = [turn.compacted for turn in versions if turn.compacted] + recordings.compactions(sources)
    for number, each in enumerate(reversed(found)):
        is_new = each.turns and each != prompt.context.compaction and each not in found[len(found) - number :]
        if is_new and applies(prompt.context.all, each):
            yield each


def _forms(prompt: PreparedPrompt) -> Iterator[PreparedPrompt]:
    yield prompt
    if models.model(prompt.model).thinking in ("adaptive", "effort"):
        before = prompt.for_model(prompt.model, as_before=True)
        if before.request.sha256 != prompt.request.sha256:
            yield before


class ReplayedAnswer:
    """The turn that was recorded for exactly this request. Nothing is sent, and no tool runs."""

    has_content: bool = True

    def __init__(self, prompt: PreparedPrompt, turn: Turn, history: History, ledger: Ledger) -> None:
        ledger.replayed += 1
        prompt.begin()
        notes = [note for note in prompt.notes if note not in prompt.call_notes]
        self.notes = [*(note for note in prompt.turn_notes if note not in turn.notes), *notes]
        self.prompt = replace(prompt, notes=self.notes)
        self.recorded = turn
        at = prompt.position
        self.turn = replace(
            turn, thread=at.thread, cell_id=at.cell_id or turn.cell_id, context=at.context, base=at.base
        )
        if turn.schema > 1:
            self.turn = replace(self.turn, source_sha256=at.source_sha256 or turn.source_sha256)
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
