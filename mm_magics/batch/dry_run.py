"""What a run would do, before it is made: how many calls, and about how many tokens and what cost.

Always true: nothing is sent; what is only estimated is marked so.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mm_magics.api import models
from mm_magics.batch.engines.sender import BYTES_PER_TOKEN, FIRST_GUESS
from mm_magics.batch.job import Job
from mm_magics.batch.requests import RequestBuilder
from mm_magics.batch.store import Store
from mm_magics.errors import MiniMaxError

SHOWN = 3
"""Prompts and errors that are shown of many."""


@dataclass(frozen=True)
class DryRun:
    """What a run would do. `prompts` are the first ones; tokens and cost are estimates, `cost` None without a price."""

    rows: int
    prompts: list[str]
    calls: int
    stored: int
    errors: dict[int, str]
    tokens_in: int
    tokens_out: int
    cost: float | None

    def __str__(self) -> str:
        same = self.rows - self.calls - self.stored - len(self.errors)
        lines = [f"--- row {row}\n{text}" for row, text in enumerate(self.prompts)]
        lines.append(
            f"Nothing was sent. {self.rows:,} rows: {self.calls:,} calls, {self.stored:,} answers from the store, "
            f"{same:,} equal to another row, {len(self.errors):,} errors."
        )
        lines += [f"row {row}: {why}" for row, why in list(self.errors.items())[:SHOWN]]
        cost = "" if self.cost is None else f", ≈ ${self.cost:,.4f}"
        lines.append(f"≈ {self.tokens_in:,} tokens in, ≈ {self.tokens_out:,} out{cost}")
        return "\n".join(lines)


def plan(job: Job) -> DryRun:
    """What a run would do; nothing is sent."""
    asks, known, errors = RequestBuilder(job.prompt), set[bytes](), dict[int, str]()
    prompts: list[str] = []
    stored = size = calls = out = 0
    with Store(job.store if Path(job.store).exists() else ":memory:") as store:  # no file is made
        for number, row in enumerate(job.rows):
            try:
                text = job.text(row)
                digest = asks.digest(text)
            except MiniMaxError as error:
                errors[number] = error.message
                continue
            prompts += [text] if len(prompts) < SHOWN else []
            reply = store.get(digest)
            if reply is not None:
                stored += 1
                out += sum(models.tokens(each.get("usage") or {}, "output_tokens") for each in reply.responses)
            elif digest not in known:
                known.add(digest)
                calls, size = calls + 1, size + len(asks.of(text, digest).body)
    tokens_in, tokens_out = round(size / BYTES_PER_TOKEN), calls * (round(out / stored) if stored else FIRST_GUESS)
    cost = models.cost(job.prompt.model, {"input_tokens": tokens_in, "output_tokens": tokens_out})
    return DryRun(len(job.rows), prompts, calls, stored, errors, tokens_in, tokens_out, cost)
