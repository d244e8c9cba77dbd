"""The dry run: how many calls a map run would make, and an estimate of their tokens and cost. Nothing is sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from mm_magics.api import models, usage
from mm_magics.api.size import sent_size
from mm_magics.batch.engines.sender import BYTES_PER_TOKEN, FIRST_ANSWER_TOKENS
from mm_magics.batch.job import MapJob
from mm_magics.batch.requests import RequestBuilder, recorded_prompt
from mm_magics.batch.store import MAX_KEYS, open_store
from mm_magics.errors import MiniMaxError
from mm_magics.interrupts import StoppedError
from mm_magics.wording import counted, dollars

EXAMPLES = 3
"""How many prompts and errors a dry run shows."""
TRIAL_ROWS = 30
"""The rows of the trial that a dry run offers."""


@dataclass(frozen=True)
class DryRun:
    """What a map run would do, as `map_prompts(…, dry_run=True)` returns it. Its `str()` is a report.

    Attributes:
        rows: All rows.
        prompts: The first prompts.
        calls: Calls that would be made.
        stored: Rows whose answer is in the store.
        errors: Rows whose prompt cannot be made: the reason, by row number.
        requests: Rows with different prompts that would be sent. A call sends several of them with `pack`.
        tokens_in: Estimated input tokens of the calls.
        tokens_out: Estimated output tokens of the calls.
        cost: Estimated cost in US dollars; None if the model's price is unknown.
        model: The model that the calls go to.

    >>> from mm_magics import Session, map_prompts
    >>> from mm_magics.simulator import Simulator
    >>> with Simulator() as endpoint:
    ...     with Session(base_url=endpoint.base_url, api_key=endpoint.key) as session:
    ...         dry_run = map_prompts("Translate: {{ row }}", ["one", "two", "one"], session=session, dry_run=True)
    >>> dry_run.rows, dry_run.calls, dry_run.prompts[0]
    (3, 2, 'Translate: one')
    """

    rows: int
    prompts: list[str]
    calls: int
    stored: int
    errors: dict[int, str]
    requests: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    model: str

    def __str__(self) -> str:
        same = self.rows - self.requests - self.stored - len(self.errors)
        lines = [f"--- row {row}\n{text}" for row, text in enumerate(self.prompts)]
        lines.append(
            f"Nothing was sent. {counted(self.rows, 'row')}: {counted(self.calls, 'call')}, "
            f"{counted(self.stored, 'answer')} from the store, {same:,} equal to another row, "
            f"{counted(len(self.errors), 'error')}."
        )
        lines += [f"row {row}: {reason}" for row, reason in list(self.errors.items())[:EXAMPLES]]
        cost = "" if self.cost is None else f", {dollars(self.cost)}"
        lines.append(f"≈ {self.tokens_in:,} tokens in, ≈ {self.tokens_out:,} out{cost}, {self.model}")
        if self.calls > TRIAL_ROWS:
            lines.append(
                f"To ask {TRIAL_ROWS} random rows first: --trial {TRIAL_ROWS} (trial={TRIAL_ROWS} in a script)."
            )
        return "\n".join(lines)


def estimate(job: MapJob, stop: threading.Event | None = None) -> DryRun:
    """Estimate what a job would do. Nothing is sent, and no store is created.

    Raises:
        StoppedError: `stop` was set.
    """
    digests, errors = set[bytes](), dict[int, str]()
    prompts: list[str] = []
    prompt, rows = job.prompt, _texts(job, errors)
    stored = requests = tokens_in = stored_tokens_out = 0
    with open_store(job.store, read_only=True) as store:
        builder = RequestBuilder(prompt, packed=job.is_packed)
        while texts := list(islice(rows, MAX_KEYS)):
            if stop is not None and stop.is_set():
                raise StoppedError
            found = store.get_many({builder.digest(text) for text in texts})
            if not stored and not requests and not found:
                recorded = recorded_prompt(prompt, texts, store.models(), store.get_many, packed=job.is_packed)
                prompt = recorded or prompt
                builder = RequestBuilder(prompt, packed=job.is_packed)
                found = store.get_many({builder.digest(text) for text in texts})
            older = {builder.legacy_digest(text) for text in texts if builder.digest(text) not in found}
            found |= store.get_many(older)
            prompts += texts[: EXAMPLES - len(prompts)]
            for text in texts:
                digest = builder.digest(text)
                reply = found.get(digest) or found.get(builder.legacy_digest(text))
                if reply is not None:
                    stored += 1
                    stored_tokens_out += usage.total_tokens(map(usage.reported, reply.responses))["output_tokens"]
                elif digest not in digests:
                    digests.add(digest)
                    requests += 1
                    tokens_in += sent_size(builder.build(text, digest).body).tokens(BYTES_PER_TOKEN)
    calls = -(-requests // (job.options.pack or 1))
    tokens_in -= (requests - calls) * sent_size(RequestBuilder(prompt).build("-", b"").body).tokens(BYTES_PER_TOKEN)
    tokens_out = requests * (round(stored_tokens_out / stored) if stored else FIRST_ANSWER_TOKENS)
    price = prompt.price
    cost = None if price is None else models.cost_at(price, {"input_tokens": tokens_in, "output_tokens": tokens_out})
    return DryRun(len(job.rows), prompts, calls, stored, errors, requests, tokens_in, tokens_out, cost, prompt.model)


def _texts(job: MapJob, errors: dict[int, str]) -> Iterator[str]:
    """Yield the texts of the rows, and add the reason to `errors` for each row without one."""
    check = RequestBuilder(job.prompt).digest
    for number, row in enumerate(job.rows):
        try:
            text = job.template(row)
            check(text)
        except MiniMaxError as error:
            errors[number] = error.message
        else:
            yield text
