"""What we know about the MCP SDK beyond its documented interface. Its tests fail when the SDK changes.

- It reports an HTTP error that replaces an answer only by the text of an `MCPError`.
- It sends a stdout line that is not a message as a `ValidationError` whose input is the line.
- It passes a message to its reader as an object with the JSON-RPC message as `message`.
- It wraps errors in groups, because it runs tasks in them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from mcp import MCPError

HTTP_ERROR_TEXTS = ("Session terminated", "Server returned an error response")


def is_http_error(error: Exception) -> bool:
    """Return whether the server responded with an HTTP error status instead of an answer."""
    return isinstance(error, MCPError) and error.message in HTTP_ERROR_TEXTS


def invalid_line(error: Exception) -> str:
    """Return the line of stdout that was not a message."""
    with suppress(Exception):
        return repr(error.errors()[0]["input"])  # type: ignore[attr-defined]
    return str(error)


def tool_list(message: Any) -> dict[str, Any] | None:
    """Return the result of `tools/list` in a message from the server; None for any other message."""
    result = getattr(message.message, "result", None)
    return result if isinstance(result, dict) and "tools" in result else None


def unwrap(error: Exception) -> Exception:
    """Return the first error of an exception group, or the error itself."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error
