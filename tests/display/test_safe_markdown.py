r"""Markdown that is made safe loads nothing and runs no TeX, also where viewers disagree about what is code.

What pandoc makes of the Markdown was compared with pandoc 3.9, called as nbconvert calls it:
`markdown+tex_math_double_backslash` to LaTeX.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mm_magics.display import markdown, safe_markdown
from mm_magics.display.export_markdown import render_markdown
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.display.safe_markdown import sanitize_markdown
from tests.turns import turn

IMAGE = "![x](https://e.org/x.png)"
TAG = "<img src=x>"
TEX = r"\input{/etc/passwd}"


def html(source: str) -> str:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(source)


@pytest.mark.parametrize(
    "before",
    [
        "<https://a`>",
        "<mailto:a`>",
        "[a](<b`c>) ",
        "[a](b`c) ",
        '[a](b "`") ',
        '<b title="`">',
        '<b a=">`">',
        "<!-- ` -->",
        "| a |\n| - |\n| <https://a`>",
        "> <https://a`>",
        "$$a`b$$ ",
    ],
)
@pytest.mark.parametrize("loading", [IMAGE, TAG])
def test_a_backtick_that_begins_no_code_hides_nothing_that_loads(before: str, loading: str) -> None:
    source = f"{before}{loading} `"
    assert "<img" not in html(sanitize_markdown(source))
    assert "<img" not in html(sanitize_markdown(source).replace("$$a`b$$", ""))  # as JupyterLab takes out formulas


@pytest.mark.parametrize(
    "first", ["~~~", "```", "<!--", "<pre>", "<?", "<![CDATA[", "<textarea>", "- a", "- a\n\n  ~~~", "~~~\n~~~ x"]
)
@pytest.mark.parametrize("prompt", ["hi", "", "~~~", "<!--"])
@pytest.mark.parametrize("second", [f"~~~\n{IMAGE}\n~~~", f"```\n{IMAGE}\n```", f"`{TAG}`", f"    {IMAGE}"])
def test_no_answer_changes_how_the_next_one_in_an_export_is_read(first: str, prompt: str, second: str) -> None:
    assert "<img" not in html(render_markdown([turn(prompt, first), turn(prompt, second)]))


def test_an_answer_that_is_cut_in_its_code_loads_nothing() -> None:
    bundle = make_bundle(turn("hi", f"`{IMAGE}{'<b>' * 2_000}`"))
    assert "more character" in bundle["text/markdown"]
    assert "<img" not in html(bundle["text/markdown"])


SAME = {
    TEX: rf"\{TEX}",
    r"a\\\input{b}": r"a\\\\input{b}",
    "a\\\n\\input{b}": "a\\\n\\\\input{b}",
    rf"see `{TEX}`": rf"see `{TEX}`",
    rf"`{TEX}`{{=latex}}": rf"`{TEX}`\{{=latex}}",
    f"```{{=latex}}\n{TEX}\n```": f"```\n{TEX}\n```",
    f"``` a b\n{TEX}\n\n{TEX}\n```": f"```\n{TEX}\n\n{TEX}\n```",
    f"```latex\n{TEX}\n```": f"```latex\n{TEX}\n```",
    f"a\n~~~ tex\n{TEX}\n~~~": f"a\n\n~~~tex\n{TEX}\n~~~",
    rf"$x$ {TEX}": r"$x$ <span>\\</span>input{/etc/passwd}",
    rf'[a](b){{x="`"}}{TEX}`': '[a](b){x="<code>&#34;&#125;&#92;input&#123;&#47;etc&#47;passwd&#125;</code>',
    f"+--+\n| `a | {TEX}` |\n+--+": ("+--+\n| <code>a &#124; &#92;input&#123;&#47;etc&#47;passwd&#125;</code> |\n+--+"),
    rf"a^{TEX}^ ~{TEX}~": rf"a\^\{TEX}\^ \~\{TEX}\~",
    "a^&#92;input{b}^": r"a\^&#92;input{b}\^",
    rf"~~{TEX}~~": rf"~~\{TEX}~~",
    r"\newcommand{\frac}{\input{a}}": r"\\newcommand{\\frac}{\\input{a}}",
    r"C:\Users\me": r"C:\\Users\\me",
}
"""Markdown that looks the same, and in which pandoc finds no TeX."""


@pytest.mark.parametrize(("source", "expected"), SAME.items())
def test_a_macro_outside_formulas_and_code_is_a_text_for_pandoc(source: str, expected: str) -> None:
    changed = sanitize_markdown(source)
    assert changed == expected
    assert _text(changed) == _text(source)


def _text(source: str) -> str:
    return re.sub(r"<[^>]*>|\s", "", html(source))


@pytest.mark.parametrize(
    "source",
    [
        f"~~~\n{TEX}\n\na",
        f"~~~{TEX}~ a~~",
        f"~~~\n~~~{TEX}",
        f"Term\n\n:   a\n\n    {TEX}",
        f"- ```\n  {TEX}\n```\nb",
        f"(@) a\n\n    ```\n    {TEX}\n    ```",
        f"a  b\n-- --\n```\n{TEX}\n```",
        f'[a]: /x "t\n{TEX}"',
        f"[^1]: {TEX}",
        "[^1]: a^&#92;input{b}^",
        f"<https://a`>{TEX}`",
        f"[a](<b`c>){TEX}`",
        f"> a\n> ~~~\n> {TEX}\n> ~~~",
    ],
)
def test_code_that_may_be_text_for_pandoc_is_shown_as_source(source: str) -> None:
    changed = sanitize_markdown(source)
    assert re.fullmatch(r"(`{3,})\n(.*)\n\1", changed, re.DOTALL)
    assert source in changed


@pytest.mark.parametrize(
    "source", ["It is $\\frac{a}{b}$.", "a^2^ and ~b~", "`a`{=b", "Use `print('\\n')`.\n\n    x = '\\t'\n"]
)
def test_other_text_stays_as_it_is(source: str) -> None:
    assert sanitize_markdown(source).replace("\\{=", "{=") == source


WORDS = [
    "`",
    "``",
    "```\n",
    "\n```\n",
    "~~~",
    "\n~~~\n",
    IMAGE,
    TAG,
    TEX,
    "![a][b]",
    "\n\n[b]: /c '`'\n\n",
    "<https://a",
    ">",
]
WORDS += [
    '<b title="',
    '">',
    "<!--",
    "-->",
    "<pre>",
    "</pre>",
    "[a](",
    ")",
    "<",
    '"',
    "$",
    "$$",
    r"\(",
    r"\)",
    "|",
    "\n|-|\n",
    "\\",
]
WORDS += ["\n", "\n\n", " ", "    ", "> ", "- ", "1. ", "# ", "^", "~", "{=latex}", "&#92;", "a"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=25).map("".join)


@pytest.mark.fuzz
@given(TEXTS, TEXTS)
def test_any_text_loads_nothing_alone_or_in_an_export(first: str, second: str) -> None:
    alone = sanitize_markdown(first)
    assert "<img" not in html(alone)
    assert "<img" not in html(render_markdown([turn("hi", first), turn(second, second)]))


PIECES = [
    "](",
    "]: ",
    "[a",
    "]",
    "(",
    "<",
    ">",
    "\n> ",
    "\n",
    " ",
    "\\",
    "data:",
    "JavaScript:",
    "&#100;ata&colon;",
    "x",
]
PIECES += ["!", "![", "<img", "<a", " href=", "<b ", "onclick=x>", "`", "|", "- ", "\n\n", "&lt;", "e", "~~~\n"]


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@settings(max_examples=2_000)
def test_what_a_parser_would_find_is_looked_for(text: str) -> None:
    """The quick looks that decide whether a text is parsed miss nothing that the parsers would find."""
    acts, loads = markdown.has_acting_link(text), markdown.loads(text, safe_markdown._UNSAFE)
    assert safe_markdown._may_act(text) or not acts
    assert safe_markdown._may_load(text) or not loads


@pytest.mark.parametrize(
    "text", ["[a](data:x)", "[a](<javascript:x>)", "<data:x>", "[a][b]\n\n[b]:\n> data:x", "[a](\n data:x)"]
)
def test_a_link_that_acts_is_looked_for(text: str) -> None:
    assert safe_markdown._may_act(text)


@pytest.mark.parametrize("beside", ["the data: here", "[a](b 'data:')", "<https://e.org/data:>", "` <data:x> `"])
def test_formulas_are_unchanged_beside_what_may_act(beside: str) -> None:
    text = f"{beside} and\n\n$$\n\\frac{{1}}{{n}} \\sum_i x_i\n$$\n\n$\\alpha$"
    assert sanitize_markdown(text) == text


def test_links_are_not_parsed_because_of_a_word_before_a_colon() -> None:
    assert not safe_markdown._may_act('Load the data: it is (see [1]) in `data: x`. {"data": 5}')
