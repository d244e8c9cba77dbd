"""A prompt cell of a notebook: widget messages, the final bundle, the history, interrupts."""

from __future__ import annotations

import base64
import itertools
import json
import re
import urllib.parse

import jsonschema
import pytest

from mm_magics.history.turn import MIME_TYPE

SLOW = "%%minimax\nTell me more. [[simulator: deltas=2000 size=8 rate=100]]"
MIMES = ["application/vnd.minimax.turn+json", "text/html", "text/markdown", "text/plain"]


def widget_receives(*kinds: str):
    return lambda kind, content: kind == "comm_msg" and any(each in json.dumps(content) for each in kinds)


def test_the_cell_ends_with_exactly_one_final_bundle(kernel):
    run = kernel.run("%%minimax\nHello.", "a")
    (output,) = run.outputs
    assert sorted(output["data"]) == MIMES
    assert run.turn["cell_id"] == "a"
    assert run.turn["status"] == "complete"


def test_the_widget_receives_the_whole_answer_once(kernel):
    run = kernel.run("%%minimax\nShow me python code.", "a")
    answer = run.turn["messages"][1]["content"]
    for key, field in ((0, "thinking"), (1, "text")):
        assert "".join(op[2] for op in run.ops if op[:2] == ["add", key]) == answer[key][field]
    states = [op[1]["status"] for op in run.ops if op[0] == "state"]
    assert states == ["waiting", "thinking", "answering", "complete"]


def test_the_runtime_is_sent_once_per_kernel(kernel):
    kernel.run("%%minimax\nHello.", "a")
    run = kernel.run("%%minimax\nHello.", "b")
    sizes = [len(json.dumps(content)) for kind, content in run.messages if kind == "comm_open"]
    assert sizes
    assert max(sizes) < 10_000


def test_text_reaches_the_wire_while_the_stream_is_silent(kernel):
    run = kernel.run("%%minimax\nGo. [[simulator: deltas=40 size=8 stall=1 after=20]]", "a")
    told_at = [
        moment
        for (kind, content), moment in zip(run.messages, run.times, strict=True)
        if kind == "comm_msg" and any(op[0] == "add" for op in content["data"]["content"]["ops"])
    ]
    gaps = [later - earlier for earlier, later in itertools.pairwise(told_at)]
    silent = max(number for number, gap in enumerate(gaps) if gap > 0.8)
    before = "".join(
        op[2]
        for kind, content in run.messages[: run.times.index(told_at[silent]) + 1]
        if kind == "comm_msg"
        for op in content["data"]["content"]["ops"]
        if op[0] == "add"
    )
    whole = "".join(op[2] for op in run.ops if op[0] == "add")
    assert len(before) >= 20 * 4
    assert whole.startswith(before)
    assert len(whole) > len(before)


def test_an_interrupt_keeps_the_partial_response_and_the_next_request_is_valid(kernel, simulator):
    run = kernel.run(SLOW, "a", when=widget_receives('"add", 1'), then=kernel.interrupt)
    bundle, error = run.outputs
    assert run.turn["status"] == "stopped"
    assert sorted(bundle["data"]) == MIMES
    assert error["ename"] == "TurnInterruptedError"
    assert error["traceback"] == ["Interrupted.", "The partial response is kept."]
    partial_text = run.turn["messages"][1]["content"][-1]["text"]
    assert kernel.run("%%minimax\nGo on.", "b").turn["status"] == "complete"
    sent = simulator.log[-1].body["messages"]
    assert [message["role"] for message in sent] == ["user", "assistant", "user"]
    assert sent[1]["content"][-1]["text"] == partial_text


def test_an_interrupt_before_any_response_keeps_the_earlier_turn(kernel):
    first = kernel.run("%%minimax\nHello.", "a").turn
    waiting = "%%minimax\nHello again. [[simulator: wait=20]]"
    run = kernel.run(waiting, "a", when=widget_receives("waiting"), then=kernel.interrupt)
    assert run.turn == first
    assert run.error["traceback"] == ["Interrupted.", "No response was received."]
    assert "this is the earlier answer" in run.outputs[0]["data"]["text/html"]


