"""The turn that summarizes a map run: the template as the prompt, and a few lines of Markdown as the answer."""

from __future__ import annotations

from typing import Any

from mm_magics.api import models
from mm_magics.api.messages import Message
from mm_magics.batch.job import MapJob
from mm_magics.batch.row_results import RowResults
from mm_magics.history.turn import Status, Turn
from mm_magics.text import excerpt
from mm_magics.wording import counted

EXAMPLES = 3
"""How many answers and errors a summary shows."""
EXAMPLE_LENGTH = 200
"""Characters of each."""


def summary_turn(job: MapJob, results: RowResults, status: Status, text: str) -> Turn:
    """Return the turn that stands for the run, with this text. Its one response counts all calls together."""
    prompt = job.prompt
    response: dict[str, Any] = {
        "id": None,
        "model": prompt.model,
        "stop_reason": "end_turn",
        "first_token_s": None,
        "usage": dict(results.usage),
        "seconds": round(results.seconds, 3),
        "calls": results.calls,
        **({"instead_of": prompt.instead_of} if prompt.instead_of else {}),
    }
    entry = models.model(prompt.model)
    if prompt.own_price or entry.long_price:  # the sum of the usage does not tell what each call cost
        response["cost"] = results.cost
    answer: Message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
    return prompt.turn(status, [prompt.message, answer], [response] if results.calls else [], notes=results.notes)


def summary_text(job: MapJob, results: RowResults) -> str:
    """Return the summary as Markdown."""
    values, errors = results.values, results.errors
    calls = f"{counted(results.calls, 'call')}, {counted(results.stored, 'answer')} from the store"
    lines = [
        f"Map run over {counted(len(values), 'row')} of {job.options.data_name}: "
        f"{len(values) - len(errors):,} answered, {len(errors):,} failed ({calls})."
    ]
    answered = [row for row, value in enumerate(values) if value is not None and row not in errors]
    examples = [(row, str(values[row])) for row in answered[:EXAMPLES]] + sorted(errors.items())[:EXAMPLES]
    lines += [f"- row {row}: {excerpt(text, EXAMPLE_LENGTH)}" for row, text in examples]
    if (more := len(answered) + len(errors) - len(examples)) > 0:
        lines.append(f"- … {counted(more, 'more row')}")
    return "\n".join([lines[0], "", *lines[1:]]) if lines[1:] else lines[0]
