"""Find out whether a cell was edited since its turn was answered.

A turn has a hash of the text that was answered. The text is the prompt as it was typed, with the thread if its line
names one, so neither the values that were filled in nor the other flags matter. `labextension/src/lab/edits.ts` is the
twin of this module; `tests/history/edits.json` lists edits that both must judge alike.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from mm_magics.history.prompt_source import MAGIC, find_prompt, runs_prompts
from mm_magics.history.turn import Turn, source_sha256
from mm_magics.wording import counted

NO_PROMPT = "\0"
"""What the hashed text of a cell begins with that is not the text of a prompt cell."""

_THREAD = re.compile(r"""(?<!\S)--thread(?:=|\s+)("[^"]*"|'[^']*'|\S+)""")


def answered_text(source: str) -> str:
    """Return the text of a cell that is answered when it runs.

    >>> answered_text("%%time\\n%%minimax -m MiniMax-M2.7\\nHello.")
    'Hello.'

    Code that runs prompts itself is answered as a whole. `%minimax explain` has no text of its own.
    """
    prompt = find_prompt(source)
    if prompt is None:
        return NO_PROMPT + source
    if not prompt.magic.startswith(MAGIC):
        return NO_PROMPT
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
    prompt = find_prompt(source)
    thread = thread_in(prompt.magic) if prompt else ""
    if turn.source_sha256:
        texts = [answered_text(source)]
        if prompt and thread == turn.thread:  # it may have been chosen with a setting when the cell was answered
            texts.append(prompt.text)
        return turn.source_sha256 not in map(source_sha256, texts)
    if thread and thread != turn.thread:
        return True
    if prompt is None:
        return not runs_prompts(source)
    if not turn.prompt or not prompt.magic.startswith(MAGIC) or "{{" in prompt.text:
        return False
    return prompt.text.split() != turn.prompt.split()


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
