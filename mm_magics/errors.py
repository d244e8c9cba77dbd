"""Every error that mm_magics raises, in one hierarchy.

    MiniMaxError
    ├── UsageError                  the cell asks for something that cannot be done; nothing was sent
    │   ├── ArgumentError           an unknown flag, or a value the flag does not accept
    │   ├── PromptError             an empty prompt, or a {{ expr }} that fails
    │   └── NotRecordedError        `replay` is `only` and this request has no record
    ├── ConfigError                 settings that cannot work, such as an invalid base URL
    │   └── MissingKeyError         no API key for this endpoint
    ├── RequestError                the request breaks the endpoint's contract; nothing was sent
    ├── EndpointError               the endpoint failed or could not be reached
    │   ├── ConnectionFailedError   no connection, a broken connection, or a timeout
    │   ├── StatusError             an HTTP error status, or an error event in the stream
    │   └── ProtocolError           a response that does not follow the Messages API
    ├── ToolError                   a tool call failed; reported to the model, not raised to the user
    │   └── ToolInputError          the arguments do not match the tool's schema
    ├── MCPServerError              an MCP server that cannot be started or does not respond
    ├── RecordError                 a turn record that cannot be read
    ├── NotebookError               a notebook file that cannot be read
    ├── StoreError                  an answer store that cannot be used
    └── TurnInterruptedError        the user interrupted the turn; the partial response is kept

`str(error)` is the message, then the hint on a line of its own. It never contains an API key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


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


class NotRecordedError(UsageError):
    """`replay` is `only`, and there is no record for exactly this request."""


class ConfigError(MiniMaxError):
    """A setting that cannot work."""


class MissingKeyError(ConfigError):
    """There is no key that was given for this endpoint's host."""


class RequestError(MiniMaxError):
    """The request breaks the endpoint's contract; it was not sent."""


class EndpointError(MiniMaxError):
    """The endpoint answered with a fault, or could not be reached. `turn` is what came before it, None outside one."""

    turn: Any = None
    """The partial `Turn`; typed `Any` because `history` is a higher layer."""


class ConnectionFailedError(EndpointError):
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


class MCPServerError(MiniMaxError):
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


class TurnInterruptedError(MiniMaxError):
    """The user interrupted the turn; what came is kept. `result` is what a run over rows has brought, else None."""

    result: Any = None
