"""The MIME bundle that ends the output of a prompt cell.

It contains the turn record, `text/html`, `text/markdown` and `text/plain`, never a widget view. The HTML is sanitized
and readable without a kernel, script or style sheet. The other versions of the turn are only in the record, except for
answers that were asked for at once: all of them are shown until the user has chosen one. The bundle is at most 4 × the
text and images of the turn and its versions plus 3.2 kB, and 1 kB for each further model call and each further answer
shown; to stay within that, `text/plain` is cut with a note, then `text/markdown`, then the HTML loses its formatting.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from mm_magics.api import messages
from mm_magics.api.dialect import split_thinking
from mm_magics.api.messages import ANSWER, Block, blocks
from mm_magics.api.sendable import REASONING
from mm_magics.display import markdown, usage_line
from mm_magics.display.answer_format import AnswerFormat, format_answer
from mm_magics.display.gfm import has_right_to_left
from mm_magics.display.safe_markdown import sanitize_markdown
from mm_magics.display.text_calls import text_calls_of
from mm_magics.display.verdict import answer_title, choice_text, verdict_text
from mm_magics.history.turn import MIME_TYPE, Turn
from mm_magics.history.versions import compared
from mm_magics.prompt.image_file import IMAGE_TYPES
from mm_magics.text import escape_controls, fence, without_surrogates
from mm_magics.tools.call_text import call_parts, json_text, shown_part
from mm_magics.wording import counted

PLAIN_LIMIT = 1_500
"""Characters of `text/plain`."""
SIZE_FACTOR = 4
SIZE_EXTRA = 3_200
SIZE_CALL = 1_000
"""Bytes for each further model call, whose record has ids, usage, times and a signature beside the text, and for each
further answer shown."""

_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")

BOX = "overflow-y:hidden"
"""Nothing in an answer can leave its box, also where JupyterLab removes the style element. What is too wide scrolls."""

STYLE = (
    "<style>.mm-saved{max-width:60em;overflow-wrap:break-word;--k:#a0489f;--c:#57606a;--s:#a5430f}"
    ".mm-saved details{margin:.3em 0;border-left:3px solid #8888;padding-left:.6em}"
    ".mm-saved img{max-width:100%;max-height:24em}"
    ".mm-saved :is(summary,footer){color:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,#666))}"
    ".mm-saved pre{background:#8881;padding:.5em;overflow:auto}.mm-saved details>pre{white-space:pre-wrap}"
    ".mm-saved pre code{background:none}"
    ".mm-saved table{display:block;overflow:auto}.mm-saved :is(th,td){padding:.2em .6em}"
    ".mm-saved footer{font-size:85%}"
    ".mm-saved var{display:inline-block;font-style:normal}"
    ".mm-saved var:has([display]){display:block}"
    ".mm-saved :is(var,div){max-width:100%;clip-path:inset(-.15em)}"
    ":is([data-jp-theme-light=false],.vscode-dark,.vscode-high-contrast:not(.vscode-high-contrast-light),[theme=dark]) "
    ".mm-saved{--k:#d896d8;--c:#9da5ae;--s:#e8a27c}"
    ".mm-saved pre b{color:var(--k)}.mm-saved pre i{color:var(--c)}.mm-saved pre span{color:var(--s)}"
    "@media print{.mm-saved pre{white-space:pre-wrap}}</style>"
)
COLUMNS = (
    "<style>.mm-saved{max-width:none}.mm-saved>div{display:grid;gap:1em;"
    "grid-template-columns:repeat(auto-fit,minmax(min(100%,22em),1fr))}"
    ".mm-saved section{min-width:0;border-top:1px solid #8888}</style>"
)
"""Only for several answers."""
DIRECTIONS = "<style>.mm-saved [dir]{text-align:start}.mm-saved :is(ol,ul)[dir]{padding:0 2em}</style>"
"""Only for text with blocks that are written from right to left."""


def make_bundle(
    turn: Turn, *, answer_format: AnswerFormat = "markdown", quiet: bool = False, notes: Sequence[str] = ()
) -> dict[str, Any]:
    """Make the MIME bundle of a turn.

    Args:
        answer_format: How the answer's text is displayed.
        quiet: Fold everything behind one line.
        notes: Lines below the answer beside the notes of the turn: those about this run.
    """
    answers = compared(turn)
    last = [*notes, *([choice_text(turn)] if len(answers) > 1 else [])]
    images = _images_html(messages.images_in(turn.messages[0]), "of the prompt") if turn.messages else ""
    if len(answers) > 1:
        shown = [_answer_html(each, "".join(_blocks_html(each, answer_format)), turn) for each in answers]
        html = f"{images}<div>{''.join(shown)}</div>{_footer(last)}"
    else:
        html = f"{images}{''.join(_blocks_html(turn, answer_format))}{_turn_footer(turn, notes)}"
    if quiet:
        html = f"<details><summary>{_escape(usage_line.summary_line(turn))}</summary>{html}</details>"
    bundle: dict[str, Any] = {
        MIME_TYPE: turn.record(),
        "text/html": _page(html, wide=len(answers) > 1),
        "text/markdown": _markdown(turn, answer_format),
        "text/plain": _plain(turn),
    }
    if not _fits(bundle, turn):
        bundle["text/markdown"] = _markdown(turn, answer_format, cut=True)
    if not _fits(bundle, turn) and len(answers) > 1:
        shown = [_answer_html(each, _folded("Answer", each.text, open_=True), turn) for each in answers]
        bundle["text/html"] = _page(f"{images}{''.join(shown)}{_footer(last)}")
    elif not _fits(bundle, turn):
        bundle["text/html"] = _page(f"{images}{_folded('Answer', turn.text, open_=True)}{_turn_footer(turn, notes)}")
    return without_surrogates(bundle)  # the notebook could not be saved with them


def output_metadata(notes: Sequence[str]) -> dict[str, Any]:
    """Return the metadata of the output that contains the bundle: the notes, which are not part of the turn."""
    return {MIME_TYPE: {"notes": list(notes)}} if notes else {}


def _turn_footer(turn: Turn, notes: Sequence[str] = ()) -> str:
    return _footer([usage_line.summary_line(turn), *_notes(turn), *notes], turn.error or "")


def _footer(lines: Sequence[str], error: str = "") -> str:
    shown = [_escape(line) for line in lines] + ([f"<strong>{_escape(error)}</strong>"] if error else [])
    return f"<footer>{'<br>'.join(shown)}</footer>"


def _answer_html(answer: Turn, html: str, turn: Turn) -> str:
    """Return one of several answers with its title."""
    return (
        f"<section><p><strong>{_escape(answer_title(answer, turn))}</strong></p>{html}{_turn_footer(answer)}</section>"
    )


def _page(html: str, *, wide: bool = False) -> str:
    style = f"{STYLE}{DIRECTIONS}" if has_right_to_left(html) else STYLE
    style += COLUMNS if wide else ""
    return f'<div class="mm-saved" style="{BOX}">{style}{markdown.break_delimiters(html)}</div>'


def _escape(text: str) -> str:
    return escape(escape_controls(text), quote=False)


def _fits(bundle: dict[str, Any], turn: Turn) -> bool:
    """Check the bundle's size against all text of the turn and its versions, including thinking and tools."""
    turns = [turn, *turn.versions]
    texts = [
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for each in turns
        for message in each.messages
        for block in blocks(message)
        for key, value in block.items()
        if key in ("text", "thinking", "input", "content", "source")
    ]
    summaries = [each.compacted for each in turns if each.compacted is not None]
    texts += [json.dumps(each.changes, ensure_ascii=False) for each in turns]
    texts += ["".join([each.summary, *each.turns, *each.pinned]) for each in summaries]
    text_size = sum(len(text.encode("utf-8", "replace")) for text in texts)
    size = len(json.dumps(bundle, ensure_ascii=False).encode("utf-8", "replace"))
    calls = sum(max(1, len(each.responses)) for each in turns) + sum(len(each.responses) + 1 for each in summaries)
    more = calls + len(compared(turn)) - 2
    return size <= SIZE_FACTOR * text_size + SIZE_EXTRA + SIZE_CALL * more


