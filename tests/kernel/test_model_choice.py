"""A fresh install at an endpoint that does not offer the default model: cells, a map run, and a choice."""

from __future__ import annotations

from pathlib import Path

from mm_magics.simulator import Simulator
from tests.kernel.conftest import loaded_kernel
from tests.kernel.test_comms import FrontEnd, cell

MODELS = ["MiniMax-M3.1-Flash", "MiniMax-M3", "MiniMax-M2.1", "MiniMax-M2"]
NOTE = "MiniMax-M2.7 is no longer offered here. MiniMax-M3.1-Flash answered; choose with %minimax model NAME."


def test_a_page_that_shows_a_list_of_models_makes_the_kernel_ask_for_them_once(tmp_path: Path) -> None:
    with Simulator(models=MODELS) as endpoint, loaded_kernel(endpoint) as kernel:
        page = FrontEnd(kernel)
        page.describe({"a": cell("One")}, [])
        kernel.run("1")
        assert len(endpoint.log) == 0
        for _ in range(2):
            page.describe({"a": cell("One")}, [], wants_models=True)
        offered = "get_ipython().magics_manager.registry['MiniMaxMagics'].session.models.offered.values()"
        assert kernel.run(f"print(*map(list, {offered}))").text.strip() == str(MODELS)
        assert [record.method for record in endpoint.log] == ["GET"]


def test_the_first_cell_is_answered_and_says_which_model_did(tmp_path: Path) -> None:
    with Simulator(models=MODELS) as endpoint, loaded_kernel(endpoint) as kernel:
        kernel.run(f"import os; os.chdir({str(tmp_path)!r})")
        run = kernel.run("%%minimax\nWhat is a reef?", "a")
        assert (run.error, run.turn["status"], run.turn["notes"]) == (None, "complete", [NOTE])
        states = [change for kind, change, *_ in run.ops if kind == "state"]
        assert [each["model"] for each in states if "model" in each] == ["MiniMax-M2.7", "MiniMax-M3.1-Flash"]
        assert NOTE in states[-1]["notes"]
        kernel.run("rows = ['one', 'two']")
        assert NOTE in kernel.run("%%minimax --map rows\nTranslate {{ row }}.", "b").turn["notes"]
        assert kernel.run("%minimax model MiniMax-M3").error is None
        chosen = kernel.run("%%minimax\nAgain.", "c").turn
        assert (chosen["model"], chosen.get("notes")) == ("MiniMax-M3", None)
        refused = kernel.run("%%minimax -m MiniMax-M2.7\nAgain.", "d")
        assert "Did you mean MiniMax-M2.1?" in refused.error["evalue"]
        assert sum(record.method == "GET" for record in endpoint.log) == 1
