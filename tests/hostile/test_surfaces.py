"""The hostile corpus on every surface of the Python package: nothing runs, loads, hides or hangs."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from functools import cache

import pytest
from markdown_it import MarkdownIt

from mm_magics import packages
from mm_magics.config import MiniMax
from mm_magics.display import markdown
from mm_magics.display.export_html import render_page
from mm_magics.display.mime_bundle import make_bundle
from mm_magics.display.safe_markdown import sanitize_markdown
from mm_magics.display.table import Table
from mm_magics.display.terminal import TerminalView
from mm_magics.doctor import Finding, examine
from mm_magics.errors import MiniMaxError, RecordError
from mm_magics.history import notebook_context
from mm_magics.history.notebook_context import CellRun
from mm_magics.history.turn import Turn
from mm_magics.ipython.commands import Context, run
from mm_magics.ipython.commands.doctor import findings_table
from mm_magics.prompt import template
from mm_magics.prompt.terminal_text import terminal_text
from mm_magics.session import Session
from mm_magics.text import escape_controls
from tests.display.html import dangers, elements, text, without_styles
from tests.hostile.corpus import BOMBS, CASES, everywhere
from tests.pace import PATIENCE
from tests.turns import turn


@pytest.fixture(autouse=True, scope="module")
def _installed_packages() -> Iterator[None]:
    """Read the version of each installed package once, not once per case."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "metadata_version", cache(packages.metadata_version))
        yield


def cases(test: Callable[[str], None]) -> Callable[[], None]:
    """Run all cases in one test that names the failed ones: collecting them one by one takes longer than that."""

    def of_all_cases() -> None:
        failed = {}
        for name, evil in CASES.items():
            try:
                test(evil)
            except Exception as error:
                failed[name] = repr(error)
        assert failed == {}

    of_all_cases.__name__ = test.__name__
    return of_all_cases


bombs = pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)

LIMIT_S = 5.0 * PATIENCE
"""CPU seconds allowed for a bomb. Each takes less than 1 s on an idle machine; a hang takes minutes."""


def hidden(shown: str) -> list[str]:
    """Return the characters that control a terminal or disguise text."""
    if escape_controls(shown) == shown:
        return []
    return [each for each in shown if escape_controls(each) != each]


# Saved output ---------------------------------------------------------------------------------------------------


@cases
def test_hostile_text_in_any_field_makes_a_safe_saved_answer(evil: str) -> None:
    made = everywhere(evil)
    for form in ("markdown", "code", "text", "json"):
        for quiet in (False, True):
            shown = make_bundle(made, answer_format=form, quiet=quiet, notes=[evil])  # type: ignore[arg-type]
            assert dangers(without_styles(shown["text/html"])) == []
            assert not any(hidden(shown[kind]) for kind in ("text/html", "text/markdown", "text/plain"))


@cases
def test_links_go_only_to_the_web_or_mail_address_they_show(evil: str) -> None:
    for tag, attributes in elements(markdown.render_html(evil)):
        if tag == "a" and "href" in attributes:
            assert re.match(r"(?:https?:|mailto:)", attributes["href"])
            assert attributes["rel"] == "noopener noreferrer"
            assert attributes["title"] == attributes["href"]


FETCHING = {"img", "image", "svg", "iframe", "object", "embed", "video", "audio", "link", "style", "script", "form"}


def fetched(source: str) -> list[str]:
    """Return the elements and attributes that load or act, as a viewer that allows HTML renders the Markdown."""
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(source)
    return [
        f"<{tag} {sorted(attributes)}>"
        for tag, attributes in elements(html)
        if tag in FETCHING or any(re.match(r"on\w|src|style$|background$|poster$", name) for name in attributes)
        if not (tag in ("td", "th") and attributes.get("style", "").startswith("text-align:"))
    ]


@cases
def test_a_markdown_viewer_loads_nothing_from_the_saved_markdown(evil: str) -> None:
    assert fetched(make_bundle(turn("hi", evil))["text/markdown"]) == []


CODE = "Use `<img src=a>` or `![b](c)`:\n\n```html\n<img src=d>\n![e](f)\n```\n\n- x\n\n      <script src=g>\n"


def test_code_in_the_saved_markdown_is_unchanged() -> None:
    assert make_bundle(turn("hi", CODE))["text/markdown"] == CODE


def test_an_image_in_the_saved_markdown_becomes_a_link() -> None:
    html = MarkdownIt().render(
        sanitize_markdown("> ![a *b*](https://e.org/p.png) \\\\![c][d]\n\n[d]: https://e.org/q.png")
    )
    links = [attributes["href"] for tag, attributes in elements(html) if tag == "a"]
    assert links == ["https://e.org/p.png", "https://e.org/q.png"]
    assert "!a b" in text(html)


@pytest.mark.slow
@bombs
def test_markdown_bombs_do_not_delay_the_saved_answer(bomb: str) -> None:
    began = time.process_time()
    shown = make_bundle(turn("hi", bomb))
    assert time.process_time() - began < LIMIT_S
    assert dangers(without_styles(shown["text/html"])) == []
    assert len(shown["text/html"]) < 8 * len(bomb) + 10_000


