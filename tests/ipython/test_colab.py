"""Asking Colab's page for the notebook: what it may answer, and what it may not."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mm_magics.errors import NotebookError
from mm_magics.ipython import colab, frontend
from mm_magics.ipython.colab import ColabPage
from mm_magics.session import Session
from tests.ipython.test_frontend import shell_of
from tests.outside import JSON
from tests.turns import turn

METADATA = st.one_of(
    JSON, st.dictionaries(st.sampled_from(["id", "colab", "name", "minimax", "private_outputs"]), JSON)
)
CELLS = st.fixed_dictionaries({"cell_type": JSON, "metadata": METADATA, "source": JSON, "outputs": JSON})
REQUEST: Any = {"colab": {"cell_id": "c1"}}


@pytest.fixture
def replies(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The replies of the page, in order; an exception is raised."""
    waiting: list[Any] = []

    def blocking_request(request_type: str, request: Any = "", timeout_sec: float = 5, parent: Any = None) -> Any:
        reply = waiting.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "google.colab._message", SimpleNamespace(blocking_request=blocking_request))
    return waiting


def cell(id_: str | None, source: Any = "%%minimax\nhi", outputs: Any = (), **fields: Any) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {"id": id_}, "source": source, "outputs": list(outputs), **fields}


def output(**data: Any) -> dict[str, Any]:
    return {"output_type": "display_data", "data": data, "metadata": {}}


@pytest.mark.parametrize(
    "reply",
    [None, {}, [], "text", {"ipynb": None}, {"ipynb": {}}, {"ipynb": {"cells": 5}}, OSError("closed"), TypeError("x")],
)
def test_a_page_that_does_not_answer_is_not_asked_again_for_a_while(
    replies: list[Any], monkeypatch: pytest.MonkeyPatch, reply: Any
) -> None:
    replies += [reply, {"ipynb": {"cells": []}}]
    page = ColabPage()
    for _ in range(3):
        with pytest.raises(NotebookError, match="Colab did not send the notebook"):
            page.notebook("c1")
    assert len(replies) == 1
    monkeypatch.setattr(colab, "PAUSE_S", 0.0)
    assert page.notebook("c1").cells == []


def test_the_notebook_has_the_ids_name_and_settings_of_the_page(replies: list[Any]) -> None:
    cells = [cell("a", ["%%minimax\n", "hi"]), cell(None), cell("a"), {"cell_type": "code"}, 5, cell(None, id="own")]
    metadata = {"colab": {"name": "Untitled0.ipynb"}, "minimax": {"thread": "work"}}
    replies.append({"ipynb": {"cells": cells, "metadata": metadata}})
    document = ColabPage().notebook("a")
    assert [each.id for each in document.cells] == ["a", "cell-1", "a-2", "cell-3", "cell-4", "own"]
    assert document.cells[0].source == "%%minimax\nhi"
    assert (document.name, document.settings, document.pending) == ("Untitled0.ipynb", {"thread": "work"}, {"a"})


@pytest.mark.fuzz
@settings(
    max_examples=max(20, settings.default.max_examples // 10),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.one_of(
        JSON,
        st.fixed_dictionaries(
            {
                "ipynb": st.fixed_dictionaries(
                    {"cells": st.lists(st.one_of(JSON, CELLS), max_size=4), "metadata": METADATA}
                )
            }
        ),
    )
)
def test_any_reply_of_the_page_is_a_notebook_or_an_error(replies: list[Any], reply: Any) -> None:
    replies[:] = [reply]
    session = Session(api_key="none")
    session.history.put(turn("hi", cell_id="a"))
    try:
        session.receive(ColabPage().notebook("a"))
    except NotebookError as error:
        session.receive(error)
    session.refresh()
    assert session.prepare("And now?").body["messages"]


@pytest.mark.parametrize("metadata", [None, [], {}, {"colab": None}, {"colab": {"name": ""}}])
def test_a_notebook_without_a_name_has_one_in_messages(replies: list[Any], metadata: Any) -> None:
    replies.append({"ipynb": {"cells": [], "metadata": metadata}})
    assert ColabPage().notebook("a").name == "the notebook"


@pytest.mark.parametrize("is_private", [False, True])
def test_prompts_whose_record_may_be_missing_are_remembered(replies: list[Any], *, is_private: bool) -> None:
    from mm_magics.history.turn import MIME_TYPE

    html, record = output(**{"text/html": "hi"}), output(**{MIME_TYPE: turn("hi").record()})
    loop = "get_ipython().run_cell_magic('minimax', '', 'hi')"
    cells = [
        cell("html", outputs=[html]),
        cell("record", outputs=[record]),
        cell("cleared"),
        cell("code", "print(1)", outputs=[html]),
        cell("loop", loop, outputs=[html]),
        {**cell("text", outputs=[html]), "cell_type": "markdown"},
    ]
    replies.append({"ipynb": {"cells": cells, "metadata": {"colab": {"private_outputs": is_private}}}})
    assert ColabPage().notebook("x").remembered == {"html", "loop"} | ({"cleared"} if is_private else set())


@pytest.mark.parametrize(
    ("metadata", "cell_id"),
    [(REQUEST, "c1"), ({"colab": {}}, None), ({"colab": None}, None), ({"colab": {"cell_id": 5}}, None), ({}, None)],
)
def test_a_request_of_colab_names_the_cell(replies: list[Any], metadata: Any, cell_id: str | None) -> None:
    shell = shell_of(metadata=metadata, content={"allow_stdin": True})
    assert frontend.detect(shell) == "notebook"
    assert frontend.cell_id(shell) == frontend.colab_cell(shell) == cell_id


def test_only_colab_is_asked() -> None:
    assert frontend.colab_cell(shell_of(metadata=REQUEST)) is None
    assert frontend.colab_cell(shell_of(metadata={"cellId": "c1"})) is None
