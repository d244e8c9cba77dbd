"""Every fault, in one real kernel and over real sockets.

After each fault the cell ends with exactly one final bundle that contains the partial response, the error has two plain
lines (what happened, what to do), the next prompt is valid and answered, and the kernel is still the same process.
"""

from __future__ import annotations

import pytest

from mm_magics.simulator.contract import REFUSALS
from mm_magics.simulator.faults import catalogue, stream, wire
from tests.kernel.faults import lines_of, met
from tests.test_session_faults import ENDS, SAID, SAME

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("same_kernel")]

KINDS = (
    "message_start",
    "ping",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
)
SPOTS = [f"at={event} part={part}" for event in KINDS for part in ("before", "during", "after")]
ADD = '''def add(a: int, b: int) -> int:
    """The sum."""
    return a + b'''

# By name --------------------------------------------------------------------------------------------------------

FAMILIES = {
    "the endpoint refuses": [name for name in catalogue.NAMES if name in REFUSALS],
    "the message is odd": list(catalogue.REPLY),
    "the stream is odd": [name for name in catalogue.PLAN if name in stream.FAULTS and name != "endless"],
    "the connection is odd": [name for name in catalogue.PLAN if name in wire.FAULTS],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_each_fault_keeps_the_partial_response_gives_a_clear_error_and_the_next_prompt_works(kernel, simulator, family):
    for name in FAMILIES[family]:
        run = met(kernel, simulator, f'fault={name} say="{SAID}"')
        ended = ENDS[name]
        assert (run.error["ename"] if run.error else run.turn["status"]) == getattr(ended, "__name__", ended), name
        if name in SAME:
            assert SAID in run.outputs[0]["data"]["text/html"], name
        if name in REFUSALS:
            assert REFUSALS[name].message.partition("X")[0] in lines_of(run), name


def test_an_error_event_gives_the_same_error_as_its_http_status(kernel, simulator):
    refused_models = {"unknown-model", "retired-model", "model-not-found"}  # another model is looked up, or suggested
    for name in REFUSALS.keys() - refused_models:
        whole = met(kernel, simulator, f"fault={name}").error["evalue"].splitlines()
        for spot in ("at=message_start", "after=3"):
            run = met(kernel, simulator, f'fault={name} {spot} say="{SAID}"')
            assert run.error["evalue"].splitlines()[1] == whole[1], (name, spot)
            assert bool(run.turn["messages"][1:]) == (spot != "at=message_start")


def test_an_empty_answer_or_an_unknown_stop_reason_is_reported(kernel, simulator):
    for name in ("empty-content", "blank-text", "only-thinking"):
        run = met(kernel, simulator, f"fault={name}")
        assert "The answer is empty. Run the cell again" in run.outputs[0]["data"]["text/html"], name
    run = met(kernel, simulator, "fault=stop-unknown")
    assert "Unknown stop reason: moon_phase" in run.outputs[0]["data"]["text/html"]
    assert "Unknown stop reason" not in met(kernel, simulator, "fault=no-usage").outputs[0]["data"]["text/html"]


TOOL_FAULTS = [
    "cut-tool-json",
    "altered-call",
    "same-tool-id",
    "old-tool-id",
    "no-block-stop",
    "twice-started",
    "twice-delivered",
    "tool-xml",
    "no-message-stop",
    "no-message-delta",
    "overloaded after=2",
    "bad-json after=2",
    "stop-error",
]


def test_a_fault_during_a_tool_call_leaves_a_valid_history(kernel, simulator):
    kernel.run(ADD)
    for name in TOOL_FAULTS:
        met(kernel, simulator, f"fault={name} fragments=2]] Use add. [[simulator:", "--timeout 0.5 --tools add")


# At every event -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["reset", "close", "end", "silence"])
def test_the_connection_can_break_before_during_and_after_every_kind_of_event(kernel, simulator, fault):
    for spot in SPOTS:
        run = met(kernel, simulator, f'fault={fault} {spot} say="{SAID}"', "--timeout 0.2")
        whole = spot.startswith("at=message_stop") or spot == "at=message_delta part=after"
        assert (run.error is None) == whole, spot


@pytest.mark.parametrize("fault", ["reset", "end"])
def test_the_connection_can_break_anywhere_in_a_tool_call(kernel, simulator, fault):
    kernel.run(ADD)
    for spot in SPOTS:
        met(kernel, simulator, f"fault={fault} {spot} fragments=2]] Use add. [[simulator:", "--tools add")
