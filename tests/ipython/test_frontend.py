"""Which front end asks, and that a cell ends with its bundle however its turn ends."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mm_magics.display import plain
from mm_magics.errors import ConnectionFailedError, EndpointError, TurnInterruptedError
from mm_magics.history.turn import MIME_TYPE
from mm_magics.ipython import frontend
from mm_magics.session import Session
from mm_magics.tools.approval import deny_all


def shell_of(*, kernel: bool = True, metadata: Any = None, content: Any = None, **names: Any) -> Any:
    """As much of a shell as is looked at."""
    shell = SimpleNamespace(user_ns=names, get_parent=lambda: {"metadata": metadata, "content": content})
    if kernel:
        shell.kernel = object()
    else:
        del shell.get_parent
    return shell


NOTEBOOK: Any = {"metadata": {"cellId": "c1"}, "content": {"allow_stdin": True, "code": "%%minimax\nhi"}}


@pytest.mark.parametrize(
    ("shell", "kind"),
    [
        (shell_of(kernel=False), "terminal"),
        (shell_of(**NOTEBOOK), "notebook"),
        (shell_of(content={"allow_stdin": True}), "console"),
        (shell_of(content={"allow_stdin": False}), "plain"),
        (shell_of(), "plain"),
        (shell_of(metadata={"cellId": ""}), "plain"),
        (shell_of(metadata={"cellId": 5}), "plain"),
    ],
)
def test_the_front_end_is_told_by_what_its_request_holds(shell: Any, kind: str) -> None:
    assert frontend.kind(shell) == kind


@pytest.mark.parametrize(
    ("metadata", "cell"),
    [
        ({"cellId": "c1"}, "c1"),
        ({}, None),
        (None, None),
        ({"cellId": None}, None),
        ({"cellId": "vscode-notebook-cell:/home/ada/secret.ipynb#W0sZmlsZQ%3D%3D"}, "vscode-W0sZmlsZQ%3D%3D"),
    ],
)
def test_the_cell_is_known_by_its_id_alone_and_no_path_is_kept(metadata: Any, cell: str | None) -> None:
    assert frontend.cell_id(shell_of(metadata=metadata)) == cell
    assert frontend.cell_id(shell_of(kernel=False)) is None


def test_the_notebook_is_found_where_the_front_end_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.delenv("MINIMAX_NOTEBOOK", raising=False)
    assert frontend.notebook_path(shell_of(**NOTEBOOK)) is None
    monkeypatch.setenv("MINIMAX_NOTEBOOK", "/a/m.ipynb")
    assert frontend.notebook_path(shell_of()) == Path("/a/m.ipynb")
    assert frontend.notebook_path(shell_of(__vsc_ipynb_file__="/a/v.ipynb")) == Path("/a/v.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", "/a/j.ipynb")
    assert frontend.notebook_path(shell_of(**NOTEBOOK)) == Path("/a/j.ipynb")
    assert frontend.notebook_path(shell_of(kernel=False)) == Path("/a/m.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", "/a/python-console-1234")
    assert frontend.notebook_path(shell_of(**NOTEBOOK)) == Path("/a/m.ipynb")


# Performing -----------------------------------------------------------------------------------------------------


@pytest.fixture
def session_settings() -> dict[str, Any]:
    return {"timeout": 2.0}


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The bundles that end the cells of a front end without widgets."""
    out: list[dict[str, Any]] = []
    monkeypatch.setattr(plain.PlainView, "finish", lambda _, bundle, _metadata: out.append(bundle))
    return out


def perform(session: Session, prompt: str, *, shell: Any = None, cell_id: str | None = "c1", **how: Any) -> Any:
    stop = threading.Event()
    earlier = session.history.turn_of_cell("main", cell_id)
    answer = session.stream(prompt, stop=stop, cell_id=cell_id)
    return frontend.perform(answer, shell or shell_of(), stop, earlier=earlier, **how)


@pytest.mark.parametrize("how", [{}, {"quiet": True}, {"answer_format": "code"}])
def test_a_cell_ends_with_exactly_one_bundle(session: Session, finished: list[Any], how: Any) -> None:
    turn = perform(session, "hi", **how)
    (bundle,) = finished
    assert bundle[MIME_TYPE] == turn.record()
    assert session.history.turns("main") == [turn]


def test_an_error_goes_on_after_the_bundle_is_in_its_place(session: Session, finished: list[Any]) -> None:
    with pytest.raises(ConnectionFailedError):
        perform(session, '[[simulator: fault=reset after=6 say="Hello there, this is cut."]]')
    (bundle,) = finished
    assert bundle[MIME_TYPE]["status"] == "failed"
    assert "Hello there" in bundle["text/html"]
    assert "broke" in bundle["text/html"]


def test_where_nothing_came_the_cell_keeps_its_earlier_answer(session: Session, finished: list[Any]) -> None:
    first = perform(session, 'hi [[simulator: say="the first answer"]]')
    with pytest.raises(EndpointError):
        perform(session, "hi [[simulator: fault=overloaded]]")
    assert finished[1][MIME_TYPE] == first.record()
    assert "the first answer" in finished[1]["text/html"]
    assert "this is the earlier answer" in finished[1]["text/html"]
    assert session.history.turns("main") == [first]


def test_where_nothing_came_and_nothing_was_the_error_is_the_answer(session: Session, finished: list[Any]) -> None:
    with pytest.raises(EndpointError):
        perform(session, "hi [[simulator: fault=invalid-key]]")
    (bundle,) = finished
    assert "invalid api key" in bundle["text/html"]
    assert bundle["text/plain"].strip()
    assert session.history.turns("main") == []


def test_an_interrupt_becomes_one_of_our_errors_after_the_bundle(session: Session, finished: list[Any]) -> None:
    class Interrupting(plain.PlainView):
        def show(self, event: Any) -> None:
            if getattr(event, "kind", "") == "text":
                raise KeyboardInterrupt

        approve = staticmethod(deny_all)

        def finish(self, bundle: Any, _metadata: Any) -> None:
            finished.append(bundle)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frontend, "stage", lambda *_: Interrupting())
        with pytest.raises(TurnInterruptedError, match=r"^Interrupted\.") as caught:
            perform(session, "[[simulator: deltas=10000 rate=500]]")
    assert caught.value.hint == "What came is kept."
    assert finished[0][MIME_TYPE]["status"] == "stopped"


def test_a_terminal_shows_the_answer_once_and_no_bundle(
    session: Session, capsys: pytest.CaptureFixture[str], finished: list[Any]
) -> None:
    perform(session, 'hi [[simulator: say="only once" size=99]]', shell=shell_of(kernel=False), cell_id=None)
    out = capsys.readouterr().out
    assert out.count("only once") == 1
    assert "\x1b" not in out
    assert finished == []


def test_a_quiet_terminal_shows_nothing(
    session: Session, capsys: pytest.CaptureFixture[str], finished: list[Any]
) -> None:
    turn = perform(session, "hi", shell=shell_of(kernel=False), cell_id=None, quiet=True)
    assert (capsys.readouterr().out, finished, turn.status) == ("", [], "complete")
