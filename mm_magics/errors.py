"""Every error that mm_magics raises, in one hierarchy.

    MiniMaxError
    ├── UsageError              what was typed cannot be done; nothing was sent
    │   ├── ArgumentError       a flag or its value
    │   ├── PromptError         the cell's text: empty, or a {{ expr }} that fails
    │   └── NotRecorded         `replay` is `only`, and there is no record for this request
    ├── ConfigError             settings that cannot work: a base URL that is not one
    │   └── KeyMissing          no key for this endpoint
    ├── RequestError            the request breaks the endpoint's contract; nothing was sent
    ├── EndpointError           the endpoint, or the way to it
    │   ├── ConnectionFailed    no connection, or it broke, or it fell silent
    │   ├── StatusError         an HTTP status other than 2xx, or an error event in the stream
    │   └── ProtocolError       an answer that is not the Messages API's
    ├── ToolError               a tool could not do what a model asked; told to the model, not to the user
    │   └── ToolInputError      the arguments do not fit
    ├── ServerError             an MCP server that cannot be started, or does not answer
    ├── RecordError             a turn record that cannot be read
    ├── NotebookError           a notebook file that cannot be read as one
    ├── StoreError              a store of answers that cannot be used
    └── Interrupted             the user interrupted the turn; what came is kept

Always true: `str(error)` is one or two plain lines, the second saying what to do, and after them what a server wrote
last, if it is one of those; it never holds a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mm_magics.history.turn import Turn


class MiniMaxError(Exception):
    """Base of all errors here. `message` says what happened, `hint` what to do about it ("" if nothing)."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: where in our code it happened helps nobody."""
        return str(self).splitlines()


class UsageError(MiniMaxError):
    """What was typed cannot be done; nothing was sent."""


class ArgumentError(UsageError):
    """An unknown flag, or a value that a flag does not take."""


class PromptError(UsageError):
    """The prompt is empty, or one of its expressions failed."""


class NotRecorded(UsageError):
    """`replay` is `only`, and there is no record for exactly this request."""


class ConfigError(MiniMaxError):
    """A setting that cannot work."""


class KeyMissing(ConfigError):
    """There is no key that was given for this endpoint's host."""


class RequestError(MiniMaxError):
    """The request breaks the endpoint's contract; it was not sent."""


class EndpointError(MiniMaxError):
    """The endpoint answered with a fault, or could not be reached. `turn` is what came before it, None outside one."""

    turn: Turn | None = None


class ConnectionFailed(EndpointError):
    """No connection, a connection that broke, or one that fell silent."""


class StatusError(EndpointError):
    """An error body from the endpoint, with an HTTP status or as an `error` event in mid-stream.

    `status` is the HTTP status (200 for an event), `type` the API's error type (None where there was none),
    `request_id` what the endpoint calls this request (None where it does not say).
    """

    def __init__(
        self, message: str, hint: str = "", *, status: int, type: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.type = type
        self.request_id = request_id


class ProtocolError(EndpointError):
    """An answer that is not the Messages API's: HTML, empty, or cut."""


class ToolError(MiniMaxError):
    """A call of a tool that failed for a reason that can be said in a line; it becomes an `is_error` result."""


class ToolInputError(ToolError):
    """A model's arguments do not fit the tool's schema; the message says which and why."""


class ServerError(MiniMaxError):
    """An MCP server that cannot be started, or does not answer. `tail`: the last lines of its stderr, harmless."""

    def __init__(self, message: str, hint: str = "", *, tail: Sequence[str] = ()) -> None:
        super().__init__(message, hint)
        self.tail = tuple(tail)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(["Its stderr ends with:", *self.tail] if self.tail else [])])


class RecordError(MiniMaxError):
    """A turn record that is damaged, or of a newer schema."""


class NotebookError(MiniMaxError):
    """A notebook file that cannot be read as one."""


class StoreError(MiniMaxError):
    """A store of answers that is none, is damaged, of another schema, or cannot be written; it is left as it is."""


class Interrupted(MiniMaxError):
    """The user interrupted the turn; what came is kept. `result` is what a run over rows has brought, else None."""

    result: Any = None


def reported(body: dict[str, Any], status: int = 200) -> StatusError:
    """The error that an error body, or an `error` event, stands for."""
    error = body.get("error")
    error = error if isinstance(error, dict) else {"message": error if isinstance(error, str) else None}
    request_id = body.get("request_id")
    return StatusError(
        str(error.get("message") or "The endpoint reported an error without saying which."),
        status=status,
        type=str(error["type"]) if error.get("type") else None,
        request_id=request_id if isinstance(request_id, str) else None,
    )
