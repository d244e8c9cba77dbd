"""Tab completion of flags, their values, commands and settings on the line of a magic."""

from __future__ import annotations

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from mm_magics.api.models import CATALOGUE
from mm_magics.config import MiniMax
from mm_magics.ipython.flags import FLAGS
from mm_magics.tools.approval import VERDICTS
from mm_magics.tools.builtin.catalogue import TOOL_NAMES


@context_matcher()  # type: ignore[untyped-decorator]
def complete(context: CompletionContext) -> SimpleMatcherResult:
    """IPython's matcher: it completes the line of a magic, and nothing in the text below `%%minimax`."""
    line = context.line_with_cursor[: context.cursor_position]
    if not line.startswith(("%minimax", "%%minimax")) or (line.startswith("%%") and context.cursor_line > 0):
        return SimpleMatcherResult(completions=[])
    words = [SimpleCompletion(text=word, type="magic") for word in completions(line)]
    return SimpleMatcherResult(completions=words, suppress=True)


def completions(text: str) -> list[str]:
    """Return the words that can complete `text`, the line up to the cursor.

    >>> completions("%%minimax --max-t")
    ['--max-tokens']
    """
    word = text.split()[-1] if text and not text[-1].isspace() else ""
    before = text[: len(text) - len(word)].split()
    if not before:
        return []
    if before[0] == "%%minimax":
        candidates = _after_flags(before)
    else:
        candidates = _after_command(before[1:]) if before[0] == "%minimax" else []
    return [candidate for candidate in candidates if candidate.startswith(word)]


def _after_flags(words: list[str]) -> list[str]:
    flag = next((flag for flag in FLAGS if words[-1] in flag.names and flag.metavar), None)
    if flag is None:
        return [name for flag in FLAGS for name in flag.names]
    return list(CATALOGUE) if flag.setting == "model" else list(flag.choices)


def _after_command(words: list[str]) -> list[str]:
    from mm_magics.ipython.commands import COMMANDS, mcp

    match words:
        case []:
            return [command.name for command in COMMANDS]
        case ["model" | "price"]:
            return list(CATALOGUE)
        case ["set"]:
            return sorted(MiniMax.class_trait_names(config=True))
        case ["tools"]:
            return [*VERDICTS, "forget"]
        case ["tools", verb]:
            return [*TOOL_NAMES, *(["all"] if verb == "forget" else [])]
        case ["mcp"]:
            return list(mcp.SUBCOMMANDS)
    return []
