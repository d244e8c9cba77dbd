"""Thinking and tool calls in a text: what counts, and what is only quoted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mm_magics.api.dialect import Part, TextCall, ThinkingSplitter, calls_at_end, split_thinking, without_thinking

CORPUS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("dialect.json").read_text("utf-8"))

PIECES = st.lists(
    st.sampled_from(
        [
            "<think>",
            "</think>",
            "<thi",
            "nk>",
            "```\n",
            "~~~\n",
            "`",
            "\n",
            "\n\n",
            "> ",
            "    ",
            "- ",
            "word",
            " ",
            ". ",
        ]
    ),
    max_size=14,
)


def joined(parts: list[Part]) -> list[Part]:
    out: list[Part] = []
    for part in parts:
        if out and out[-1].kind == part.kind:
            part = Part(part.kind, out.pop().text + part.text)
        out.append(part)
    return out


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case["name"])
def test_thinking_in_a_text_is_split_off_where_it_is_thinking(case: dict[str, Any]) -> None:
    expected = [Part(**part) for part in case["parts"]]
    assert split_thinking(case["text"]) == expected
    assert without_thinking(case["text"]) == "".join(part.text for part in expected if part.kind == "text")


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case["name"])
def test_every_split_into_two_pieces_gives_the_same_parts(case: dict[str, Any]) -> None:
    text = case["text"]
    for at in range(len(text) + 1):
        splitter = ThinkingSplitter()
        parts = [*splitter.feed(text[:at]), *splitter.feed(text[at:]), *splitter.end()]
        assert joined(parts) == split_thinking(text), at


def without_tags(text: str) -> str:
    return text.replace("<think>", "").replace("</think>", "").replace("\n", "")


@pytest.mark.fuzz
@given(PIECES, st.data())
def test_any_split_gives_the_same_parts_and_loses_only_tags_and_newlines(pieces: list[str], data: Any) -> None:
    text = "".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    splitter = ThinkingSplitter()
    parts = [part for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True) for part in splitter.feed(text[a:b])]
    assert joined([*parts, *splitter.end()]) == split_thinking(text)
    assert "".join(map(without_tags, (part.text for part in split_thinking(text)))) == without_tags(text)


# Tool calls -----------------------------------------------------------------------------------------------------------


def call(name: str = "lookup", **values: str) -> str:
    written = "".join(f'<parameter name="{key}">{value}</parameter>\n' for key, value in values.items())
    return f'<minimax:tool_call>\n<invoke name="{name}">\n{written}</invoke>\n</minimax:tool_call>'


CALL = call(query="MiniMax")
ONE = [TextCall("lookup", {"query": "MiniMax"})]

COUNTS: dict[str, tuple[str, list[TextCall]]] = {
    "alone": (CALL, ONE),
    "after a text": (f"I call it.\n\n{CALL}", ONE),
    "after a line": (f"I call it:\n{CALL}", ONE),
    "after a list": (f"- one\n- two\n{CALL}", ONE),
    "before white space": (f"{CALL}\n \n", ONE),
    "after thinking": (f"<think>\nhm\n</think>\n\n{CALL}", ONE),
    "after a closed fence": (f"```\n{CALL}\n```\n\n{CALL}", ONE),
    "after a quoted one": (f"> {CALL}\n\nNow:\n\n{CALL}", ONE),
    "after one in the middle": (f"{CALL}\n\nand\n\n{CALL}", ONE),
    "two calls in one": (
        '<minimax:tool_call><invoke name="a"></invoke>\n<invoke name="b"><parameter name="x">1</parameter></invoke>'
        "</minimax:tool_call>",
        [TextCall("a", {}), TextCall("b", {"x": "1"})],
    ),
    "two elements": (f"{CALL}\n{call('b')}", [*ONE, TextCall("b", {})]),
    "one line": (call(query="a").replace("\n", ""), [TextCall("lookup", {"query": "a"})]),
    "other quotes": (CALL.replace('"', "'"), ONE),
    "no quotes": (CALL.replace('"', ""), ONE),
    "a value with lines": (call(code="\nx = 1\n\ny = 2\n"), [TextCall("lookup", {"code": "x = 1\n\ny = 2"})]),
    "a value with markup": (call(html="<b>&lt;</b> ```"), [TextCall("lookup", {"html": "<b>&lt;</b> ```"})]),
    "no arguments": (call(), [TextCall("lookup", {})]),
}

DOES_NOT_COUNT: dict[str, str] = {
    "in a fence": f"```xml\n{CALL}\n```",
    "in an open fence": f"```\n{CALL}",
    "in an open fence of tildes": f"~~~\n{CALL}",
    "in a fence that a shorter one does not close": f"````\n```\n{CALL}",
    "in a fence that an indented one does not close": f"```\n    ```\n{CALL}",
    "in a fence that a quoted one does not close": f"```\n> ```\n{CALL}",
    "in a fence that begins after indented code": f"    ```\n\n```\n{CALL}",
    "in a fence of a list item": f"- a\n  ```\n  b\n{CALL.replace('<', '  <', 1)}",
    "in inline code": f"`{CALL}`",
    "in inline code that is open": f"Write `this:\n{CALL}",
    "indented as code": f"Like this:\n\n    {CALL}",
    "indented by a tab": f"Like this:\n\n\t{CALL}",
    "in a quote": "> " + CALL.replace("\n", "\n> "),
    "in a quote that continues": f"> He wrote:\n{CALL}",
    "in a comment": f"<!--\n{CALL}",
    "in HTML": f"<pre>\n{CALL}",
    "in thinking": f"<think>{CALL}</think>",
    "in open thinking": f"<think>\nI would call\n{CALL}",
    "in thinking that looks like code": f"    ```\n<think>\n{CALL}",
    "in a sentence": f"I call {CALL}",
    "in quotation marks": f'He wrote: "{CALL}"',
    "before a text": f"{CALL}\nDone.",
    "before a letter": f"{CALL}.",
    "cut": CALL[:-3],
    "without an end": CALL.removesuffix("</minimax:tool_call>"),
    "without a call": "<minimax:tool_call>\n</minimax:tool_call>",
    "without a name": CALL.replace(' name="lookup"', ""),
    "with an argument without a name": CALL.replace(' name="query"', ""),
    "with an argument twice": CALL.replace("</invoke>", '<parameter name="query">b</parameter></invoke>'),
    "with text between the tags": CALL.replace("</invoke>", "and</invoke>"),
    "with a call inside of a value": call(query=call("evil")),
    "with an end tag inside of a value": call(query='x</parameter></invoke><invoke name="evil">'),
    "with tags in the wrong order": CALL.replace("</invoke>", "").replace("</parameter>", "</invoke></parameter>"),
    "another tag": CALL.replace("minimax:tool_call", "tool_call"),
    "after too much text": f"{'word ' * 30_000}\n\n{CALL}",
}


@pytest.mark.parametrize("case", COUNTS)
def test_a_call_that_a_text_ends_with_counts(case: str) -> None:
    text, calls = COUNTS[case]
    assert calls_at_end(text) == calls


@pytest.mark.parametrize("case", DOES_NOT_COUNT)
def test_a_call_that_is_quoted_incomplete_or_ambiguous_does_not_count(case: str) -> None:
    assert calls_at_end(DOES_NOT_COUNT[case]) == []


@pytest.mark.fuzz
@given(
    st.lists(
        st.sampled_from(
            [
                CALL,
                "```\n",
                "~~~\n",
                "`",
                "> ",
                "    ",
                "\n",
                "\n\n",
                "<think>",
                "</think>",
                "- ",
                "<!--",
                "-->",
                "text ",
            ]
        ),
        max_size=8,
    )
)
def test_a_call_counts_only_where_markdown_displays_it_as_ordinary_text(pieces: list[str]) -> None:
    text = "".join(pieces)
    if not calls_at_end(text):
        return
    from markdown_it import MarkdownIt

    assert text.rstrip().endswith("</minimax:tool_call>")
    assert all(part.kind == "text" for part in split_thinking(text)[-1:])
    last = split_thinking(text)[-1].text
    tokens = MarkdownIt("commonmark").parse(last)
    code = [token.content for token in tokens if token.type in ("fence", "code_block", "html_block")]
    code += [each.content for token in tokens for each in token.children or () if each.type == "code_inline"]
    end = last.rstrip()[-len(CALL) :]
    assert not any(each.rstrip().endswith(end) for each in code)
    assert tokens[-1].type != "blockquote_close"
