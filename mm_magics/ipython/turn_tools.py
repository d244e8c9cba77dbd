"""Choose which tools of the notebook a prompt offers, and whether it is answered in the background because of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mm_magics.history.notebook import Document, LiveNotebook
from mm_magics.session import Session
from mm_magics.tools.builtin.catalogue import CHANGE_TOOLS, NO_NOTEBOOK, NO_PAGE, NOTEBOOK, RUN_CELL
from mm_magics.tools.builtin.turn_changes import TurnChanges
from mm_magics.tools.tool import Tool

NOT_RUN = "The model cannot run cells in this turn, because no cell runs while the prompt cell does."


class Choice(NamedTuple):
    """What is chosen: notes for the user, and whether the turn is answered in the background."""

    notes: Sequence[str]
    in_background: bool


def choose_tools(
    session: Session,
    turn: TurnChanges,
    flags: dict[str, Any],
    document: Document | None,
    *,
    is_shown: bool,
    obstacle: str,
    in_background: bool,
) -> Choice:
    """Choose the tools of the notebook for a prompt. Without a notebook they are removed from its flags.

    A prompt that may be replayed offers them without a page too: its request is that of the recorded turn.

    Args:
        session: The session, whose settings name the tools if the flags do not.
        turn: What the turn may do, which is chosen here.
        flags: The flags of the prompt.
        document: The notebook.
        is_shown: Whether a page shows the prompt cell.
        obstacle: Why the prompt cannot be answered in the background, whatever its tools are; "" if it can.
        in_background: Whether the user chose the background.
    """
    turn.can_change = turn.can_run = False
    names = flags.get("tools", session.settings.value("tools"))
    if NOTEBOOK not in names and not set(CHANGE_TOOLS) & _texts(names):
        return Choice([], in_background)
    if document is None:
        flags["tools"] = [each for each in names if each != NOTEBOOK]
        return Choice([NO_NOTEBOOK], in_background)
    notes = []
    if not isinstance(session.notebook, LiveNotebook):
        notes.append(f"The tools of the notebook read {document.name} as it was saved.")
    is_replay = flags.get("replay", session.settings.value("replay")) != "off"
    if not is_shown and not is_replay:
        return Choice([*notes, NO_PAGE] if isinstance(session.notebook, LiveNotebook) else notes, in_background)
    turn.can_change = turn.can_run = True
    found: Mapping[str, Any] = session.find_tools(names)
    waits = tools_in_cell(found)
    turn.can_run = not waits and (not obstacle or is_replay)
    if not turn.can_run and RUN_CELL in found:
        why = f"{', '.join(waits)} can only be called in it." if waits else obstacle
        notes.append(f"{NOT_RUN} {why}")
        if RUN_CELL in names:
            flags["tools"] = [each for each in names if each != RUN_CELL]
    return Choice(notes, in_background or (turn.can_run and not obstacle))


def tools_in_cell(tools: Mapping[str, Tool]) -> list[str]:
    """Return the names of the tools that are called on the thread of the cells, so that no cell runs beside them."""
    return [name for name, tool in tools.items() if not (tool.is_async or tool.beside_cells)]


def _texts(names: Sequence[Any]) -> set[str]:
    return {each for each in names if isinstance(each, str)}
