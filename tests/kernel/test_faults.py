"""Every fault, in one real kernel and over real sockets.

After each fault the cell ends with exactly one final bundle that contains the partial response, the error has two plain
lines (what happened, what to do), the next prompt is valid and answered, and the kernel is still the same process.
"""

from __future__ import annotations

import itertools
import json
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from mm_magics.api.messages import blocks, problems
from mm_magics.history.turn import MIME_TYPE
from mm_magics.simulator.contract import REFUSALS
from mm_magics.simulator.faults import catalogue, stream, wire
from tests.recorder import EVENTS, Recorder, http, server, sse, unanswered
from tests.test_session_faults import ENDS, SAID, SAME
from tests.turns import broken_rules

pytestmark = pytest.mark.slow

NUMBERS = itertools.count(1)
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


@pytest.fixture(autouse=True)
def _same_kernel(kernel) -> Iterator[None]:
    """Disable retries, and check that the kernel survives the test.

    The first prompt of a kernel imports a lot; on a busy machine that takes longer than the timeouts here.
    """
    kernel.run("%%minimax\nWarm up.", "warm")
    kernel.run("%minimax set max_retries 0")
    pid = kernel.run("import os; print(os.getpid())").text
    yield
    assert kernel.run("import os; print(os.getpid())").text == pid


def met(kernel, simulator, directive: str, flags: str = "--timeout 0.5", **how: Any) -> Any:
    """Send a prompt with this directive in a new thread, check what holds after any fault, and return the run."""
    thread = f"t{next(NUMBERS)}"
    run = kernel.run(f"%%minimax --thread {thread} {flags}\nHello. [[simulator: {directive}]]", thread, **how)
    bundles = [each for each in run.outputs if MIME_TYPE in each.get("data", {})]
    assert len(bundles) == 1, directive
    assert [each for each in run.outputs if each not in bundles and "ename" not in each] == [], directive
    turn = run.turn
    assert broken_rules(turn) == [], directive
    if run.error is not None and run.error["ename"] != "TurnInterruptedError":
        lines = run.error["traceback"]
        assert len(lines) == 2, (directive, lines)
        assert all(line.strip() and line.isprintable() and "went wrong" not in line for line in lines), directive
        assert (turn["status"], turn["error"]) == ("failed", "\n".join(lines)), directive
    content = [block for message in turn["messages"] if message["role"] == "assistant" for block in blocks(message)]
    opened = {op[1]: op[2].get("type") for op in run.ops if op[0] == "open"}
    streamed = "".join(op[2] for op in run.ops if op[0] == "add" and opened[op[1]] in ("text", "thinking"))
    stored = "".join(block.get(kind, "") for block in content for kind in ("text", "thinking"))
    assert sorted(streamed) == sorted(stored), f"{directive}: the streamed text is not the stored text"
    after = kernel.run(f"%%minimax --thread {thread}\nAnd now?", f"{thread}-after")
    assert after.error is None, (directive, after.error)
    assert after.turn["status"] == "complete", directive
    request = simulator.log[-1]
    assert request.problems == (), directive
    assert problems(request.body["messages"]) == [], directive
    return run


def lines_of(run: Any) -> str:
    return "\n".join(run.error["traceback"])


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
    for name in REFUSALS:
        whole = met(kernel, simulator, f"fault={name}").error["traceback"]
        for spot in ("at=message_start", "after=3"):
            run = met(kernel, simulator, f'fault={name} {spot} say="{SAID}"')
            assert run.error["traceback"][1] == whole[1], (name, spot)
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
        whole = spot == "at=message_stop part=after"
        assert (run.error is None) == whole or (spot.startswith("at=message_stop part=during") and fault == "end"), spot


@pytest.mark.parametrize("fault", ["reset", "end"])
def test_the_connection_can_break_anywhere_in_a_tool_call(kernel, simulator, fault):
    kernel.run(ADD)
    for spot in SPOTS:
        met(kernel, simulator, f"fault={fault} {spot} fragments=2]] Use add. [[simulator:", "--tools add")


