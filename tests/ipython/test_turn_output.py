"""A cell ends with its final bundle, however its turn ends."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from mm_magics.display import plain
from mm_magics.errors import ConnectionFailedError, EndpointError, TurnInterruptedError
from mm_magics.history.turn import MIME_TYPE
from mm_magics.ipython import frontend
from mm_magics.ipython.turn_output import show_turn
from mm_magics.session import Session
from mm_magics.tools.approval import deny_all
from tests.ipython.test_frontend import shell_of


@pytest.fixture
def session_settings() -> dict[str, Any]:
    return {"timeout": 2.0}


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The final bundles of a front end without widgets."""
    out: list[dict[str, Any]] = []
    monkeypatch.setattr(plain.PlainView, "finish", lambda _, bundle, _metadata: out.append(bundle))
    return out


def show(session: Session, prompt: str, *, shell: Any = None, cell_id: str | None = "c1", **how: Any) -> Any:
    stop = threading.Event()
    earlier = session.history.turn_of_cell("main", cell_id)
    answer = session.stream(prompt, stop=stop, cell_id=cell_id)

    def view_for(shell: Any, stop: threading.Event) -> Any:
        return frontend.view_for(shell, stop, answer.so_far)

    return show_turn(answer, shell or shell_of(), stop, view_for=view_for, earlier=earlier, **how)


@pytest.mark.parametrize("how", [{}, {"quiet": True}, {"answer_format": "code"}])
def test_a_cell_ends_with_exactly_one_bundle(session: Session, finished: list[Any], how: Any) -> None:
    turn = show(session, "hi", **how)
    (bundle,) = finished
    assert bundle[MIME_TYPE] == turn.record()
    assert session.history.turns("main") == [turn]


def test_an_error_is_raised_after_the_final_bundle(session: Session, finished: list[Any]) -> None:
    with pytest.raises(ConnectionFailedError):
        show(session, '[[simulator: fault=reset after=6 say="Hello there, this is cut."]]')
    (bundle,) = finished
    assert bundle[MIME_TYPE]["status"] == "failed"
    assert "Hello there" in bundle["text/html"]
    assert "broke" in bundle["text/html"]


def test_without_a_response_the_cell_keeps_its_earlier_answer(session: Session, finished: list[Any]) -> None:
    first = show(session, 'hi [[simulator: say="the first answer"]]')
    with pytest.raises(EndpointError):
        show(session, "hi [[simulator: fault=overloaded]]")
    assert finished[1][MIME_TYPE] == first.record()
    assert "the first answer" in finished[1]["text/html"]
    assert "this is the earlier answer" in finished[1]["text/html"]
    assert session.history.turns("main") == [first]


def test_without_any_answer_the_bundle_shows_the_error(session: Session, finished: list[Any]) -> None:
    with pytest.raises(EndpointError):
        show(session, "hi [[simulator: fault=invalid-key]]")
    (bundle,) = finished
    assert "invalid api key" in bundle["text/html"]
    assert bundle["text/plain"].strip()
    (turn,) = session.history.turns("main")
    assert (turn.status, turn.closed) == ("failed", [])


def test_an_interrupt_raises_one_of_our_errors_after_the_bundle(session: Session, finished: list[Any]) -> None:
    class Interrupting(plain.PlainView):
        def show(self, event: Any) -> None:
            if getattr(event, "kind", "") == "text":
                raise KeyboardInterrupt

        approve = staticmethod(deny_all)

        def finish(self, bundle: Any, _metadata: Any) -> None:
            finished.append(bundle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frontend, "view_for", lambda *_: Interrupting())
        with pytest.raises(TurnInterruptedError, match=r"^Interrupted\.") as caught:
            show(session, "[[simulator: deltas=10000 rate=500]]")
    assert caught.value.hint == "The partial response is kept."
    assert finished[0][MIME_TYPE]["status"] == "stopped"


def test_a_terminal_shows_the_answer_once_and_no_bundle(
    session: Session, capsys: pytest.CaptureFixture[str], finished: list[Any]
) -> None:
    show(session, 'hi [[simulator: say="only once" size=99]]', shell=shell_of(kernel=False), cell_id=None)
    out = capsys.readouterr().out
    assert out.count("only once") == 1
    assert "\x1b" not in out
    assert finished == []


def test_a_quiet_terminal_shows_nothing(
    session: Session, capsys: pytest.CaptureFixture[str], finished: list[Any]
) -> None:
    turn = show(session, "hi", shell=shell_of(kernel=False), cell_id=None, quiet=True)
    assert (capsys.readouterr().out, finished, turn.status) == ("", [], "complete")
