"""An interrupt at any moment keeps the partial response and a valid history, and is never lost itself."""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mm_magics
from mm_magics import interrupts
from mm_magics.api.messages import problems
from mm_magics.endpoint.call import Call
from mm_magics.endpoint.stream_events import Delta
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from mm_magics.tools.runtime.runner import ToolFinished
from mm_magics.tools.runtime.timeout import ToolTimeout
from tests.endpoint.test_client import until
from tests.pace import PATIENCE
from tests.turns import broken_rules

pytestmark = pytest.mark.slow

SILENT = "[[simulator: fault=silence-before-headers]]"
PACKAGE = str(Path(mm_magics.__file__).parent)


@pytest.fixture(autouse=True)
def _pythons_own_handler() -> Any:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Witness:
    """A view that records the text it is shown."""

    due = None

    def __init__(self) -> None:
        self.shown = {"text": "", "thinking": ""}

    def show(self, event: Any) -> None:
        if isinstance(event, Delta) and event.kind in self.shown:
            self.shown[event.kind] += event.text


def blocks_of_first_answer(turn: Any) -> Any:
    """Return the blocks that were received; [] if the turn was stopped before."""
    return turn.messages[1]["content"] if len(turn.messages) > 1 else []


def check(session: Session, witness: Witness) -> None:
    """Check that what was shown is in the history, and that the history is valid."""
    turns = session.history.turns("main")
    assert problems(session.prepare("And now?").body["messages"]) == []
    assert len(turns) <= 1
    for turn in turns:
        assert broken_rules(turn.record()) == []
        assert turn.status in ("stopped", "complete")
        for block in blocks_of_first_answer(turn):
            assert isinstance(block, dict)
    content: list[Any] = [block for turn in turns for block in blocks_of_first_answer(turn)]
    for kind, shown in witness.shown.items():
        in_history = "".join(block.get(kind, "") for block in content if block["type"] == kind)
        assert in_history.startswith(shown), f"{kind} was shown and is lost"
        if turns and turns[0].status == "complete":
            assert shown in ("", in_history)


# Deferring an interrupt -----------------------------------------------------------------------------------------


def test_a_deferred_interrupt_is_raised_at_the_end_of_the_block() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts.deferred():  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        done.append("all of the block")
    assert done == ["all of the block"]


def test_several_deferred_interrupts_are_raised_as_one_and_the_handler_is_restored() -> None:
    calls: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: calls.append(number))
    before = signal.getsignal(signal.SIGINT)
    with interrupts.deferred():
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        assert calls == []
    assert calls == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is before


def test_without_an_interrupt_errors_pass_through() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), interrupts.deferred():
        _ = 1 / 0
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("handler", [signal.SIG_IGN, signal.SIG_DFL])
def test_system_handlers_are_restored(handler: Any) -> None:
    signal.signal(signal.SIGINT, handler)
    with interrupts.deferred():
        pass
    assert signal.getsignal(signal.SIGINT) == handler


def test_deferring_does_nothing_off_the_main_thread() -> None:
    done: list[Any] = []

    def work() -> None:
        with interrupts.deferred():
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.default_int_handler]


# At any line ----------------------------------------------------------------------------------------------------


class AtLine:
    """Raises SIGINT in the main thread when the n-th line of the package (the simulator aside) is about to run."""

    def __init__(self, number: int) -> None:
        self.number, self.count = number, 0
        self.moments: dict[tuple[str, int], list[int]] = {}

    def trace(self, frame: Any, event: str, _arg: Any) -> Any:
        name = frame.f_code.co_filename
        if not name.startswith(PACKAGE) or "simulator" in name:
            return None
        if event == "line":
            self.count += 1
            self.moments.setdefault((name, frame.f_lineno), []).append(self.count)
            if self.count == self.number:
                sys.settrace(None)
                signal.raise_signal(signal.SIGINT)
        return self.trace

    def run(self, action: Callable[[], Any]) -> bool:
        """Run the action and return whether it raised the interrupt."""
        before = sys.gettrace()
        try:
            sys.settrace(self.trace)
            action()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "mm_magics-reader"]


def test_an_interrupt_at_any_line_of_a_turn_keeps_what_was_shown(session: Session) -> None:
    prompt = '[[simulator: say="Hello, this is short." thinking="Let me think." size=5]]'

    def ask(witness: Witness) -> Callable[[], Any]:
        return lambda: session.ask(prompt, view=witness, cell_id="a")

    session.ask(prompt)
    whole = AtLine(-1)
    session.history.clear("main")
    whole.run(ask(Witness()))
    chosen = random.Random(4711)
    places = [chosen.choice(moments) for moments in whole.moments.values()]
    interrupted = with_turn = 0
    for place in places:
        session.history.clear("main")
        witness = Witness()
        interrupted += AtLine(place).run(ask(witness))
        check(session, witness)
        with_turn += bool(session.history.turns("main"))
    assert len(places) > 150
    assert interrupted > 0.9 * len(places)
    assert 0.2 < with_turn / len(places) < 0.8
    assert session.ask("And now?").status == "complete"


