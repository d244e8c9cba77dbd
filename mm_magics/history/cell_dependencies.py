"""Which cells another cell depends on: those that bind the names that it reads. Their code is not run."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Sequence

from mm_magics.history.notebook_context import CellRun

MAX_CELLS = 20
"""The most cells that are returned for another one, the nearest first."""

_IPYTHON_LINE = re.compile(r"^\s*[%!?].*$", re.MULTILINE)
_WORD = re.compile(r"[^\W\d]\w*")


def names_read(source: str) -> set[str]:
    """Return the names that code reads, without those of Python; all words of code that is not valid.

    >>> sorted(names_read("total = sum(df.price)")), sorted(names_read("print(x"))
    (['df'], ['x'])
    """
    tree = _tree(source)
    if tree is None:
        return set(_WORD.findall(source)) - set(dir(builtins))
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return read - set(dir(builtins))


def names_bound(source: str) -> set[str]:
    """Return the names that code binds, in functions too: variables, functions, classes and imports.

    >>> sorted(names_bound("import numpy as np\\nfrom a import b\\ndef f(): pass\\nx, y = 1, 2"))
    ['b', 'f', 'np', 'x', 'y']
    """
    tree = _tree(source)
    return set() if tree is None else set(_bound(tree))


def cells_needed(cell: CellRun, others: Sequence[CellRun]) -> list[CellRun]:
    """Return the cells that bind what a cell reads, and what these read in turn, in their order.

    Of several cells that bind a name, the last one counts.
    """
    binders: dict[str, int] = {}
    for number, other in enumerate(others):
        if not (other.is_ours or other.is_text or other.id == cell.id):
            binders |= dict.fromkeys(names_bound(other.source), number)
    needed: set[int] = set()
    waiting = [cell.source]
    while waiting and len(needed) < MAX_CELLS:
        found = {binders[name] for name in names_read(waiting.pop(0)) if name in binders} - needed
        for number in sorted(found, reverse=True)[: MAX_CELLS - len(needed)]:
            needed.add(number)
            waiting.append(others[number].source)
    return [others[number] for number in sorted(needed)]


def _tree(source: str) -> ast.Module | None:
    """Return the syntax tree of a cell without its lines for IPython; None if it is not valid."""
    try:
        return ast.parse(_IPYTHON_LINE.sub("", source))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _bound(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