def test_rerunning_a_cell_replaces_its_turn(kernel, simulator):
    for cell, text in (("a", "One."), ("b", "Two."), ("a", "Other.")):
        kernel.run(f"%%minimax\n{text}", cell)
    assert len(simulator.log[-1].body["messages"]) == 1
    kernel.run("%%minimax\nThree.", "c")
    prompts = [each["content"][0]["text"] for each in simulator.log[-1].body["messages"] if each["role"] == "user"]
    assert prompts == ["Other.", "Two.", "Three."]
    assert "stale" in kernel.run("%minimax history").text


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%%minimax --temprature 1\nHi.", "Unknown flag --temprature.\nDid you mean --temperature?"),
        ("%%minimax -t 0\nHi.", "temperature must be above 0 and at most 1, not 0.0.\n1.0 is recommended."),
        ("%%minimax -m MiniMax-M27\nHi.", "Did you mean MiniMax-M2.7?"),
        ("%%minimax\n \n", "The prompt is empty.\nWrite the prompt below the %%minimax line."),
        ("%%minimax\n{{ nothing + 1 }}", "{{ nothing + 1 }} failed with NameError: name 'nothing' is not defined."),
        ("%%minimax --timeout x\nHi.", "'x' is not a number"),
        ("%%minimax -s 'open\nHi.", "A quote is not closed."),
        ("%minimax modle", "Did you mean %minimax model?"),
        ("%minimax set temperature 7", "temperature must be above 0 and at most 1, not 7.0."),
        ("%%minimax\nHi. [[simulator: fault=html]]", "the right base URL?"),
        ("%%minimax\nHi. [[simulator: fault=invalid-key]]", "invalid api key (2049)"),
    ],
)
def test_invalid_input_is_a_clear_error_and_does_not_change_the_conversation(kernel, simulator, cell, message):
    kernel.run("%%minimax\nHello.", "a")
    run = kernel.run(cell, "b")
    assert message in run.error["evalue"]
    shown = any(run.error["evalue"].splitlines()[0] in str(each.get("data")) for each in run.outputs)
    once = ["The call failed. The answer above says why."]
    assert run.error["traceback"] == (once if shown else run.error["evalue"].splitlines())
    assert shown == any(MIME_TYPE in each.get("data", {}) for each in run.outputs)
    assert "Traceback" not in json.dumps(run.outputs)
    kernel.run("%%minimax\nAgain.", "c")
    sent = simulator.log[-1].body["messages"]
    assert [each["content"][0]["text"] for each in sent if each["role"] == "user"] == ["Hello.", "Again."]


@pytest.mark.parametrize("url", ["no url", "ftp://x/anthropic", "http://example.org/anthropic"])
def test_an_invalid_base_url_is_one_clear_error(kernel, url):
    run = kernel.run(f"%config MiniMax.base_url = {url!r}")
    (output,) = run.outputs
    assert output["text"].count("\n") == 1
    assert kernel.run("%%minimax\nHello.", "a").turn["status"] == "complete"


def test_an_unreachable_server_is_one_clear_error(kernel):
    kernel.run(
        "get_ipython().magics_manager.registry['MiniMaxMagics'].session.keys.enter('http://127.0.0.1:9', 'k' * 8)"
    )
    kernel.run("%config MiniMax.base_url = 'http://127.0.0.1:9/anthropic'\n%config MiniMax.max_retries = 0")
    run = kernel.run("%%minimax\nHello.", "a")
    assert run.error["evalue"].startswith("Cannot connect to 127.0.0.1:9")
    assert run.turn["status"] == "failed"


def test_braces_dollars_and_json_in_the_first_line_are_not_expanded(kernel, simulator):
    kernel.run("name = 'wrong'")
    kernel.run("""%%minimax -s "cost: $name {name} {{ 1 + 1 }}"\n{"a": {"b": 1}} $name %s {name}""", "a")
    body = simulator.log[-1].body
    assert body["system"] == "cost: $name {name} 2"
    assert body["messages"][-1]["content"][0]["text"] == '{"a": {"b": 1}} $name %s {name}'


def test_raw_sends_the_cell_unchanged(kernel, simulator):
    kernel.run("%%minimax --raw\n{{ nothing }}", "a")
    assert simulator.log[-1].body["messages"][-1]["content"][0]["text"] == "{{ nothing }}"


def test_every_flag_of_a_call_reaches_the_wire(kernel, simulator):
    flags = (
        "-m MiniMax-M2.5 -s 'Be brief.' -t 0.5 --top-p 0.9 --max-tokens 300 --thinking 200 --user-id u1 --timeout 30"
    )
    kernel.run(f"%%minimax {flags} --param top_k=3\nHello.", "a")
    body = dict(simulator.log[-1].body)
    assert body.pop("messages")[-1]["content"][0]["text"] == "Hello."
    assert body == {
        "model": "MiniMax-M2.5",
        "system": "Be brief.",
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 300,
        "thinking": {"type": "enabled", "budget_tokens": 200},
        "metadata": {"user_id": "u1"},
        "top_k": 3,
        "stream": True,
    }


def test_parameters_that_the_endpoint_ignores_are_reported(kernel):
    run = kernel.run("%%minimax --param top_k=3 --thinking off\nHello.", "a")
    html = run.outputs[0]["data"]["text/html"]
    assert "top_k is ignored by the endpoint." in html
    assert "always thinks" in html


def test_out_stores_the_answer_in_the_format_of_as(kernel):
    kernel.run('%%minimax --as json --out found\nAnswer. [[simulator: say="```json\\n[1, 2]\\n```"]]', "a")
    assert kernel.run("found").text == "[1, 2]"
    kernel.run('%%minimax --as code --out program\nAnswer. [[simulator: say="So:\\n```python\\nprint(5)\\n```"]]', "b")
    assert kernel.run("exec(program)").text == "5\n"
    run = kernel.run('%%minimax --as json --out other\nAnswer. [[simulator: say="no"]]', "c")
    assert run.error["evalue"].startswith("The answer is not JSON.")
    assert run.turn["status"] == "complete"


