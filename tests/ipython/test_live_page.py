"""What a page that is opened again receives: the answers that it lacks, in the right cells."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.ipython.live_page import LivePage
from mm_magics.ipython.scheduled_cells import ScheduledCells
from mm_magics.session import Session
from mm_magics.settings import NOTEBOOK_SETTINGS
from tests.turns import turn

LOOP = "for text in texts:\n    ask(text)"


class Kernel:
    """A session and its page, without a kernel."""

    def __init__(self) -> None:
        self.session = Session(api_key="none")
        self.page = LivePage(self.session, ScheduledCells())
        self.sent: list[Any] = []

    def describe(self, cells: dict[str, str], *, shown: dict[str, list[Turn]] | None = None, **fields: Any) -> None:
        def outputs(id_: str) -> list[Any]:
            turns = (shown or {}).get(id_, [])
            return [{"output_type": "display_data", "data": {MIME_TYPE: each.record()}} for each in turns]

        changed = {
            id_: {"cell_type": "code", "source": source, "outputs": outputs(id_)} for id_, source in cells.items()
        }
        self.page.receive({"order": list(cells), "pending": [], "changed": changed, **fields}, self.sent.append)

    def answer(self, run: str, cell_id: str, *answers: str) -> list[Turn]:
        self.session.history.run = run
        turns = []
        for answer in answers:
            made = self.session.history.put(turn(f"q {answer}", answer, cell_id=cell_id))
            self.page.record_output(
                cell_id, made, lambda made=made: {"data": {MIME_TYPE: made.id}, "metadata": {}}, replayed=False
            )
            turns.append(made)
        return turns

    def outputs(self) -> dict[str, list[str]]:
        (found,) = [each["outputs"] for each in self.sent if "outputs" in each]
        outputs = {id_: (output, *output.get("more", ())) for id_, output in found.items()}
        return {id_: [each["data"][MIME_TYPE] for each in sent] for id_, sent in outputs.items()}


def test_a_page_receives_all_answers_of_a_loop() -> None:
    kernel = Kernel()
    kernel.describe({"a": LOOP})
    kernel.answer("1", "a", "old")
    turns = kernel.answer("2", "a", "one", "two", "three")
    kernel.describe({"a": LOOP}, shown={"a": turns[:1]}, since=time.time() - 9)
    assert kernel.outputs() == {"a": [each.id for each in turns]}
    assert [each.text for each in kernel.session.history.turns("main")] == ["one", "two", "three"]
    kernel.sent.clear()
    kernel.describe({"a": LOOP}, shown={"a": turns}, since=time.time() - 9)
    assert not any("outputs" in each for each in kernel.sent)


def test_a_page_that_gives_all_cells_new_ids_receives_their_answers() -> None:
    kernel = Kernel()
    kernel.describe({"a": "%%minimax\nOne", "b": "%%minimax\nTwo", "c": "x = 1"})
    (one,) = kernel.answer("1", "a", "one")
    (two,) = kernel.answer("2", "b", "two")
    new = {"n1": "%%minimax\nOne", "n2": "%%minimax\nTwo", "n3": "x = 1"}
    kernel.describe(new, shown={"n1": [one]}, since=time.time() - 9)
    assert kernel.outputs() == {"n2": [two.id]}
    assert [each.place for each in kernel.session.history.turns("main")] == [("n1", one.id), ("n2", two.id)]


def test_switching_a_version_keeps_the_other_answers_of_the_cell() -> None:
    kernel = Kernel()
    kernel.describe({"a": LOOP})
    first, _ = kernel.answer("1", "a", "one", "two")
    kernel.page.replace_turn(first)
    (output,) = kernel.sent[-1]["outputs"].values()
    assert len(output["more"]) == 1


PROMPTS = dict.fromkeys("abc", "%%minimax\nQ")


def run_while_the_page_changes(kernel: Kernel, order: str, **fields: Any) -> list[str]:
    """Queue the cells a, b and c, change the order of the page while `a` runs, and return what `c` then sees."""
    for queued in ("a", "ab", "abc"):
        if queued == "ab":
            kernel.answer("1", "a", "one")
            kernel.page.reorder({"page": "p", "sent_at": 10, "order": list(order), **fields})
        if queued == "abc":
            kernel.answer("2", "b", "two")
        kernel.describe(PROMPTS, pending=list(queued), scheduled=[queued[-1]], page="p", sent_at=len(queued))
    return [each.text for each in kernel.session.history.context_turns("main", "c")]


@pytest.mark.parametrize(
    ("order", "seen"),
    [
        ("abc", ["one", "two"]),
        ("bc", ["two"]),
        ("bac", ["two", "one"]),
        ("acb", ["one"]),
        ("bcbx", ["two"]),
        ("ab", ["one", "two"]),
    ],
)
def test_a_queued_prompt_sees_the_cells_as_they_are_when_it_runs(order: str, seen: list[str]) -> None:
    assert run_while_the_page_changes(Kernel(), order) == seen


@pytest.mark.parametrize("fields", [{"page": "another"}, {"sent_at": 0}, {"sent_at": "10"}])
def test_the_order_of_another_page_or_an_earlier_one_is_not_used(fields: dict[str, Any]) -> None:
    assert run_while_the_page_changes(Kernel(), "bc", **fields) == ["one", "two"]


def test_a_cell_that_was_deleted_and_restored_is_there_again() -> None:
    kernel = Kernel()
    assert run_while_the_page_changes(kernel, "bc") == ["two"]
    (two,) = kernel.session.history.turns("main")
    one = turn("q", "one", cell_id="a")
    kernel.describe(PROMPTS, shown={"a": [one], "b": [two]}, page="p", sent_at=20)
    assert [each.text for each in kernel.session.history.turns("main")] == ["one", "two"]


def test_each_page_of_a_kernel_describes_its_own_changes() -> None:
    """Two browser tabs show different versions of a notebook, and each sends only what changed since it last did."""
    kernel = Kernel()
    (one,), (two,) = kernel.answer("1", "a", "one"), kernel.answer("2", "b", "two")
    kernel.describe(PROMPTS, shown={"a": [one], "b": [two]}, page="first")
    kernel.describe({"b": "%%minimax\nEdited", "c": "x"}, shown={"b": [two]}, page="second")
    assert [each.text for each in kernel.session.history.turns("main")] == ["two"]
    kernel.describe({}, page="first", order=list("abc"))
    assert [each.text for each in kernel.session.history.turns("main")] == ["one", "two"]
    kernel.describe({}, page="second", order=list("cb"))
    assert [each.text for each in kernel.session.history.turns("main")] == ["two"]


def test_each_page_receives_the_marks_that_it_does_not_show() -> None:
    kernel = Kernel()
    (one,), (two,) = kernel.answer("1", "a", "one"), kernel.answer("2", "b", "two")
    stale = {"marks": {"b": {two.id: ["stale"]}}}
    first, second = kernel.sent, list[Any]()
    kernel.describe(PROMPTS, shown={"a": [one], "b": [two]}, page="first")
    assert without_settings(first) == [stale]
    kernel.sent = second
    kernel.describe(dict.fromkeys("bc", "%%minimax\nQ"), shown={"b": [two]}, page="second")
    assert without_settings(second) == []
    kernel.sent = first
    kernel.describe({}, page="first", order=list("bc"))
    kernel.describe({}, page="first", order=list("bc"))
    assert without_settings(first) == [stale, {"marks": {}}]


def without_settings(sent: list[Any]) -> list[Any]:
    return [each for each in sent if "settings" not in each]


def test_a_page_receives_how_much_of_the_window_is_used_when_it_changes() -> None:
    kernel = Kernel()
    kernel.describe(PROMPTS)
    (one,) = kernel.answer("1", "a", "one")
    for tokens in (100, 20_480, 20_480):
        usage = {"input_tokens": tokens, "output_tokens": 0}
        counted = replace(one, responses=[{**one.responses[0], "usage": usage}])
        kernel.describe(PROMPTS, shown={"a": [counted]})
    assert [each["context"] for each in kernel.sent if "context" in each] == ["", "10 %"]


def test_a_page_receives_the_effective_settings_with_their_source_whenever_they_change() -> None:
    kernel = Kernel()
    shown: list[dict[str, str]] = []
    for change in ({}, {"thread": "side"}, {}, {"temperature": 0.5}):
        for name, value in change.items():
            kernel.session.settings.assign(name, value)
        kernel.describe({"a": LOOP})
        shown = [
            {name: each["shown"] for name, each in sent["settings"].items()}
            for sent in kernel.sent
            if "settings" in sent
        ]
    assert [each["thread"] for each in shown] == ["main", "side", "side"]
    assert [each["temperature"] for each in shown] == ["1.0", "1.0", "0.5"]
    assert set(shown[0]) == set(NOTEBOOK_SETTINGS)


def test_a_page_receives_the_models_that_the_endpoint_offers_once_they_are_known() -> None:
    kernel = Kernel()
    kernel.describe({"a": LOOP})
    assert not [each for each in kernel.sent if "models" in each]
    kernel.session.models.offered[kernel.session.settings.value("base_url")] = {"MiniMax-M3": "", "house": ""}
    for _ in range(2):
        kernel.page.send_marks()
    assert [each["models"] for each in kernel.sent if "models" in each] == [["MiniMax-M3", "house"]]
    other: list[Any] = []
    kernel.page.receive({"order": ["a"], "pending": [], "changed": {}}, other.append)
    assert {"models": ["MiniMax-M3", "house"]} in other
