"""Pages that draw no widgets: the answer streams as text, until a page answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from mm_magics.history.turn import MIME_TYPE
from tests.kernel.conftest import Kernel, Run

pytestmark = pytest.mark.slow

WIDGET = "application/vnd.jupyter.widget-view+json"
VS_CODE = {"cellId": "vscode-notebook-cell:/home/ada/book.ipynb#W0sZmlsZQ%3D%3D"}
WORDS = " ".join(f"word{number}" for number in range(1_000))
LONG = f'%%minimax\nCount. [[simulator: thinking="" say="{WORDS}" size=8 rate=10]]'
"""A minute and a half, unless it is stopped."""
TWO = LONG.replace("%%minimax", "%%minimax -m MiniMax-M2.7,MiniMax-M2.5")
SHORT = '%%minimax\nCount. [[simulator: thinking="" say="one two three four" size=1 rate=10]]'
"""About 2 s."""


def displays(run: Run) -> list[dict[str, Any]]:
    return [content["data"] for kind, content in run.messages if kind in ("display_data", "update_display_data")]


def texts(run: Run) -> list[str]:
    """Return the texts that were shown before the final bundle."""
    return [data["text/plain"] for data in displays(run)[:-1] if WIDGET not in data]


def answers(text: str) -> list[str]:
    """Return the compared answers in a text, each without its title."""
    before, *found = re.split(r"── Version \d: MiniMax-M2\.[75] ──\n", text)
    assert before == ""
    return found


def run_until(kernel: Kernel, code: str, react: Callable[[dict[str, Any]], bool], cell: str, **options: Any) -> Run:
    """Run the cell, call `react` with each display, and stop the turn once it returns True."""
    is_stopped = False

    def see(kind: str, content: dict[str, Any]) -> bool:
        nonlocal is_stopped
        if kind in ("display_data", "update_display_data") and not is_stopped and react(content["data"]):
            is_stopped = True
            assert kernel.request({"type": "stop"})["received"]
        return False

    return kernel.run(code, cell, when=see, then=lambda: None, **options)


def after(count: int) -> Callable[[dict[str, Any]], bool]:
    """Return a reaction that is True from this number of texts on."""
    seen: list[str] = []

    def react(data: dict[str, Any]) -> bool:
        if WIDGET not in data:
            seen.append(data["text/plain"])
        return len(seen) >= count

    return react


def test_the_text_streams_where_no_page_answers(fresh_kernel: Kernel) -> None:
    """As in VS Code without a widget manager: cells have its ids, and nothing answers on a comm."""
    run = run_until(fresh_kernel, LONG, after(5), "", metadata=VS_CODE)
    shown = displays(run)
    assert WIDGET in shown[0]
    streamed = [text.rstrip() for text in texts(run)]
    assert len(streamed) >= 5
    assert WORDS.startswith(streamed[0])
    assert all(WORDS.startswith(text) for text in streamed[:5])
    assert [len(text) for text in streamed[:5]] == sorted({len(text) for text in streamed[:5]})
    assert next(iter(shown[-1])) != "text/plain"
    assert {"text/html", "text/markdown", "text/plain", MIME_TYPE} == shown[-1].keys()
    assert len(run.outputs) == 1
    assert run.turn["status"] == "stopped"


def test_a_page_that_answers_late_draws_the_widget_again(fresh_kernel: Kernel) -> None:
    shown: list[bool] = []

    def answer(data: dict[str, Any]) -> bool:
        shown.append(WIDGET in data)
        if shown == [True, False]:
            assert fresh_kernel.request({"type": "here"}, data[MIME_TYPE]["id"])["received"]
        return len(shown) > 2 and shown[-1]

    run_until(fresh_kernel, LONG, answer, "a")
    assert shown[0]
    assert not shown[1]
    assert texts(fresh_kernel.run(SHORT, "b")) == []


def test_an_answer_that_waited_for_the_end_of_the_cell_counts_for_the_next(fresh_kernel: Kernel) -> None:
    """ipykernel 6 and VS Code deliver the messages of widgets once the cell has ended."""
    run = run_until(fresh_kernel, LONG, after(1), "a")
    opened = {
        content["comm_id"]: content["data"]["state"].get("_esm", "")
        for kind, content in run.messages
        if kind == "comm_open"
    }
    (turn,) = [id_ for id_, source in opened.items() if "runtime.open" in source]
    content = {"comm_id": turn, "data": {"method": "custom", "content": {"type": "here"}}}
    fresh_kernel.client.shell_channel.send(fresh_kernel.client.session.msg("comm_msg", content))
    assert texts(fresh_kernel.run(SHORT, "b")) == []


def test_compared_answers_stream_as_text_side_by_side_where_no_page_answers(fresh_kernel: Kernel) -> None:
    seen: list[list[str]] = []

    def react(data: dict[str, Any]) -> bool:
        if WIDGET not in data:
            seen.append([answer.rstrip() for answer in answers(data["text/plain"])])
        return all(len(set(streamed)) > 3 for streamed in zip(*seen, strict=True))

    run = run_until(fresh_kernel, TWO, react, "", metadata=VS_CODE)
    for streamed in zip(*seen[:-1], strict=True):
        assert all(WORDS.startswith(text) for text in streamed)
        assert [len(text) for text in streamed] == sorted(len(text) for text in streamed)
    assert len(run.outputs) == 1
    assert run.turn["status"] == "stopped"


def test_a_page_that_answers_late_draws_compared_answers_too(fresh_kernel: Kernel) -> None:
    shown: list[bool] = []

    def answer(data: dict[str, Any]) -> bool:
        shown.append(WIDGET in data)
        if shown == [True, False]:
            assert fresh_kernel.request({"type": "here"}, data[MIME_TYPE]["id"])["received"]
        return len(shown) > 2 and shown[-1]

    run = run_until(fresh_kernel, TWO, answer, "a")
    assert shown[:2] == [True, False]
    assert shown[-1]
    assert run.turn["undecided"] is True


def test_the_text_of_a_map_run_is_its_progress(fresh_kernel: Kernel, tmp_path: Any) -> None:
    fresh_kernel.run(f"%cd -q {tmp_path}\nrows = list(range(12))\n%config MiniMax.concurrency = 2")
    run = fresh_kernel.run('%%minimax --map rows\n{{ row }} [[simulator: thinking="" say="ok" wait=0.3]]', "a")
    assert any("of 12 rows" in text for text in texts(run))
