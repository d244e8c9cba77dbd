"""Find out whether a cell was edited since its turn was answered.

A turn has a hash of the text that was answered. The text is the prompt as it was typed, with the thread if its line
names one, so neither the values that were filled in nor the other flags matter. `labextension/src/lab/edits.ts` is the
twin of this module; `tests/history/edits.json` lists edits that both must judge alike.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import NamedTuple

from mm_magics.history.prompt_source import MAGIC, PromptSource, find_prompt, runs_prompts
from mm_magics.history.turn import Turn, source_sha256
from mm_magics.wording import counted

NO_PROMPT = "\0"
"""What the hashed text of a cell begins with that is not the text of a prompt cell."""

_EDIT = re.compile(r"%minimax\s+edit\s+(.+)")
_THREAD = re.compile(r"""(?<!\S)--thread(?:=|\s+)("[^"]*"|'[^']*'|\S+)""")


def answered_text(source: str) -> str:
    """Return the text of a cell that is answered when it runs.

    >>> answered_text("%%time\\n%%minimax -m MiniMax-M2.7\\nHello.")
    'Hello.'

    Code that runs prompts itself is answered as a whole. `%minimax explain` and `fix` have no text of
    their own.
    """
    prompt = find_prompt(source)
    if prompt is None:
        return NO_PROMPT + source
    if not prompt.magic.startswith(MAGIC):
        asked = _EDIT.match(prompt.magic)
        return NO_PROMPT + (asked[1] if asked else "")
    thread = thread_in(prompt.magic)
    return f"{NO_PROMPT}{thread}{NO_PROMPT}{prompt.text}" if thread else prompt.text


def thread_in(magic: str) -> str:
    """Return the thread that the line of a prompt cell names, else "".

    >>> thread_in("%%minimax -m MiniMax-M2.7 --thread 'side'")
    'side'
    """
    named = _THREAD.findall(magic)
    return named[-1].strip("'\"") if named else ""


def is_edited(source: str, turn: Turn) -> bool:
    """Return whether the text of a cell is not the one that its turn answered.

    A record of schema 1 has no hash. There, the words of the prompt are compared, if no values were filled in.
    """
    found = _read(source)
    if turn.source_sha256:
        # the thread may have been chosen with a setting when the cell was answered
        texts = found.sha256s if found.prompt and found.thread == turn.thread else found.sha256s[:1]
        return turn.source_sha256 not in texts
    if found.thread and found.thread != turn.thread:
        return True
    if found.prompt is None:
        return not found.runs_prompts
    if not turn.prompt or not found.prompt.magic.startswith(MAGIC) or "{{" in found.prompt.text:
        return False
    return list(found.words) != turn.prompt.split()


class _Read(NamedTuple):
    """What a cell's text contains. `sha256s` are the hashes of what is answered, and of the prompt alone."""

    prompt: PromptSource | None
    thread: str
    sha256s: tuple[str, ...]
    words: tuple[str, ...]
    runs_prompts: bool


@lru_cache(maxsize=4)
def _read(source: str) -> _Read:
    """Read a cell's text: once, although a cell can have many turns."""
    prompt = find_prompt(source)
    texts = [answered_text(source), *([prompt.text] if prompt else ())]
    return _Read(
        prompt,
        thread_in(prompt.magic) if prompt else "",
        tuple(map(source_sha256, texts)),
        tuple(prompt.text.split()) if prompt else (),
        runs_prompts(source),
    )


def edited_note(places: Collection[tuple[str, str]], cell_ids: Sequence[str]) -> str:
    """Report edited turns of the context.

    Args:
        places: `Turn.place` of each.
        cell_ids: The ids of all cells of the notebook, in order.
    """
    edited = {cell_id for cell_id, _ in places}
    numbers = [str(number) for number, cell_id in enumerate(cell_ids, 1) if cell_id in edited]
    were = "was edited since it was" if len(places) == 1 else "were edited since they were"
    return (
        f"{counted(len(places), 'turn')} above {were} answered: "
        f"{'cell' if len(numbers) == 1 else 'cells'} {', '.join(numbers)}. "
        "The model receives the old text until the cell is run again."
    )
