"""Rendering Markdown as HTML for saved notebooks."""

from __future__ import annotations

import pytest

from mm_magics.display import markdown
from tests.display.html import elements, text


@pytest.mark.parametrize(
    ("source", "html"),
    [
        ("**b** *i* ~~d~~ `c`", "<p><strong>b</strong> <em>i</em> <s>d</s> <code>c</code></p>"),
        ("# One\n\n###### Six", "<h1>One</h1>\n<h6>Six</h6>"),
        ("> quoted", "<blockquote>\n<p>quoted</p>\n</blockquote>"),
        ("3. three\n4. four", '<ol start="3"><li>three</li><li>four</li></ol>'),
        ("a\n\n---\n\nb", "<p>a</p>\n<hr>\n<p>b</p>"),
        (
            "[x](https://e.org 'T')",
            '<p><a href="https://e.org" title="https://e.org" rel="noopener noreferrer">x</a></p>',
        ),
        (
            "[x](/api/shutdown) [y](javascript:1)",
            '<p><a rel="noopener noreferrer">x</a> <a rel="noopener noreferrer">y</a></p>',
        ),
        ("$x_1 < y$", "<p><var>\\(x_1 &lt; y\\)</var></p>"),
        ("```\n1 < 2\n```", "<pre><code>1 &lt; 2\n</code></pre>"),
        ("    indented", "<pre><code>indented\n</code></pre>"),
        ("a  \nb", "<p>a<br>\nb</p>"),
    ],
)
def test_markdown_is_rendered(source: str, html: str) -> None:
    assert markdown.render_html(source).strip() == html


@pytest.mark.parametrize(
    "source",
    [
        "A vector<T> of Map<String, List<T>>.",
        '<minimax:tool_call><invoke name="wipe"><parameter name="what">a</parameter></invoke></minimax:tool_call>',
        'The element <xs:element name="a"> and <std::string>.',
    ],
)
def test_what_looks_like_a_tag_but_is_not_html_is_shown_as_text(source: str) -> None:
    assert text(markdown.render_html(source)).strip() == source


def test_a_table_keeps_its_alignment() -> None:
    table = elements(markdown.render_html("| a | b |\n| :- | -: |\n| 1 | 2 |"))
    assert [tag for tag, _ in table] == ["table", "thead", "tr", "th", "th", "tbody", "tr", "td", "td"]
    assert [attributes.get("align") for tag, attributes in table if tag == "td"] == ["left", "right"]


def test_a_task_list_shows_which_tasks_are_done() -> None:
    assert text(markdown.render_html("- [x] a\n- [ ] b")) == "☑ a☐ b"


@pytest.mark.parametrize("source", ["It costs $5 or $6.", "$ a $", "a $5 b", "US$ and $x", "`$x$` and \\$5"])
def test_dollar_amounts_are_not_formulas(source: str) -> None:
    html = markdown.render_html(source)
    assert "\\(" not in html
    assert text(html).strip() == source.replace("\\$", "$").replace("`", "")


@pytest.mark.parametrize("source", ["$$\na = b\n$$", "$$a = b$$", "text $$a = b$$ text"])
def test_display_formulas_get_mathjax_delimiters(source: str) -> None:
    assert "\\[a = b\\]" in markdown.render_html(source)


def test_code_is_highlighted_with_short_tags() -> None:
    source = (
        "def transformed(number, other_number):  # why\n    result = transform(number, other_number)\n"
        '    remember(result, transformed)\n    return "a<b" if result and 1.5 else result\n'
    )
    html = markdown.render_code(source, "python")
    for piece in ("<b>def", "<i># why", "<b>return", "<span>1.5", "a&lt;b"):
        assert piece in html
    assert text(html).removesuffix("\n") == source


@pytest.mark.parametrize("language", ["python", "no-such-language", "", "text"])
def test_highlighting_does_not_change_the_text_of_code(language: str) -> None:
    source = "x = {'a': [1, 2]}\n\n\n  # <i>\n\t&amp;  "
    assert text(markdown.render_code(source, language)).removesuffix("\n") == source


def test_a_very_long_code_block_is_not_highlighted() -> None:
    source = "x = 1  # one\n" * 4_000
    html = markdown.render_code(source, "python")
    assert "<i>" not in html
    assert text(html).removesuffix("\n") == source


@pytest.mark.parametrize(
    "source",
    ["[" * 3_000, "![" * 2_000, "*a_" * 2_000, "> " * 2_000 + "x", "- " * 2_000 + "x", "`" * 3_000, "$" * 3_000],
)
def test_extreme_nesting_is_still_rendered(source: str) -> None:
    assert markdown.render_html(source).strip()
