"""What an installation of release 0.1, which reads records of schema 1, makes of an output that this release saved.

Release 0.1 refuses a record whose `schema` is not 1 and reports "The record has schema 2; this version reads schema 1.
Update mm_magics."; its page shows the other types of the output instead. Of a record of schema 1 it reads the keys that
it knows. The reader below follows these rules, and was compared with the code of 0.1.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from mm_magics.display.mime_bundle import make_bundle
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.history.versions import succeed, use_version
from tests.turns import SCHEMA, turn

ANSWER = "# Title\n\nThe **whole** answer, with `code`.\n\n- one\n- two"


def read_by_0_1(record: dict[str, Any]) -> dict[str, Any] | None:
    """Return the fields that release 0.1 reads from a record; None if it refuses the record."""
    known = {*SCHEMA["required"], "context", "base"} - {"schema"}
    if record.get("schema") != 1 or not set(SCHEMA["required"]) <= record.keys():
        return None
    return {key: value for key, value in record.items() if key in known}


def saved(made: Turn) -> dict[str, Any]:
    bundle: dict[str, Any] = json.loads(json.dumps(make_bundle(made), sort_keys=True))
    return bundle


@pytest.mark.parametrize("count", [0, 2])
def test_the_other_types_of_an_output_have_the_whole_answer_without_the_record(count: int) -> None:
    made = turn("Q?", ANSWER, versions=[turn("Q?", "old") for _ in range(count)], notes=["A note."])
    bundle = saved(made)
    record = bundle.pop(MIME_TYPE)
    assert read_by_0_1(record) is None
    assert record["schema"] == 2
    assert all(bundle[kind].startswith(ANSWER) for kind in ("text/markdown", "text/plain"))
    assert set(bundle) == {"text/html", "text/markdown", "text/plain"}
    for part in ("<h1>Title</h1>", "<strong>whole</strong>", "<code>code</code>", "<li>two</li>", "A note."):
        assert part in bundle["text/html"]
    assert "old" not in bundle["text/html"]


def test_a_turn_of_schema_1_that_is_active_again_is_read_as_it_was() -> None:
    old = turn("Q?", ANSWER, cell_id="a", schema=1)
    chosen = use_version(succeed(turn("Q?", "new", cell_id="a"), old, 5), 1)
    bundle = saved(chosen)
    fields = read_by_0_1(bundle[MIME_TYPE])
    assert fields is not None
    assert {**fields, "schema": 1} == old.record()
    assert bundle["text/plain"] == ANSWER
