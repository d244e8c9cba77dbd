"""The final bundle: all that a prompt cell leaves in the notebook.

Always true: it holds the turn record, `text/html`, `text/markdown` and `text/plain`, never a widget view; the HTML is
inert and reads well with no kernel, no script and no style sheet; all of it is at most 4 × the text plus 3 kB, and 1 kB
for each further call of the model, so `text/plain` is cut (visibly) where the text is long, and `text/markdown` where
the HTML needs the room.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from mm_magics.api.messages import ANSWER, Block, blocks
from mm_magics.display import markdown, safe_markdown, sanitize, usage_line
from mm_magics.display.answer_format import Form, shaped
from mm_magics.history.turn import MIME_TYPE, Turn

PLAIN_LIMIT = 1_500
SIZE_FACTOR = 4
SIZE_EXTRA = 3_000
SIZE_CALL = 1_000
"""What the record of a further call of the model holds beside text: ids, usage, times, a signature."""

STYLE = (
    "<style>.mm-saved{max-width:60em;overflow-wrap:break-word}"
    ".mm-saved details{margin:.3em 0;border-left:3px solid #8888;padding-left:.6em}"
    ".mm-saved summary,.mm-saved footer{color:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,#666))}"
    ".mm-saved pre{background:#8881;padding:.5em;overflow:auto}.mm-saved details>pre{white-space:pre-wrap}"
    ".mm-saved table{display:block;overflow:auto}.mm-saved :is(th,td){padding:.2em .6em}"
    ".mm-saved{--k:#a0489f;--c:#57606a;--s:#a5430f}"
    ".mm-saved footer{font-size:85%}"
    ":is([data-jp-theme-light=false],.vscode-dark,.vscode-high-contrast:not(.vscode-high-contrast-light),[theme=dark]) "
    ".mm-saved{--k:#d896d8;--c:#9da5ae;--s:#e8a27c}"
    ".mm-saved pre b{color:var(--k)}.mm-saved pre i{color:var(--c)}.mm-saved pre span{color:var(--s)}"
    "@media print{.mm-saved pre{white-space:pre-wrap}}</style>"
)


def bundle(turn: Turn, *, form: Form = "markdown", quiet: bool = False, notes: Sequence[str] = ()) -> dict[str, Any]:
    """The MIME bundle of a turn. `form` is what its text is taken for; `quiet` folds it all behind one line."""
    text = turn.text
    body = "".join(_blocks_html(turn, form))
    foot = "<br>".join(escape(sanitize.visible(line), quote=False) for line in (usage_line.line(turn), *notes))
    if turn.error:
        foot += f"<br><strong>{escape(sanitize.visible(turn.error), quote=False)}</strong>"
    inside = f"{body}<footer>{foot}</footer>"
    if quiet:
        line = escape(sanitize.visible(usage_line.line(turn)), quote=False)
        inside = f"<details><summary>{line}</summary>{inside}</details>"
    made: dict[str, Any] = {
        MIME_TYPE: turn.record(),
        "text/html": f'<div class="mm-saved">{STYLE}{inside}</div>',
        "text/markdown": _markdown(text, form),
        "text/plain": _cut(sanitize.visible(text or usage_line.line(turn))),
    }
    if not _fits(made, turn):
        made["text/markdown"] = _cut(made["text/markdown"])
    if not _fits(made, turn):
        made["text/html"] = (
            f'<div class="mm-saved">{STYLE}{_folded("Answer", text, open_=True)}<footer>{foot}</footer></div>'
        )
    return _storable(made)


def metadata(notes: Sequence[str]) -> dict[str, Any]:
    """The output's metadata beside the bundle: what was to be said of the run, which is no part of the turn."""
    return {MIME_TYPE: {"notes": list(notes)}} if notes else {}


def _storable(made: dict[str, Any]) -> dict[str, Any]:
    """The bundle as a file can hold it: half a character is no UTF-8, and would keep the notebook from being saved."""
    written = json.dumps(made, ensure_ascii=False)
    try:
        written.encode()
    except UnicodeEncodeError:
        made = json.loads(written.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    return made


def _fits(made: dict[str, Any], turn: Turn) -> bool:
    """Whether the bundle keeps to its size, against all text of the turn, thinking and tools included."""
    arrived = [
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for message in turn.messages
        for block in blocks(message)
        for key, value in block.items()
        if key in ("text", "thinking", "input", "content")
    ]
    said = sum(len(text.encode("utf-8", "replace")) for text in arrived)
    size = len(json.dumps(made, ensure_ascii=False).encode("utf-8", "replace"))
    return size <= SIZE_FACTOR * said + SIZE_EXTRA + SIZE_CALL * max(0, len(turn.responses) - 1)


def _cut(text: str) -> str:
    """The text for where there is something better, cut at PLAIN_LIMIT characters."""
    if len(text) <= PLAIN_LIMIT:
        return text
    return f"{text[:PLAIN_LIMIT]}\n… [{len(text) - PLAIN_LIMIT:,} more characters in the cell's other formats]"


def _markdown(text: str, form: Form) -> str:
    if form == "markdown":
        return safe_markdown.tamed(text)
    return safe_markdown.fenced(sanitize.visible(shaped(text, form)), "json" if form == "json" else "")


def _blocks_html(turn: Turn, form: Form) -> Iterator[str]:
    results = {
        str(block.get("tool_use_id")): block
        for message in turn.messages[1:]
        if message["role"] == "user"
        for block in blocks(message)
        if block.get("type") == "tool_result"
    }
    said = [message for message in turn.messages if message["role"] == "assistant"]
    for number, message in enumerate(said):
        for block in blocks(message):
            yield _block_html(block, turn, number, form, results)


def _block_html(block: Block, turn: Turn, number: int, form: Form, results: dict[str, Block]) -> str:
    kind = block.get("type")
    if kind == "text":
        return _text_html(str(block.get("text", "")), form)
    if kind == "thinking":
        return _folded(usage_line.thought(turn, number), str(block.get("thinking", "")))
    if kind == "redacted_thinking":
        return _folded("Thinking that the endpoint keeps to itself", "")
    if kind == "tool_use" and block.get("name") == ANSWER:
        return markdown.code(json.dumps(block.get("input"), ensure_ascii=False, indent=2, sort_keys=True), "json")
    if kind == "tool_use":
        result = results.get(str(block.get("id")))
        said = json.dumps(block.get("input"), ensure_ascii=False, indent=1, sort_keys=True)
        if result is not None:
            said += f"\n→ {result.get('content')}"
        ended = usage_line.called(turn, block.get("id"))
        return _folded(" · ".join(filter(None, [f"Tool: {block.get('name')}", ended])), said)
    return _folded(f"A block of type {kind}", json.dumps(block, ensure_ascii=False, indent=1, sort_keys=True))


def _text_html(text: str, form: Form) -> str:
    if form == "markdown":
        return markdown.html(text)
    return markdown.code(shaped(text, form), "json" if form == "json" else "")


def _folded(title: str, text: str, *, open_: bool = False) -> str:
    summary = escape(sanitize.visible(title), quote=False)
    inner = escape(sanitize.visible(text).lstrip("\n"), quote=False)
    folded = f"<pre>{inner}</pre>" if inner else ""
    return f"<details{' open' if open_ else ''}><summary>{summary}</summary>{folded}</details>"