def _cut(text: str) -> str:
    """Cut a fallback text at `PLAIN_LIMIT` characters."""
    if len(text) <= PLAIN_LIMIT:
        return text
    return f"{text[:PLAIN_LIMIT]}\n… [{counted(len(text) - PLAIN_LIMIT, 'more character')} in the cell's other formats]"


def notes_below(turn: Turn) -> list[str]:
    """Return the lines below an answer: its verdict, its notes, the changes of the notebook, and its error."""
    return [*_notes(turn), *([turn.error] if turn.error else [])]


def _notes(turn: Turn) -> list[str]:
    return [*filter(None, [verdict_text(turn)]), *turn.notes, *turn.change_lines]


def _plain(turn: Turn) -> str:
    answers = compared(turn)
    parts = []
    for each in answers:
        title = [f"── {answer_title(each, turn)} ──"] if len(answers) > 1 else []
        text = each.text or usage_line.summary_line(each)
        parts += [*title, _cut(escape_controls(text)), *notes_below(each)]
    return "\n".join([parts[0] if len(answers) == 1 else escape_controls(parts[0]), *map(escape_controls, parts[1:])])


def _markdown(turn: Turn, answer_format: AnswerFormat, *, cut: bool = False) -> str:
    """Return the answer as Markdown, or several below their titles."""
    answers = compared(turn)
    if len(answers) == 1:
        return _answer_markdown(turn, answer_format, cut=cut)
    texts = (_answer_markdown(each, answer_format, cut=cut) for each in answers)
    titles = (f"**{sanitize_markdown(escape_controls(answer_title(each, turn)))}**" for each in answers)
    return "\n\n".join(part for pair in zip(titles, texts, strict=True) for part in pair if part)


