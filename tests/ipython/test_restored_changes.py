"""What a new kernel takes over from the records of turns that changed the notebook."""

from __future__ import annotations

from typing import Any

from mm_magics.history.turn import Turn
from mm_magics.tools.notebook_changes import Change
from tests.ipython.test_live_page import Kernel
from tests.turns import turn


def change(id_: str, state: str, **fields: Any) -> dict[str, Any]:
    edit = {"kind": "edit", "cell": "x", "before": "1", "after": "2", "text": "", "cell_type": "code"}
    return {"id": id_, "state": state, **edit, **fields}


def asked(created: str, *changes: dict[str, Any]) -> Turn:
    return turn(created, cell_id=created, created=f"2026-11-{created}T00:00:00+00:00", changes=[*changes])


def opened(*turns: Turn) -> Kernel:
    """Return a new kernel whose page shows the saved outputs of these turns."""
    kernel = Kernel()
    kernel.describe(
        {"x": "2", **{str(each.cell_id): f"%%minimax\n{each.prompt}" for each in turns}},
        shown={str(each.cell_id): [each] for each in turns},
        since=0.0,
    )
    return kernel


def sent(kernel: Kernel) -> list[str]:
    return [each["id"] for message in kernel.sent for each in message.get("changes", ())]


def test_all_changes_of_a_turn_are_restored_in_order_and_only_open_ones_are_sent() -> None:
    kernel = opened(asked("10", change("a", "accepted"), change("b", "proposed"), change("c", "accepted")))
    (made,) = kernel.session.history.all_turns()
    assert [each.id for each in kernel.page.changes.of_turn(made.id)] == ["a", "b", "c"]
    assert sent(kernel) == ["b"]


def test_a_late_decision_leaves_the_other_changes_in_the_record() -> None:
    run = {"id": "r", "kind": "run", "cell": "x", "state": "running", "text": "Not ended: running cell #x"}
    odd = {"id": "o", "kind": "explode", "cell": "x", "state": "accepted", "text": "Odd"}
    kernel = opened(asked("10", change("a", "accepted"), run, odd, change("b", "proposed")))
    assert kernel.page.changes.receive({"change": "b", "state": "accepted", "reason": "", "source": "2"})
    (made,) = kernel.session.history.all_turns()
    kernel.page.record_changes(made.id)
    (made,) = kernel.session.history.all_turns()
    assert [(each["id"], each["state"]) for each in made.changes] == [
        ("a", "accepted"),
        ("r", "running"),
        ("o", "accepted"),
        ("b", "accepted"),
    ]


def test_the_last_turn_is_the_one_that_was_asked_last_whatever_its_place_and_state() -> None:
    old, new = asked("10", change("a", "proposed")), asked("20", change("b", "accepted"))
    assert opened(old, new).page.changes.last_turn == new.id
    assert opened(new, old).page.changes.last_turn == new.id


def test_a_turn_of_this_kernel_comes_after_all_that_are_restored() -> None:
    kernel = opened(asked("10", change("a", "accepted")))
    own = kernel.page.changes
    own.request(Change("own", "edit", "x", before="2", after="3"))
    later = asked("30", change("b", "accepted"))
    kernel.describe({"x": "2", "30": "%%minimax\n30"}, shown={"30": [later]})
    assert own.of_turn(later.id)
    assert own.last_turn == "own"


def test_a_record_whose_changes_are_as_they_were_stays_as_it_is() -> None:
    ran = {"id": "r", "kind": "run", "cell": "x", "state": "ended", "text": "Ran cell #x y = 1"}
    kernel = opened(asked("10", change("a", "accepted", text="Edited cell #x 2"), ran))
    (made,) = kernel.session.history.all_turns()
    assert kernel.page.with_changes(made) is made
