"""Make built-in tools from typed functions, with the schema and checks that a user's function gets.

The function's name, docstring and `Field` descriptions are sent to the model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from typing import Any

from mm_magics.errors import ToolInputError
from mm_magics.text import is_utf8
from mm_magics.tools.schema.functions import tool_of
from mm_magics.tools.tool import Tool


def builtin_tool(
    function: Callable[..., Any], *context: Any, risk: str, asks: bool = False, beside_cells: bool = False
) -> Tool:
    """Make a tool that calls `function(*context, **arguments)`.

    Args:
        function: A function of a module: its schema is built once.
        context: Values for its first parameters, which the model does not see.
        risk: What a call may do, in a sentence for the user.
        asks: Whether each call requires approval.
        beside_cells: Whether a call may run while a cell runs.
    """
    template = _template(function, len(context))
    return replace(
        template,
        function=partial(function, *context),
        check=partial(_check, template),
        risk=risk,
        asks=asks,
        beside_cells=beside_cells,
    )


@cache
def _template(function: Callable[..., Any], bound: int) -> Tool:
    return tool_of(partial(function, *[None] * bound))


def _check(template: Tool, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """Check as for any function, but refuse lone surrogates: what is written or run is exactly what was approved."""
    for name, value in arguments.items():
        if isinstance(value, str) and not is_utf8(value):
            raise ToolInputError(f"{name}: it contains half a character (a lone surrogate).", "Send it without.")
    return template.check(arguments)
