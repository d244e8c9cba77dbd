"""The final bundle: its contents, its formatting and its size."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mm_magics import Session
from mm_magics.display.mime_bundle import PLAIN_LIMIT, make_bundle
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.simulator import Simulator
from tests.display.html import elements, text
from tests.turns import RESPONSE, turn

KINDS = {MIME_TYPE, "text/html", "text/markdown", "text/plain"}


def size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())


# Contents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["complete", "stopped", "truncated", "failed"])
@pytest.mark.parametrize("answer", ["hello", [], [{"type": "thinking", "thinking": "hm"}]])
def test_the_bundle_contains_the_record_and_three_texts_but_no_widget(status: Any, answer: Any) -> None:
    made = turn("hi", answer, status=status)
    shown = make_bundle(made)
    assert set(shown) == KINDS
    assert Turn.from_record(json.loads(json.dumps(shown[MIME_TYPE]))) == made
    assert all(shown[kind].strip() for kind in ("text/html", "text/plain"))


def test_thinking_is_folded_above_the_answer_with_its_duration() -> None:
    content = [{"type": "thinking", "thinking": "Let me *see*.\n1 < 2"}, {"type": "text", "text": "**Yes**"}]
    html = make_bundle(turn("hi", content, responses=[{**RESPONSE, "thinking_s": 3.21}]))["text/html"]
    assert "<details><summary>Thought for 3.2 s</summary><pre>Let me *see*.\n1 &lt; 2</pre></details>" in html
    assert html.index("</details>") < html.index("<strong>Yes</strong>")
    assert not any("open" in attributes for tag, attributes in elements(html) if tag == "details")


def test_each_thinking_block_shows_the_duration_of_its_own_response() -> None:
    thinking = [{"type": "thinking", "thinking": "hm"}]
    made = turn("hi", thinking, responses=[{**RESPONSE, "thinking_s": 1.0}, {**RESPONSE, "thinking_s": 2.5}])
    made.messages.append({"role": "assistant", "content": thinking})
    html = make_bundle(made)["text/html"]
    assert html.index("Thought for 1.0 s") < html.index("Thought for 2.5 s")


def test_a_tool_call_and_its_result_are_folded_together() -> None:
    made = turn("hi", [{"type": "tool_use", "id": "a", "name": "lookup", "input": {"q": "é"}}])
    made.messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "42"}]})
    html = make_bundle(made)["text/html"]
    assert "<summary>Tool: lookup</summary>" in html
    assert '"q": "é"' in text(html)
    assert "→ 42" in text(html)


@pytest.mark.parametrize("name", ["lookup", "final_answer"])
def test_a_record_with_sorted_keys_makes_the_same_bundle(name: str) -> None:
    made = turn("hi", [{"type": "tool_use", "id": "a", "name": name, "input": {"value": 1, "by": {"z": 2, "b": 3}}}])
    stored = json.loads(json.dumps(made.record(), sort_keys=True))  # as nbformat writes it
    assert make_bundle(Turn.from_record(stored)) == make_bundle(made)


def test_a_block_of_an_unknown_type_is_shown_as_json() -> None:
    html = make_bundle(turn("hi", [{"type": "hologram", "depth": 3}]))["text/html"]
    assert "Block of type hologram" in text(html)
    assert '"depth": 3' in text(html)


def test_the_footer_shows_the_summary_the_error_and_the_notes() -> None:
    html = make_bundle(turn(status="failed", error="It broke.\nRun it again."), notes=["top_k is ignored."])[
        "text/html"
    ]
    foot = text(html[html.index("<footer>") :])
    assert foot.startswith("MiniMax-M2.7 · 0.5 s · 9 tokens in, 3 out")
    assert "failed: the partial response is kept" in foot
    assert "It broke." in foot
    assert "top_k is ignored." in foot


def test_quiet_folds_everything_behind_one_line() -> None:
    html = make_bundle(turn("hi", "a long answer"), quiet=True)["text/html"]
    tags = [tag for tag, _ in elements(html)]
    assert tags[tags.index("style") + 1 :][:2] == ["details", "summary"]
    assert html.index("</summary>") < html.index("a long answer")


@pytest.mark.parametrize(
    ("form", "html", "markdown"),
    [
        ("markdown", "<strong>x</strong>", "Here:\n```python\n**x** = 1\n```\n**x**"),
        ("text", "Here:\n```python", "```\nHere:\n```python\n**x** = 1\n```\n**x**\n```"),
        ("code", "<pre><code>**x** = 1</code></pre>", "```\n**x** = 1\n```"),
    ],
)
def test_the_format_decides_how_the_text_is_shown(form: Any, html: str, markdown: str) -> None:
    shown = make_bundle(turn("hi", "Here:\n```python\n**x** = 1\n```\n**x**"), answer_format=form)
    assert html in shown["text/html"]
    if form != "text":
        assert shown["text/markdown"] == markdown


@pytest.mark.parametrize("form", ["text", "code", "json"])
def test_text_with_code_fences_stays_in_one_fence(form: Any) -> None:
    from markdown_it import MarkdownIt

    content_text = "a\n```\nb\n```\n[x](https://e.org) ~~~\n````\nc"
    shown = make_bundle(turn("hi", content_text), answer_format=form)["text/markdown"]
    kinds = [token.type for token in MarkdownIt().parse(shown)]
    assert kinds == ["fence"]


def test_json_is_shown_indented() -> None:
    shown = make_bundle(turn("hi", 'Here: \n```json\n{"a":[1,"é"]}\n```'), answer_format="json")
    assert json.loads(text(shown["text/html"][shown["text/html"].index("<pre>") :]).partition("MiniMax")[0]) == {
        "a": [1, "é"]
    }
    assert shown["text/markdown"].startswith('```json\n{\n  "a": [')


def test_plain_text_is_cut_visibly_and_never_empty() -> None:
    long = make_bundle(turn("hi", "x" * (PLAIN_LIMIT + 1_234)))["text/plain"]
    assert long.startswith("x" * PLAIN_LIMIT + "\n…")
    assert "1,234 more characters" in long
    assert make_bundle(turn("hi", []))["text/plain"].startswith("MiniMax-M2.7")


def test_a_bundle_with_lone_surrogates_can_be_saved() -> None:
    made = turn("a file named \udcff", [{"type": "text", "text": "half \ud83d."}, {"type": "x", "y": "\ude00"}])
    shown = make_bundle(made, notes=["\udcff"])
    json.dumps(shown, ensure_ascii=False).encode()
    assert shown[MIME_TYPE]["messages"][1]["content"][0]["text"] == "half \ufffd."
    assert Turn.from_record(shown[MIME_TYPE]) == made
    assert made.text == "half \ud83d."


# Size -----------------------------------------------------------------------------------------------------------

SENTENCES = (
    'The quick brown fox said: "don\'t stop <here> & now"; it cost $5, about 20% less. '
    "A *second* sentence has `code()` and a [link](https://example.org/path?a=1&b=2), and **strong** words.\n\n"
)
CODE = '''```python
from collections.abc import Iterator


def primes(limit: int) -> Iterator[int]:
    """All primes below the limit, by "trial" division."""
    found: list[int] = []
    for number in range(2, limit):  # every one of them
        if all(number % prime for prime in found if prime * prime <= number):
            found.append(number)
            yield number


print(", ".join(str(p) for p in primes(50)), {"a": 1, 'b': [None, True, 0x1F, 2.5e-3]})
```

'''
SAMPLES = {
    "prose": SENTENCES,
    "plain prose": "Nothing but words and more words that follow each other in a row, line after line after line.\n",
    "code": CODE,
    "shell": "```bash\n$ for f in *.txt; do echo \"$f\" | sed 's/a/b/' > out; done # all\n```\n",
    "json": '```json\n{"a": [1, 2, {"b": "c", "d": null}], "e": "f\\n"}\n```\n',
    "latex": "Euler: $e^{i\\pi} + 1 = 0$ and\n\n$$\\sum_{n=1}^{\\infty} \\frac{1}{n^2} = \\frac{\\pi^2}{6}$$\n\n",
    "tables": "| name | n | note |\n| :--- | ---: | --- |\n" + "| a | 1 | x |\n| bb | 22 | yy |\n" * 20 + "\n",
    "narrow table": "|a|b|c|\n|-|-|-|\n" + "|1|2|3|\n" * 50 + "\n",
    "lists": "- one\n- two\n  1. three\n  2. four\n- [x] done\n\n",
    "cjk": "素数とは、1とその数自身以外に正の約数がない自然数のことである。これは重要な概念です。\n\n",
    "emoji": "🦪 👩‍👩‍👧 🇩🇪 ok 👍🏽\n\n",
    "headings": "# A\n\n## B\n\n> c\n\n---\n\n",
}


@pytest.mark.parametrize("length", [100, 3_000, 20_000])
@pytest.mark.parametrize("share", [0.0, 0.5], ids=["no thinking", "half of it thinking"])
@pytest.mark.parametrize("name", SAMPLES)
def test_a_bundle_is_at_most_four_times_the_text_plus_three_kilobytes(name: str, share: float, length: int) -> None:
    content_text = (SAMPLES[name] * (length // len(SAMPLES[name]) + 1))[:length]
    cut = int(length * share)
    content = [{"type": "thinking", "thinking": content_text[:cut], "signature": "5" * 64}] if share else []
    made = turn("hi", [*content, {"type": "text", "text": content_text[cut:]}])
    assert size(make_bundle(made)) <= 4 * len(f"hi{content_text}".encode()) + 3_200


@pytest.mark.parametrize("name", ["prose", "code", "latex", "cjk", "lists", "json"])
def test_ordinary_text_is_formatted_and_not_cut(name: str) -> None:
    content_text = SAMPLES[name] * 20
    shown = make_bundle(turn("hi", content_text))
    assert shown["text/markdown"] == content_text
    assert len({tag for tag, _ in elements(shown["text/html"])} & {"p", "pre", "li"}) >= 1


@pytest.mark.parametrize("rounds", [1, 3, 25])
def test_a_turn_with_many_short_calls_takes_a_kilobyte_per_call(endpoint: Simulator, rounds: int) -> None:
    def add(a: int, b: int) -> int:
        """The sum."""
        return a + b

    with Session(base_url=endpoint.base_url, api_key=endpoint.key) as session:
        made = session.ask(f"add 1 and 2 [[simulator: rounds={rounds}]]", tools=[add], max_rounds=50)
    shown = make_bundle(made)
    assert shown["text/html"].count("<summary>Tool: add · done") == rounds
    content_text = sum(len(json.dumps(block)) for message in made.messages for block in message["content"])
    assert size(shown) <= 4 * content_text + 3_200 + 1_000 * rounds


@pytest.mark.parametrize("length", [10, 3_000, 20_000])
@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_text_of_every_version_counts_and_none_is_stored_as_html(name: str, count: int, length: int) -> None:
    content_text = (SAMPLES[name] * (length // len(SAMPLES[name]) + 1))[:length]
    versions = [turn("hi", f"{content_text}{number}") for number in range(count)]
    shown = make_bundle(turn("hi", content_text, versions=versions))
    assert size(shown) <= 4 * len(content_text.encode()) * (count + 1) + 3_200 + 1_000 * count
    assert shown[MIME_TYPE]["versions"] == [version.record() for version in versions]


def test_a_long_version_does_not_cut_a_short_answer() -> None:
    shown = make_bundle(turn("hi", "**short**", versions=[turn("hi", SENTENCES * 500)]))
    assert "<strong>short</strong>" in shown["text/html"]


@pytest.mark.parametrize("form", ["code", "text", "json"])
def test_every_format_respects_the_size_limit(form: Any) -> None:
    for content_text in (CODE * 30, json.dumps([[1], {"a": [[]]}] * 400), SENTENCES * 60):
        assert size(make_bundle(turn("hi", content_text), answer_format=form)) <= 4 * len(content_text.encode()) + 3_200