# Timeouts -------------------------------------------------------------------------------------------------------


def bytewise(data: bytes) -> list[bytes]:
    return [data[n : n + 1] for n in range(len(data))]


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"


def test_connecting_takes_no_longer_than_the_limit(kernel):
    with unanswered() as base_url:
        kernel.send_to(base_url)
        began = time.monotonic()
        run = kernel.run("%%minimax --timeout 1\nHello.", "a")
        assert time.monotonic() - began < 1.5
    assert "Cannot connect to 127.0.0.1" in lines_of(run)


@pytest.mark.parametrize(
    ("sent", "every"),
    [
        ([], 0.0),
        (bytewise(STREAM), 0.1),
        ([STREAM, *[PING] * 100], 0.05),
        ([STREAM, *[b": keep-alive\n\n"] * 100], 0.05),
        ([STREAM, *bytewise(b'data: {"type": "message_start"' + b" " * 100)], 0.05),
    ],
    ids=["half-open", "headers by the byte", "pings", "comments", "an event by the byte"],
)
def test_bytes_that_are_not_events_do_not_reset_the_timeout(kernel, sent, every):
    with server(*sent, every=every) as base_url:
        kernel.send_to(base_url)
        began = time.monotonic()
        run = kernel.run("%%minimax --timeout 0.5\nHello.", "a")
        assert time.monotonic() - began < 1.5
    assert lines_of(run).startswith("No response from the endpoint for 0.5 s.\n")


def test_a_slow_first_byte_is_accepted(kernel, simulator):
    assert met(kernel, simulator, "wait=0.4", "--timeout 1").error is None
    assert "No response from the endpoint for 0.2 s" in lines_of(met(kernel, simulator, "wait=5", "--timeout 0.2"))


def test_the_whole_answer_has_a_time_limit(kernel, simulator):
    kernel.run("%minimax set max_seconds 0.6")
    for directive in ("deltas=1000 rate=20", "fault=endless"):
        run = met(kernel, simulator, directive)
        assert "not complete after 0.6 s" in lines_of(run)
        assert "max_seconds" in lines_of(run)
        assert run.turn["messages"][1:]
    with server(JSON, *bytewise(b" " * 1_000), every=0.02) as base_url:
        kernel.send_to(base_url)
        assert "not complete after 0.6 s" in lines_of(kernel.run("%%minimax --timeout 0.5\nHello.", "a"))


def test_an_endless_answer_does_not_fill_the_memory(kernel):
    with server(STREAM, *[(b": " + b"x" * 998 + b"\n") * 1_000] * 300) as base_url:
        kernel.send_to(base_url)
        run = kernel.run("%%minimax\nHello.", "a")
    assert lines_of(run).startswith("The response exceeded 256 MB and was cancelled.\n")


REFUSED = b"HTTP/1.1 500 X\r\ncontent-type: application/json\r\n"
PEAK = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def bomb() -> bytes:
    """1 GB of spaces, compressed."""
    packer = zlib.compressobj(wbits=31)
    return b"".join(packer.compress(b" " * 10_000_000) for _ in range(100)) + packer.flush()


@pytest.mark.parametrize(
    ("sent", "every"),
    [
        (lambda: [REFUSED + b"\r\n", b"x" * 1_000_000], 0.0),
        (lambda: [REFUSED + b"content-length: 1000000000\r\n\r\n", b"x" * 1_000_000], 0.0),
        (lambda: [REFUSED + b"content-encoding: gzip\r\n\r\n", bomb()], 0.0),
        (lambda: [REFUSED + b"\r\n", b'{"error": {"message": "'], 0.05),
    ],
    ids=["without end", "1 GB", "1 GB, packed", "by little pieces"],
)
def test_an_endless_error_body_is_cut_and_reported(kernel, simulator, sent, every):
    before = int(kernel.run(PEAK).text)
    with server(*sent(), every=every, for_ever=True) as base_url:
        kernel.send_to(base_url)
        began = time.monotonic()
        run = kernel.run("%%minimax\nHello.", "a")
        assert time.monotonic() - began < 6
        assert "responded with HTTP 500, but not as the Messages API does" in lines_of(run)
        assert len(lines_of(run)) < 1_000
        began = time.monotonic()
        assert "Could not list the endpoint's models" in kernel.run("%minimax models").text
        assert time.monotonic() - began < 6
    assert int(kernel.run(PEAK).text) - before < 50_000
    kernel.send_to(simulator.base_url, simulator.key)
    assert kernel.run("%%minimax\nAnd now?", "b").turn["status"] == "complete"


