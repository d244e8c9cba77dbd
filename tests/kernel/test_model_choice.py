"""A fresh install at an endpoint that does not offer the default model: cells, a map run, and a choice."""

from __future__ import annotations

from pathlib import Path

from mm_magics.simulator import Simulator
from tests.kernel.conftest import loaded_kernel

MODELS = ["MiniMax-M3.1-Flash", "MiniMax-M3", "MiniMax-M2.1", "MiniMax-M2"]
NOTE = "MiniMax-M2.7 is no longer offered here. MiniMax-M3.1-Flash answered; choose with %minimax model NAME."


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
