"""Answer prompts, in the running cell or in the background, so that each waits for those above it.

A prompt in the background has a thread and an HTTP client of its own. Its output belongs to its cell, whatever cell
runs by then, and an interrupt of the kernel does not reach it.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from IPython.core.displaypub import CapturingDisplayPublisher

from mm_magics.background_context import in_background
from mm_magics.display.ipykernel_compat import call_when_idle, refuse_input, sender_for_request
from mm_magics.endpoint.client import Client, LastClient
from mm_magics.errors import MiniMaxError, TurnInterruptedError, UsageError
from mm_magics.history.turn import Turn
from mm_magics.ipython import frontend
from mm_magics.ipython.background_answer import BackgroundAnswer
from mm_magics.ipython.live_page import LivePage
from mm_magics.session import Session
from mm_magics.text import escape_controls
from mm_magics.tools.runtime.captured_output import is_in_tool, route_beside_cells
from mm_magics.tools.runtime.captured_output import refuse_input as refused
from mm_magics.turn.driver import TurnStream
from mm_magics.turn.prepared import PreparedPrompt, Waiting
from mm_magics.turn.running_prompts import RunningPrompt, RunningPrompts
from mm_magics.turn.waiting_answer import WaitingAnswer, in_context, wait_for

Show = Callable[..., Turn]
"""`show_turn` with its options about how the turn is shown."""

END_S = 5.0
"""How long a cell that runs again waits until its earlier answer has ended."""


class Answers:
    """The prompts of a kernel that are being answered."""

    def __init__(self, session: Session, shell: Any, page: LivePage) -> None:
        self._session, self._shell, self._page = session, shell, page
        self.running = RunningPrompts(session.history)
        self._refuses_input = False

    def obstacle(self, cell_id: str | None) -> str:
        """Return why the running cell cannot be answered in the background; "" if it can."""
        if frontend.detect(self._shell) != "notebook" or not self._page.shows(cell_id):
            return "No page with the mm_magics extension shows this cell, so it was not answered in the background."
        if isinstance(self._shell.display_pub, CapturingDisplayPublisher):
            return "The outputs of this cell are captured, so it was not answered in the background."
        return ""

    def end_earlier(self) -> None:
        """Stop the answer that the running cell had from an earlier run, and wait until it has ended."""
        execution = frontend.execution(self._shell)
        cell = frontend.cell_id(self._shell)
        for each in self.running.in_cell(cell, execution.run) if cell and execution else ():
            each.stop.set()
            each.ended.wait(END_S)

    @contextmanager
    def stream(self, prompt: PreparedPrompt, stop: threading.Event) -> Iterator[TurnStream[Any]]:
        """Return the turn of a prompt in the running cell. It waits for those above it."""
        with self.in_order(prompt, stop) as running:
            yield self._stream(running, prompt, None)

    @contextmanager
    def in_order(self, prompt: PreparedPrompt, stop: threading.Event) -> Iterator[RunningPrompt]:
        """While it is entered, prompts below this one wait."""
        running = self._begin(prompt, stop)
        failed = True
        try:
            yield running
            failed = False
        finally:
            self.running.end(running, failed=failed)

    def must_wait(self, prompt: PreparedPrompt) -> bool:
        """Return whether a prompt in the running cell would wait for one above it."""
        with self.in_order(prompt, threading.Event()) as running:
            return self.running.above(running) is not None

    def after_above(self, running: RunningPrompt, prompts: Sequence[PreparedPrompt]) -> list[PreparedPrompt]:
        """Wait for the prompts above that are being answered, and return the prompts with the turns of these.

        Raises:
            UsageError: One of them failed.
            TurnInterruptedError: The user interrupted the kernel, or pressed Stop.
        """
        try:
            if self.running.above(running):
                print(Waiting(prompts[0]))
            while above := self.running.above(running):
                wait_for(above)
                if running.stop.is_set():
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise TurnInterruptedError("Interrupted while it waited for a prompt above.", "Nothing was sent.") from None
        with self._session.history.lock:
            return [in_context(prompt, self._session.budget) for prompt in prompts]

    def start(self, prompt: PreparedPrompt, show: Show, value: Callable[[Turn], Any]) -> BackgroundAnswer:
        """Begin to answer a prompt in the background.

        Args:
            prompt: The prompt.
            show: Shows its turn.
            value: Returns the value of the handle.

        Raises:
            UsageError: It offers tools that cannot run in the background. Nothing was sent.
            MiniMaxError: As in `Session.stream`.
        """
        check_tools(prompt)
        if prompt.toolbox:
            self._prepare_for_tools()
        clients = LastClient()  # the session's is closed when its settings change
        client = self._session.client(prompt.timeout, clients)
        client.reads_slowly = True
        running = self._begin(prompt, threading.Event())
        try:
            stream = self._stream(running, prompt, client)
            answer = _Answer(self, running, stream, show, value, client)
            answer.display()
        except BaseException:
            self.running.end(running, failed=True)
            client.close()
            raise
        threading.Thread(target=answer.run, name="mm_magics background answer", daemon=True).start()
        return answer.handle

    def _begin(self, prompt: PreparedPrompt, stop: threading.Event) -> RunningPrompt:
        return self.running.begin(prompt, frontend.cell_id(self._shell), self._session.history.run, stop)

    def _stream(self, running: RunningPrompt, prompt: PreparedPrompt, client: Client | None) -> TurnStream[Any]:
        session = self._session
        begin = partial(session.begin, stop=running.stop, history=session.history, client=client)
        if self.running.above(running) is None:
            return begin(prompt)
        return WaitingAnswer(prompt, running, self.running, session.budget, session.history, begin)

    def _prepare_for_tools(self) -> None:
        route_beside_cells()
        if not self._refuses_input:
            self._refuses_input = True
            refuse_input(self._shell.kernel, is_in_tool, refused)


class _Answer:
    """One prompt in the background. It is created and displayed in its cell, and then runs in its thread."""

    def __init__(
        self,
        answers: Answers,
        running: RunningPrompt,
        stream: TurnStream[Any],
        show: Show,
        value: Callable[[Turn], Any],
        client: Client,
    ) -> None:
        self._session, self._shell, self._page = answers._session, answers._shell, answers._page
        self._answers, self._running, self._stream = answers, running, stream
        self._show, self._value, self._client = show, value, client
        self._send = sender_for_request(self._shell.kernel)
        self._turn: Turn | None = None
        self.handle = BackgroundAnswer(self._state)

    def display(self) -> None:
        """Show the turn in the cell."""
        from mm_magics.display.page_output import BackgroundOutput
        from mm_magics.display.text_fallback import page_view

        first = self._stream.so_far()
        self._id = first.id
        self._session.history.begin_answering(first.id, first.cell_id)
        output = BackgroundOutput(self._send)
        self._view = page_view(self._running.stop, self._stream.so_far, output, has_prompt=False)

    def run(self) -> None:
        """Answer the prompt. Its handle ends whatever happens."""
        try:
            with in_background(self._running.run):
                value = self._answer()
        except BaseException as error:  # the caller of the handle receives it
            with suppress(Exception):  # the kernel is shutting down
                self._report(error)
            self.handle.fail(error)
        else:
            self.handle.succeed(value)

    def _answer(self) -> Any:
        failed = True
        try:
            turn = self._show(
                self._stream,
                self._shell,
                self._running.stop,
                view_for=lambda _shell, _stop: self._view,
                in_cell=False,
            )
            failed = False
            return self._value(turn)
        finally:
            self._turn = self._stream.close()
            self._session.history.end_answering(self._id, self._turn)
            self._answers.running.end(self._running, failed=failed)
            self._client.close()
            call_when_idle(self._shell.kernel, self._page.end_answer)

    def _report(self, error: BaseException) -> None:
        """Show an error in the cell that the turn does not show."""
        if self._turn is None or not self._turn.error:
            text = str(error) if isinstance(error, MiniMaxError) else "".join(traceback.format_exception(error))
            self._send("stream", {"name": "stderr", "text": f"{escape_controls(text)}\n"})

    def _state(self) -> str:
        if self._turn is not None:
            return self._turn.status
        stream = self._stream
        return "waiting for the prompt above" if isinstance(stream, WaitingAnswer) and not stream.answer else "running"


def check_flags(flags: Mapping[str, Any], models: Sequence[str | None]) -> None:
    """Raise `UsageError` if `--background` is combined with a flag that needs the running cell."""
    needs_cell = {"--map": "map" in flags, "--check": "check" in flags, "several answers": len(models) > 1}
    if flags.get("background") and (named := [name for name, given in needs_cell.items() if given]):
        raise UsageError(
            f"{named[0]} cannot be combined with --background. Nothing was sent.", "Leave out --background."
        )


def check_tools(prompt: PreparedPrompt) -> None:
    """Raise `UsageError` if the prompt offers tools that need the thread on which cells run."""
    from mm_magics.ipython.turn_tools import tools_in_cell

    tools = prompt.toolbox.tools if prompt.toolbox else {}
    if names := tools_in_cell(tools):
        are = "is not an asynchronous tool" if len(names) == 1 else "are not asynchronous tools"
        raise UsageError(
            f"{', '.join(names)} {are}, so the prompt cannot run in the background. Nothing was sent.",
            "Define it with async def, or leave out --background.",
        )