def _answer_markdown(turn: Turn, answer_format: AnswerFormat, *, cut: bool) -> str:
    """Return an answer as Markdown. Notes are in a code block, where no character has a meaning."""
    text, notes = turn.text, notes_below(turn)
    if answer_format == "markdown":
        answer = sanitize_markdown(_cut(text) if cut else text)
    else:
        shown = escape_controls(format_answer(text, answer_format))
        answer = fence(_cut(shown) if cut else shown, "json" if answer_format == "json" else "")
    below = [fence(escape_controls("\n".join(notes)))] if notes else []
    return "\n\n".join(filter(None, [answer, *below]))


def _images_html(images: Sequence[Block], whose: str) -> str:
    """Return images. Only their own data is shown, so nothing is loaded."""
    sources = [image.get("source") for image in images]
    found = [source for source in sources if isinstance(source, dict) and _is_image(source)]
    return "".join(
        f'<p><img alt="image {number} {whose}" src="data:{source["media_type"]};base64,{source["data"]}"></p>'
        for number, source in enumerate(found, 1)
    )


def _is_image(source: dict[str, Any]) -> bool:
    """Return whether the source of an image block has the data of an image of a harmless type."""
    data = source.get("data")
    harmless = source.get("type") == "base64" and source.get("media_type") in IMAGE_TYPES
    return harmless and isinstance(data, str) and _BASE64.fullmatch(data) is not None


def _blocks_html(turn: Turn, answer_format: AnswerFormat) -> Iterator[str]:
    if turn.compacted is not None and turn.compacted.turns:
        yield _folded(str(turn.compacted), turn.compacted.summary)
    results = {
        str(block.get("tool_use_id")): block
        for message in turn.messages[1:]
        if message["role"] == "user"
        for block in blocks(message)
        if block.get("type") == "tool_result"
    }
    answers = [message for message in turn.messages if message["role"] == "assistant"]
    for call_number, message in enumerate(answers):
        for block in blocks(message):
            if isinstance(block.get(REASONING), str):
                yield _folded("Thinking", block[REASONING])
            if block.get("type") == "text":
                yield from _text_block_html(str(block.get("text", "")), answer_format)
            else:
                yield _block_html(block, turn, call_number, results)
        for call in text_calls_of(turn, call_number):
            result = None if call.result is None else {"content": [{"type": "text", "text": call.result}, *call.images]}
            yield _call_html(call.name, call.input, result, usage_line.tool_outcome(turn, call.id))


def _block_html(block: Block, turn: Turn, call_number: int, results: dict[str, Block]) -> str:
    kind = block.get("type")
    if kind == "thinking":
        return _folded(usage_line.thinking_label(turn, call_number), str(block.get("thinking", "")))
    if kind == "redacted_thinking":
        return _folded("Thinking redacted by the provider", "")
    if kind == "tool_use" and block.get("name") == ANSWER:
        return markdown.render_code(
            json.dumps(block.get("input"), ensure_ascii=False, indent=2, sort_keys=True), "json"
        )
    if kind == "tool_use":
        result = results.get(str(block.get("id")))
        outcome = usage_line.tool_outcome(turn, block.get("id"))
        return _call_html(block.get("name"), block.get("input"), result, outcome)
    return _folded(f"Block of type {kind}", json.dumps(block, ensure_ascii=False, indent=1, sort_keys=True))


def _call_html(name: object, arguments: Any, result: Mapping[str, Any] | None, outcome: str) -> str:
    """Return a call with the text that was shown when it was approved, folded unless its result has images."""
    is_call = isinstance(arguments, dict)
    parts = call_parts(str(name), arguments) if is_call else [shown_part("", "json", json_text(arguments))]
    inner = "".join(markdown.render_code(part.text, part.language) for part in parts)
    images = ""
    if result is not None:
        inner += f"<pre>→ {_escape(messages.result_text(result))}</pre>"
        images = _images_html(messages.images_in(result), "of the result")
    summary = _escape(" · ".join(filter(None, [f"Tool: {name}", outcome])))
    return f"<details{' open' if images else ''}><summary>{summary}</summary>{inner}{images}</details>"


def _text_block_html(text: str, answer_format: AnswerFormat) -> Iterator[str]:
    """Yield the parts of a text: what the reader reads, and thinking that the model wrote into it."""
    for part in split_thinking(text):
        yield _folded("Thinking", part.text) if part.kind == "thinking" else _text_html(part.text, answer_format)


def _text_html(text: str, answer_format: AnswerFormat) -> str:
    if answer_format == "markdown":
        return markdown.render_html(text)
    return markdown.render_code(format_answer(text, answer_format), "json" if answer_format == "json" else "")


def _folded(title: str, text: str, images: str = "", *, open_: bool = False) -> str:
    inner = escape(escape_controls(text).lstrip("\n"), quote=False)
    content = f"<pre>{inner}</pre>" if inner else ""
    return f"<details{' open' if open_ else ''}><summary>{_escape(title)}</summary>{content}{images}</details>"