def test_hostile_headers_are_ignored_or_give_a_plain_error(kernel, simulator):
    evil = "\x1b[31m\u202e<img src=x onerror=alert(1)>".encode()
    names = (b"retry-after", b"request-id", b"www-authenticate", b"set-cookie", b"content-type", b"location", b"x\x1b")
    heads = [b"\r\n".join(name + b": " + value for name in names) for value in (evil, evil[5:], b"x" * 1_000_000)]
    for head, status in itertools.product(heads, (b"200 OK", b"307 X", b"401 X", b"529 X")):
        with server(b"HTTP/1.1 " + status + b"\r\n" + head + b"\r\n\r\n") as base_url:
            kernel.send_to(base_url)
            lines = kernel.run("%%minimax --timeout 0.5\nHello.", "a").error["traceback"]
        assert len(lines) == 2
        assert all(line.strip() and line.isprintable() for line in lines)
    kernel.send_to(simulator.base_url, simulator.key)
    assert kernel.run("%%minimax\nAnd now?", "b").turn["status"] == "complete"


def test_an_answer_can_arrive_in_one_chunk_of_10_mb(kernel):
    piece = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word " * 2_000_000}}
    with Recorder(sse(*EVENTS[:2], piece, *EVENTS[3:])) as recorder:
        kernel.send_to(recorder.base_url)
        run = kernel.run("%%minimax\nHello.", "a")
        assert run.error is None
        assert len(run.turn["messages"][1]["content"][0]["text"]) == 10_000_000
        assert kernel.run("%%minimax\nAnd now?", "b").error is None
    assert problems(json.loads(recorder.requests[-1].body)["messages"]) == []


# Retries --------------------------------------------------------------------------------------------------------


def retry_notes(run: Any) -> list[str]:
    return [op[1]["notes"][0] for op in run.ops if op[0] == "state" and "retrying in" in str(op[1].get("notes"))]


def test_retries_are_shown_before_they_are_sent(kernel, simulator):
    kernel.run("%minimax set max_retries 2")
    seen: list[int] = []
    before = len(simulator.log)

    def trying(kind: str, content: dict[str, Any]) -> bool:
        return "retrying in" in str(content)

    run = met(
        kernel,
        simulator,
        "fault=overloaded times=2 retry_after=0.4",
        when=trying,
        then=lambda: seen.append(len(simulator.log) - before),
    )
    assert run.turn["status"] == "complete"
    assert seen == [1]
    message = "High traffic detected. The service is busy at the moment, please try again later."
    assert retry_notes(run) == [f"{message} (HTTP 529, overloaded_error); retrying in 0.4 s ({n} of 2)" for n in (1, 2)]
    assert [record.status for record in simulator.log[before:]] == [529, 529, 200, 200]


def test_retries_are_limited(kernel, simulator):
    kernel.run("%minimax set max_retries 2")
    for name in ("rate-limit", "html-502"):
        before = len(simulator.log)
        run = met(kernel, simulator, f"fault={name} retry_after=0.01")
        assert len(retry_notes(run)) == 2, name
        assert len(simulator.log) - before == 3 + 1, name
    kernel.run("%minimax set max_retries 1")
    for name in ("close-before-headers", "reset-before-headers", "not-http"):
        before = len(simulator.log)
        assert len(retry_notes(met(kernel, simulator, f"fault={name}"))) == 1, name
        assert len(simulator.log) - before == 2 + 1, name


