"""What the requests of a turn contained: cells, variables, columns, files, images, results of tools, and the rest.

It is read from the body of the request as it was sent, which the record of the turn and of those above it give again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mm_magics.api.messages import Message
from mm_magics.api.outside import outside_blocks
from mm_magics.api.request_parts import Part, PartKind, parts_of
from mm_magics.api.sendable import for_model, invented_fields, sent_form
from mm_magics.errors import PromptError
from mm_magics.history.compacted_context import context_of
from mm_magics.history.edits import is_edited
from mm_magics.history.prompt_source import find_prompt
from mm_magics.history.turn import Turn
from mm_magics.prompt.protected import table_columns
from mm_magics.prompt.template import Template
from mm_magics.tools.builtin.named_cells import texts_of_cells
from mm_magics.turn.request_again import request_again
from mm_magics.wording import counted

READERS = frozenset({"read_cells", "get_errors", "edit_cell", "insert_cell", "move_cell", "run_cell"})
"""The tools whose results can contain the text or the outputs of cells."""


@dataclass
class SentItem:
    """Something that a request contained.

    Attributes:
        kind: A kind of `Part`, `variable`, or `read` for a cell in the result of a tool of the notebook.
        name: Its name, as in `Part`; the expression of a variable; the beginning of the id of a cell that was read.
        is_own: Whether it is new in this turn, and not of an earlier one.
        characters: How long it is; 0 for images.
        columns: The columns of the tables in it.
        is_certain: Whether `characters` is exact; else it has at most so many.
    """

    kind: PartKind | str
    name: str
    is_own: bool
    characters: int = 0
    columns: dict[str, None] = field(default_factory=dict)
    is_certain: bool = True


@dataclass(frozen=True)
class Sent:
    """What the requests of a turn contained, together.

    Attributes:
        items: What they contained, in the order of the request.
        requests: How many there were.
        earlier: How many earlier turns they contained.
        notes: What the user must know about how this is known.
    """

    items: Sequence[SentItem]
    requests: int
    earlier: int
    notes: Sequence[str]

    def own(self, *kinds: str) -> list[SentItem]:
        """Return the items of these kinds that are new in this turn."""
        return [each for each in self.items if each.is_own and each.kind in kinds]


def sent_in(turn: Turn, above: Sequence[Turn], sources: Mapping[str, str]) -> Sent:
    """Return what the requests of a turn contained.

    Args:
        turn: The turn.
        above: The turns that it sees now.
        sources: The source of each cell, by its id: it tells which expressions a prompt was filled in with.

    Raises:
        RequestError: The request cannot be built again.
    """
    again = request_again(turn, above)
    first = again.body["messages"]
    parts = list(parts_of({**again.body, "messages": [*first, *_later_messages(turn)]}))
    items: dict[tuple[str, str, bool], SentItem] = {}
    for part in parts:
        is_own = part.message is None or part.message >= len(first) - 1
        item = items.setdefault((part.kind, part.name, is_own), SentItem(part.kind, part.name, is_own))
        item.characters += len(part.text)
        item.columns |= dict.fromkeys(table_columns(part.text))
        for name, text in texts_of_cells(part.text) if part.kind == "result" and part.name in READERS else ():
            items.setdefault(("read", name, is_own), SentItem("read", name, is_own)).characters += len(text)
        for each in _filled(part, [*above, turn], sources):
            item = items.setdefault(("variable", each.source, is_own), SentItem("variable", each.source, is_own))
            item.characters += len(each.text)
            item.is_certain &= each.is_certain
            item.columns |= dict.fromkeys(table_columns(each.text) if each.is_certain else ())
    notes = [] if again.is_as_sent else [again.note]
    if calls := next((each["calls"] for each in turn.responses if "calls" in each), 0):
        notes.append(
            f"A map run: {counted(calls, 'request')}, each with the values of its row, which are not recorded."
        )
        for name in Template(turn.prompt).expressions:
            items["variable", name, True] = SentItem("variable", name, is_own=True)
    compaction = context_of(above, [turn.compacted] if turn.compacted else []).compaction
    if compaction and compaction.turns:
        notes.append(f"{counted(len(compaction.turns), 'earlier turn')} sent as a summary.")
    if turn.compacted and turn.compacted.responses:
        notes.append(f"Before, {counted(len(turn.compacted.turns), 'earlier turn')} were sent to be summarized.")
    return Sent([*items.values()], calls or len(turn.responses), len(above), notes)


def _later_messages(turn: Turn) -> Sequence[Message]:
    """Return the messages of a turn after its prompt that were sent: those before its last answer."""
    form = sent_form(
        turn.messages, invented_fields(turn.messages, turn.responses), outside_blocks(turn.messages, turn.responses)
    )
    sent = for_model(turn.model, form)
    answers = [number for number, each in enumerate(sent) if each["role"] == "assistant"]
    last = answers[len(turn.responses) - 1] if 0 < len(turn.responses) <= len(answers) else len(sent)
    return sent[1:last] if turn.responses else []


class Filled(NamedTuple):
    """An expression of a prompt, and the longest text that its value can be; whether it is that text for certain."""

    source: str
    text: str
    is_certain: bool


def _filled(part: Part, turns: Sequence[Turn], sources: Mapping[str, str]) -> list[Filled]:
    """Return the expressions that a text of a prompt was filled in with."""
    if part.kind == "prompt":
        for turn in turns:
            source = sources.get(turn.cell_id or "")
            if source is not None and turn.prompt == part.text and not is_edited(source, turn):
                return filled_expressions(source, part.text)
    return []


def filled_expressions(source: str, text: str) -> list[Filled]:
    """Return the expressions in the source of a prompt cell, each with the text of the prompt that can be its value.

    What is between two expressions can also be a part of their values. Then neither is certain.

    >>> filled_expressions("%%minimax\\nWho is {{ name }}, {{ year }}?", "Who is Ana, 1990?")
    [Filled(source='name', text='Ana', is_certain=True), Filled(source='year', text='1990', is_certain=True)]
    """
    prompt = find_prompt(source)
    if prompt is None or prompt.text.strip("\n") == text.strip("\n"):
        return []
    try:
        literals, expressions = Template(prompt.text.rstrip("\n")).literals
    except PromptError:
        return []
    starts = _starts(literals, text)
    ends = [len(text) - each for each in _starts([each[::-1] for each in literals[::-1]], text[::-1])][::-1]
    if not starts or not ends:
        return []
    is_certain = [start + len(literal) == end for start, literal, end in zip(starts, literals, ends, strict=True)]
    found = (
        Filled(
            each,
            text[starts[number] + len(literals[number]) : ends[number + 1] - len(literals[number + 1])],
            is_certain[number] and is_certain[number + 1],
        )
        for number, each in enumerate(expressions)
    )
    return [each for each in found if each.text]


def _starts(literals: Sequence[str], text: str) -> list[int]:
    """Return the first place where each of these texts can begin, in order; [] if they are not all in the text.

    The first one is at the beginning of the text, and the last one at its end.
    """
    starts: list[int] = []
    position, last = 0, len(text) - len(literals[-1])
    for literal in literals[:-1]:
        start = text.find(literal, position) if starts else text.find(literal, 0, len(literal))
        if start < 0:
            return []
        starts.append(start)
        position = start + len(literal)
    return [*starts, last] if last >= position and text.endswith(literals[-1]) else []
