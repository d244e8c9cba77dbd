"""The turn that summarizes a map run: the template as the prompt, and a few lines of Markdown as the answer."""

from __future__ import annotations

from typing import Any

from mm_magics.api.messages import Message
from mm_magics.batch.job import MapJob
from mm_magics.batch.row_results import RowResults
from mm_magics.history.turn import Status, Turn
from mm_magics.prompt.values import cut

EXAMPLES = 3
"""How many answers and errors a summary shows."""
EXAMPLE_LENGTH = 200


def summary_turn(job: MapJob, results: RowResults, status: Status) -> Turn:
    """Return the turn that stands for the run. Its one response counts all calls together."""
    prompt = job.prompt
    response = {
        "id": None,
        "model": prompt.model,
        "stop_reason": "end_turn",
        "first_token_s": None,
        "usage": dict(results.usage),
        "seconds": round(results.seconds, 3),
        "calls": results.calls,
    }
    answer: Message = {"role": "assistant", "content": [{"type": "text", "text": summary_text(job, results)}]}
    return prompt.turn(status, [prompt.message, answer], [response] if results.calls else [])


def summary_text(job: MapJob, results: RowResults) -> str:
    """Return the summary as Markdown."""
    rows, errors = len(results.values), len(results.errors)
    asked = f"{results.calls:,} calls, {results.stored:,} answers from the store"
    lines = [
        f"Run over the {rows:,} rows of {job.options.data_name}: {rows - errors:,} answered, {errors:,} not ({asked})."
    ]
    answered = [row for row, value in enumerate(results.values) if value is not None and row not in results.errors]
    lines += [f"- row {row}: {_shorten(results.values[row])}" for row in answered[:EXAMPLES]]
    lines += [f"- row {row}: {_shorten(reason)}" for row, reason in sorted(results.errors.items())[:EXAMPLES]]
    if (more := len(answered[EXAMPLES:]) + max(0, errors - EXAMPLES)) > 0:
        lines.append(f"- … {more:,} more rows")
    return "\n".join([lines[0], "", *lines[1:]]) if lines[1:] else lines[0]


def _shorten(value: Any) -> str:
    return cut(" ".join(str(value).split()), EXAMPLE_LENGTH).replace("\n", " ")