def test_the_list_of_models_is_requested_once_and_its_error_is_reported(kernel, simulator):
    kernel.run("%minimax set max_retries 2")
    busy = http('{"error": {"type": "overloaded_error", "message": "busy"}}', status="529 X")
    with Recorder(busy) as recorder:
        kernel.send_to(recorder.base_url)
        wait = kernel.run("%minimax models").text
        assert "busy (HTTP 529, overloaded_error) Wait a moment, then run the cell again." in wait
        assert "busy (HTTP 529, overloaded_error)" in kernel.run("%minimax doctor").text
        assert len(recorder.requests) == 2


def test_a_refused_connection_is_retried_and_then_reported(kernel):
    kernel.run("%minimax set max_retries 1")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    kernel.send_to(f"http://127.0.0.1:{port}/anthropic")
    run = kernel.run("%%minimax\nHello.", "a")
    assert len(retry_notes(run)) == 1
    assert f"Cannot connect to 127.0.0.1:{port}" in lines_of(run)
    assert "%minimax doctor" in lines_of(run)


def test_a_response_that_has_started_is_not_retried(kernel, simulator):
    kernel.run("%minimax set max_retries 2")
    for name in ("reset", "reset-after-headers", "silence", "silence-before-headers", "overloaded after=2", "html"):
        before = len(simulator.log)
        assert retry_notes(met(kernel, simulator, f"fault={name}")) == []
        assert len(simulator.log) - before == 1 + 1, name


def test_a_retry_after_of_a_day_is_reported_instead_of_waited_for(kernel, simulator):
    kernel.run("%minimax set max_retries 2")
    tomorrow = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    for name, (request, wait) in itertools.product(
        ("usage-limit", "rate-limit", "unknown-error", "overloaded"), (("86400", "24 h"), (f'"{tomorrow}"', "24 h"))
    ):
        before, began = len(simulator.log), time.monotonic()
        run = met(kernel, simulator, f"fault={name} retry_after={request}")
        assert time.monotonic() - began < 5
        assert run.error["traceback"][1] == f"The endpoint says to retry in {wait}. Run the cell again after that."
        assert len(simulator.log) - before == 1 + 1


def test_an_invalid_retry_after_is_ignored(kernel, simulator):
    kernel.run("%minimax set max_retries 1")
    for request in ("soon", "-5", "nan", "inf", "1e999", '""'):
        assert len(retry_notes(met(kernel, simulator, f"fault=overloaded retry_after={request} times=1"))) == 1, request


def test_a_permanent_error_is_not_retried_even_with_retry_after(kernel, simulator):
    kernel.run("%minimax set max_retries 2")
    for name, refusal in REFUSALS.items():
        if refusal.status < 429:
            before = len(simulator.log)
            run = met(kernel, simulator, f"fault={name} retry_after=0.01")
            assert retry_notes(run) == []
            assert "wait" not in run.error["traceback"][1]
            assert len(simulator.log) - before == 1 + 1


# Redirects ------------------------------------------------------------------------------------------------------


def test_a_redirect_is_reported_and_never_followed(kernel, simulator):
    with Recorder() as other:
        before = len(simulator.log)
        run = met(kernel, simulator, f"fault=redirect to={other.base_url}/v1/messages")
        assert "redirects to another URL (HTTP 307)" in lines_of(run)
        assert other.connections == 0
        assert len(simulator.log) - before == 1 + 1
    before = len(simulator.log)
    met(kernel, simulator, "fault=redirect-loop")
    assert len(simulator.log) - before == 1 + 1


# Unknown errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["403 X", "405 X", "413 X", "418 X", "451 X", "501 X", "599 X"])
def test_every_other_status_also_has_a_hint(kernel, status):
    bodies: list[Callable[[], bytes]] = [
        lambda: http('{"error": {"message": "no"}}', status=status),
        lambda: http("", status=status),
        lambda: http('{"base_resp": {"status_code": 7, "status_msg": "no"}}', status=status),
    ]
    for body in bodies:
        with Recorder(body()) as recorder:
            kernel.send_to(recorder.base_url)
            lines = kernel.run("%%minimax\nHello.", "a").error["traceback"]
        assert len(lines) == 2
        assert status[:3] in lines[0]
