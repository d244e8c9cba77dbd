"""Every error that mm_magics raises, in one hierarchy.

    MiniMaxError
    ├── UsageError                  the cell asks for something that cannot be done; nothing was sent
    │   ├── ArgumentError           an unknown flag, or a value the flag does not accept
    │   ├── PromptError             an empty prompt, or a {{ expr }} that fails
    │   ├── NotRecordedError        `replay` is `only` and this request has no record
    │   └── NeverSendError          the request would contain what the setting `never_send` names
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
    ├── AgreementError              the answers of a trial agree with their labels less than required
    └── TurnInterruptedError        the user interrupted the turn; the partial response is kept

`str(error)` is the message, then the hint on a line of its own. It never contains an API key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mm_magics.text import escape_controls


class MiniMaxError(Exception):
    """Base class. `message` says what happened, `hint` what to do about it ("" if nothing)."""

    is_shown = False
    """Whether the output of the cell shows the error already, as a part of the turn."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows instead of a traceback, which would only show code of this package."""
        return (
            ["The call failed. The answer above says why."]
            if self.is_shown
            else escape_controls(str(self)).splitlines()
        )


class UsageError(MiniMaxError):
    """The cell or command asks for something that cannot be done. Nothing was sent."""


class ArgumentError(UsageError):
    """An unknown flag, or a value that the flag does not accept."""


class PromptError(UsageError):
    """The prompt is empty, or one of its expressions fails."""


class NotRecordedError(UsageError):
    """`replay` is `only`, and no record matches this request."""


class NeverSendError(UsageError):
    """The request would contain what the setting `never_send` names. It was not sent."""


class ConfigError(MiniMaxError):
    """A setting that cannot work."""


class MissingKeyError(ConfigError):
    """No API key was found for this endpoint's host."""


class RequestError(MiniMaxError):
    """The request breaks the endpoint's contract. It was not sent."""


class EndpointError(MiniMaxError):
    """The endpoint failed or could not be reached. `turn` is the partial turn, None outside a turn."""

    turn: Any = None
    """The partial `Turn`; typed `Any` because `history` is a higher layer."""


class ConnectionFailedError(EndpointError):
    """No connection, a broken connection, or a timeout."""


class StatusError(EndpointError):
    """An error that the endpoint reported, with an HTTP error status or as an `error` event during the stream.

    `status` is the HTTP status (200 for an event), `type` the API's error type, and `request_id` the endpoint's ID of
    the request; the last two are None if the endpoint does not report them.
    """

    def __init__(
        self, message: str, hint: str = "", *, status: int, type: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.type = type
        self.request_id = request_id


class ProtocolError(EndpointError):
    """A response that does not follow the Messages API: HTML, empty, or cut off."""


class ToolError(MiniMaxError):
    """A tool call failed. The model receives the message as an `is_error` result."""


class ToolInputError(ToolError):
    """The model's arguments do not match the tool's schema. The message says which and why."""


class MCPServerError(MiniMaxError):
    """An MCP server cannot be started or does not respond. `tail` has the last lines of its stderr, escaped."""

    def __init__(self, message: str, hint: str = "", *, tail: Sequence[str] = ()) -> None:
        super().__init__(message, hint)
        self.tail = tuple(tail)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(["Its stderr ends with:", *self.tail] if self.tail else [])])


class RecordError(MiniMaxError):
    """A turn record is damaged, or has a newer schema."""


class NotebookError(MiniMaxError):
    """A file cannot be read as a notebook."""


class StoreError(MiniMaxError):
    """The answer store is damaged, incompatible or read-only. It is never modified."""


class AgreementError(MiniMaxError):
    """The answers of a trial agree with their labels less than required."""


class TurnInterruptedError(MiniMaxError):
    """The user interrupted the turn. The partial response is kept; `result` is the partial result of a map run."""

    result: Any = None
