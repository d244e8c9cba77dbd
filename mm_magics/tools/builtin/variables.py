"""The built-in tool `variables`: lists the user's variables.

It runs no code of the objects it names, except to read the shape of arrays and data frames.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from fnmatch import fnmatchcase
from numbers import Integral
from types import ModuleType
from typing import Annotated, Any

from pydantic import Field

from mm_magics.prompt.values import cut
from mm_magics.tools.builtin.bounded_text import LIMIT
from mm_magics.tools.builtin.typed_function import builtin_tool
from mm_magics.tools.tool import Tool
from mm_magics.wording import counted

RISK = "Names, types and sizes of your variables are sent to the endpoint; their values are not."

_SIZED: tuple[Any, ...] = (str, bytes, bytearray, list, tuple, dict, set, frozenset, range, deque)
_SHAPED = ("numpy.", "pandas.", "polars.", "pyarrow.", "scipy.", "xarray.", "torch.", "jax.", "jaxlib.", "dask.array.")
"""Prefixes of the modules whose types know their shape without computing anything."""

_IPYTHON_NAMES = frozenset(("In", "Out", "exit", "quit", "get_ipython", "open"))


def variables_tool(namespace: Mapping[str, Any]) -> Tool:
    """Make the tool `variables`."""
    return builtin_tool(variables, namespace, risk=RISK)


def variables(
    namespace: Mapping[str, Any],
    pattern: Annotated[str, Field(strict=True, description="Pattern of the names to list, with * and ?.")] = "*",
) -> str:
    """List the variables of the user's notebook: name, type, and shape or number of items. No values."""
    own = {name: value for name, value in dict(namespace).items() if _is_own(name, value)}
    lines = [f"{name}: {kind_of(own[name])}" for name in sorted(own) if fnmatchcase(name, pattern)]
    return cut("\n".join(lines), LIMIT) or f"None of the {counted(len(own), 'variable')} matches {pattern!r}."


def _is_own(name: Any, value: Any) -> bool:
    return (
        isinstance(name, str)
        and not name.startswith("_")
        and name not in _IPYTHON_NAMES
        and not issubclass(type(value), ModuleType)  # isinstance would read the object's __class__
    )


def kind_of(value: Any) -> str:
    """Return the type, and the shape or length if reading it computes nothing."""
    try:
        module, name = type(value).__module__, type(value).__qualname__
        kind = name if module == "builtins" else f"{module}.{name}"
        for sized in _SIZED:
            if issubclass(type(value), sized):
                return f"{kind}, {counted(sized.__len__(value), 'character' if sized is str else 'item')}"
        if f"{module}.".startswith(_SHAPED) and isinstance(shape := getattr(value, "shape", None), tuple):
            return f"{kind}, shape ({', '.join(str(int(n)) if isinstance(n, Integral) else '?' for n in shape)})"
        return kind
    except Exception:  # an object whose own code fails
        return "object"