def test_a_dry_run_shows_the_request_and_sends_nothing(kernel, simulator):
    kernel.run("%%minimax\nHello.", "a")
    calls = len(simulator.log)
    run = kernel.run("%%minimax --dry-run -t 0.3\nAnd now?", "b")
    body, _ = json.JSONDecoder().raw_decode(run.text)
    assert body["temperature"] == 0.3
    assert len(body["messages"]) == 3
    assert re.search(r"Nothing was sent. The request: ≈ \d+ tokens, < 1 % of the window, < \$0.0001; 1 turn", run.text)
    assert len(simulator.log) == calls


def test_a_dry_run_of_a_long_conversation_is_folded_and_out_has_all_of_it(kernel):
    for number in range(9):
        kernel.run(f"%%minimax\nNumber {number}: {'word ' * 2_000}", f"a{number}")
    run = kernel.run(f"%%minimax --dry-run --out body\n{'last ' * 2_000}", "b")
    assert len(run.text) < 12_000
    assert '"… 6 more messages"' in run.text
    assert "; 9 turns." in run.text
    assert (
        kernel.run("print(len(body['messages']), len(body['messages'][-1]['content'][-1]['text']))").text
        == "19 10000\n"
    )


def test_quiet_shows_one_folded_line_and_keeps_the_turn(kernel):
    run = kernel.run("%%minimax --quiet\nHello.", "a")
    assert run.ops == []
    assert run.turn["status"] == "complete"
    assert run.outputs[0]["data"]["text/html"].count("<details><summary>MiniMax-M2.7") == 1


def test_thread_and_context_select_the_turns_that_are_sent(kernel, simulator):
    kernel.run("%%minimax --thread side\nAside.", "s")
    for number, cell in enumerate("abc"):
        kernel.run(f"%%minimax\nNumber {number}.", cell)
    seen = {}
    for context in ("above", "none", "1", "all"):
        kernel.run(f"%%minimax --context {context}\nWell?", "b")
        seen[context] = len(simulator.log[-1].body["messages"])
    assert seen == {"above": 3, "none": 1, "1": 3, "all": 5}


def test_settings_apply_to_the_kernel_and_flags_to_the_cell(kernel, simulator):
    kernel.run("%minimax model MiniMax-M2.1\n%minimax system You are terse.\n%minimax set temperature 0.4")
    kernel.run("%%minimax -m MiniMax-M2\nHello.", "a")
    kernel.run("%%minimax\nHello.", "b")
    one, two = (record.body for record in simulator.log[-2:])
    assert (one["model"], two["model"]) == ("MiniMax-M2", "MiniMax-M2.1")
    assert one["system"] == two["system"] == "You are terse."
    assert two["temperature"] == 0.4


def test_the_widgets_stop_message_ends_the_turn(kernel):
    def press() -> None:
        (comm_id,) = opened
        content = {"comm_id": comm_id, "data": {"method": "custom", "content": {"type": "stop"}}}
        message = kernel.client.session.msg("comm_msg", content)
        message["header"]["subshell_id"] = subshell
        kernel.client.shell_channel.send(message)

    opened: list[str] = []
    request = kernel.client.session.msg("create_subshell_request", {})
    kernel.client.control_channel.send(request)
    subshell = kernel.client.get_control_msg(timeout=10)["content"]["subshell_id"]

    def ready(kind: str, content: dict) -> bool:
        if kind == "comm_msg":
            opened[:] = [content["comm_id"]]
        return widget_receives('"add", 1')(kind, content)

    run = kernel.run(SLOW, "a", when=ready, then=press)
    assert run.turn["status"] == "stopped"
    assert run.error is None


def test_the_key_appears_nowhere(kernel, simulator):
    cells = [
        "%minimax",
        "%minimax doctor",
        "%minimax models",
        "%config MiniMax",
        "%minimax set",
        "session = get_ipython().magics_manager.registry['MiniMaxMagics'].session\nsession.client(), vars(session)",
        "repr(session.keys), vars(session.config)",
        "import logging; logging.basicConfig(level=logging.DEBUG, force=True)",
        "%%minimax\nHello.",
        "%%minimax\nHello. [[simulator: fault=overloaded times=9]]",
        "%%minimax\nHello. [[simulator: fault=invalid-key]]",
        "%%minimax --dry-run\nHello.",
        "logging.basicConfig(level=logging.WARNING, force=True)",
    ]
    key = simulator.key
    encoded = base64.b64encode(key.encode()).decode().rstrip("=")
    everything = json.dumps([kernel.run(cell, f"c{number}").messages for number, cell in enumerate(cells)])
    for form in (key, encoded, urllib.parse.quote(key), json.dumps(key)[1:-1]):
        assert form not in everything


def test_records_match_the_json_schema(kernel):
    from importlib.resources import files

    schema = json.loads((files("mm_magics.history") / "turn.schema.json").read_text())
    for text in ("Hello.", "Hello. [[simulator: fault=close after=9]]"):
        jsonschema.validate(kernel.run(f"%%minimax\n{text}", "a").turn, schema)
