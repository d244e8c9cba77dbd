"""Every fault of the simulator: the partial response is kept, the error is clear, and the next call works."""

from __future__ import annotations

from typing import Any

import pytest

from mm_magics.api.messages import blocks, problems
from mm_magics.endpoint.stream_events import Delta
from mm_magics.errors import ConnectionFailedError, EndpointError, MiniMaxError, ProtocolError, StatusError
from mm_magics.session import Session
from mm_magics.simulator import Simulator
from mm_magics.simulator.contract import REFUSALS
from mm_magics.simulator.faults import catalogue
from mm_magics.turn.answer import Answer
from tests.pace import SLOWER
from tests.turns import broken_rules

pytestmark = [pytest.mark.slow, pytest.mark.traced]

SAID = "Hello, this is a short answer."
TOOL = {"name": "lookup", "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}}}

ENDS: dict[str, Any] = {
    **dict.fromkeys(REFUSALS, StatusError),
    **dict.fromkeys(catalogue.NAMES.keys() - REFUSALS.keys(), "complete"),
    "stop-error": "failed",
    "base-resp-event": StatusError,
    "bad-json": ProtocolError,
    "not-an-object": ProtocolError,
    "pings": ConnectionFailedError,
    "endless": "stopped",
    "close-before-headers": ConnectionFailedError,
    "close-after-headers": ConnectionFailedError,
    "close": ConnectionFailedError,
    "reset-before-headers": ConnectionFailedError,
    "reset-after-headers": ConnectionFailedError,
    "reset": ConnectionFailedError,
    "silence-before-headers": ConnectionFailedError,
    "silence-after-headers": ConnectionFailedError,
    "silence": ConnectionFailedError,
    "end": ProtocolError,
    "html": ProtocolError,
    "html-502": StatusError,
    "html-504": StatusError,
    "empty": ProtocolError,
    "empty-502": StatusError,
    "not-found": StatusError,
    "base-resp": StatusError,
    "cut-json-body": StatusError,
    "redirect": StatusError,
    "redirect-loop": StatusError,
    "not-http": ConnectionFailedError,
    "bad-chunk": ConnectionFailedError,
    "cut-gzip": ProtocolError,
}
"""How a turn with the fault ends: with an error of that class, or with that status."""

SAME = {
    "stop-error",
    "stop-unknown",
    "no-usage",
    "no-message-start",
    "no-message-delta",
    "no-block-stop",
    "base-resp-beside",
    "event-fields",
    "unknown-event",
    "done",
    "json",
    "byte-by-byte",
    "crlf",
    "cr",
    "bom",
    "comments",
    "no-event-lines",
    "many-data-lines",
    "no-last-newline",
    "gzip",
    "no-message-stop",
    "cut-tool-json",
    "altered-call",
    "unknown-delta",
    "stray-delta",
    "twice-started",
    "no-signature",
    "unsigned-thinking",
    "unknown-block",
    "unknown-fields",
}
"""Faults despite which the whole text is received."""


@pytest.fixture
def session_settings() -> dict[str, Any]:
    return {"timeout": 1.0 * SLOWER, "model": "MiniMax-M2.7"}


def run(session: Session, prompt: str, **flags: Any) -> tuple[Any, list[Delta], MiniMaxError | None]:
    """The turn, the deltas that were yielded, and the error."""
    deltas: list[Delta] = []
    error: MiniMaxError | None = None
    answer = session.stream(prompt, **flags)
    assert isinstance(answer, Answer)
    with answer:
        try:
            for event in answer:
                if isinstance(event, Delta):
                    deltas.append(event)
                if len(deltas) > 500:
                    break
        except EndpointError as caught:
            error = caught
    return answer.turn, deltas, error


def check(session: Session, endpoint: Simulator, turn: Any, deltas: list[Delta], error: MiniMaxError | None) -> None:
    """Check what is true of any turn, however it ended."""
    assert broken_rules(turn.record()) == []
    assert turn.error == (str(error) if error else turn.error)
    content = blocks(turn.messages[1]) if turn.messages[1:] else []
    for kind in ("text", "thinking"):
        streamed = "".join(delta.text for delta in deltas if delta.kind == kind)
        assert sorted(streamed) == sorted("".join(block.get(kind, "") for block in content)), (
            "part of the response is missing"
        )
    assert session.history.turns("main") == ([turn] if content else [])
    if error is not None:
        assert error.message.strip()
        assert len(str(error).splitlines()) <= 2
        assert isinstance(error, EndpointError)
        assert error.turn is turn
        assert turn.status == "failed"
    assert session.ask("And now?", timeout=60.0).status == "complete"
    last = endpoint.log[-1]
    assert last.problems == ()
    assert problems(last.body["messages"]) == []
    if content:
        assert len(last.body["messages"]) in (1, 3)


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_after_any_fault_the_partial_response_is_kept_and_the_next_call_works(
    session: Session, endpoint: Simulator, name: str
) -> None:
    turn, deltas, error = run(session, f'Hello. [[simulator: fault={name} say="{SAID}"]]')
    assert endpoint.log[0].fault == name
    assert sum(record.method == "POST" for record in endpoint.log) == 1
    expected = ENDS[name]
    assert (type(error) if error else turn.status) == expected
    if name in SAME:
        assert SAID in turn.text
    if name in REFUSALS:
        refusal = REFUSALS[name]
        assert isinstance(error, StatusError)
        assert (error.status, error.type) == (refusal.status, refusal.type)
        assert refusal.message.partition("X")[0] in error.message
    check(session, endpoint, turn, deltas, error)


WITH_TOOLS = [
    "cut-tool-json",
    "altered-call",
    "same-tool-id",
    "old-tool-id",
    "no-block-stop",
    "twice-started",
    "twice-delivered",
    "tool-xml",
    "no-message-stop",
    "unknown-delta",
    "end after=4",
    "reset after=6",
    "close after=8",
    "overloaded after=7",
    "bad-json after=9",
    "stop-error",
    "no-message-delta",
]


@pytest.mark.parametrize("fault", WITH_TOOLS)
def test_after_any_fault_in_a_tool_call_the_history_is_valid(session: Session, endpoint: Simulator, fault: str) -> None:
    prompt = f"lookup MiniMax [[simulator: fault={fault} fragments=2]]"
    turn, deltas, error = run(session, prompt, params={"tools": [TOOL]})
    check(session, endpoint, turn, deltas, error)
    array = endpoint.log[-1].body["messages"]
    uses = [block for message in array for block in blocks(message) if block["type"] == "tool_use"]
    assert all(isinstance(block["input"], dict) for block in uses)
    if fault.startswith("cut-tool-json"):
        assert uses == []


@pytest.mark.parametrize("spot", ["after=0", "at=message_start part=after", "at=content_block_stop", "after=5"])
@pytest.mark.parametrize("name", ["overloaded", "unknown-error", "reset", "end", "output-sensitive"])
def test_a_fault_can_occur_anywhere_in_the_stream(session: Session, endpoint: Simulator, name: str, spot: str) -> None:
    turn, deltas, error = run(session, f'Hello. [[simulator: fault={name} {spot} say="{SAID}"]]')
    assert error is not None
    check(session, endpoint, turn, deltas, error)


def test_a_temporary_fault_is_retried(endpoint: Simulator) -> None:
    with Session(base_url=endpoint.base_url, api_key=endpoint.key, max_retries=1) as session:
        turn = session.ask("Hello. [[simulator: fault=overloaded times=1 retry_after=0.01]]")
    assert turn.status == "complete"
    assert [record.status for record in endpoint.log] == [529, 200]
    assert endpoint.log[0].raw == endpoint.log[1].raw