def test_formulas_that_are_slow_in_mathjax_are_saved_as_source() -> None:
    shown = make_bundle(turn("hi", "$$a\n" * 20_000))
    assert "$$" not in re.sub(r"<pre>.*?</pre>", "", shown["text/html"], flags=re.DOTALL)
    assert shown["text/markdown"].startswith("```\n$$a\n")
    assert make_bundle(turn("hi", "$$a$$"))["text/markdown"] == "$$a$$"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quotes in quotes", "one line of 1 MB", "image openers", "hostile Java", "bidi"])
def test_bombs_do_not_delay_anything_else(name: str) -> None:
    began = time.process_time()
    made = everywhere(BOMBS[name])
    make_bundle(made)
    render_page([made], "t")
    written(made)
    assert time.process_time() - began < 6 * LIMIT_S, "three forms with fifteen copies of the text"


# Display --------------------------------------------------------------------------------------------------------


@cases
def test_an_exported_page_is_safe(evil: str) -> None:
    html = render_page([everywhere(evil)], evil)
    body = without_styles(html[html.index("<body>") + 6 : html.index("</body>")])
    assert dangers(body.replace('<div class="prompt">', "<div>")) == []
    assert hidden(html) == []
    assert html.count("<title>") == without_styles(html).count("<style>") == 1


@cases
def test_a_command_shows_hostile_text_as_text(evil: str) -> None:
    report = Table(evil, (evil, "b"), [(evil, evil)], (evil, evil))
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(report._repr_markdown_())
    assert dangers(shown) == []
    assert not any(tag == "a" for tag, _ in elements(shown))
    assert hidden(repr(report)) == hidden(report._repr_markdown_()) == []


def written(made: Turn) -> str:
    """Return everything the terminal view writes for the turn."""
    from rich.console import Console

    from mm_magics.endpoint.assembler import BlockStart, BlockStop, Delta
    from mm_magics.events import TurnEnd

    out = io.StringIO()
    view = TerminalView(Console(file=out, force_terminal=True, highlight=False, markup=False, emoji=False))
    for index, block in enumerate(made.messages[1]["content"]):
        view.show(BlockStart(index, block))  # type: ignore[arg-type]
        for kind in ("thinking", "text", "input"):
            view.show(Delta(index, kind, made.prompt))  # type: ignore[arg-type]
        view.show(BlockStop(index, block))  # type: ignore[arg-type]
    view.write_line(made.prompt)
    view.show(TurnEnd(made))
    return out.getvalue()


@cases
def test_hostile_text_does_not_change_the_terminals_state(evil: str) -> None:
    ours = re.compile(r"\x1b\[(?:0|2|3|2;3|36)m")
    assert hidden(ours.sub("", written(everywhere(evil)))) == []


@cases
def test_the_doctor_and_the_status_show_hostile_text_as_text(evil: str) -> None:
    session = Session(MiniMax(model=evil.strip() or "x", thread=evil.strip() or "x"))
    session.history.load([everywhere(evil)])
    for report in (
        findings_table([*examine(session, evil), Finding(evil, False, evil, evil)]),
        run(Context(session), ""),
    ):
        assert hidden(repr(report)) == hidden(report._repr_markdown_()) == []


def plain(error: MiniMaxError) -> bool:
    lines = error._render_traceback_()
    return 1 <= len(lines) <= 2 and all(line.isprintable() for line in lines)


@cases
def test_a_damaged_record_is_reported_in_plain_text(evil: str) -> None:
    for broken in (
        {"schema": evil},
        {"schema": 1, "status": evil, "messages": evil},
        {"schema": 1, "status": "complete", "messages": [{"role": evil}], evil: evil},
    ):
        with pytest.raises(RecordError) as caught:
            Turn.from_record(broken)
        assert plain(caught.value)


# Requests -------------------------------------------------------------------------------------------------------

CLOSING = re.compile(r"<[^\w>]*/[^\w>]*(?:cell|output)\b|<(?:cell|output)\b", re.IGNORECASE)


@cases
def test_a_visible_cell_cannot_close_its_cell_tag(evil: str) -> None:
    outputs = [
        {"output_type": "stream", "text": f"x{evil}"},
        {"output_type": "display_data", "data": {"text/plain": [evil]}},
        {"output_type": "error", "evalue": evil, "traceback": [evil]},
    ]
    cells = notebook_context.format_cells([CellRun(evil, f"x{evil}", outputs), CellRun("b", "y", [])], limit=0)
    first, *rest = cells.split("\n")
    assert re.fullmatch(r'<cell id="[^"<>\s]*">', first)
    tags = CLOSING.findall("\n".join(rest))
    assert tags[-3:] == ["</cell", "<cell", "</cell"]
    assert tags[:-3] == (["<output", "</output"] if terminal_text(f"x{evil}").strip("\n") else [])
    assert "\x1b[" not in cells


@cases
def test_an_interpolated_value_is_sent_unchanged_and_not_rendered_again(evil: str) -> None:
    assert template.render("a {{ v }} {{ 1 + 1 }}", {"v": evil}, 0) == f"a {evil} 2"


@pytest.mark.slow
@bombs
def test_bombs_do_not_delay_a_request(bomb: str) -> None:
    began = time.process_time()
    notebook_context.format_cells([CellRun("a", bomb, [{"output_type": "stream", "text": bomb}])], limit=0)
    template.render("{{ v }}", {"v": bomb})
    assert time.process_time() - began < LIMIT_S
