"""The runner of a map job: each row is answered from the store, sent, or has an error.

`results` always has what is known of every row, in the order of the rows. Equal requests are sent once.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from mm_magics import interrupts
from mm_magics.batch.budget import Budget
from mm_magics.batch.engines.base import NOT_SENT, RUN_ENDED, Answered, Engine, Failed, OtherCall, Request
from mm_magics.batch.job import MapJob
from mm_magics.batch.progress import Progress, Throttled
from mm_magics.batch.requests import RequestBuilder, recorded_prompt
from mm_magics.batch.row_results import RowResults, ended_early
from mm_magics.batch.row_template import row_message
from mm_magics.batch.run_store import Pending, RunStore
from mm_magics.batch.store import Reply, open_store
from mm_magics.endpoint.reader import Retrying
from mm_magics.errors import MiniMaxError, NeverSendError, StatusError, StoreError
from mm_magics.interrupts import StoppedError
from mm_magics.turn.prepared import ModelReplaced, PreparedPrompt, model_note
from mm_magics.wording import counted

EVENT_WAIT_S = 0.1
"""How long the runner waits for an event of the engine before it looks whether Stop was pressed."""
EVENT_INTERVAL_S = 0.02
"""How often the events of the engine are taken while rows are sent."""
ROWS_PER_LOOKUP = 128
"""Rows whose texts are made, and whose hashes are looked up in the store, at a time."""
PROGRESS_INTERVAL_S = 0.25
NOT_STORED = "There is no stored answer."
OTHER_OWNER = "{path} belongs to {owner}, who chose the answers that came from it."
DRAIN_S = 10.0
"""How long an interrupted run waits for the answers of calls in flight, which are paid for."""
MISFITS = 10
"""Answers that do not match the schema, without one that does, after which nothing more is sent."""

RunnerEvent = Progress | Retrying | Throttled | ModelReplaced


class RowRunner:
    """Runs the rows of a job, once.

    Nothing is sent with `replay` set to `only`, and nothing more once the budget is spent.

    Args:
        job: What to run.
        stop: Once set, the run ends.
        results: Where results are recorded; in memory by default.
        budget: What may be spent; that of the job by default.

    Attributes:
        job: The job; its prompt is for another model once the endpoint has refused the default one.
        results: What is known of every row.

    Raises:
        StoreError: The store cannot be opened.
    """

    def __init__(
        self, job: MapJob, stop: threading.Event, results: RowResults | None = None, budget: Budget | None = None
    ) -> None:
        self.results = results or RowResults(
            len(job.rows), job.prompt.model, job.schema, with_usage=job.options.figures
        )
        self.results.use_model(job.prompt.model, job.prompt.own_price)
        self.job, self._stop = job, stop
        job.template.cut = 0
        self._builder = RequestBuilder(job.prompt, packed=job.is_packed)
        self._budget = budget or Budget(job.options.budget, job.prompt.price)
        self._store = open_store(job.store, read_only=job.prompt.replay == "only")
        self._run_store = RunStore(self._store, self._stop_sending)
        self._engine: Engine | None = None
        self._pending: dict[bytes, Pending] = {}
        self._failed: dict[bytes, str] = {}
        self._took_events_at = 0.0
        self._ended = False
        self._no_sending = NOT_STORED if job.prompt.replay == "only" else ""
        self._began = self._reported = time.monotonic()

    def events(self) -> Iterator[RunnerEvent]:
        """Run all rows and yield what happens.

        Raises:
            StoppedError: Stop was pressed. As after every other end, `results` has everything received so far.
            StoreError: The store cannot be read, and nothing was sent yet.
        """
        try:
            rows = enumerate(self.job.rows)
            while batch := list(islice(rows, ROWS_PER_LOOKUP)):
                yield from self._run_batch(batch)
            while self._pending or self._run_store.elsewhere or self._run_store.freed:
                self._send_freed()
                yield from self._handle_events(EVENT_WAIT_S)
            yield self._progress()
        except (KeyboardInterrupt, StoreError):
            self.drain()
            raise
        finally:
            self.close()

    def close(self) -> None:
        """End the run, if it has not ended yet. Rows without an answer become errors."""
        with interrupts.deferred():
            if self._ended:
                return
            self._ended = True
            if self._engine is not None:
                self._engine.close()
                self._take_events(0.0)
            if damaged := len(self._store.damaged):
                self.results.notes.append(f"{counted(damaged, 'stored answer')} in {self.job.store} cannot be read.")
            if self.results.stored and (owner := self._store.other_owner):
                self.results.notes.append(OTHER_OWNER.format(path=self.job.store, owner=owner))
            self._run_store.close()
            prompt = self.job.prompt
            self.results.notes[:0] = prompt.turn_notes
            if prompt.instead_of and self.results.done > self.results.failed:
                self.results.notes.append(model_note(prompt.instead_of, prompt.model))
            self.results.seconds = time.monotonic() - self._began
            self.results.notes += self._builder.notes()
            if cut := self.job.template.cut:
                self.results.notes.append(f"{counted(cut, 'value')} cut to the limit (value_limit).")
            reasons = self.results.not_sent
            reasons.pop(RUN_ENDED, None)
            if not self._run_store.is_broken:
                self.results.notes += [ended_early(*each) for each in reasons.items()]
            self.results.finish(RUN_ENDED)
            for digest in self._pending:
                self._budget.settle(digest, 0.0, answered=False)
            for waiting in (self._pending, self._run_store.elsewhere, self._run_store.freed):
                waiting.clear()

    def take_answers(self) -> None:
        """Take and store what has arrived, while nobody iterates over the events."""
        if not self._ended:
            self._take_events(0.0)

    def drain(self) -> None:
        """Send nothing more, and wait up to `DRAIN_S` for calls in flight. Another interrupt ends the wait."""
        if self._ended or self._engine is None or not self._engine.stop():
            return
        until = time.monotonic() + DRAIN_S
        while self._pending and time.monotonic() < until:
            with interrupts.deferred():
                self._take_events(EVENT_WAIT_S)

    def _run_batch(self, rows: list[tuple[int, Any]]) -> Iterator[RunnerEvent]:
        prompts: list[tuple[int, str, bytes]] = []
        for number, row in rows:
            try:
                text = self.job.template(row)
                digest = self._builder.digest(text)
            except MiniMaxError as error:
                self.results.fail(number, error.message)
                continue
            if not self.results.is_done(number, digest):
                prompts.append((number, text, digest))
        stored = self._run_store.get_many({digest for _, _, digest in prompts})
        texts = [text for _, text, _ in prompts]
        if not stored and self.job.prompt.replay == "only" and self._use_recorded_model(texts):
            prompts = [(number, text, self._builder.digest(text)) for number, text, _ in prompts]
            stored = self._run_store.get_many({digest for _, _, digest in prompts})
        builder = self._builder
        older = {self._builder.legacy_digest(text): digest for _, text, digest in prompts if digest not in stored}
        stored |= {older[legacy_digest]: reply for legacy_digest, reply in self._run_store.get_many(set(older)).items()}
        upcoming: deque[bytes] = deque(digest for _, _, digest in prompts if digest not in stored)
        for number, text, digest in prompts:
            if self._stop.is_set():
                raise StoppedError
            if (reply := stored.get(digest)) is not None:
                self.results.add([number], digest, reply, fresh=False)
            else:
                upcoming.popleft()
                yield from self._run_row(number, text, digest, upcoming, builder)
            if time.monotonic() - self._took_events_at >= EVENT_INTERVAL_S:
                yield from self._handle_events(0.0)

    def _run_row(
        self, number: int, text: str, digest: bytes, upcoming: Iterable[bytes], builder: RequestBuilder
    ) -> Iterator[RunnerEvent]:
        """Run one row. `digest` is the hash of its request by `builder`, `upcoming` are those of the next rows."""
        if builder is not self._builder:  # the model was replaced since
            digest, upcoming = self._builder.digest(text), ()
        for waiting in (self._pending, self._run_store.elsewhere, self._run_store.freed):
            if digest in waiting:
                waiting[digest].rows.append(number)
                return
        if digest in self._failed:
            self.results.fail(number, self._failed[digest])
            return
        request = self._builder.build(text, digest)
        if not self._no_sending and not self._budget.is_spent:
            builder = self._builder
            yield from self._wait_for_room(request)
            if builder is not self._builder:
                digest, upcoming = self._builder.digest(text), ()
                request = self._builder.build(text, digest)
        reason, is_elsewhere = self._reason_not_to_send(request, text), False
        if reason:
            reply = self._run_store.get_many([digest]).get(digest)  # stored by now
        else:
            reply, is_elsewhere = self._run_store.claim(digest, upcoming)
        if reply is not None:
            self.results.add([number], digest, reply, fresh=False)
        elif reason:
            self.results.fail(number, reason)
        elif is_elsewhere:
            self._run_store.elsewhere[digest] = Pending(text, [number])
        else:
            self._put(request, Pending(text, [number]))

    def _send_freed(self) -> None:
        """Send the requests that another process gave up, as far as there is room."""
        freed = self._run_store.freed
        while freed and (self._engine is None or len(self._pending) < self._engine.room):
            digest, pending = next(iter(freed.items()))
            request = self._builder.build(pending.text, digest)
            if not self._no_sending and not self._budget.fits(request.body) and self._budget.has_reserved:
                return
            del freed[digest]
            if reason := self._reason_not_to_send(request, pending.text):
                for number in pending.rows:
                    self.results.fail(number, reason)
            else:
                self._start_engine()
                self._put(request, pending)

    def _put(self, request: Request, pending: Pending) -> None:
        assert self._engine is not None
        self._pending[request.digest] = pending
        self._budget.reserve(request.digest, request.body)
        self._engine.put(request)

    def _wait_for_room(self, request: Request) -> Iterator[RunnerEvent]:
        """Start the engine if necessary, and wait until it and the budget have room for a request."""
        engine = self._start_engine()
        if len(self._pending) >= engine.room:
            while len(self._pending) > engine.room - max(1, engine.room // 8):  # room for several
                yield from self._handle_events(EVENT_WAIT_S)
        while not self._budget.fits(request.body) and self._budget.has_reserved:
            yield from self._handle_events(EVENT_WAIT_S)

    def _start_engine(self) -> Engine:
        if self._engine is None:
            with interrupts.deferred():
                self._engine = self.job.start_engine()
                self.results.notes += [self._engine.note] if self._engine.note else []
        return self._engine

    def _handle_events(self, timeout: float) -> Iterator[RunnerEvent]:
        if self._stop.is_set():
            raise StoppedError
        with interrupts.deferred():
            events = self._take_events(timeout)
        yield from events
        if self.results.has_rows_to_show or time.monotonic() - self._reported >= PROGRESS_INTERVAL_S:
            yield self._progress()

    def _take_events(self, timeout: float) -> list[RunnerEvent]:
        """Take all events of the engine, waiting for the first one, and return those to show."""
        shown: list[RunnerEvent] = []
        self._took_events_at = time.monotonic()
        if self._engine is None:
            self._stop.wait(timeout)
        while self._engine and (event := self._engine.next(timeout)) is not None:
            timeout = 0.0
            match event:
                case Answered(digest, reply, fresh):
                    self._add_answer(digest, reply, fresh=fresh)
                case Failed(refused_model=True) if (replaced := self._replace_model(event)) is not None:
                    shown += replaced
                case Failed(digest, reason, sent, responses, lost=lost):
                    if not sent:
                        reason = self._no_sending = self._no_sending or reason  # the first one says most
                    self._count(digest, responses, lost=lost)
                    if sent:
                        self.job.ledger.add(self._builder.model, [{}])
                    self._failed[digest] = reason
                    self._run_store.give_up(digest)
                    for number in self._rows_waiting_for(digest):
                        self.results.fail(number, reason)
                case OtherCall(responses):
                    self._count(b"", responses)
                    if not responses:
                        self.job.ledger.add(self._builder.model, [{}])
                case Throttled() | Retrying():
                    shown.append(event)
        self._run_store.flush()
        for rows, digest, reply in self._run_store.poll():
            self.results.add(rows, digest, reply, fresh=False)
        return shown

    def _rows_waiting_for(self, digest: bytes) -> Sequence[int]:
        pending = self._pending.pop(digest, None)
        return pending.rows if pending else ()

    def _use(self, prompt: PreparedPrompt) -> None:
        """Make all further requests from this prompt, which is for another model."""
        self.job = replace(self.job, prompt=prompt)
        self.job.check_price()
        self._builder = RequestBuilder(prompt, packed=self.job.is_packed)
        self.results.use_model(prompt.model, prompt.own_price)
        self._budget.price = prompt.price

    def _replace_model(self, failed: Failed) -> list[RunnerEvent] | None:
        """Send all pending requests to another model if nobody chose the refused one. Else return None."""
        if failed.responses:  # the model answered before
            return None
        error = StatusError(failed.reason, status=400)
        prompt = self.job.after_refusal(self.job.prompt, error)
        if prompt is None:
            self._no_sending = self._no_sending or f"Not sent: {' '.join(str(error).split())}"
            return None
        assert self._engine is not None
        self._engine.close()
        self.job.ledger.add(self._builder.model, [{}])
        while (event := self._engine.next(0.0)) is not None:
            if isinstance(event, Answered):
                self._add_answer(event.digest, event.reply, fresh=event.fresh)
        self._use(prompt)
        self._engine = self.job.start_engine()
        for digest in self._pending:
            self._budget.settle(digest, 0.0, answered=False)
        waiting = [*self._pending.values(), *self._run_store.elsewhere.values(), *self._run_store.freed.values()]
        self._pending.clear()
        self._run_store.restart({self._builder.digest(each.text): each for each in waiting})
        return [ModelReplaced(prompt)]

    def _use_recorded_model(self, texts: Sequence[str]) -> bool:
        """If nobody chose a model, use the one that answered some of these texts, and return whether there is one."""
        job, models = self.job, self._store.models()
        found = recorded_prompt(job.prompt, texts, models, self._run_store.get_many, packed=job.is_packed)
        if found is not None:
            self._use(found)
        return found is not None

    def _add_answer(self, digest: bytes, reply: Reply, *, fresh: bool) -> None:
        """Add an answer to its rows, and to the store unless it is an error that another attempt may not meet."""
        if fresh:
            self._count(digest, reply.responses, answered=True)
        if reply.responses and (default := self.job.prompt.instead_of):
            reply.responses[0]["instead_of"] = default
        if self.results.add(self._rows_waiting_for(digest), digest, reply, fresh=fresh):
            self._run_store.put(digest, self._builder.model, reply)
        else:
            self._failed[digest] = self.results.last_error
            self._run_store.give_up(digest)
        if self.results.misfits >= MISFITS and not self.results.matched and not self._no_sending:
            self._no_sending = f"{NOT_SENT}none of {MISFITS} answers matches the schema. {self.results.last_error}"

    def _stop_sending(self, error: StoreError) -> None:
        """Send nothing more, since answers cannot be stored. Raise the error if nothing was sent yet."""
        if self._engine is None and not self._ended:
            raise error
        self._no_sending = f"Not sent: {error.message}"
        self.results.notes.append(str(error).replace("\n", " "))

    def _reason_not_to_send(self, request: Request, text: str) -> str:
        """Return why this request may not be sent; "" if it may."""
        try:
            self.job.never_send.check_row(row_message(text))
        except NeverSendError as error:
            return f"Not sent: {error.message}"
        if not self._no_sending and self._budget.refuses(request.body):
            return f"Not sent: the budget of ${self.job.options.budget:g} is spent."
        return self._no_sending

    def _count(
        self, digest: bytes, responses: Sequence[dict[str, Any]], *, answered: bool = False, lost: bool = False
    ) -> None:
        """Count the calls that gave these responses: in the results, towards the budget, and in the ledger."""
        self.job.prompt.add_cost(responses)
        cost = self.results.count(responses)
        self._budget.settle(digest, cost, answered=answered, lost=lost)
        self.job.ledger.add(self._builder.model, responses)

    def _progress(self) -> Progress:
        self._reported = now = time.monotonic()
        results, rows, seconds = self.results, len(self.job.rows), max(now - self._began, 1e-6)
        sent = results.done - results.stored  # stored rows take no time
        left_s = seconds / sent * (rows - results.done) if results.calls and sent else None
        speed = results.usage["output_tokens"] / seconds
        return Progress(rows, results.done, results.failed, speed, results.cost or None, left_s)
