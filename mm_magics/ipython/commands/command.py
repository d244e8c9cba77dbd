"""What a `%minimax` command is, and what it can use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mm_magics.ipython.live_page import LivePage
from mm_magics.ipython.prompt_cell import PromptCells
from mm_magics.session import Session


@dataclass(frozen=True)
class Context:
    """What a command can use: the session, the shell, and the prompt cells and the page of loaded magics."""

    session: Session
    shell: Any = None
    prompt_cells: PromptCells | None = None
    page: LivePage | None = None


@dataclass(frozen=True)
class Command:
    """One command of `%minimax`.

    Args:
        name: The first word after `%minimax`.
        usage: What may follow the name.
        help: What it does, in a few words.
        run: Runs it with the rest of the line and returns what IPython displays, usually a `Table`. It changes nothing
            unless the whole line is valid.
    """

    name: str
    usage: str
    help: str
    run: Callable[[Context, str], Any]
