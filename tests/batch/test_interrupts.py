"""An interrupt at any line, and Stop: every finished row is kept, and store and result agree."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mm_magics import Session, map_prompts
from mm_magics.batch.job import MapOptions, build_job
from mm_magics.batch.map_run import MapRun
from mm_magics.batch.store import Store
from mm_magics.errors import TurnInterruptedError
from mm_magics.simulator import Simulator
from tests.batch.simulated import OK_TEMPLATE, ok_template, sent_rows
from tests.pace import PATIENCE
from tests.test_interrupts import AtLine
from tests.turns import broken_rules

pytestmark = pytest.mark.slow

ROWS = [f"row {n}" for n in range(6)]


def after_requests(endpoint: Simulator, count: int, action: Callable[[], None]) -> None:
    """Call `action`, from a thread, as soon as the simulator has received this many requests."""

    def wait() -> None:
        while len(sent_rows(endpoint)) < count:
            time.sleep(0.005)
        action()

    threading.Thread(target=wait).start()


def press_ctrl_c() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def check(session: Session, caught: BaseException | None, store: Path) -> int:
    """Check that store and result agree and the turn is valid, and return how many rows are stored."""
    stored = 0
    if store.exists():
        with Store(store) as opened:
            stored = len(opened)
    result = getattr(caught, "result", None)
    if result is not None:
        assert result.values.count("ok") == stored
        assert len(result.values) == len(ROWS)
        assert all(value == "ok" or row in dict(result.errors) for row, value in enumerate(result.values))
    turns = session.history.turns("main")
    assert len(turns) <= 1
    assert [broken_rules(turn.record()) for turn in turns] in ([], [[]])
    return stored


def test_an_interrupted_run_keeps_every_finished_row_and_can_be_continued(
    session: Session, endpoint: Simulator
) -> None:
    session.config.concurrency = 1
    after_requests(endpoint, 3, press_ctrl_c)
    with pytest.raises(TurnInterruptedError) as caught:
        map_prompts(ok_template("{{ row }}", wait=1), ROWS, session=session)
    result = caught.value.result
    assert 1 <= result.values.count("ok") <= 4
    assert {why for _, why in result.errors} == {"Not sent: the run was ended."}
    (turn,) = session.history.turns("main")
    assert turn.status == "stopped"
    assert result.retry_failed().values == ["ok"] * 6
    assert len(endpoint.log) <= 8


def test_an_interrupt_of_retry_failed_keeps_the_answers(session: Session, endpoint: Simulator) -> None:
    session.config.concurrency = 1
    session.config.max_retries = 0
    failed = map_prompts(ok_template("{{ row }}", wait=0.1, fault="unknown-error", times=1), ROWS, session=session)
    assert len(failed.errors) == 6
    after_requests(endpoint, 9, press_ctrl_c)
    with pytest.raises(TurnInterruptedError) as caught:
        failed.retry_failed()
    assert 1 <= caught.value.result.values.count("ok") <= 4


def test_after_an_interrupt_at_any_line_the_result_has_every_stored_answer(session: Session, tmp_path: Path) -> None:
    count, caught = 0, list[BaseException]()

    def run() -> None:
        try:
            map_prompts(OK_TEMPLATE, ROWS, session=session, store=tmp_path / f"{count}.sqlite", progress=False)
        except TurnInterruptedError as error:
            caught.append(error)
            raise KeyboardInterrupt from None

    run()
    whole, count = AtLine(-1), 1
    whole.run(run)
    chosen = random.Random(4711)
    places = [chosen.choice(moments) for moments in whole.moments.values()]
    places = chosen.sample(places, min(len(places), 160))
    came = results = 0
    for count, place in enumerate(places, 2):
        session.history.clear("main")
        caught.clear()
        came += AtLine(place).run(run)
        check(session, caught[0] if caught else None, tmp_path / f"{count}.sqlite")
        results += bool(caught and caught[0].result)  # type: ignore[attr-defined]
    assert came > 0.9 * len(places)
    assert results > 0.3 * len(places)
    assert [each.name for each in threading.enumerate() if each.name == "mm_magics-batch"] == []


def test_stop_ends_a_run_immediately_and_keeps_every_finished_row(session: Session, endpoint: Simulator) -> None:
    session.config.concurrency = 2
    job = build_job(session, ok_template("{{ row }}", wait=1), ROWS, MapOptions())
    stop = threading.Event()
    pressed: list[float] = []
    after_requests(endpoint, 3, lambda: (pressed.append(time.monotonic()), stop.set()))  # type: ignore[arg-type, func-returns-value]
    run = MapRun(job, session.history, stop)
    with run:
        events = list(run.events(lambda: None))
    assert time.monotonic() - pressed[0] < 0.5 * PATIENCE
    assert run.result is not None
    assert 1 <= run.result.values.count("ok") < 6
    assert events[-1].turn.status == "stopped"  # type: ignore[union-attr]
    assert len(endpoint.log) <= run.result.asked + 2
    assert check(session, None, Path("minimax-answers.sqlite")) == run.result.values.count("ok")


def test_stop_ends_a_run_immediately_while_the_endpoint_is_silent(session: Session, endpoint: Simulator) -> None:
    template = ok_template("{{ row }}", fault="silence-before-headers")
    job = build_job(session, template, ROWS, MapOptions())
    stop = threading.Event()
    pressed: list[float] = []
    after_requests(endpoint, 6, lambda: (pressed.append(time.monotonic()), stop.set()))  # type: ignore[arg-type, func-returns-value]
    with MapRun(job, session.history, stop) as run:
        list(run.events(lambda: None))
    assert time.monotonic() - pressed[0] < 0.5 * PATIENCE
    assert session.history.threads() == {}
    deadline = time.monotonic() + 10
    while endpoint.in_progress and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [record.ended for record in endpoint.log] == ["left"] * 6
