"""Front ends that cannot run in tests, by their documented rules: GitHub's sanitizer, VS Code's order of MIME types."""

from __future__ import annotations

from typing import Any

import nh3
import pytest

from mm_magics.display.mime_bundle import make_bundle
from tests.display.html import elements, text
from tests.hostile.corpus import CASES, everywhere
from tests.turns import turn

GITHUB_PLAIN = (
    {
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "br",
        "b",
        "i",
        "strong",
        "em",
        "pre",
        "code",
        "tt",
        "div",
        "ins",
        "del",
        "sup",
    }
    | {
        "sub",
        "p",
        "picture",
        "ol",
        "ul",
        "table",
        "thead",
        "tbody",
        "tfoot",
        "blockquote",
        "dl",
        "dt",
        "dd",
        "kbd",
        "q",
    }
    | {"samp", "var", "hr", "ruby", "rt", "rp", "li", "tr", "td", "th", "s", "strike", "summary", "details", "caption"}
    | {"figure", "figcaption", "abbr", "bdo", "cite", "dfn", "mark", "small", "source", "span", "time", "wbr"}
)
GITHUB: dict[str, set[str]] = {
    **{tag: set() for tag in GITHUB_PLAIN},
    "a": {"href"},
    "img": {"src", "longdesc", "loading", "alt"},
}
"""Elements and attributes of the default allow-list of GitHub's html-pipeline (`SanitizationFilter`)."""
EVERYWHERE = {"align", "alt", "open", "start", "title", "width", "height", "colspan", "rowspan", "type", "checked"}

VS_CODE = (
    "application/json",
    "application/javascript",
    "text/html",
    "image/svg+xml",
    "text/latex",
    "text/markdown",
    "image/png",
    "image/jpeg",
    "text/plain",
)
"""VS Code's `NOTEBOOK_DISPLAY_ORDER`; types without a renderer are skipped."""
VS_CODE_READ_ALOUD = ("text/latex", "text/markdown", "application/json", "text/html", "text/plain")
"""Its `ACCESSIBLE_NOTEBOOK_DISPLAY_ORDER`, for screen readers, without images."""

ANSWER_TEXT = """# Title

It is **so**:

```python
return_value = transform(1)  # one thing after another
```

| a | b |
|-|-|
| 1 | 2 |
"""
ANSWER: list[Any] = [
    {"type": "thinking", "thinking": "Let me *see*.", "signature": "x"},
    {"type": "text", "text": ANSWER_TEXT},
    {"type": "tool_use", "id": "a", "name": "look", "input": {"q": 1}},
]


def on_github(html: str) -> str:
    """Sanitize HTML as GitHub's viewer does."""
    attributes = {"*": EVERYWHERE, **{tag: names for tag, names in GITHUB.items() if names}}
    return nh3.clean(
        html, tags=set(GITHUB), attributes=attributes, clean_content_tags={"script", "style"}, link_rel=None
    )


def test_a_saved_answer_is_readable_without_styles_and_classes() -> None:
    rest = on_github(make_bundle(turn("hi", ANSWER))["text/html"])
    tags = [tag for tag, _ in elements(rest)]
    assert tags[:4] == ["div", "details", "summary", "pre"]
    assert {"h1", "strong", "pre", "code", "i", "table", "th", "td"} <= set(tags)
    assert "<details><summary>Thought for 0.2 s</summary><pre>Let me *see*.</pre></details>" in rest
    assert "<summary>Tool: look</summary>" in rest
    assert "<i># one thing after another" in rest
    assert "MiniMax-M2.7 · 0.5 s · 9 tokens in, 3 out" in text(rest)
    assert "mm-saved" not in rest


@pytest.mark.parametrize("evil", CASES.values(), ids=CASES)
def test_githubs_sanitizer_removes_no_text_from_a_hostile_answer(evil: str) -> None:
    html = make_bundle(everywhere(evil))["text/html"]
    without_style = html[html.rindex("</style>") + 8 :]
    assert text(on_github(html)) == text(without_style)


def test_vs_code_shows_the_html_and_can_fall_back_to_markdown_and_text() -> None:
    made = make_bundle(turn("hi", ANSWER))
    assert [kind for kind in VS_CODE if kind in made] == ["text/html", "text/markdown", "text/plain"]
    assert next(kind for kind in VS_CODE_READ_ALOUD if kind in made) == "text/markdown"
    assert [kind for kind in made if kind not in VS_CODE] == ["application/vnd.minimax.turn+json"]