def test_an_interrupt_at_any_line_before_the_call_waits_leaves_no_call_behind(session: Session) -> None:
    session.ask("warm up")
    over = threading.Event()
    over.set()
    for _ in range(2):  # the first time has more to do
        whole = AtLine(-1)
        whole.run(lambda: session.ask(SILENT, cell_id="a", stop=over))
    waits = min(
        moments[0]
        for (name, line), moments in whole.moments.items()
        if name == Call._next.__code__.co_filename and line > Call._next.__code__.co_firstlineno
    )
    assert waits > 100
    for place in range(1, waits):
        assert AtLine(place).run(lambda: session.ask(SILENT, cell_id="a"))
        assert until(lambda: not readers())
    assert session.ask("And now?").status == "complete"


@pytest.mark.parametrize("lines", ["even", "odd"])  # two halves, so that both workers share the longest test
@pytest.mark.filterwarnings("ignore:.*never awaited:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_line_of_a_turn_with_tools_keeps_the_results_that_were_shown(
    session: Session, lines: str
) -> None:
    shown: list[Any] = []

    class Watcher:
        due = None

        def show(self, event: Any) -> None:
            if isinstance(event, ToolFinished):
                shown.append(event.result.block)

    def add(a: int) -> int:
        """The next one."""
        return a + 1

    async def previous(a: int) -> int:
        """The one before."""
        return a - 1

    def ask() -> Any:
        return session.ask(
            'Use add and previous. [[simulator: thinking="Hm." size=5]]', view=Watcher(), tools=[add, previous]
        )

    ask()  # the first time imports modules, and other lines run only then
    shown.clear()
    whole = AtLine(-1)
    whole.run(ask)
    assert len(shown) == 2
    chosen = random.Random(4711)
    places = [chosen.choice(moments) for moments in whole.moments.values()][lines == "odd" :: 2]
    interrupted = 0
    for place in places:
        session.history.clear("main")
        shown.clear()
        interrupted += AtLine(place).run(ask)
        assert problems(session.prepare("And now?").body["messages"]) == []
        for turn in session.history.turns("main"):
            assert broken_rules(turn.record()) == []
            saved = [block for message in turn.messages[1:] for block in message["content"]]
            assert all(block in saved for block in shown), "a result was shown and is lost"
    assert interrupted > 0.9 * len(places)
    assert session.ask("And now?").status == "complete"


def test_an_interrupt_at_any_line_of_a_time_limit_leaves_no_thread_that_interrupts_later() -> None:
    def limited() -> None:
        with ToolTimeout(60, threading.Event()):
            pass

    def watchers() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "mm_magics tool timeout"]

    whole = AtLine(-1)
    whole.run(limited)
    assert whole.count > 10
    for place in range(1, whole.count + 1):
        assert AtLine(place).run(limited)
        assert until(lambda: not watchers()), place
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# At any moment --------------------------------------------------------------------------------------------------


def interrupted_after(seconds: float, action: Callable[[], Any]) -> None:
    """Run the action, and press Ctrl-C from another thread while it runs."""
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(seconds, signal.pthread_kill, (main, signal.SIGINT))
    try:
        timer.start()
        action()
        timer.join()
        time.sleep(1)
    except KeyboardInterrupt:
        timer.join()
        return
    raise AssertionError("the interrupt was lost")


def test_an_interrupt_at_any_moment_leaves_a_valid_history(session: Session) -> None:
    moments = random.Random(4711)
    session.ask("warm up")
    for _ in range(20):
        session.history.clear("main")
        witness = Witness()
        prompt = "[[simulator: deltas=300 rate=10000 thinking='a b c' size=4]]".replace("'", '"')
        seconds = moments.uniform(0.0, 0.05)
        interrupted_after(seconds, lambda p=prompt, w=witness: session.ask(p, view=w))  # type: ignore[misc]
        check(session, witness)
    assert session.ask("And now?").status == "complete"


@pytest.mark.parametrize("fault", ["silence-before-headers", "silence"])
def test_an_interrupt_while_the_endpoint_is_silent_takes_effect_at_once(
    session: Session, endpoint: Simulator, fault: str
) -> None:
    witness = Witness()
    session.ask("warm up")
    session.history.clear("main")
    began = time.monotonic()
    interrupted_after(0.3, lambda: session.ask(f"[[simulator: fault={fault}]]", view=witness))
    assert time.monotonic() - began < 0.3 + 0.5 * PATIENCE
    check(session, witness)
    deadline = time.monotonic() + 10
    while endpoint.log[1].ended is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert endpoint.log[1].ended == "left"
