"""Rows that would not fit the window, or that no request can contain."""

from __future__ import annotations

from pathlib import Path

from mm_magics import Session, map_prompts
from mm_magics.simulator import Simulator
from mm_magics.turn.answer import SURROGATES_NOTE


def test_only_the_rows_that_do_not_fit_are_sent_with_a_lower_max_tokens_and_the_run_says_so(
    session: Session, endpoint: Simulator, tmp_path: Path
) -> None:
    rows = ["short", "word " * (145_000 * 4 // 5), "half \ud83d"]
    session.settings.assign("concurrency", 1)
    session.settings.assign("value_limit", 0)
    store = tmp_path / "answers.sqlite"
    result = map_prompts("{{ row }}", rows, session=session, store=store, progress=False)
    assert [record.status for record in endpoint.log] == [200] * 3
    first, second, third = (record.body["max_tokens"] for record in endpoint.log)
    assert (first, third) == (65_536, 65_536)
    assert 4_096 <= second < 65_536
    assert f"max_tokens was lowered from 65,536 to {second:,}" in result.notes[0]
    assert result.notes[1:] == [SURROGATES_NOTE]
    assert not result.errors
    again = map_prompts("{{ row }}", rows, session=session, store=store, progress=False)
    assert (again.asked, again.stored) == (0, 3)
