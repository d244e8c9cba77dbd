"""Tab completion: flags, their values, commands and settings on the line of a magic, and Python in `{{ }}`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from types import FunctionType
from typing import Any, NamedTuple

from IPython.core.completer import (
    IPCompleter,
    cursor_to_position,
    provisionalcompleter,
    rectify_completions,
)

from mm_magics.api.models import CATALOGUE
from mm_magics.config import MiniMax
from mm_magics.ipython.cell_cursor import place_of
from mm_magics.ipython.flags import FLAGS, Flag
from mm_magics.session import Session
from mm_magics.tools.approval import VERDICTS
from mm_magics.tools.builtin.catalogue import NOTEBOOK, TOOL_NAMES
from mm_magics.tools.tool import Tool


class Completions(NamedTuple):
    """Texts that can replace the end of what is before the cursor, each with its type for the page."""

    found: Sequence[tuple[str, str | None]]
    replaced: str


def complete_with(shell: Any, session: Session) -> None:
    """Complete the line of a magic, and the expressions in a prompt, with IPython.

    IPython before 8.6 (Google Colab has 7.34) asks about one line, so only the line of a magic is completed there.
    """
    try:
        from IPython.core.completer import SimpleCompletion, SimpleMatcherResult, context_matcher
    except ImportError:
        shell.set_hook("complete_command", partial(_complete_line, session), re_key=r"%%?minimax\b")
        return

    @context_matcher()  # type: ignore[untyped-decorator]
    def complete(context: Any) -> SimpleMatcherResult:
        code = context.full_text
        cursor = cursor_to_position(code, context.cursor_line, context.cursor_position)
        made = _completions_at(shell, session, code, cursor)
        if made is None:
            return SimpleMatcherResult(completions=[])
        found = [SimpleCompletion(text=text, type=kind) for text, kind in made.found]
        return SimpleMatcherResult(completions=found, matched_fragment=made.replaced, suppress=True)

    shell.Completer.custom_matchers.append(complete)


def _completions_at(shell: Any, session: Session, code: str, cursor: int) -> Completions | None:
    """Return what completes the cell at the cursor; None where it is not a prompt's or a command's."""
    place = place_of(code, cursor)
    if place is None:
        return None
    before = place.text[: place.cursor]
    if place.kind == "expression":
        return _python_completions(shell, before)
    words = completions(before, tool_names(session), own_functions(session))
    return Completions([(word, "magic") for word in words], _split(before)[-1])


def _complete_line(session: Session, _shell: Any, event: Any) -> list[str]:
    """Complete the line of a magic, as a hook of IPython before 8.6.

    It replaces `event.symbol`, which can be shorter or longer than the word that we complete.
    """
    before = event.text_until_cursor
    word = _split(before)[-1]
    words = completions(before, tool_names(session), own_functions(session))
    symbol = event.symbol
    if word.endswith(symbol):
        return [each[len(word) - len(symbol) :] for each in words]
    return [symbol.removesuffix(word) + each for each in words]


def completions(text: str, tools: Sequence[str] = TOOL_NAMES, functions: Sequence[str] = ()) -> list[str]:
    """Return the words that can complete `text`, the line up to the cursor.

    `tools` can be named after `--tools`, and `functions` after `--check`.

    >>> completions("%%minimax --max-t"), completions("%%minimax --tools python,var")
    (['--max-tokens'], ['variables'])
    """
    before, listed, word = _split(text)
    if not before:
        return []
    if before[0] == "%%minimax":
        candidates = _after_flags(before, tools, functions)
    else:
        candidates = _after_command(before[1:]) if before[0] == "%minimax" else []
    return [each for each in candidates if each.startswith(word) and each not in listed]


def tool_names(session: Session) -> list[str]:
    """Return the names that can follow `--tools`: of built-in tools, of the user's functions, and of MCP servers."""
    own = [name for name, value in _own_names(session) if isinstance(value, Tool) or _is_own_function(value)]
    return list(dict.fromkeys([*session.builtin(), NOTEBOOK, *own, *session.servers.names]))


def own_functions(session: Session) -> list[str]:
    """Return the names of the user's functions."""
    return [name for name, value in _own_names(session) if _is_own_function(value)]


def _own_names(session: Session) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in session.namespace.items() if not name.startswith("_")]


def flag_named(name: str) -> Flag | None:
    """Return the flag with this short or long name."""
    return next((flag for flag in FLAGS if name in flag.names), None)


def _is_own_function(value: object) -> bool:
    return isinstance(value, FunctionType) and value.__module__ == "__main__"


def _split(text: str) -> tuple[list[str], list[str], str]:
    """Return the words before the cursor, and the one at it: what its list already names, and what is completed."""
    word = text.split()[-1] if text and not text[-1].isspace() else ""
    before = text[: len(text) - len(word)].split()
    name, equals, value = word.partition("=")
    if equals and flag_named(name):
        before, word = [*before, name], value
    flag = flag_named(before[-1]) if before else None
    *listed, word = word.split(",") if flag and flag.setting in ("tools", "model") else [word]
    return before, listed, word


def _after_flags(words: list[str], tools: Sequence[str], functions: Sequence[str]) -> Iterable[str]:
    flag = flag_named(words[-1])
    if flag is None or not flag.metavar:
        return [name for flag in FLAGS for name in flag.names]
    if flag.setting == "tools":
        return [*tools, "none"]
    if "--check" in flag.names:
        return functions
    return CATALOGUE if flag.setting == "model" else flag.choices


def _after_command(words: list[str]) -> Iterable[str]:
    from mm_magics.ipython.commands import COMMANDS, mcp

    match words:
        case []:
            return [command.name for command in COMMANDS]
        case ["model" | "price"]:
            return CATALOGUE
        case ["set"]:
            return sorted(MiniMax.class_trait_names(config=True))
        case ["tools"]:
            return [*VERDICTS, "forget"]
        case ["tools", verb]:
            return [*TOOL_NAMES, *(["all"] if verb == "forget" else [])]
        case ["mcp"]:
            return mcp.SUBCOMMANDS
    return []


def _python_completions(shell: Any, before: str) -> Completions:
    """Complete an expression as IPython completes a code cell. IPython's own completer is busy with the prompt."""
    configured = {name: getattr(shell.Completer, name) for name in ("use_jedi", "evaluation", "omit__names")}
    inner = IPCompleter(  # type: ignore[no-untyped-call]
        shell=shell, namespace=shell.user_ns, global_namespace=shell.user_global_ns, parent=shell, **configured
    )
    with provisionalcompleter():
        found = [each for each in inner.completions(before, len(before)) if not each.text.startswith("%")]
        found = list(rectify_completions(before, found))
    return Completions([(each.text, each.type) for each in found], before[found[0].start :] if found else "")
